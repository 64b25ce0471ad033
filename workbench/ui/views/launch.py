"""Launch: a form for an experiment, the equivalent command, and the queue of what was started."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from nets.config import from_dict, to_dict
from nets.errors import ConfigError
from tracking import hide_passwords
from workbench.experiments import names
from workbench.experiments.experiment import Experiment
from workbench.experiments.space_text import parse_space, space_text
from workbench.home import jobs_folder
from workbench.jobs.request import Request
from workbench.ui import as_python, experiment_file, forms, net_form, store, widgets
from workbench.ui.errors import Missing
from workbench.ui.forms import Field
from workbench.ui.inside import artifacts
from workbench.ui.jobs import Job, Queue

_ESSENTIAL = (
    "training.epochs",
    "training.batch_size",
    "training.learning_rate",
    "training.optimizer",
    "net.activation",
    "training.schedule",
    "training.seed",
    "name",
)
_GROUPS = {
    "data": "Data",
    "preparation": "Preparation",
    "net": "Net",
    "training": "Training",
    "cluster": "Cluster",
    "description": "Description",
}
_USUAL = "digits_cnn"
_LIVE_S = 1.5
_LINES = 20


def main() -> None:
    widgets.title(
        "Launch",
        "Start a training or a sweep; it goes on when this page is closed. The same is written below "
        "as a command and as Python.",
        "docs/browser#launch",
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        _form()
    with right:
        _queue()


def _form() -> None:
    a, b = st.columns([2, 1], vertical_alignment="bottom")
    with a:
        chosen = _base()
    what = widgets.choose("What", ["train", "sweep"], "what", b)
    if chosen is None:
        return
    base_name, base = chosen
    if base.description:
        st.caption(base.description)
    changes, slots = _fields(base, base_name)
    readable = True
    if what == "sweep":
        searched, readable = _sweep(base, base_name)
        changes |= searched
    made, problems = forms.check(base, changes)
    for path, problem in problems.items():
        if path in slots:
            slots[path].error(problem, icon=":material/error:")
        else:
            st.error(problem, icon=":material/error:")
    if made is not None:
        with slots["net"]:
            net_form.draw_layers(made)
    arguments = [what, base_name, *forms.arguments(changes)]
    st.markdown("**The same from a terminal**")
    st.code(hide_passwords(shlex.join(["workbench", *arguments])), language="bash", wrap_lines=True)
    with st.expander("The same in Python", icon=":material/code:"):
        call: Literal["train", "sweep"] = "sweep" if what == "sweep" else "train"
        st.code(as_python.write_call(call, base_name, changes), language="python")
    if st.button(
        "Start",
        key="start",
        type="primary",
        icon=":material/play_arrow:",
        disabled=bool(problems) or not readable,
    ):
        fields: dict[str, Any] = {
            "experiment": base_name,
            "changes": changes,
            "command": ("workbench", *arguments),
            "cwd": str(Path.cwd()),
            "tracking_uri": os.environ.get("MLFLOW_TRACKING_URI"),
        }
        kind: Literal["train", "sweep"] = "sweep" if what == "sweep" else "train"
        own = ".py" in base_name
        request = Request.of(kind, base, **fields) if own else Request(kind=kind, **fields)
        command = [sys.executable, "-m", "workbench", *arguments]
        job = queue().submit(command, request.title, request=request)
        st.session_state["job"] = job.id
        st.toast("Queued.", icon=":material/check:")


def _base() -> tuple[str, Experiment] | None:
    """Choose a shipped experiment, or that of a run (`?run=`): its name in a command, and itself."""
    experiments = names()
    run = store.run(st.query_params.get("run", ""))
    try:
        if run is not None:
            experiment = artifacts.experiment(run.id)
            what = "the sweep" if run.kind == "sweep" else "run"
            st.markdown(f"**Starting from {what} {run.name}**")
            st.page_link("views/launch.py", label="Start from an experiment instead")
            return experiment_file.save(run.id, experiment), from_dict(Experiment, experiment)
        usual = experiments.index(_USUAL) if _USUAL in experiments else 0
        name = st.selectbox(
            "Experiment",
            experiments,
            index=usual,
            key="base",
            bind="query-params",
            accept_new_options=True,
            filter_mode="contains",
            help="One of your own: type its file and function, such as my_experiment.py:wide. "
            "The file lies in the folder where the UI was started, or below it.",
        )
        name = name or experiments[usual]
        return name, experiment_file.load(name, experiments)
    except (ConfigError, Missing) as error:
        st.error(str(error))
        return None


def _fields(base: Experiment, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw every setting. Returns the changed values and a place for an error, both by path."""
    changes: dict[str, Any] = {}
    slots: dict[str, Any] = {}
    every = [f for f in forms.fields(base) if f.group != "sweep"]
    first = [f for path in _ESSENTIAL for f in every if f.path == path]
    columns = st.columns(2)
    for i, field in enumerate(first):
        with columns[i % 2]:
            _one(field, name, changes, slots)
    for group, heading in _GROUPS.items():
        rest = [f for f in every if f.group == group and f not in first]
        if not rest:
            continue
        kind = getattr(getattr(base, group, None), "kind", "")
        with st.expander(heading + (f": {kind}" if kind else "")):
            for field in (f for f in rest if f.kind == "rows"):  # needs the whole width
                _one(field, name, changes, slots)
            columns = st.columns(2)
            for i, field in enumerate(f for f in rest if f.kind != "rows"):
                with columns[i % 2]:
                    _one(field, name, changes, slots)
            if group == "net":
                slots[group] = st.container()
    return changes, slots


