"""Looks at a net's answer to one sample: what decided it, and what the net remembered on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from nets import inside
from nets.errors import ConfigError
from workbench.notebook import charts
from workbench.notebook.figure import Figure

if TYPE_CHECKING:
    from torch import Tensor

    from nets import Net

_SIDE = 240
"""Pixels of a drawn picture, about."""


def attribution(
    net: Net,
    sample: Tensor,
    target: str | int | None = None,
    *,
    method: str | None = None,
    layer: str | None = None,
    length: int | None = None,
) -> Figure:
    """Which part of a sample decided the answer.

    The frame has of a picture a number for each pixel (grad_cam: for each place of the layer's
    maps), rows from the top; of a sequence a row for each step.

    Args:
        sample: raw, (*spec.shape) or (1, *spec.shape).
        target: the class or output to explain, by name or index; None: the net's own answer.
        method: of pictures: grad_cam (the default; what speaks for the target), integrated_gradients
            or occlusion (red speaks for it, blue against it). Of sequences: integrated_gradients.
        layer: of grad_cam; None: the last convolution.
        length: steps of a sequence that are no padding; None: all.

    Raises:
        ConfigError: the net has no such output, or a method does not fit its samples.
    """
    features, answers = _with_batch(net, sample), _answers(net, sample, length)
    place = _find_target(net, answers, target)
    name = _name_of(net, place)
    title = f"What speaks for {name} ({answers[place]:.3g})"
    if features.ndim == 4:
        chosen = method or "grad_cam"
        _check(method, inside.METHODS, "a picture")
        heat = inside.attribute(net, features, place, cast("Any", chosen), layer=layer)
        if chosen == "grad_cam" and not heat.any():  # then the picture would lie there unmarked
            title += ": by Grad-CAM no place of the layer does. Try method occlusion"
        frame = pd.DataFrame(heat).rename_axis(index="y", columns="x")
        plain = _enlarge(inside.picture(features[0].cpu().numpy()))
        shown = (
            inside.overlay(plain, heat)
            if chosen == "grad_cam"
            else inside.montage(heat[None], palette="diverging", tile=_SIDE)
        )
        draw = charts.pictures([plain, shown], ["the sample", chosen.replace("_", " ")], 2)
        return Figure(title, frame, draw, (6.4, 3.6))
    _check(method, ("integrated_gradients",), "a sequence")
    if features.ndim != 3 and net.text is None:
        raise ConfigError(
            f"Attributions are of pictures, series and text, and this net takes samples of kind "
            f"{net.spec.kind}."
        )
    values = inside.step_attribution(net, features, place, length)[:length]
    frame = pd.DataFrame({"attribution": values}).rename_axis("step")
    if (tokens := _tokens(net, features, len(frame))) is not None:
        frame.insert(0, "token", tokens)
    return Figure(title, frame, charts.steps(frame, "attribution"), (7.2, 3.0))


def states(net: Net, sample: Tensor, *, part: str = "hidden", length: int | None = None) -> Figure:
    """What a recurrent net holds at each step, layer by layer, and its answer so far.

    The frame has a row for each step: the units of each layer, and of a net with classes, below
    `answer`, the probability of the class that it answers in the end.

    Args:
        sample: raw, (*spec.shape) or (1, *spec.shape).
        part: hidden; of an LSTM also cell, input, forget, output, candidate; of a GRU also reset,
            update, candidate.
        length: steps that are no padding; None: all.

    Raises:
        ConfigError: the net has no recurrent layer, or none with such a part.
    """
    features = _with_batch(net, sample)
    panels: dict[str, np.ndarray] = {}
    parts = {"hidden"}
    for each in inside.states(net, features, length):
        arrays = {"hidden": each.hidden, "cell": each.cell, **each.gates}
        parts |= {name for name, values in arrays.items() if values is not None}
        if (values := arrays.get(part)) is not None:
            panels[f"{each.name}{' backward' if each.backward else ''}"] = values
    if not panels:
        raise ConfigError(f"The states have the parts {', '.join(sorted(parts))}, got {part!r}.")
    columns = {
        (name, str(unit)): values[:, unit]
        for name, values in panels.items()
        for unit in range(values.shape[1])
    }
    title = f"{part} states over {len(next(iter(panels.values())))} steps"
    answer: np.ndarray | None = None
    if net.labels is not None:
        scores = inside.prefix_scores(net, features, length)
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares = shifted / shifted.sum(axis=1, keepdims=True)
        place = int(shares[-1].argmax())
        answer = shares[:, place]
        columns["answer", net.labels[place]] = answer
        title += f"; in the end: {net.labels[place]} ({answer[-1]:.0%})"
    frame = pd.DataFrame(columns).rename_axis("step")
    frame.columns.names = ["layer", "unit"]
    ticks = _tokens(net, features, len(frame))
    height = 1.0 + 1.7 * len(panels) + (1.2 if answer is not None else 0)
    return Figure(title, frame, charts.states(panels, answer, ticks), (7.4, height))


def _with_batch(net: Net, sample: Tensor) -> Tensor:
    """(1, *spec.shape)"""
    return sample if sample.ndim > len(net.spec.shape) else sample[None]


def _answers(net: Net, sample: Tensor, length: int | None) -> np.ndarray:
    """Probabilities of the classes, or the values: (num_outputs,)"""
    import torch

    with torch.inference_mode():
        sizes = None if length is None else torch.tensor([length])
        scores = net(_with_batch(net, sample)[:1], sizes)
    scores = scores.softmax(1) if net.labels is not None else scores.flatten(1)
    answers: np.ndarray = scores[0].float().cpu().numpy()
    return answers


def _find_target(net: Net, answers: np.ndarray, target: str | int | None) -> int:
    if target is None:
        return int(answers.argmax()) if net.labels is not None else 0
    if isinstance(target, str) and target in (net.labels or ()):
        return (net.labels or ()).index(target)
    if isinstance(target, int) and 0 <= target < len(answers):
        return target
    names = f"one of {', '.join(net.labels[:20])}, or " if net.labels else ""
    raise ConfigError(f"target is {names}an index from 0 to {len(answers) - 1}, got {target!r}.")


def _name_of(net: Net, place: int) -> str:
    return net.labels[place] if net.labels is not None else f"output {place}"


def _check(method: str | None, known: tuple[str, ...], of: str) -> None:
    if method is not None and method not in known:
        raise ConfigError(f"method of {of} is {' or '.join(known)}, got {method!r}.")


def _tokens(net: Net, features: Tensor, steps: int) -> list[str] | None:
    """The tokens of a text; None: the sample is none."""
    if net.text is None:
        return None
    return [net.text.vocabulary[int(token)] for token in features[0, :steps]]


def _enlarge(picture: np.ndarray) -> np.ndarray:
    factor = max(1, _SIDE // max(picture.shape[:2]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)
