"""Inside an RNN: states, gates and attention, the prediction as it reads, what each step adds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from nets import Net, inside
from nets.inside import LayerStates
from workbench.ui import charts, forecasts, run_choice, store, widgets
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts, attention, inputs
from workbench.ui.inside.cache import NetInput
from workbench.ui.inside.pages import SUIT_SEQUENCES


def main() -> None:
    widgets.title(
        "Inside an RNN",
        "What the net remembers at every step of a text or series, and what its gates let through. "
        "You see how its answer forms as it reads, and which steps decided.",
        "docs/browser#inside-an-rnn",
    )
    run = run_choice.pick_run(suits=SUIT_SEQUENCES, what="recurrent net")
    with widgets.part():
        model = artifacts.net(run.id)
        recurrent, looks = (name in inside.contents(model) for name in inside.OF_SEQUENCES)
        if not (recurrent or looks):
            run_choice.link_to(run, "views/cnn.py", "Inside a CNN")
            raise Missing("This net has no recurrent layer and no attention over a sequence.")
        left, right = st.columns(2, vertical_alignment="bottom")
        with left:
            epoch = inputs.pick_epoch(run.id)
        kept = artifacts.samples(run.id)
        names = artifacts.labels(run.id)
        with right:
            index = inputs.pick_sample(kept, names)
        net_input = NetInput(*kept.one(index), name=f"sample {index}")
        net = artifacts.net(run.id, epoch)
        size = None if net_input.length is None else int(net_input.length[0])
        steps = _steps(run, net, net_input, size)
        _input(net_input, size)
        outputs = _outputs(run, net, names)
        if names is None:
            truth = None if kept.label is None else kept.label[index].reshape(-1).tolist()
            _unfolding_values(run, net, net_input, size, outputs, steps, truth)
        else:
            _unfolding(run, net, net_input, size, names, steps)
        _attribution(net, net_input, size, outputs, steps, classes=names is not None)
        if recurrent:
            _states(run, net, net_input, size, steps)
        if looks:
            with widgets.part("Attention", "What each step (a row) looks at when the layer runs."):
                attention.draw(run, epoch, net_input, steps)


def _steps(run: store.Run, net: Net, net_input: NetInput, size: int | None) -> list[str]:
    """What the time axis says: words where the vocabulary is known, else numbers from 1."""
    count = int(net_input.features.shape[1]) if size is None else size
    if net.spec.kind != "tokens":
        return [str(t + 1) for t in range(count)]
    try:
        words = artifacts.data(run.id).get("vocabulary")
    except Missing:
        words = None
    ids = [int(i) for i in net_input.features[0, :count]]
    if not isinstance(words, list):
        return [f"{t + 1}: #{i}" for t, i in enumerate(ids)]
    return [f"{t + 1}: {words[i] if i < len(words) else i}" for t, i in enumerate(ids)]


def _input(net_input: NetInput, size: int | None) -> None:
    if net_input.features.ndim != 3:
        return
    values = net_input.features[0].numpy()[:size].T
    with st.expander("The sequence itself"):
        charts.draw(
            charts.heatmap(
                values,
                range(1, values.shape[1] + 1),
                [f"channel {i}" for i in range(len(values))],
                x_name="step",
                colours=charts.from_ground("#3b6fd8"),
            ),
            key="input",
            height=80 + 22 * len(values),
            alt="The input sequence",
        )


def _outputs(run: store.Run, net: Net, names: list[str] | None) -> list[str]:
    """What each output is: a class, or a channel some steps ahead."""
    if names is not None:
        return [artifacts.class_name(names, i) for i in range(net.num_outputs)]
    targets = forecasts.target_names(run.id)
    if not targets or net.num_outputs % len(targets):
        return [f"value {i}" for i in range(net.num_outputs)]
    horizon = net.num_outputs // len(targets)
    steps = [f"{h} step{'s' * (h > 1)} ahead" for h in range(1, horizon + 1)]
    return [
        f"{target}, {step}" if len(targets) > 1 else step for step in steps for target in targets
    ]


def _unfolding_values(
    run: store.Run,
    net: Net,
    net_input: NetInput,
    size: int | None,
    outputs: list[str],
    steps: list[str],
    truth: list[float] | None,
) -> None:
    """The predicted values after each step, with the truth as a dashed line."""
    st.subheader(
        "The forecast as it reads" if "ahead" in outputs[0] else "The answer as it reads",
        anchor=False,
        help="What the net would say if the sequence ended at each step. Dashed: the true value "
        "after the last step.",
    )
    values = inside.prefix_scores(net, net_input.features, size)
    usual = sorted({0, (len(outputs) - 1) // 2, len(outputs) - 1})
    chosen = st.multiselect(
        "Outputs",
        outputs,
        default=[outputs[i] for i in usual],
        key=f"outputs_{run.id}",
        max_selections=5,
    )
    lines, colours, dashed = {}, {}, []
    for place, name in enumerate(chosen):
        index = outputs.index(name)
        lines[name] = [(t + 1.0, float(v)) for t, v in enumerate(values[:, index])]
        colours[name] = place
        if truth is not None and len(truth) == len(outputs):
            true_name = f"truth, {name}"
            lines[true_name] = [(1.0, truth[index]), (float(len(values)), truth[index])]
            colours[true_name] = place
            dashed.append(true_name)
    if lines:
        spec = charts.curves(lines, x_name="step", colour_of=colours, dashed=dashed)
        charts.draw(spec, key="prefix", height=300, alt="Predicted values after each step")
    frame = pd.DataFrame(values, columns=outputs)
    frame.insert(0, "step", steps)
    widgets.csv(frame, f"{run.name}_prefix")
    st.page_link(
        "views/run.py",
        label="Forecast against truth, and errors by step ahead",
        query_params={"run": run.id, "part": "Evaluation"},
        icon=":material/query_stats:",
    )


def _unfolding(
    run: store.Run,
    net: Net,
    net_input: NetInput,
    size: int | None,
    names: list[str],
    steps: list[str],
) -> None:
    st.subheader(
        "The answer as it reads",
        anchor=False,
        help="What the net would say if the sequence ended at each step.",
    )
    values = inside.probabilities(inside.prefix_scores(net, net_input.features, size))
    top = np.argsort(-values.max(axis=0))[:6]
    lines = {
        artifacts.class_name(names, int(c)): [
            (t + 1.0, float(v)) for t, v in enumerate(values[:, c])
        ]
        for c in top
    }
    spec = charts.curves(lines, x_name="step", y_name="probability")
    charts.draw(spec, key="prefix", height=280, alt="Prediction after each step")
    frame = pd.DataFrame(
        values, columns=[artifacts.class_name(names, i) for i in range(values.shape[1])]
    )
    frame.insert(0, "step", steps)
    widgets.csv(frame, f"{run.name}_prefix")


def _attribution(
    net: Net,
    net_input: NetInput,
    size: int | None,
    outputs: list[str],
    steps: list[str],
    *,
    classes: bool,
) -> None:
    what = "score" if classes else "value"
    st.subheader(
        "What each step adds",
        anchor=False,
        help=f"Integrated gradients from an empty sequence: blue raises the {what}, red lowers it.",
    )
    scores = inside.scores(net, net_input.features, net_input.length)[0]
    target = st.selectbox(
        "Explain the score of" if classes else "Explain the value of",
        range(net.num_outputs),
        index=int(scores.argmax()) if classes else 0,
        key=f"target_{net_input.digest}",
        format_func=lambda i: outputs[i],
    )
    values = inside.step_attribution(net, net_input.features, int(target or 0), size)[: len(steps)]
    spec = charts.bars(steps, [float(v) for v in values], x_name=f"added to the {what}")
    charts.draw(
        spec, key="steps", height=min(640, 70 + 22 * len(steps)), alt="Attribution of each step"
    )


def _states(
    run: store.Run, net: Net, net_input: NetInput, size: int | None, steps: list[str]
) -> None:
    st.subheader("States and gates over time", anchor=False)
    layers = inside.states(net, net_input.features, size)
    labels = [f"{s.name}{' backward' if s.backward else ''} ({s.cell_type})" for s in layers]
    chosen = st.selectbox(
        "Layer", labels, key="rnn_layer", bind="query-params", format_func=inputs.shorten
    )
    state = layers[labels.index(chosen) if chosen in labels else 0]
    _heat("Hidden state", state.hidden, steps, "hidden")
    if state.cell is not None:
        _heat("Cell state", state.cell, steps, "cell")
    if state.gates:
        gate = widgets.choose("Gate", list(state.gates), f"gate_{state.cell_type}", address=False)
        _gate(state, gate, steps)
    everything = {"hidden": state.hidden, **state.gates}
    if state.cell is not None:
        everything["cell"] = state.cell
    frame = pd.concat(
        [pd.DataFrame(v, index=steps).add_prefix(f"{k} ") for k, v in everything.items()], axis=1
    )
    widgets.csv(frame.rename_axis("step").reset_index(), f"{run.name}_states")


def _heat(heading: str, values: np.ndarray, steps: list[str], key: str) -> None:
    limit = float(np.abs(values).max()) or 1.0
    st.markdown(f"**{heading}** &nbsp; :gray[{values.shape[1]} units, ±{limit:.2g}]")
    spec = charts.heatmap(
        values.T,
        steps,
        range(values.shape[1]),
        colours=charts.diverging(),
        low=-limit,
        high=limit,
        x_name="step",
        y_name="unit",
    )
    charts.draw(spec, key=key, height=_height(values), alt=f"{heading} of every unit over time")


def _gate(state: LayerStates, gate: str, steps: list[str]) -> None:
    values = state.gates[gate]
    signed = gate == "candidate"
    spec = charts.heatmap(
        values.T,
        steps,
        range(values.shape[1]),
        low=-1 if signed else 0,
        high=1,
        colours=charts.diverging() if signed else charts.SEQUENTIAL,
        x_name="step",
        y_name="unit",
    )
    charts.draw(spec, key="gate", height=_height(values), alt=f"{gate} gate over time")
    if not signed:
        closed, opened = inside.gate_saturation(values)
        st.caption(
            f"On average closed (< 0.1) {closed.mean():.0%} and open (> 0.9) {opened.mean():.0%} of the steps. "
            f"{int((closed == 1).sum())} units are always closed, {int((opened == 1).sum())} always open."
        )


def _height(values: np.ndarray) -> int:
    return int(min(520, 90 + 9 * values.shape[1]))


main()