def _one(field: Field, name: str, changes: dict[str, Any], slots: dict[str, Any]) -> None:
    value = _widget(field, f"set_{name}_{field.path}")
    slots[field.path] = st.empty()
    if value != field.value:
        changes[field.path] = value


def _widget(field: Field, key: str) -> Any:
    label, text = field.label.replace("_", " "), field.help
    if field.kind == "rows":
        return net_form.edit_rows(field, key)
    if field.kind == "switch":
        return st.toggle(label, value=bool(field.value), key=key, help=text)
    if field.kind == "choice":
        options = list(field.choices)
        return st.selectbox(label, options, index=options.index(field.value), key=key, help=text)
    if field.kind == "integer":
        return st.number_input(label, value=int(field.value), step=1, key=key, help=text)
    if field.kind == "text":
        return st.text_input(label, value=field.value, key=key, help=text)
    shown = "" if field.value is None else forms.as_text(field.value)
    typed = st.text_input(
        label, value=shown, key=key, help=text, placeholder="none" if field.optional else ""
    )
    return _parse(typed or "", field)


def _parse(text: str, field: Field) -> Any:
    """Read a number or JSON. Other text is returned as it is, and the check refuses it."""
    if not text.strip():
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        try:
            return float(text) if field.kind == "number" else text
        except ValueError:
            return text
    return float(value) if isinstance(value, int) and isinstance(field.value, float) else value


def _sweep(base: Experiment, name: str) -> tuple[dict[str, Any], bool]:
    """The search: its settings and their values; and whether all that was typed could be read."""
    changes: dict[str, Any] = {}
    st.subheader("Search", anchor=False)
    fields = {
        f.path: f for f in forms.fields(base) if f.group == "sweep" and f.path != "sweep.space"
    }
    columns = st.columns(3)
    usual = ("sweep.num_trials", "sweep.search", "sweep.scheduler")
    for column, path in zip(columns, usual, strict=True):
        with column:
            _one(fields[path], name, changes, {})
    more = ("sweep.repeats", "sweep.max_minutes", "sweep.metric", "sweep.objectives")
    for column, path in zip(st.columns(4), more, strict=True):
        with column:
            _one(fields[path], name, changes, {})
    space = to_dict(base.sweep)["space"]
    groups = ("training", "net", "preparation")
    every = {f.path: f for f in forms.fields(base) if f.group in groups or f.path in space}
    plain = [path for path in space if path in every and not space[path]["only_if"]]
    chosen = st.multiselect("Settings to search", list(every), default=plain, key=f"space_{name}")
    new_space = {
        path: _parameter(every[path], space.get(path), name) | {"only_if": {}} for path in chosen
    }
    try:
        new_space |= _lines(space, plain, name)
    except ConfigError as error:
        st.error(str(error), icon=":material/error:")
        return changes, False
    if new_space != space:
        changes["sweep.space"] = new_space
    return changes, True


def _lines(space: dict[str, Any], plain: list[str], name: str) -> dict[str, Any]:
    """Settings that have no field of their own: inside of lists, whole nets, with conditions."""
    typed = st.text_area(
        "More settings, one on a line, as --space takes them",
        "\n".join(space_text(path, space[path]) for path in space if path not in plain),
        key=f"space_{name}_lines",
        height=80,
        placeholder="net.blocks[*].channels=8,16\nnet=cnn,rnn\n"
        "training.nesterov=true,false if training.optimizer=sgd",
    )
    lines = [line for line in (typed or "").splitlines() if line.strip()]
    parsed = parse_space(lines, option="line")
    return {path: one | {"only_if": one.get("only_if", {})} for path, one in parsed.items()}


