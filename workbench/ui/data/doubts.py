"""The run's page, *Samples*: labels that may be wrong, marked and exported; a map; samples alike."""

from __future__ import annotations

import shlex
import sys

import numpy as np
import pandas as pd
import streamlit as st

from workbench.bridge import Prepared
from workbench.data import Correction
from workbench.home import jobs_folder
from workbench.training.samples import Samples
from workbench.ui import experiment_file, store, widgets
from workbench.ui.data import looking, marks, sample_map
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts
from workbench.ui.jobs import Queue

_LISTED, _DRAWN = 500, 16
_ALL = "All"
_NEIGHBOURS = "what its neighbours say"


def draw(run: store.Run) -> None:
    """All parts of it; data that is not kept on this machine is said."""
    with widgets.part("Samples as the net sees them"):
        prepared = looking.find_data(run)
        splits = list(prepared.splits)
        a, b, c = st.columns(3, vertical_alignment="bottom")
        split = widgets.choose("Split", splits, "samples_split", a)
        rows = b.selectbox(
            "Rows, at most", looking.ROWS, key="samples_rows", format_func="{:,}".format
        )
        seen = looking.look(run, prepared, split, rows or looking.ROWS[0])
        orders = ["doubt", "loss"] if "doubt" in seen.frame else ["loss"]
        by = widgets.choose("Order", orders, "samples_order", c)
        if len(seen.frame) < seen.num_rows:
            st.caption(f"{len(seen.frame):,} of {seen.num_rows:,} rows, evenly spread.")
        table = _name_classes(seen, by)
        places = _filter(table, seen)
        _list(run, table.loc[places], seen)
        _gallery(table.loc[places], seen, prepared)
        _export(run, table.loc[places])
        with widgets.part("Map", "The two largest axes (PCA) of what the last layer reads."):
            sample_map.draw(run, prepared, seen, table)


def _name_classes(seen: Samples, by: str) -> pd.DataFrame:
    """The samples in order, with class names; the index is their place."""
    frame = seen.frame.sort_values(by, ascending=False)
    names = dict(enumerate(seen.labels or ()))
    for column in ("label", "prediction", "suggestion"):
        if column in frame:
            frame[column] = [names.get(i, str(i)) for i in frame[column]]
    return frame


def _filter(table: pd.DataFrame, seen: Samples) -> pd.Index:
    """Places of the samples that the filters leave."""
    if seen.labels is None:
        return table.index
    a, b, c = st.columns(3, vertical_alignment="bottom")
    chosen = np.ones(len(table), bool)
    for place, column, title in ((a, "label", "Label"), (b, "prediction", "The net says")):
        name = place.selectbox(title, [_ALL, *seen.labels], key=f"samples_{column}")
        if name not in (None, _ALL):
            chosen &= (table[column] == name).to_numpy()
    if c.toggle("Only where the net says another class", key="samples_wrong"):
        chosen &= (table["label"] != table["prediction"]).to_numpy()
    st.caption(f"{int(chosen.sum()):,} samples.")
    return table.index[chosen]


def _list(run: store.Run, table: pd.DataFrame, seen: Samples) -> None:
    marked = marks.read(run)
    shown = table.head(_LISTED).drop(columns="row")
    shown.insert(1, "marked", [marks.describe(marked.get(str(key))) for key in shown["key"]])
    event = st.dataframe(
        shown,
        hide_index=True,
        key="samples_table",
        on_select="rerun",
        selection_mode="multi-row",
        height=widgets.table_height(len(shown), 420),
        alt="Samples, the most doubtful first",
        column_config={
            "confidence": st.column_config.NumberColumn(format="percent"),
            "loss": st.column_config.NumberColumn(format="%.3g"),
            "doubt": st.column_config.NumberColumn(format="%.3f"),
            "suggestion": st.column_config.TextColumn("neighbours say"),
            "agreeing": st.column_config.NumberColumn(
                "agree", help="Of the 10 nearest samples, those with the same label"
            ),
        },
    )
    picked = shown.iloc[[i for i in event["selection"]["rows"] if i < len(shown)]]
    _mark(run, picked, seen)
    _retrain(run, marked)


def _mark(run: store.Run, picked: pd.DataFrame, seen: Samples) -> None:
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    none = picked.empty
    keys = [str(key) for key in picked["key"]]
    chosen: dict[str, Correction | None] | None = None
    if bar.button("Leave out", key="mark_exclude", icon=":material/block:", disabled=none):
        chosen = dict.fromkeys(keys, Correction(action="exclude"))
    if seen.labels is not None:
        usual = [_NEIGHBOURS] if "suggestion" in picked else []
        name = bar.selectbox("Right class", [*usual, *seen.labels], key="mark_class")
        if bar.button("Give this class", key="mark_relabel", icon=":material/edit:", disabled=none):
            names = picked["suggestion"] if name == _NEIGHBOURS else [str(name)] * len(keys)
            pairs = zip(keys, names, strict=True)
            chosen = {key: Correction(action="relabel", label=str(is_)) for key, is_ in pairs}
    if bar.button("Take marks back", key="mark_none", icon=":material/undo:", disabled=none):
        chosen = dict.fromkeys(keys)
    if none:
        st.caption("Tick samples to mark them.")
    if chosen is not None:
        marks.mark(run, chosen)
        st.rerun()


def _retrain(run: store.Run, marked: dict[str, Correction]) -> None:
    """The setting that takes the marks, and a training with it."""
    if not marked:
        return
    out = sum(one.action == "exclude" for one in marked.values())
    file = marks.file_of(run)
    st.markdown(f"**{out:,} samples to leave out, {len(marked) - out:,} to get another class**")
    try:
        base = experiment_file.save(run.id, artifacts.experiment(run.id))
    except Missing as missing:
        st.caption(str(missing))
        return
    arguments = ["train", base, "--set", f"data.corrections={file}"]
    st.code(shlex.join(["workbench", *arguments]), language="bash", wrap_lines=True)
    row = st.container(horizontal=True, vertical_alignment="center")
    if row.button("Train again with these", key="mark_train", icon=":material/play_arrow:"):
        command = [sys.executable, "-m", "workbench", *arguments]
        Queue(jobs_folder()).submit(command, f"train {run.name}, corrected")
        st.toast("Queued.", icon=":material/check:")
    with row:
        widgets.download(
            "Corrections", lambda: file.read_bytes(), f"corrections_{run.name}.csv", "text/csv"
        )


def _gallery(table: pd.DataFrame, seen: Samples, prepared: Prepared) -> None:
    columns = st.columns(4 if prepared.spec.kind in ("tokens", "series", "sound") else 8)
    for i, (place, row) in enumerate(table.head(_DRAWN).iterrows()):
        says = f"{row['label']} → {row['prediction']}, " if seen.labels is not None else ""
        with columns[i % len(columns)]:
            looking.draw_sample(
                seen, int(str(place)), prepared, f"{says}loss {row['loss']:.3g}", f"doubt_{i}"
            )


def _export(run: store.Run, table: pd.DataFrame) -> None:
    widgets.csv(table, f"{run.name}_samples", label="All of these samples as CSV")
