"""No setting is ignored in silence: each one acts, or is refused.

Every leaf of the experiment is given other values, for each kind of net, loss, optimizer, source and
search. What is built from the experiment has to change then; where it does not, the change has to be
refused. A new setting is covered by being there.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nets import PreparationConfig
from nets.config import override
from nets.errors import ConfigError
from tests.workbench.settings_contexts import contexts
from tests.workbench.settings_trace import trace
from tests.workbench.settings_walk import leaves
from workbench.data import fingerprint
from workbench.errors import DataError
from workbench.experiments.experiment import Experiment
from workbench.sweeps.checks import check_space
from workbench.sweeps.folds import add_folds
from workbench.training.checks import check_before_start

ROOT = Path(__file__).parents[2]

READ_BY = {
    # Settings whose effect only a running Ray or Spark shows, or minutes of compiling, and the line that reads them.
    "cluster.max_failures": "workbench/training/one_worker.py: experiment.cluster.max_failures",
    "cluster.placement": "workbench/cluster/spark_start.py: placement_group_strategy=config.placement",
    "cluster.spark.min_nodes": "workbench/cluster/launcher.py: min_worker_nodes=config.min_nodes",
    "cluster.spark.gpus_per_node": "workbench/cluster/launcher.py: gpus = config.gpus_per_node",
    "training.metrics": "workbench/training/learner.py: CustomMetrics(self.training.metrics)",
    "training.start_from": "workbench/training/nets_for_data.py: experiment.training.start_from",
    "training.limit_batches": "workbench/training/learner.py: limit = self.training.limit_batches",
    "training.profile": "nets/fit.py: active=config.profile",
    "training.max_minutes": "workbench/training/learner.py: limit = self.training, self.training.max_minutes",
    "training.compile": "nets/fit.py: torch.compile(self.model) if config.compile",
    "data.max_bad_share": "workbench/data/counts.py: config.max_bad_share",
    "sweep.keep": "workbench/sweeps/driver.py: experiment.sweep.keep",
    "sweep.metric": "workbench/sweeps/driver.py: config.metric",
    "sweep.mode": "workbench/sweeps/recorder.py: self.experiment.sweep.mode",
    "sweep.max_minutes": "workbench/sweeps/driver.py: Bound(config.max_minutes",
    "sweep.objectives": "workbench/sweeps/driver.py: if config.objectives else",
}

SAYS_WHAT_HAPPENS = {
    # Values that change nothing where they say what happens anyway.
    "training.precision": "float32",  # auto, on a CPU
    "sweep.search": "tpe",  # another name of bayes
    "preparation.method": "none",  # of token ids
    "data.split.validation": 0,  # with folds
    "data.split.test": 0,  # of a source with its own test set
}


def test_every_setting_acts_or_is_refused() -> None:
    counts: Counter[str] = Counter()
    paths, silent, wrong = set(), [], []
    for name, base in contexts():
        _check(base)
        before = {part: make() for part, make in trace(base).items()}
        before["data"] = _fingerprint(base)
        for leaf in leaves(base):
            paths.add(leaf.path)
            for value in leaf.others:
                result = _try(base, before, leaf.path, value)
                counts[result] += 1
                where = f"{leaf.path} {leaf.value!r} -> {value!r} ({name})"
                if result == "silent":
                    silent.append(where)
                elif result == "refused, but acts":
                    wrong.append(where)
    print(f"{len(paths)} settings, {sum(counts.values())} pairs: {dict(counts)}")
    assert silent == []
    assert wrong == []
    # The walk cannot become empty without a notice.
    assert len(paths) >= 140
    assert sum(counts.values()) >= 6000
    assert counts["acts"] >= 4000
    assert counts["idle, refused"] >= 800


def _check(experiment: Experiment, path: str = "sweep.") -> None:
    check_before_start(experiment)
    if path.startswith("sweep."):
        check_space(add_folds(experiment))


def _try(base: Experiment, before: dict[str, Any], path: str, value: Any) -> str:
    try:
        changed = override(base, {path: value})
    except ConfigError:
        return "refused by its class"
    try:
        _check(changed, path)
    except ConfigError as error:
        message = (
            f"{path} {list(value) if isinstance(value, tuple) else value!r} would change nothing"
        )
        if message not in str(error):
            return "refused"  # by another rule, or because it makes another setting idle
        return "refused, but acts" if _acts(changed, before) else "idle, refused"
    if path in READ_BY:
        return "read elsewhere"
    if path.startswith("data.") and _fingerprint(changed) != before["data"]:
        return "acts"
    if _acts(changed, before):
        return "acts"
    return "says what happens" if SAYS_WHAT_HAPPENS.get(path) == value else "silent"


def _fingerprint(experiment: Experiment) -> str:
    """The only part of data that is made without Spark. It has every setting in it: that one of them
    is idle beside the others is what the rules say, and `tests/workbench/data` what readers do."""
    return fingerprint(experiment.data, PreparationConfig())


def _acts(changed: Experiment, before: dict[str, Any]) -> bool:
    for part, make in trace(changed).items():
        try:
            if make() != before[part]:
                return True
        except (ConfigError, DataError):
            return True  # refused where it is built
    return False


@pytest.mark.parametrize("path", READ_BY)
def test_settings_that_only_a_cluster_shows_are_read(path: str) -> None:
    file, _, text = READ_BY[path].partition(": ")
    assert text in (ROOT / file).read_text()