def _parameter(field: Field, search: dict[str, Any] | None, name: str) -> dict[str, Any]:
    """One row: a list of values, or a range for a number."""
    key = f"space_{name}_{field.path}"
    search = search or _usual_search(field)
    st.markdown(f"`{field.path}`", help=field.help)
    if field.kind in ("choice", "switch"):
        options = list(field.choices) or [True, False]
        values = st.multiselect(
            "Values", options, default=[v for v in search["values"] if v in options], key=key
        )
        return {"kind": "choice", "values": values}
    kinds = ["range", "list"] if field.kind in ("number", "integer") else ["list"]
    default = "range" if search["kind"] == "uniform" and "range" in kinds else "list"
    a, b, c, d = st.columns([2, 2, 2, 2], vertical_alignment="bottom")
    more: dict[str, Any] = {"address": False, "label_visibility": "collapsed", "default": default}
    kind = widgets.choose("As", kinds, f"{key}_as", a, **more)
    if kind == "range":
        low = b.text_input("From", f"{search.get('low', field.value)}", key=f"{key}_low")
        high = c.text_input("To", f"{search.get('high', field.value)}", key=f"{key}_high")
        log = d.toggle("logarithmic", bool(search.get("log", False)), key=f"{key}_log")
        return {
            "kind": "uniform",
            "low": _parse(low or "", field),
            "high": _parse(high or "", field),
            "log": log,
        }
    listed = search.get("values", [field.value])
    typed = b.text_input("JSON list", json.dumps(listed), key=f"{key}_list")
    return {"kind": "choice", "values": _parse(typed or "", field)}


def _usual_search(field: Field) -> dict[str, Any]:
    if field.kind == "choice":
        return {"kind": "choice", "values": list(field.choices)}
    if field.kind == "switch":
        return {"kind": "choice", "values": [True, False]}
    if field.kind == "number" and field.value:
        return {"kind": "uniform", "low": field.value / 10, "high": field.value * 10, "log": True}
    return {"kind": "choice", "values": [field.value]}


def _during(job: Job) -> str:
    """The runs that began while the job ran: jobs run one at a time."""
    assert job.started is not None
    begun = f"created >= {job.started * 1000:.0f}"
    return begun if job.ended is None else f"{begun} and created <= {job.ended * 1000:.0f}"


@st.cache_resource
def queue() -> Queue:
    """The jobs of this working directory."""
    return Queue(jobs_folder())


def _queue() -> None:
    live = any(job.live for job in queue().read_all())

    @st.fragment(run_every=_LIVE_S if live else None)
    def body() -> None:
        jobs = queue().read_all()
        st.subheader("Queue", anchor=False, help="One at a time, in the order they were started.")
        st.caption(
            "The bench runs them."
            if queue().bench()
            else "Each starts its own Ray and Spark. A running bench (see Bench) saves that time."
        )
        if live and not any(job.live for job in jobs):
            st.rerun()
        if not jobs:
            st.caption("Nothing was started from here yet.")
            return
        ids = [job.id for job in jobs[:30]]
        by_id = {job.id: job for job in jobs}
        if st.session_state.get("job") not in ids:
            st.session_state["job"] = ids[0]
        chosen = st.selectbox("Job", ids, format_func=lambda i: _job_label(by_id[i]), key="job")
        _job(by_id[chosen or ids[0]])

    body()


def _job_label(job: Job) -> str:
    when = time.strftime("%H:%M:%S", time.localtime(job.submitted))
    return f"{job.title} · {job.state} · {when}"


def _job(job: Job) -> None:
    a, b, c = st.columns(3)
    a.metric("State", job.state)
    b.metric("Time", widgets.duration(job.seconds if job.started else None))
    c.metric("Exit code", "–" if job.exit_code is None else str(job.exit_code))
    bar = st.container(horizontal=True)
    if job.live:
        if bar.button(
            "Stop",
            key="job_stop",
            icon=":material/stop:",
            help="As with Ctrl-C: finished epochs are kept.",
        ):
            queue().stop(job.id)
        if bar.button("Kill", key="job_kill", type="tertiary", help="When stopping does not help."):
            queue().stop(job.id, force=True)
    else:
        if bar.button("Run again", key="job_again", icon=":material/replay:"):
            again = queue().again(job.id)
            st.session_state["job_next"] = again.id
            st.rerun()
        if bar.button("Remove", key="job_remove", type="tertiary"):
            queue().remove(job.id)
            st.rerun()
    if job.started:
        st.page_link(
            "views/runs.py",
            label="See its runs",
            icon=":material/table_rows:",
            query_params={"q": _during(job)},
        )
    own = not job.resident and len(job.command) > 3  # python -m workbench ...
    command = ["workbench", *job.command[3:]] if own else job.command
    st.code(hide_passwords(shlex.join(command)), language="bash", wrap_lines=True)
    lines = hide_passwords(queue().read_log(job.id)).strip().splitlines()
    st.code("\n".join(lines[-_LINES:]) or "No output yet.", language=None, wrap_lines=True)
    if len(lines) > _LINES:
        st.caption(f"The last {_LINES} lines.")
    widgets.download(
        "Log",
        lambda: hide_passwords(queue().read_log(job.id, 2**20)),
        f"{job.id}.log",
        "text/plain",
    )


main()
