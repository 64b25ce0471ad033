"""Settings of `net` that change nothing beside the others, as the net's configuration says it."""

from __future__ import annotations

from collections.abc import Iterator

from nets import Custom
from nets.idle import IdleSetting
from workbench.experiments.experiment import Experiment


def idle_in_net(experiment: Experiment, kind: str | None) -> Iterator[IdleSetting]:
    """Settings that change nothing. Of a net of a person's own, its author knows them.

    Args:
        kind: of the rows (`TensorSpec.kind`); None: not known yet.
    """
    net = experiment.net
    if isinstance(net, Custom):
        return
    for idle in net.idle(kind):
        yield idle._replace(path=f"net.{idle.path}")
