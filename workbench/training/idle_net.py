"""Settings of `net` that change nothing beside the others, as the net's configuration says it."""

from __future__ import annotations

from collections.abc import Iterator

from nets import Custom
from workbench.experiments.experiment import Experiment
from workbench.training.idle_rule import Idle


def idle_in_net(experiment: Experiment, kind: str | None) -> Iterator[Idle]:
    """Settings that change nothing. Of a net of a person's own, its author knows them.

    Args:
        kind: of the rows (`TensorSpec.kind`); None: not known yet.
    """
    net = experiment.net
    if isinstance(net, Custom):
        return
    for path, rule, way_out in net.idle(kind):
        yield Idle(f"net.{path}", rule, way_out)
