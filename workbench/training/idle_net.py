"""Settings of `net` that change nothing beside the others."""

from __future__ import annotations

from collections.abc import Iterator

from nets import AutoencoderConfig, CNNConfig, Custom, RNNConfig, SequenceCNNConfig
from workbench.experiments.experiment import Experiment
from workbench.training.idle_rule import Idle


def idle_in_net(experiment: Experiment, kind: str | None) -> Iterator[Idle]:
    """Settings that change nothing.

    Args:
        kind: of the rows (`TensorSpec.kind`); None: not known yet.
    """
    net = experiment.net
    if isinstance(net, Custom):
        return  # what its settings do is known to its author
    if isinstance(net, CNNConfig):
        yield from _idle_in_blocks(net)
        if not net.blocks and not net.dense:
            yield from _idle_without_hidden("net.blocks or net.dense")
    elif isinstance(net, AutoencoderConfig) and not net.hidden:
        yield from _idle_without_hidden("net.hidden")
    elif isinstance(net, RNNConfig) and not net.dense:
        yield from _idle_in_recurrence(net)
    if net.activation != "maxout":
        rule = f"it belongs to activation maxout, got activation {net.activation!r}"
        yield Idle("net.maxout_pieces", rule, "Set net.activation to maxout")
    if isinstance(net, CNNConfig | RNNConfig | SequenceCNNConfig) and kind not in (None, "tokens"):
        rule = f"it is the size of a token's embedding, got {kind} rows"
        yield Idle("net.embedding", rule, "Use a source of text")


def _idle_in_blocks(net: CNNConfig) -> Iterator[Idle]:
    if not net.blocks:
        for name in ("batch_norm", "global_pool"):
            rule = "it belongs to the convolutional part, got no blocks"
            yield Idle(f"net.{name}", rule, "Add a block to net.blocks")
    for number, block in enumerate(net.blocks):
        path = f"net.blocks.{number}"
        if block.pool == "none":
            rule = "a block with pool 'none' has no windows to pool"
            yield Idle(f"{path}.pool_size", rule, f"Set {path}.pool to max or average")
        elif block.pool_size == 1:
            rule = "pooling windows of pool_size 1 hold one value each"
            yield Idle(f"{path}.pool", rule, f"Set {path}.pool_size above 1")


def _idle_without_hidden(where: str) -> Iterator[Idle]:
    for name in ("activation", "dropout", "maxout_pieces"):
        rule = "it belongs to hidden layers, and the net has none"
        yield Idle(f"net.{name}", rule, f"Add a layer to {where}")


def _idle_in_recurrence(net: RNNConfig) -> Iterator[Idle]:
    """Without dense layers only the plain cell has an activation to choose, relu or tanh."""
    if net.cell != "rnn":
        rule = f"cell {net.cell!r} has its own functions, and there are no dense layers"
        yield Idle("net.activation", rule, "Add a layer to net.dense, or set net.cell to rnn")
    elif net.activation not in ("relu", "tanh"):
        rule = (
            "cell 'rnn' computes tanh unless net.activation is relu, and there are no dense layers"
        )
        yield Idle("net.activation", rule, "Add a layer to net.dense")
    if net.activation == "maxout":
        rule = "maxout is for dense layers, and there are none"
        yield Idle("net.maxout_pieces", rule, "Add a layer to net.dense")
