"""Data: what a path, a table or an experiment is taken for, before anything is trained on it."""

from __future__ import annotations

import streamlit as st

from tracking import hide_passwords
from workbench.experiments import names
from workbench.home import jobs_folder
from workbench.ui import widgets
from workbench.ui.data import corrections, descriptions, parts
from workbench.ui.jobs import Job, Queue

_LIVE_S = 1.5
_LINES = 12


def main() -> None:
    widgets.title(
        "Data",
        "What a file, a folder or an experiment's data is taken for, with samples as the net gets them. "
        "Correct what is wrong, then train on it.",
        "docs/data",
    )
    queue = Queue(jobs_folder())
    with st.form("data_form", border=False):
        source = st.text_input(
            "Data",
            key="source",
            bind="query-params",
            placeholder="digits_cnn, pictures/, table.csv",
            help="An experiment, a file or folder on this machine, or a source's settings as JSON.",
        )
        typed = st.text_area(
            "Corrections, one a line",
            key="set",
            bind="query-params",
            placeholder="data.source.label=species",
            help="Settings that replace what was decided, as `--set` takes them.",
            height=80,
        )
        pressed = st.form_submit_button("Describe", type="primary", icon=":material/search:")
    source = (source or "").strip()
    changes = [line.strip() for line in (typed or "").splitlines() if line.strip()]
    if not source:
        st.caption(f"Experiments: {', '.join(names())}.")
        return
    st.code(hide_passwords(descriptions.printable(source, changes)), language="bash")
    job = descriptions.find(queue, source, changes)
    pressed = corrections.pressed() or pressed
    if pressed and (job is None or not job.live):
        job = descriptions.start(queue, source, changes)
    if job is None:
        st.info("Not described yet: press *Describe*.", icon=":material/info:")
    elif job.live:
        _wait(queue, job)
    else:
        _show(queue, job, source, changes)


def _wait(queue: Queue, job: Job) -> None:
    """The end of the job's output, until it has ended."""

    @st.fragment(run_every=_LIVE_S)
    def body() -> None:
        fresh = queue.read(job.id)
        if not fresh.live:
            st.rerun()
        bar = st.container(horizontal=True, vertical_alignment="center")
        bar.markdown("**Waits for the jobs before it**" if fresh.state == "queued" else "**Reads**")
        bar.caption(widgets.duration(fresh.seconds if fresh.started else None))
        if bar.button("Stop", key="data_stop", icon=":material/stop:"):
            queue.stop(job.id)
        _log(queue, job)

    body()


def _show(queue: Queue, job: Job, source: str, changes: list[str]) -> None:
    description = descriptions.read_result(queue, job)
    if description is None:
        st.error(f"It was not described: the job {job.state}.", icon=":material/error:")
        _log(queue, job)
        return
    parts.draw(description, changes)
    if source not in names() and not description["problem"]:
        _train(queue, source, changes)
    if source in names():
        st.page_link(
            "views/launch.py",
            label=f"Train {source}",
            icon=":material/play_circle:",
            query_params={"base": source},
        )


def _train(queue: Queue, source: str, changes: list[str]) -> None:
    """A training of the recipe for this data, as a job."""
    st.subheader("Train", anchor=False, help="Net and training follow from the kind of data.")
    st.code(hide_passwords(descriptions.printable(source, changes, "train")), language="bash")
    row = st.container(horizontal=True, vertical_alignment="center")
    if row.button("Train", key="data_train", type="primary", icon=":material/play_arrow:"):
        descriptions.train(queue, source, changes)
        st.toast("Queued.", icon=":material/check:")
    row.page_link("views/launch.py", label="Queue and log", icon=":material/list:")


def _log(queue: Queue, job: Job) -> None:
    lines = hide_passwords(queue.read_log(job.id)).strip().splitlines()
    st.code("\n".join(lines[-_LINES:]) or "No output yet.", language=None, wrap_lines=True)


main()
