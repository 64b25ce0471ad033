"""The Evaluation of nets without classes: forecasts, other values, reconstructions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from nets import inside
from workbench.ui import charts, forecasts, store, widgets
from workbench.ui.errors import Missing
from workbench.ui.forecasts import Values, Window
from workbench.ui.inside import pictures, reconstruction

_SHOWN = 8
_DOTS = 2_000


def draw_values(run: store.Run) -> None:
    """A forecast's windows and errors by step ahead; other values against the truth."""
    values = forecasts.read(run.id)
    _against_baselines(run)
    if not values.forecast:
        _predicted_against_true(values)
        return
    window: Window | None = None
    with widgets.part():
        window = forecasts.read_windows(run.id, values)
    _forecast(values, window)
    _error_by_step(run, values, window)


def _against_baselines(run: store.Run) -> None:
    frame = forecasts.compare_with_baselines(run.metrics)
    if len(frame) < 2:
        st.caption("This run recorded no baseline: no answer without a net to compare with.")
    else:
        errors = [name for name in frame if name != "r2"]
        best = frame[errors[0]].idxmin() if errors else "this net"
        if best == "this net":
            st.success("The net is better than every baseline.", icon=":material/check_circle:")
        elif not run.tags.get("workbench.verdicts"):  # else these, above, say it
            st.warning(
                f"**{best}** has a smaller {errors[0]} than the net, and needs no net.",
                icon=":material/visibility:",
            )
    table = frame.rename_axis("answer").reset_index()
    widgets.show_table(
        table,
        "baselines",
        "Errors of the net and of the baselines",
        placeholder="–",
        column_config={
            name: st.column_config.NumberColumn(format="%.4g") for name in frame.columns
        },
    )


def _forecast(values: Values, window: Window | None) -> None:
    st.subheader("Forecast against truth", anchor=False)
    a, b = st.columns([1, 2], vertical_alignment="bottom")
    last = len(values.truth if window is None else window.past) - 1
    row = int(
        a.number_input(f"Window (0 to {last})", 0, last, 0, key="window", bind="query-params")
    )
    target = b.selectbox("Channel", values.targets, key="target", bind="query-params")
    at = values.targets.index(target) if target in values.targets else 0
    ahead = np.arange(1, values.truth.shape[1] + 1)
    lines = {
        "truth": _points(ahead, values.truth[row, :, at]),
        "forecast": _points(ahead, values.predicted[row, :, at]),
    }
    if window is not None:
        past = window.past[row, :, at]
        read = _points(np.arange(1 - len(past), 1), past)
        lines["truth"] = [read[-1], *lines["truth"]]
        lines = {"read by the net": read, **lines}
        lines |= {name: _points(ahead, guess[row, :, at]) for name, guess in window.guesses.items()}
    colours = {"read by the net": 8, "truth": 2, "forecast": 0, "last value": 5, "last season": 1}
    spec = charts.curves(
        lines,
        x_name="step ahead (0: the last step that the net reads)",
        dashed=[] if window is None else list(window.guesses),
        colour_of=colours,
    )
    spec["xAxis"] |= {"min": "dataMin", "minInterval": 1}
    charts.draw(spec, key="forecast", height=320, alt=f"Forecast of {target} against the truth")


def _points(steps: np.ndarray, values: np.ndarray) -> list[tuple[float, float]]:
    return [(float(s), float(v)) for s, v in zip(steps, values, strict=True)]


