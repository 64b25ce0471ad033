"""A user at a terminal, who gives commands and reads what they print and record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.workbench.cluster.processes import plain_environment
from tracking import Reader

SMALL = ("--epochs", "1", "--set", 'net.blocks=[{"channels": 8}]', "--set", "net.dense=[16]")


class Person:
    """A user at a terminal of this machine, with their own clusters.toml and home folder."""

    def __init__(self, folder: Path, clusters: str) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.file = self.home / "clusters.toml"
        self.file.write_text(clusters)

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        env = plain_environment(
            WORKBENCH_HOME=str(self.home),
            WORKBENCH_CLUSTERS=str(self.file),
            MLFLOW_TRACKING_URI=f"sqlite:///{self.home / 'mlflow.db'}",
        )
        return subprocess.Popen(
            [sys.executable, "-m", "workbench", *command],
            env=env | more,
            cwd=self.home,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        with self.start(*command, **more) as process:
            try:
                out, err = process.communicate(timeout=600)
            finally:
                process.kill()
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def read_json(self, *command: str) -> Any:
        """Run a command that must succeed; returns what it prints as JSON."""
        reply = self.run(*command, "--json")
        assert reply.returncode == 0, reply.stderr + self.log()
        return json.loads(reply.stdout)

    def log(self) -> str:
        logs = sorted((self.home / "logs").glob("*.log"), key=os.path.getmtime)
        return logs[-1].read_text(errors="replace")[-3000:] if logs else ""

    @property
    def store(self) -> Reader:
        return Reader(f"sqlite:///{self.home / 'mlflow.db'}")
