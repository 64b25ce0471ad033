"""An experiment on a bench runs on the bench's cluster, or is refused."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.workbench.small import digits
from workbench.cluster import ClusterConfig
from workbench.errors import ClusterError
from workbench.experiments.experiment import Experiment
from workbench.jobs.runner import Runner


def use_bench_cluster(
    bench: ClusterConfig, own: ClusterConfig, changes: dict[str, Any]
) -> Experiment:
    runner = Runner.__new__(Runner)
    runner._session = SimpleNamespace(config=bench)  # type: ignore[assignment]
    return runner._use_bench_cluster(replace(digits(), cluster=own), changes)


LAB = ClusterConfig(address="10.0.0.5:6379", storage="/shared", executor_resources={"cpu": 1.0})


def test_what_is_not_named_is_as_the_bench_has_it() -> None:
    own = ClusterConfig(num_workers=3)
    cluster = use_bench_cluster(LAB, own, {"cluster.num_workers": 3}).cluster
    assert cluster == replace(LAB, num_workers=3)


def test_storage_may_differ() -> None:
    own = ClusterConfig(storage="/mine")
    assert use_bench_cluster(LAB, own, {"cluster.storage": "/mine"}).cluster.storage == "/mine"


@pytest.mark.parametrize(
    ("own", "changes"),
    [
        (ClusterConfig(address="local"), {"cluster.address": "local"}),
        (ClusterConfig(address="10.0.0.9:6379"), {}),  # of the experiment itself
    ],
)
def test_another_cluster_is_refused_with_both_ways_out(
    own: ClusterConfig, changes: dict[str, Any]
) -> None:
    with pytest.raises(ClusterError, match=r"cluster\.address=.*10\.0\.0\.5:6379.*--own.*down"):
        use_bench_cluster(LAB, own, changes)
