"""Settings of a net that change nothing beside its others: the rules that several kinds share.

The configuration of a net may have a method `idle(kind)` that yields these; `kind` is that of the rows
(`TensorSpec.kind`), None where it is not known yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class IdleSetting(NamedTuple):
    """A setting that changes nothing, whatever its value."""

    path: str
    """In the net's configuration."""
    rule: str
    """When it acts, and what is set instead."""
    way_out: str
    """A change with which it acts."""


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
