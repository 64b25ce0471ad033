"""Health in words: what is wrong, since when, the evidence, and what is worth trying."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nets.inside._health import LayerHealth

Level = Literal["good", "watch", "bad"]
History = Mapping[str, Sequence[tuple[int, float]]]
"""Metric name to (epoch, value) pairs, as `health/<layer>/<what>`."""

_WATCH, _BAD = 0.1, 0.4
_HIGH_RATE = {"sgd": 0.5, "adam": 0.01, "adamw": 0.01, "rmsprop": 0.01, "adagrad": 0.1}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One statement about a layer, or about the whole net where `layer` is empty."""

    level: Level
    layer: str
    text: str
    evidence: str


def verdict(
    layers: Sequence[LayerHealth],
    history: History | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Finding]:
    """Findings, the worst first; one that says so when nothing is wrong.

    `history`: metrics per epoch, to say since when. `settings`: the flattened experiment
    (`training.learning_rate`, ...), to name a likely cause.
    """
    history, settings = history or {}, settings or {}
    findings = [f for item in layers for f in _check_layer(item, history, settings)]
    findings += _check_norms(history)
    if not findings:
        units = sum(item.num_units for item in layers)
        word = "layer" if len(layers) == 1 else "layers"
        findings = [
            Finding(
                level="good",
                layer="",
                text="No dead and no saturated units worth a worry.",
                evidence=f"{units} units in {len(layers)} activation {word}, "
                f"{layers[0].num_samples if layers else 0} samples.",
            )
        ]
    return sorted(findings, key=lambda f: ("bad", "watch", "good").index(f.level))


def _check_layer(item: LayerHealth, history: History, settings: Mapping[str, Any]) -> list[Finding]:
    findings = []
    for what, share, word in (
        ("dead_share", item.dead_share, "dead"),
        ("saturated_share", item.saturated_share, "saturated"),
    ):
        if share is None or share < _WATCH:
            continue
        series = history.get(f"health/{item.layer}/{what}", ())
        cause = _cause(word, series, settings)
        findings.append(
            Finding(
                level="bad" if share >= _BAD else "watch",
                layer=item.layer,
                text=f"{share:.0%} of the {item.activation} units are {word}"
                f"{_since(series)}. {cause}",
                evidence=f"{round(share * item.num_units)} of {item.num_units} units on "
                f"{item.num_samples} samples; mean {item.mean:.3g}, std {item.std:.3g}, "
                f"{item.zero_share:.0%} of all values are zero.",
            )
        )
    return findings


def _since(series: Sequence[tuple[int, float]]) -> str:
    """' since epoch 3': where the share last rose above the level worth a look."""
    ill = [epoch for epoch, value in series if value >= _WATCH]
    well = [epoch for epoch, value in series if value < _WATCH]
    if not ill:
        return ""
    after = [epoch for epoch in ill if not well or epoch > max(well)]
    return f" since epoch {after[0]}" if after else ""


def _cause(word: str, series: Sequence[tuple[int, float]], settings: Mapping[str, Any]) -> str:
    if series and series[0][0] == 0 and series[0][1] >= _WATCH:
        return "They were so before training: look at the initialisation and the input's scale."
    rate, optimizer = settings.get("training.learning_rate"), settings.get("training.optimizer")
    try:
        high = float(str(rate)) > _HIGH_RATE[str(optimizer)]
    except (KeyError, ValueError):
        high = False
    if high:
        return (
            f"A learning rate of {rate} is high for {optimizer} and the likely cause: "
            "compare runs with a smaller one."
        )
    if word == "dead":
        return "Worth trying: a smaller learning rate, leaky_relu, or batch norm before it."
    return "Worth trying: a smaller learning rate, batch norm before it, or a rectifier."


def _check_norms(history: History) -> list[Finding]:
    last: dict[str, dict[str, tuple[int, float]]] = {}
    for name, series in history.items():
        parts = name.split("/")
        if len(parts) == 3 and parts[0] == "health" and series:
            last.setdefault(parts[2], {})[parts[1]] = series[-1]
    findings = []
    gradients = {layer: value for layer, (_, value) in last.get("gradient_norm", {}).items()}
    if len(gradients) > 1:
        smallest, largest = (f(gradients, key=lambda k: gradients[k]) for f in (min, max))
        low, high = gradients[smallest], gradients[largest]
        if high > 0 and low < 1e-4 * high:
            findings.append(
                Finding(
                    level="watch",
                    layer=smallest,
                    text="Almost no gradient reaches this layer.",
                    evidence=f"gradient norm {low:.2g} here, {high:.2g} in {largest}, same batch.",
                )
            )
    for layer, (epoch, value) in last.get("update_ratio", {}).items():
        if not math.isfinite(value) or value > 1:
            findings.append(
                Finding(
                    level="watch",
                    layer=layer,
                    text="The weights changed by more than their own size in one epoch.",
                    evidence=f"update-to-weight ratio {value:.2g} in epoch {epoch}.",
                )
            )
    return findings
