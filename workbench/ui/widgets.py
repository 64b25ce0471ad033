"""What several pages share: headings, the choice of a run, downloads, tables, empty states."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from workbench.errors import WorkbenchError
from workbench.ui import store
from workbench.ui.errors import Missing

T = TypeVar("T")

_STYLE = """
<style>
[data-testid="stImage"] img { image-rendering: pixelated; border-radius: 4px; }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; }
.block-container { padding: 2.6rem 2.5rem 3rem; max-width: 1600px; }
[data-testid="stImageCaption"] { font-size: 0.8rem; }
</style>
"""


def style() -> None:
    """Sharp pixels in pictures, digits of equal width in figures."""
    st.html(_STYLE)


def title(text: str, what: str) -> None:
    """A page's heading and what it is for."""
    st.header(text, anchor=False)
    st.caption(what)


@contextmanager
def part(heading: str | None = None, help_text: str | None = None) -> Iterator[None]:
    """A part of a page. If its data is missing, it shows a message, and the page continues."""
    if heading:
        st.subheader(heading, anchor=False, help=help_text)
    try:
        yield
    except Missing as missing:
        st.info(str(missing), icon=":material/hourglass_empty:")
    except (WorkbenchError, ValueError) as error:
        st.warning(str(error), icon=":material/error:")


def first_steps() -> None:
    """What to do in an empty store."""
    st.info("No runs yet. Train something small to fill these pages:", icon=":material/rocket:")
    st.code("workbench train digits_cnn\nworkbench sweep digits_cnn", language="bash")
    st.page_link("views/launch.py", label="Or fill in a form", icon=":material/play_circle:")
    st.caption(f"Runs are read from {store.printable_uri()}.")


def no_run() -> None:
    """The page cannot go on without a run."""
    first_steps()
    st.stop()


def run_label(run: store.Run) -> str:
    """One line by which a person recognises a run."""
    best = run.best()
    when = time.strftime("%d %b %H:%M", time.localtime(run.start)) if run.start else "?"
    parts = [run.name, run.experiment, when]
    if best is not None:
        parts.insert(1, f"{best[0].split('/')[-1]} {number(best[1])}")
    if run.status != "FINISHED":
        parts.append(run.status.lower())
    return "  ·  ".join(parts)


def number(value: float | None) -> str:
    """Four significant figures, whole thousands with commas; a dash for nothing."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """7.3 s, 4 min 10 s, 2 h 5 min."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def pick_run(*, kinds: Sequence[str] = ("train", "trial"), label: str = "Run") -> store.Run:
    """The run in the URL (`?run=`), else the last one looked at, else the newest."""
    runs = store.recent(tuple(kinds))
    options = {run.id: run for run in runs}
    run_in_url = st.query_params.get("run")
    remembered = st.session_state.get("last_run")
    for run_id in (remembered, run_in_url):
        if run_id and run_id not in options and (run := store.run(run_id)) is not None:
            options = {run_id: run, **options}
    if run_in_url and run_in_url not in options:
        st.warning(
            f"There is no run {run_in_url[:40]!r} in this store.", icon=":material/link_off:"
        )
    if not options:
        no_run()
    key = f"pick_{'_'.join(kinds)}"
    if run_in_url in options and run_in_url != st.session_state.get("seen_url"):
        st.session_state[key] = run_in_url  # a link was followed
    elif st.session_state.get(key) not in options:
        st.session_state[key] = remembered if remembered in options else next(iter(options))
    chosen = st.selectbox(
        label, list(options), format_func=lambda run_id: run_label(options[run_id]), key=key
    )
    assert chosen is not None
    st.query_params["run"] = chosen
    st.session_state["seen_url"] = chosen
    if "sweep" not in kinds:
        st.session_state["last_run"] = chosen
    fresh = store.run(chosen)
    return options[chosen] if fresh is None else fresh


def download(label: str, content: Callable[[], bytes | str], name: str, mime: str) -> None:
    """A small download button. `content` is made when it is pressed, not when the page is drawn.

    A file made beforehand would also be gone from the server when a slider has moved on before
    the browser looked for it.
    """
    st.download_button(
        label,
        content,
        file_name=name,
        mime=mime,
        key=f"download_{name}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def csv(frame: pd.DataFrame, name: str, *, index: bool = False) -> None:
    """A table as CSV."""
    download("CSV", lambda: frame.to_csv(index=index), f"{name}.csv", "text/csv")


def table_height(rows: int, most: int) -> int | Literal["content"]:
    """A table as high as its rows, up to `most` pixels."""
    return "content" if rows < most // 35 else most


def read_clicked_cell(event: Any, columns: int) -> tuple[int, int] | None:
    """(row, column) of the selected cell of a heat map."""
    try:
        groups = event["selection"]["selected"]
        index = groups[0]["data_indices"][0]
    except (KeyError, IndexError, TypeError):
        return None
    return divmod(int(index), columns)


def choose(
    label: str, options: Sequence[T], key: str, place: DeltaGenerator | None = None, **more: Any
) -> T:
    """One of a few options as buttons, the first one first; the page's address keeps the choice.

    Args:
        place: where on the page; None: here.
        more: as `st.segmented_control` takes it.
    """
    more = {"default": options[0], "bind": "query-params"} | more
    control: Any = st.segmented_control if place is None else place.segmented_control
    chosen: T | None = control(label, options, required=True, key=key, **more)
    return options[0] if chosen is None else chosen


def show_table(frame: pd.DataFrame, key: str, alt: str, **more: Any) -> None:
    """A table with all of its rows, to read; `more` as `st.dataframe` takes it."""
    options: dict[str, Any] = {"hide_index": True, "height": "content"} | more
    st.dataframe(frame, key=key, alt=alt, **options)