def _error_by_step(run: store.Run, values: Values, window: Window | None) -> None:
    st.subheader(
        "Error by step ahead", anchor=False, help="Mean absolute error, in the data's own units."
    )
    steps = np.arange(1, values.truth.shape[1] + 1)
    count = len(values.truth) if window is None else len(window.past)
    truth, predicted = values.truth[:count], values.predicted[:count]
    errors = {"this net": forecasts.error_by_step(truth, predicted)}
    if window is not None:
        errors |= {
            name: forecasts.error_by_step(truth, guess) for name, guess in window.guesses.items()
        }
    lines = {name: _points(steps, error) for name, error in errors.items()}
    spec = charts.curves(
        lines,
        x_name="step ahead",
        y_name="mean absolute error",
        colour_of={"this net": 0, "last value": 5, "last season": 1},
        dashed=[name for name in lines if name != "this net"],
    )
    spec["xAxis"] |= {"min": 1, "minInterval": 1}
    spec["yAxis"] |= {"min": 0}
    charts.draw(spec, key="error_by_step", height=280, alt="Mean absolute error by step ahead")
    some = "" if count == len(values.truth) else f" of {len(values.truth):,}"
    st.caption(f"Over the first {count:,}{some} windows of the evaluation.")
    widgets.csv(pd.DataFrame({"step": steps, **errors}), f"{run.name}_error_by_step")


def _predicted_against_true(values: Values) -> None:
    st.subheader("Predicted against true", anchor=False)
    truth, predicted = values.truth.reshape(-1), values.predicted.reshape(-1)
    low = float(min(truth.min(), predicted.min()))
    high = float(max(truth.max(), predicted.max()))
    spec = charts.scatter(
        _points(truth[:_DOTS], predicted[:_DOTS]), x_name="true", y_name="predicted"
    )
    spec["series"].append(
        {"type": "line", "data": [[low, low], [high, high]], "symbol": "none", "color": charts.GREY}
    )
    charts.draw(spec, key="against_true", height=420, alt="Predicted against true values")
    if len(truth) > _DOTS:
        st.caption(f"The first {_DOTS:,} of {len(truth):,} values.")


def draw_reconstructions(run: store.Run) -> None:
    """Inputs beside what the net makes of their codes, and the difference."""
    made = reconstruction.read(run.id)
    if made.code_size is not None:
        st.caption(
            f"{made.inputs[0].size:,} numbers per sample, through a code of {made.code_size}."
        )
    st.subheader("Reconstruction beside its input", anchor=False)
    which = widgets.choose("Show", ["first", "best", "worst"], "reconstructed")
    order = {"first": np.arange(len(made.errors)), "best": np.argsort(made.errors)}.get(
        which, np.argsort(-made.errors)
    )[:_SHOWN]
    if made.inputs.ndim == 4:
        _pictures(made, order)
    elif made.inputs.ndim == 3:
        _series(made, order)
    else:
        raise Missing("Samples of this shape are not drawn.")
    st.caption(
        f"Of {len(made.errors):,} kept samples, as the net takes them (prepared). Mean squared error "
        f"of these: {', '.join(widgets.number(float(made.errors[i])) for i in order)}."
    )


def _pictures(made: reconstruction.Reconstruction, order: np.ndarray) -> None:
    inputs, outputs = made.inputs[order].mean(axis=1), made.outputs[order].mean(axis=1)
    bounds = (float(inputs.min()), float(inputs.max()))
    rows = (
        ("input", inputs, "grey", bounds),
        ("reconstruction", outputs, "grey", bounds),
        ("difference (red: too bright, blue: too dark)", outputs - inputs, "diverging", None),
    )
    for heading, maps, palette, limits in rows:
        board = inside.montage(
            maps,
            palette=palette,  # type: ignore[arg-type]
            tile=96,
            gap=6,
            columns=len(order),
            bounds=limits,
            opaque=False,
        )
        st.markdown(f"**{heading}** &nbsp; :gray[{maps.min():.3g} to {maps.max():.3g}]")
        pictures.show(board, f"{heading} of {len(order)} samples")


def _series(made: reconstruction.Reconstruction, order: np.ndarray) -> None:
    columns = st.columns(2)
    for place, index in enumerate(order):
        steps = np.arange(1, made.inputs.shape[1] + 1)
        lines = {
            "input": _points(steps, made.inputs[index, :, 0]),
            "reconstruction": _points(steps, made.outputs[index, :, 0]),
        }
        with columns[place % 2]:
            charts.draw(
                charts.curves(lines, x_name="step"),
                key=f"reconstruction_{place}",
                height=200,
                alt=f"Sample {index} and its reconstruction, first channel",
            )
