"""The processes of Ray and Spark on this machine, and the state that Ray reports.

The UI never joins Ray: a lost cluster would take the UI's process with it. Processes are listed
from outside; another process, the probe, joins Ray for a moment and reports details.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import psutil
import streamlit as st

from workbench.preflight import Check, diagnose

_PARTS = {
    "gcs_server": "Ray control service",
    "raylet": "Ray node",
    "RayDPAppMaster": "RayDP master",
    "RayDPExecutor": "Spark executor",
    "org.apache.spark.raydp": "Spark executor",
    "SparkSubmit": "Spark driver",
    "org.apache.spark.deploy": "Spark",
    "ray::": "Ray worker",
}
_PROBE_S = 25


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of Ray or Spark."""

    what: str
    pid: int
    title: str
    memory: float
    """Resident GiB."""
    seconds: float
    """Since it started."""


@dataclass(frozen=True, kw_only=True)
class RayReport:
    """The state that Ray reports."""

    nodes: list[dict[str, Any]]
    total: dict[str, float]
    free: dict[str, float]
    actors: list[dict[str, Any]]

    def count_used(self, resource: str) -> float:
        """How much of a resource is taken."""
        return self.total.get(resource, 0.0) - self.free.get(resource, 0.0)


def processes() -> list[Process]:
    """The processes of Ray and Spark on this machine that this user may see."""
    rows = []
    for process in psutil.process_iter(["cmdline", "memory_info", "create_time"]):
        command = process.info["cmdline"] or []
        text = " ".join(command)
        what = next((name for mark, name in _PARTS.items() if _is(mark, command, text)), None)
        if what is None or process.info["memory_info"] is None:
            continue
        rows.append(
            Process(
                what=what,
                pid=process.pid,
                title=command[0].rsplit("/", 1)[-1][:60] if command else "",
                memory=process.info["memory_info"].rss / 2**30,
                seconds=time.time() - process.info["create_time"],
            )
        )
    return sorted(rows, key=lambda p: (list(_PARTS.values()).index(p.what), p.pid))


def _is(mark: str, command: list[str], text: str) -> bool:
    if not command:
        return False
    if mark in ("gcs_server", "raylet", "ray::"):
        return command[0].rsplit("/", 1)[-1].startswith(mark) or command[0].startswith(mark)
    return "java" in command[0] and mark in text


def address() -> str | None:
    """`host:port` of the Ray on this machine; None without one."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command and command[0].endswith("gcs_server"):
            options = dict(w.lstrip("-").split("=", 1) for w in command[1:] if "=" in w)
            host, port = options.get("node-ip-address"), options.get("gcs_server_port")
            if host and port and port != "0":
                return f"{host}:{port}"
        if command and command[0].endswith("raylet"):
            options = dict(w.lstrip("-").split("=", 1) for w in command[1:] if "=" in w)
            if "gcs-address" in options:
                return str(options["gcs-address"])
    return None


@st.cache_data(ttl=10, show_spinner=False)
def report(where: str) -> RayReport | str:
    """The state of the Ray at `where`, or why it did not answer."""
    try:
        reply = subprocess.run(
            [sys.executable, "-m", "workbench.ui.ray_probe", where],
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
        )
    except subprocess.TimeoutExpired:
        return f"Ray at {where} did not answer within {_PROBE_S} s."
    if reply.returncode:
        last = reply.stderr.strip().splitlines()[-1:] or ["no reason given"]
        return f"Ray at {where} did not answer: {last[0][:300]}"
    state = json.loads(reply.stdout.strip().splitlines()[-1])
    return RayReport(**state)


def dashboards() -> dict[str, str]:
    """Pages of MLflow, Ray and Spark that answer on their usual ports."""
    usual_ports = {"MLflow": 5000, "Ray dashboard": 8265, "Spark UI": 4040}
    listening = set()
    try:
        listening = {c.laddr.port for c in psutil.net_connections("tcp") if c.status == "LISTEN"}
    except psutil.AccessDenied:
        return {}
    return {
        name: f"http://127.0.0.1:{port}" for name, port in usual_ports.items() if port in listening
    }


@st.cache_data(ttl=300, show_spinner=False)
def checks() -> list[Check]:
    """The doctor's checks."""
    return list(diagnose())
