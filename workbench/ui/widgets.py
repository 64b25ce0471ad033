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
from workbench.ui import manual, store, watch
from workbench.ui.errors import Missing

T = TypeVar("T")

_STYLE = """
<style>
[data-testid="stImage"] img { image-rendering: pixelated; border-radius: 4px; outline: 1px solid rgb(128 128 128 / 0.35); }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; }
[data-testid="stMetricLabel"] [data-testid="stMarkdownContainer"], [data-testid="stMetricLabel"] p { white-space: normal; overflow-wrap: anywhere; }
[data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] > div > [data-testid="stElementContainer"] > [data-testid="stMetric"]) { align-items: flex-end; }
.block-container { padding: 2.6rem 2.5rem 3rem; max-width: 1600px; }
[data-testid="stImageCaption"] { font-size: 0.8rem; }
[data-testid="stCaptionContainer"], [data-testid="stImageCaption"] { color: inherit; opacity: 0.87; }
[data-testid="stMultiSelect"] button { min-width: 24px; min-height: 24px; }
@media (prefers-color-scheme: dark) {
  [data-testid="stBaseButton-primary"] :is(p, [data-testid="stIconMaterial"]), [data-testid="stMultiSelect"] [data-tag] :is(span, svg) { color: #10131a; }
}
.workbench-scale { display: flex; gap: 0.8rem; max-width: 24rem; font-size: 0.8rem; font-variant-numeric: tabular-nums; }
.workbench-scale > div { flex: 1; }
.workbench-scale > div > div:first-child { height: 10px; border-radius: 3px; }
.workbench-scale .numbers { display: flex; justify-content: space-between; }
@media (max-width: 1000px) {
  .block-container { padding-left: 1.2rem; padding-right: 1.2rem; }
  [data-testid="stSidebar"] { min-width: 11rem !important; width: 11rem !important; }
  [data-testid="stSidebarContent"], [data-testid="stSidebarUserContent"] { padding-left: 0.4rem; padding-right: 0.4rem; }
  .st-key-search_open button { padding: 0 0.4rem; }
  .st-key-search_open p { white-space: nowrap; }
  [data-testid="stColumn"]:has(> div [data-testid="stPopover"]) { min-width: 7.5rem; }
  [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  [data-testid="stColumn"]:has(> div > .st-key-kind) { min-width: min(100%, 23rem); }
  [data-testid="stColumn"]:has(input, [role="combobox"]) { min-width: min(100%, 11rem); }
  [data-testid="stColumn"]:has([data-testid="stEChartsChart"], [data-testid="stDataFrame"]) { min-width: 100%; }
  .st-key-numbers [data-testid="stColumn"] { min-width: min(100%, 12rem) !important; }
  [data-testid="stColumn"]:has(> div > [data-testid="stElementContainer"] > [data-testid="stMetric"]) { min-width: 8.5rem; }
  [data-testid="stMetricValue"] { font-size: 1.1rem; }
}
</style>
"""


def style() -> None:
    """Sharp pixels in pictures, digits of equal width in figures."""
    st.html(_STYLE)


def title(text: str, what: str, page: str = "") -> None:
    """A page's heading, what it is for in two sentences, and the page of the manual on it."""
    st.header(text, anchor=False)
    st.caption(f"{what} {manual.write_link(page, manual.find_folder())}." if page else what)


@contextmanager
def part(heading: str | None = None, help_text: str | None = None) -> Iterator[None]:
    """A part of a page. If its data is missing, it shows a message, and the page continues."""
    if heading:
        st.subheader(heading, anchor=False, help=help_text)
    try:
        yield
    except Missing as missing:
        st.info(str(missing), icon=":material/info:")
    except (WorkbenchError, ValueError) as error:
        st.warning(str(error), icon=":material/error:")


def first_steps() -> None:
    """What to do in an empty store. The first run of another program draws the page again."""
    watch.redraw_on_change("empty")
    st.info("No runs yet. Train something small to fill these pages:", icon=":material/rocket:")
    st.code("workbench train digits_cnn\nworkbench sweep digits_cnn", language="bash")
    st.page_link("views/launch.py", label="Or fill in a form", icon=":material/play_circle:")
    st.caption(f"Runs are read from {store.printable_uri()}.")


def run_label(run: store.Run) -> str:
    """One line by which a person recognises a run."""
    best = run.best()
    when = time.strftime("%d %b %H:%M", time.localtime(run.start)) if run.start else "?"
    parts = [run.name, run.experiment, when]
    if best is not None:
        parts.insert(1, f"{best[0].split('/')[-1]} {number(best[1])}")
    if run.status != "FINISHED":
        parts.append(run.state)
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


def csv(frame: pd.DataFrame, name: str, *, index: bool = False, label: str = "CSV") -> None:
    """A table as CSV."""
    download(label, lambda: frame.to_csv(index=index), f"{name}.csv", "text/csv")


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
    label: str,
    options: Sequence[T],
    key: str,
    place: DeltaGenerator | None = None,
    *,
    default: T | None = None,
    address: bool = True,
    **more: Any,
) -> T:
    """One of a few options as buttons, the first one first; the page's address keeps the choice.

    Each choice is an entry of the browser's history, so that Back undoes it.

    Args:
        place: where on the page; None: here.
        default: the choice until another is made; None: the first one.
        address: whether the address keeps it.
        more: as `st.segmented_control` takes it.
    """
    usual = options[0] if default is None else default
    if address:
        _follow_address(key, options, usual)
        more |= {"on_change": _write_address, "args": (key, usual)}
    if st.session_state.get(key) not in options:
        st.session_state[key] = usual
    control: Any = st.segmented_control if place is None else place.segmented_control
    chosen: T | None = control(label, options, required=True, key=key, **more)
    return usual if chosen is None else chosen


def _follow_address(key: str, options: Sequence[T], usual: T) -> None:
    """Take the choice of the address where that is another than the last one: a link, or Back.

    Not by `bind`: such a widget replaces the entry in the history, and ignores Back
    (streamlit/streamlit#13853).
    """
    asked = st.query_params.get(key)
    seen = f"seen_{key}"
    if key in st.session_state and st.session_state.get(seen) == asked:
        return
    st.session_state[seen] = asked
    by_text = {str(option): option for option in options}
    st.session_state[key] = by_text.get(asked or "", usual)


def _write_address(key: str, usual: Any) -> None:
    chosen = st.session_state[key]
    if chosen == usual:
        st.query_params.pop(key, None)
    else:
        st.query_params[key] = str(chosen)
    st.session_state[f"seen_{key}"] = st.query_params.get(key)


def show_table(frame: pd.DataFrame, key: str, alt: str, **more: Any) -> None:
    """A table with all of its rows, to read; `more` as `st.dataframe` takes it."""
    options: dict[str, Any] = {"hide_index": True, "height": "content"} | more
    st.dataframe(frame, key=key, alt=alt, **options)
