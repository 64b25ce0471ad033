"""The samples of a run's data as its net sees them, kept between two drawings of a page."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import streamlit as st

from nets import inside
from workbench.bridge import Prepared
from workbench.training import samples
from workbench.training.samples import Samples
from workbench.ui import charts, store
from workbench.ui.inside import artifacts, pictures

ROWS = (2_000, 10_000, samples.LIMIT)
"""How many rows of a split a person may choose to look at."""
_TOKENS, _NUMBERS = 60, 8
_MOST_BYTES = 2**30
"""Of the rows that are looked at: they stay in memory."""


def find_data(run: store.Run) -> Prepared:
    """The prepared data of a run.

    Raises:
        DataError: it is not kept on this machine.
    """
    return samples.find_prepared(run.tags.get("workbench.fingerprint", ""), run.id)


def look(run: store.Run, prepared: Prepared, split: str, rows: int) -> Samples:
    """Pass up to `rows` rows of a split through the run's net, or take what was looked at before.

    Of large samples it is fewer: up to a gigabyte.
    """
    rows = min(rows, max(1, _MOST_BYTES // prepared.spec.num_bytes))
    return _look(run.id, prepared.fingerprint, split, rows, prepared)


@st.cache_resource(max_entries=4, show_spinner="Passing the samples through the net")
def _look(run_id: str, fingerprint: str, split: str, rows: int, _prepared: Prepared) -> Samples:
    return samples.look(artifacts.whole_net(run_id), _prepared, split, rows)


def draw_sample(seen: Samples, place: int, prepared: Prepared, caption: str, key: str) -> None:
    """One sample, small: a picture, a text, lines, or numbers."""
    features = seen.arrays["features"][place]
    spec = prepared.spec
    if spec.kind == "image":
        pixels = pictures.enlarge(inside.picture(features), 112)
        pictures.show(pixels, caption, caption=caption, width="stretch")
        return
    st.caption(html.escape(caption))
    if spec.kind == "sound":
        st.audio(features, sample_rate=spec.rate)
    elif spec.kind == "tokens":
        st.text(_read_tokens(features, prepared))
    elif spec.kind == "series":
        charts.draw(_lines(features), key=key, height=140, alt=caption)
    else:
        shown = ", ".join(f"{value:.4g}" for value in features.reshape(-1)[:_NUMBERS].tolist())
        st.text(shown + (", ..." if features.size > _NUMBERS else ""))


def _read_tokens(ids: np.ndarray, prepared: Prepared) -> str:
    if prepared.text is None:
        return " ".join(map(str, ids[ids > 0].tolist()))
    known = prepared.text.vocabulary
    words = [known[i] if i < len(known) else str(i) for i in ids.tolist() if i > 0]
    space = "" if prepared.text.tokenizer == "characters" else " "
    return space.join(words[:_TOKENS]) + (" ..." if len(words) > _TOKENS else "")


def _lines(features: np.ndarray) -> Any:
    steps, channels = features.shape
    lines = {
        f"channel {c}": [(float(t), float(features[t, c])) for t in range(steps)]
        for c in range(min(channels, len(charts.COLOURS)))
    }
    return charts.curves(lines, x_name="step")
