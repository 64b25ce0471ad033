"""Health: dead and saturated units, distributions and norms per layer and epoch, and a verdict."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from nets import inside
from nets.inside import LayerHealth
from workbench.ui import charts, run_choice, store, widgets
from workbench.ui.errors import Missing
from workbench.ui.inside import cache, inputs

_SHOWN = {
    "dead_share": ("Dead units", charts.RISK, True),
    "saturated_share": ("Saturated units", charts.RISK, True),
    "gradient_norm": ("Gradient norm", charts.SEQUENTIAL, False),
    "weight_norm": ("Weight norm", charts.SEQUENTIAL, False),
    "update_ratio": ("Update-to-weight ratio", charts.SEQUENTIAL, False),
}
# Settings that make a training diverge more often than others
_SUSPECTS = (
    "training.learning_rate",
    "training.optimizer",
    "training.clip_norm",
    "training.precision",
    "net.activation",
)
_LEVELS = {
    "bad": (st.error, ":material/dangerous:"),
    "watch": (st.warning, ":material/visibility:"),
    "good": (st.success, ":material/check_circle:"),
}


def main() -> None:
    widgets.title(
        "Health",
        "Whether every unit is at work and gradients have a good size, by layer and epoch. A verdict "
        "in words says what to try next.",
        "docs/browser#health",
    )
    run = run_choice.pick_run(kinds=("train", "trial"))
    history = store.history(run.id)
    epoch: int | None = None
    items: list[LayerHealth] = []
    if run.status == "FAILED":
        # It has no net to look into; what was recorded until then is below.
        with contextlib.suppress(Missing):
            items = cache.health(run.id, epoch)
    else:
        with widgets.part():
            epoch = inputs.pick_epoch(run.id)
            items = cache.health(run.id, epoch)
    with widgets.part("Verdict"):
        _verdict(run, items, history, epoch)
    with widgets.part("Layer by epoch"):
        _by_epoch(history)
    if items:
        with widgets.part("Now, layer by layer"):
            _layers(run, items)


def _verdict(
    run: store.Run,
    items: list[LayerHealth],
    history: dict[str, list[tuple[float, float]]],
    epoch: int | None,
) -> None:
    recorded = {
        name: [(int(step), value) for step, value in points if epoch is None or step <= epoch]
        for name, points in history.items()
        if name.startswith("health/")
    }
    failed = _failure(run, history)
    if not items and not recorded:
        if not failed:
            raise Missing("Nothing was recorded about this run's layers.")
        return
    for finding in inside.verdict(items, recorded, run.params):
        say, icon = _LEVELS[finding.level]
        where = f"**{inputs.shorten(finding.layer)}**: " if finding.layer else ""
        say(f"{where}{finding.text}\n\n:gray[{finding.evidence}]", icon=icon)
    if failed:
        return
    st.page_link(
        "views/launch.py",
        label="Train again with other settings",
        query_params={"run": run.id},
        icon=":material/replay:",
    )


def _failure(run: store.Run, history: dict[str, list[tuple[float, float]]]) -> bool:
    """What is known of a run that failed: its error, how far it came, the settings behind it."""
    if run.status != "FAILED":
        return False
    error = run.tags.get("workbench.error", "No reason was recorded.")
    last = {
        name: points[-1]
        for name, points in history.items()
        if name in ("train/loss", "validation/loss", "gradient_norm") and points
    }
    so_far = ", ".join(f"{n} {widgets.number(v)} at epoch {e:.0f}" for n, (e, v) in last.items())
    settings = ", ".join(
        f"{name.removeprefix('training.')} {run.params[name]}"
        for name in _SUSPECTS
        if name in run.params
    )
    st.error(
        f"**The training failed.** {error}\n\n:gray[Recorded last: {so_far or 'no epoch was done'}. "
        f"Settings: {settings}.]",
        icon=":material/dangerous:",
    )
    st.page_link(
        "views/launch.py",
        label="Train again with other settings",
        query_params={"run": run.id},
        icon=":material/replay:",
    )
    return True


def _by_epoch(history: dict[str, list[tuple[float, float]]]) -> None:
    tables: dict[str, dict[str, dict[float, float]]] = {}
    for name, points in history.items():
        pieces = name.split("/")
        if len(pieces) == 3 and pieces[0] == "health":
            tables.setdefault(pieces[2], {})[pieces[1]] = dict(points)
    kinds = [kind for kind in _SHOWN if kind in tables] + [k for k in tables if k not in _SHOWN]
    if not kinds:
        raise Missing(
            "This run recorded no health per epoch (training.health is off, or no epoch is done)."
        )
    shown = {kind: _SHOWN.get(kind, (kind, charts.SEQUENTIAL, False)) for kind in kinds}
    options: dict[str, Any] = {"label_visibility": "collapsed"}
    options["format_func"] = lambda kind: shown[kind][0]
    what = widgets.choose("What", kinds, "health_of", **options)
    label, colours, share = shown[what]
    table = tables[what]
    steps = sorted({step for points in table.values() for step in points})
    values = np.array([[points.get(s, np.nan) for s in steps] for points in table.values()])
    drawn = values if share else np.log10(np.where(values > 0, values, np.nan))
    texts = np.vectorize(
        lambda v: "" if not np.isfinite(v) else f"{v:.0%}" if share else f"{v:.2g}"
    )(values)
    spec = charts.heatmap(
        drawn,
        [f"{s:.0f}" for s in steps],
        [inputs.shorten(n) for n in table],
        colours=colours,
        low=0 if share else None,
        high=1 if share else None,
        x_name="epoch",
        show=texts if values.size <= 240 else None,
        selectable=True,
    )
    if not share:  # the bar of a logarithm says the values themselves
        ends = (spec["visualMap"]["max"], spec["visualMap"]["min"])
        spec["visualMap"]["text"] = [f"{10**end:.2g}" for end in ends]
    event = charts.draw(
        spec,
        key="health_map",
        on_select="rerun",
        height=int(min(560, 90 + 36 * len(table))),
        alt=f"{label} by layer and epoch",
    )
    st.caption(
        "Click a cell to see that layer below"
        + ("." if share else "; colours follow the logarithm, the numbers are as measured.")
    )
    cell = widgets.read_clicked_cell(event, len(steps))
    if cell is not None and cell[0] < len(table):
        layer = list(table)[cell[0]]
        st.session_state["health_layer_wanted"] = layer
        charts.draw(
            charts.curves({inputs.shorten(layer): sorted(table[layer].items())}, y_name=label),
            key="health_curve",
            height=220,
            alt=f"{label} of {layer} per epoch",
        )
    frame = pd.DataFrame(values, index=list(table), columns=[f"epoch {s:.0f}" for s in steps])
    widgets.csv(frame.rename_axis("layer").reset_index(), f"health_{what}")


def _layers(run: store.Run, items: list[LayerHealth]) -> None:
    frame = pd.DataFrame(
        {
            "layer": inputs.shorten(item.layer),
            "activation": item.activation,
            "units": item.num_units,
            "dead": item.dead_share,
            "saturated": item.saturated_share,
            "zeros": item.zero_share,
            "mean": item.mean,
            "std": item.std,
        }
        for item in items
    )
    bar = st.column_config.ProgressColumn(format="percent", min_value=0.0, max_value=1.0)
    widgets.show_table(
        frame,
        "health_table",
        "Health by layer",
        column_config={"dead": bar, "saturated": bar, "zeros": bar},
    )
    widgets.csv(frame, f"{run.name}_health")
    st.caption(
        f"On {items[0].num_samples} samples. Dead: zero for every one of them. Saturated: within 5 % of an "
        "asymptote for more than 95 % of the values."
    )
    columns = st.columns(3)
    clicked_layer = st.session_state.get("health_layer_wanted", "")
    for i, item in enumerate(sorted(items, key=lambda it: not _near(it.layer, clicked_layer))):
        with columns[i % 3], st.container(border=True):
            st.markdown(f"**{inputs.shorten(item.layer)}** {item.activation}")
            charts.draw(
                charts.histogram(item.counts, item.edges),
                key=f"histogram_{item.layer}",
                height=170,
                alt=f"Distribution of the activations of {item.layer}",
            )
            if item.ill:
                word = "Dead" if item.dead_share else "Saturated"
                st.caption(
                    f"{word}: units {', '.join(map(str, item.ill[:20]))}{' …' if len(item.ill) > 20 else ''}"
                )


def _near(layer: str, clicked_layer: str) -> bool:
    """The layer that was clicked, or the activation in the same block."""
    return bool(clicked_layer) and layer.rsplit(".", 1)[0] == clicked_layer.rsplit(".", 1)[0]


main()
