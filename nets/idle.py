"""Settings that change nothing beside the others, and the rules about them that several nets share.

The configuration of a net may have a method `idle(kind)` that yields these; `kind` is that of the rows
(`TensorSpec.kind`), None where it is not known yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class IdleSetting(NamedTuple):
    """A setting that changes nothing, whatever its value."""

    path: str
    """In the configuration that the rule is about: a net, a cluster, an experiment."""
    rule: str
    """When it acts, and what is set instead."""
    way_out: str
    """A change with which it acts."""
    also_true: tuple[Any, ...] = ()
    """Values beside the default that say what happens anyway, such as a share of 0."""


def without_hidden(where: str) -> Iterator[IdleSetting]:
    """Of a net without hidden layers.

    Args:
        where: the settings that would add one.
    """
    for name in ("activation", "dropout", "maxout_pieces"):
        rule = "it belongs to hidden layers, and the net has none"
        yield IdleSetting(name, rule, f"Add a layer to {where}")


def without_maxout(activation: str) -> Iterator[IdleSetting]:
    """Of a net with another activation."""
    if activation != "maxout":
        rule = f"it belongs to activation maxout, got activation {activation!r}"
        yield IdleSetting("maxout_pieces", rule, "Set net.activation to maxout")


def without_tokens(kind: str | None) -> Iterator[IdleSetting]:
    """Of a net that can read texts, for other rows."""
    if kind not in (None, "tokens"):
        rule = f"it is the size of a token's embedding, got {kind} rows"
        yield IdleSetting("embedding", rule, "Use a source of text")
