"""What several pages share: the choice of a run and a sample, pictures, downloads, empty states."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from nets import inside
from workbench.errors import WorkbenchError
from workbench.ui import artifacts, store
from workbench.ui.artifacts import Missing, Samples
from workbench.ui.images import data_url, png

_STYLE = """
<style>
[data-testid="stImage"] img { image-rendering: pixelated; border-radius: 4px; }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; }
.block-container { padding: 2.6rem 2.5rem 3rem; max-width: 1600px; }
[data-testid="stImageCaption"] { font-size: 0.8rem; }
</style>
"""


def style() -> None:
    """Pixels stay pixels, figures line up."""
    st.html(_STYLE)


def title(text: str, what: str) -> None:
    """A page's heading and what it is for."""
    st.header(text, anchor=False)
    st.caption(what)


@contextmanager
def part(heading: str | None = None, help_text: str | None = None) -> Iterator[None]:
    """A part of a page that may have nothing to show: says so, and the page goes on."""
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
    st.caption(f"Runs are read from {store.shown_uri()}.")


def no_run() -> None:
    """The page cannot go on without a run."""
    first_steps()
    st.stop()


def run_label(run: store.Run) -> str:
    """One line that tells a run from its siblings."""
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
    found = store.recent(tuple(kinds))
    options = {run.id: run for run in found}
    wanted = st.query_params.get("run")
    remembered = st.session_state.get("last_run")
    for run_id in (remembered, wanted):
        if run_id and run_id not in options and (run := store.run(run_id)) is not None:
            options = {run_id: run, **options}
    if wanted and wanted not in options:
        st.warning(f"There is no run {wanted[:40]!r} in this store.", icon=":material/link_off:")
    if not options:
        no_run()
    key = f"pick_{'_'.join(kinds)}"
    if wanted in options and wanted != st.session_state.get("seen_url"):
        st.session_state[key] = wanted  # a link was followed
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


def pick_epoch(run_id: str) -> int | None:
    """An epoch whose weights were kept; None: the kept model, because no epochs were."""
    known = artifacts.epochs(run_id)
    if len(known) < 2:
        st.caption("One set of weights: this run kept no checkpoint per epoch.")
        return known[0] if known else None
    value = st.select_slider(
        "Epoch (0 = before training)", known, value=known[-1], key="epoch", bind="query-params"
    )
    return int(value)


def pick_sample(found: Samples, names: list[str] | None, key: str = "sample") -> int:
    """A sample by number; its label is shown beside it."""
    index = st.number_input(
        f"Sample of the {found.split} split (0 to {len(found) - 1})",
        min_value=0,
        max_value=len(found) - 1,
        value=0,
        key=key,
        bind="query-params",
    )
    if found.label is not None and not found.label.is_floating_point():
        st.caption(f"label: **{artifacts.class_name(names, int(found.label[index]))}**")
    return int(index)


def show(
    pixels: NDArray[np.uint8],
    alt: str,
    *,
    name: str | None = None,
    caption: str | None = None,
    width: Literal["content", "stretch"] = "content",
) -> None:
    """A picture with a text alternative and, given a file name, a download button."""
    _image(pixels, alt, caption, width)
    if name:
        download("PNG", lambda: png(pixels), f"{name}.png", "image/png")


def heading(text: str, pixels: NDArray[np.uint8], name: str) -> None:
    """The line of text above a picture, and its download beside the text."""
    bar = st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    )
    bar.markdown(text)
    with bar:
        download("PNG", lambda: png(pixels), f"{name}.png", "image/png")


def _image(
    pixels: NDArray[np.uint8], alt: str, caption: str | None, width: Literal["content", "stretch"]
) -> None:
    # The picture itself in the message, not the address of a file on the server: such a file is
    # gone when the slider has moved on before the browser asked for it.
    st.image(data_url(pixels), caption=caption, width=width, alt=alt)


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


def scores_table(scores: NDArray[np.float32], names: list[str] | None, count: int = 5) -> None:
    """The most probable classes of one sample, as bars."""
    shares = inside.probabilities(scores)
    order = np.argsort(-shares)[:count]
    frame = pd.DataFrame(
        {
            "class": [artifacts.class_name(names, int(i)) for i in order],
            "probability": shares[order].astype(float),
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        height="content",
        key="scores_" + "_".join(map(str, order[:3])),
        column_config={
            "probability": st.column_config.ProgressColumn(
                format="percent", min_value=0.0, max_value=1.0
            )
        },
        alt="Most probable classes",
    )


def table_height(rows: int, most: int) -> int | Literal["content"]:
    """A table as high as its rows, up to `most` pixels."""
    return "content" if rows < most // 35 else most


def cell_clicked(event: Any, columns: int) -> tuple[int, int] | None:
    """(row, column) of the selected cell of a heat map."""
    try:
        groups = event["selection"]["selected"]
        index = groups[0]["data_indices"][0]
    except (KeyError, IndexError, TypeError):
        return None
    return divmod(int(index), columns)


def short(layer: str) -> str:
    """A layer's name without the part that all share."""
    return layer.removeprefix("body.")


def enlarged(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A picture repeated by a whole factor to about `size` pixels across."""
    factor = max(1, round(size / max(pixels.shape[:2])))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def palette(*maps: NDArray[Any]) -> inside.Palette:
    """Colours that suit the values: two-sided where there are negative ones."""
    return "diverging" if min(float(m.min()) for m in maps) < 0 else "sequential"


def pick_scale(key: str) -> inside.Scale:
    """One colour range for all maps of a layer, or every map its own."""
    chosen = st.segmented_control(
        "Scale", ["common", "each"], default="common", required=True, key=key, bind="query-params",
        help="common: one range for all maps of a layer; each: every map its own.",
    )  # fmt: skip
    return "each" if chosen == "each" else "common"
