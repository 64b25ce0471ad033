"""What a description of data says, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from workbench.ui import widgets
from workbench.ui.data import corrections, samples

_CLASSES = 200
_TEXTS = 3


def draw(description: dict[str, Any], changes: list[str]) -> None:
    """All parts of a description, the verdict first.

    Args:
        changes: the settings that it was described with.
    """
    _verdict(description)
    _decided(description)
    corrections.draw(description, changes)
    left, right = st.columns(2)
    with left, st.container(border=True):
        _splits(description)
    with right, st.container(border=True):
        _set_aside(description)
    _samples(description)
    _figures(description)


def _verdict(description: dict[str, Any]) -> None:
    if problem := description["problem"]:
        st.error(f"A training would refuse this data: {problem}", icon=":material/error:")
    spec = description["spec"]
    shape = " x ".join(map(str, spec["shape"])) or "1"
    rows = sum(description["rows"].values())
    shown = [
        ("Samples", f"{rows:,}"),
        ("Kind", spec["kind"]),
        ("Shape", shape),
        ("Classes", "–" if description["labels"] is None else str(len(description["labels"]))),
        ("Set aside", f"{description['bad']['rows']:,}"),
        ("Read in", widgets.duration(description["seconds"])),
    ]
    for column, (label, value) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(label, value)


def _decided(description: dict[str, Any]) -> None:
    st.subheader("Decided", anchor=False, help="What nobody had to say. Correct it above.")
    for sentence in description["decided"]:
        st.text(f"• {sentence}")  # plain text: names of files and columns are no Markdown
    with st.expander("Settings of the source"):
        st.json(description["source"])


def _splits(description: dict[str, Any]) -> None:
    st.markdown("**Samples of each class and split**")
    counts, labels = description["class_counts"], description["labels"]
    if labels is None or not counts:
        table = pd.DataFrame(description["rows"].items(), columns=["split", "samples"])
        widgets.show_table(table, "data_splits", "Samples of each split")
        return
    table = pd.DataFrame({"class": labels[:_CLASSES]})
    for split, numbers in counts.items():
        table[split] = numbers[:_CLASSES]
    height = widgets.table_height(len(table), 420)
    widgets.show_table(table, "data_splits", "Samples of each class and split", height=height)
    if len(labels) > _CLASSES:
        st.caption(f"The first {_CLASSES} of {len(labels):,} classes.")
    if balance := description["balance"]:
        even = "All classes have the same number of rows to train on."
        uneven = f"The rarest class has {balance:.2g} of the most frequent one's rows."
        st.caption(even if balance == 1 else uneven)


def _set_aside(description: dict[str, Any]) -> None:
    st.markdown("**Set aside**", help="Rows that cannot be used, with the reason.")
    bad = description["bad"]
    if not bad["rows"]:
        st.caption("No row.")
        return
    examples = pd.DataFrame(bad["examples"])
    widgets.show_table(examples, "data_bad", "Rows that were set aside")
    if bad["rows"] > len(examples):
        st.caption(f"{len(examples)} of {bad['rows']:,} rows.")


def _samples(description: dict[str, Any]) -> None:
    if (kept := samples.find(description)) is not None:
        samples.draw(kept)
        return
    sheet = description["samples"]
    if sheet and Path(sheet).is_file():
        st.subheader("Samples", anchor=False, help="Of each class, as the net gets them.")
        st.image(sheet)
    for label, texts in description["texts"].items():
        st.markdown("**Text of class**")
        st.text(label)
        for text in texts[:_TEXTS]:
            st.code(text, language=None, wrap_lines=True)


def _figures(description: dict[str, Any]) -> None:
    rows = [
        {"figure": name, "value": value if isinstance(value, str) else str(value)}
        for name, value in description["figures"].items()
    ]
    rows.append({"figure": "bytes of one sample", "value": f"{description['sample_bytes']:,}"})
    rows.append({"figure": "bytes of all samples", "value": f"{description['num_bytes']:,}"})
    rows.append({"figure": "fingerprint", "value": description["fingerprint"]})
    with st.expander("Figures"):
        widgets.show_table(pd.DataFrame(rows), "data_figures", "Figures of the data")
