"""On the Bench page: start the bench, see what it holds, stop it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import streamlit as st

from workbench.errors import WorkbenchError
from workbench.home import home_folder
from workbench.jobs.client import Client
from workbench.jobs.start import launch_supervisor
from workbench.jobs.status import BenchStatus, check_bench
from workbench.progress.base import Epoch, EpochPart
from workbench.progress.events import read_last
from workbench.ui import widgets

_LIVE_S = 2

_supervisors: list[subprocess.Popen[bytes]] = []
"""Supervisors started from here; polled, so that none is left as a zombie process."""


def draw() -> None:
    """State, prepared data, jobs; live."""
    st.subheader(
        "A bench that stays up",
        anchor=False,
        help="Keeps Ray, Spark and prepared data, so that trainings begin within seconds. The same "
        "as `workbench up` and `workbench down`.",
    )

    @st.fragment(run_every=_LIVE_S)
    def body() -> None:
        for supervisor in [s for s in _supervisors if s.poll() is not None]:
            _supervisors.remove(supervisor)
        status = check_bench(home_folder())
        if status.bench is not None:
            _draw_up(Client(status.bench, home_folder()))
        elif status.name in ("starting", "ending"):
            stage = status.text or ("Stopping" if status.name == "ending" else "Starting")
            st.info(f"The bench is {status.name}: {stage}", icon=":material/hourglass_top:")
        else:
            _draw_none(status)

    body()


def _draw_none(status: BenchStatus) -> None:
    if status.text:
        st.warning(status.text, icon=":material/error:")
    st.caption(
        "No bench is up: each training or sweep starts its own Ray and Spark and stops them at its end."
    )
    if st.button("Start", key="bench_start", type="primary", icon=":material/power_settings_new:"):
        try:
            _supervisors.append(launch_supervisor(base=home_folder()))
        except WorkbenchError as error:
            st.warning(str(error))
        st.rerun(scope="fragment")


def _draw_up(bench: Client) -> None:
    try:
        description = bench.describe()
    except WorkbenchError as error:
        st.warning(str(error), icon=":material/error:")
        return
    columns = st.columns(4)
    columns[0].metric("Up for", widgets.duration(time.time() - bench.state.started))
    columns[1].metric("Ray", bench.state.address)
    columns[2].metric(
        "CPUs free", f"{description['free'].get('CPU', 0):g} of {description['total']['CPU']:g}"
    )
    columns[3].metric(
        "Memory",
        f"{_memory(bench.state.pid) / 2**30:.1f} GiB",
        help="The sum over its processes. Memory that they share counts once for each.",
    )
    _draw_jobs(bench, description)
    _draw_prepared(description["prepared"])
    if bench.state.pages:
        bar = st.container(horizontal=True)
        for name, url in bench.state.pages.items():
            bar.link_button(f"{name}'s pages", url, icon=":material/open_in_new:")
        st.caption(f"Ray asks for its token, which is in `{bench.state.token_path}`.")
    with st.popover("Stop", icon=":material/power_settings_new:"):
        running = description["running"]
        st.markdown(
            f"Job {running} is running. It stops as with Ctrl-C: finished epochs are kept."
            if running
            else "Nothing is running. The prepared data is lost; the next bench prepares it again."
        )
        if st.button("Stop the bench", key="bench_stop", type="primary"):
            try:
                bench.call("down")
            except WorkbenchError as error:
                st.warning(str(error))
            st.rerun(scope="fragment")


def _memory(supervisor: int) -> int:
    """Resident bytes of the bench's processes."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(supervisor)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _draw_jobs(bench: Client, description: dict[str, Any]) -> None:
    running, waiting = description["running"], len(description["waiting"])
    if running is None:
        st.markdown("Waits for a job.")
    else:
        job = bench.jobs.read(running)
        more = f", {waiting} waiting" if waiting else ""
        st.markdown(f"Runs **{job.title}** for {widgets.duration(job.seconds)}{more}.")
        for line in describe_progress(job.folder / "events.jsonl"):
            st.caption(line)
    st.page_link("views/launch.py", label="The queue", icon=":material/play_circle:")


def describe_progress(events: Path) -> list[str]:
    """How far a job's training has come, and what reading its rows costs; empty before it trains."""
    epoch, part = read_last(events, Epoch), read_last(events, EpochPart)
    lines = []
    if part is not None and (epoch is None or part.epoch > epoch.epoch):
        lines.append(part.text)
    elif epoch is not None:
        lines.append(f"epoch {epoch.epoch}/{epoch.epochs}")
    metrics = {} if epoch is None else epoch.metrics
    if "data/share_waited" in metrics:
        rate, share = metrics["samples_per_s"], metrics["data/share_waited"]
        waited, size = metrics["data/seconds_waited"], metrics["data/bytes"] / 2**20
        lines.append(
            f"{rate:,.0f} rows a second, {size:,.1f} MiB read in an epoch; waited for data: "
            f"{waited:.2f} s, {share:.1%} of the training"
        )
    return lines


def _draw_prepared(data_sets: list[dict[str, Any]]) -> None:
    if not data_sets:
        st.caption("No data prepared yet: the first training on a data set prepares it.")
        return
    frame = pd.DataFrame(
        {
            "data": data["source"] or "",
            "sample": " × ".join(map(str, data["shape"])),
            **{f"{split} rows": count for split, count in data["rows"].items()},
            "MiB": round((data["bytes"] or 0) / 2**20, 1),
            "fingerprint": data["fingerprint"],
        }
        for data in data_sets
    )
    st.markdown("**Data it holds**")
    widgets.show_table(frame, "bench_data", "Data sets the bench holds")
