"""Compares the records of two runs: which losses part first, and what else is not the same."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from workbench.training.facts import Facts
from workbench.training.provenance import digest_folders

Kind = Literal[
    "setting",
    "batch",
    "order",
    "data",
    "code",
    "package",
    "precision",
    "device",
    "workers",
    "threads",
    "machine",
]
TOLERANCE = 0.01
"""Largest relative difference of losses on machines of different kinds. Each rounds in its own way,
and a training makes small differences larger with every step."""

_KIND_OF_SETTING: dict[str, Kind] = {
    "training.batch_size": "batch",
    "training.seed": "order",
    "training.resample": "order",
    "training.precision": "precision",
}
_KIND_OF_USED: dict[str, Kind] = {
    "batch_size": "batch",
    "steps_per_epoch": "batch",
    "parameters": "setting",
    "precision": "precision",
    "device": "device",
    "workers": "workers",
    "threads": "threads",
    "machine": "machine",
}
_METRICS = ("train/loss", "validation/loss", "test/loss")
"""In the order in which an epoch measures them."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not the same in two runs."""

    kind: Kind
    name: str
    """A setting's path, a file or folder of the code, a package, or what the worker used."""
    recorded: str
    again: str


@dataclass(frozen=True, kw_only=True)
class Parting:
    """The first loss that is not the same."""

    epoch: int
    metric: str
    recorded: float
    again: float | None
    """None: the second training has no such value."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Whether two trainings gave the same losses, and what is different between them."""

    same_machine: bool
    """Whether both ran on the same kind of machine, as far as the records say."""
    tolerance: float
    """Largest relative difference at which losses count as equal; 0: to the last digit."""
    num_losses: int
    """Losses that were compared."""
    largest: float
    """Largest relative difference of all of them."""
    parting: Parting | None
    """None: the losses are equal."""
    differences: list[Difference] = field(default_factory=list)
    """What may be to blame, the likeliest first."""
    not_recorded: list[str] = field(default_factory=list)
    """What the first record does not say, so that it could not be compared."""

    @property
    def equal(self) -> bool:
        """Whether all losses are equal."""
        return self.parting is None


def compare(recorded: Facts, again: Facts) -> Comparison:
    """Compare two runs by their facts (`read_facts`).

    On the same kind of machine losses must be equal to the last digit, else within `TOLERANCE`.
    Epochs that only the second run has are left out: a sweep's scheduler may have ended the first.
    """
    machine = recorded["used"].get("machine")
    same = machine is not None and machine == again["used"].get("machine")
    tolerance = 0.0 if same else TOLERANCE
    pairs = list(_pair_losses(recorded["losses"], again["losses"]))
    apart = [one for one in pairs if _relative(one) > tolerance]
    return Comparison(
        same_machine=same,
        tolerance=tolerance,
        num_losses=len(pairs),
        largest=max(map(_relative, pairs), default=0.0),
        parting=apart[0] if apart else None,
        differences=list(find_differences(recorded, again)),
        not_recorded=_list_unknown(recorded, again),
    )


def find_differences(recorded: Facts, again: Facts) -> Iterator[Difference]:
    """What is not the same in two runs, of what both records hold."""
    yield from _compare_settings(recorded["settings"], again["settings"])
    used, used_again = recorded["used"], again["used"]
    for name, kind in _KIND_OF_USED.items():
        if name in used and name in used_again and used[name] != used_again[name]:
            yield _differ(kind, name, used[name], used_again[name])
    if recorded["order"] and again["order"] and recorded["order"] != again["order"]:
        yield _differ("order", "order of the rows", recorded["order"], again["order"])
    yield from _compare_named("data", recorded["data"], again["data"])
    yield from _compare_code(recorded, again)
    yield from _compare_named("package", recorded["packages"], again["packages"])


def _compare_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for path in [*old, *(path for path in new if path not in old)]:
        before = _show(old[path]) if path in old else "not there"
        now = _show(new[path]) if path in new else "not there"
        if before != now:
            yield _differ(_KIND_OF_SETTING.get(path, "setting"), path, before, now)


def _compare_named(
    kind: Kind, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Difference]:
    """Names of both; one that only the newer workbench records says nothing."""
    for name in old:
        if name not in new:
            yield _differ(kind, name, _show(old[name]), "not there")
        elif old[name] != new[name]:
            yield _differ(kind, name, _show(old[name]), _show(new[name]))


def _compare_code(recorded: Facts, again: Facts) -> Iterator[Difference]:
    """Files or folders that differ; the commit only where the folders were not recorded."""
    old, new = recorded["code"], again["code"]
    if not (old and new):
        if recorded["commit"] and again["commit"] and recorded["commit"] != again["commit"]:
            yield _differ("code", "commit", recorded["commit"], again["commit"])
        return
    for folder in sorted({*old, *new}):
        if old.get(folder) == new.get(folder):
            continue
        before, now = (_list_files(facts, folder) for facts in (recorded, again))
        if not before or not now:
            before, now = {folder: old.get(folder)}, {folder: new.get(folder)}
        for name in sorted({*before, *now}):
            pair = before.get(name), now.get(name)
            if pair[0] != pair[1]:
                yield _differ("code", name, *(value or "not there" for value in pair))


def _list_files(facts: Facts, folder: str) -> dict[str, str | None]:
    """File to digest of a folder of the code; {} where the list is of other code than the run's."""
    if digest_folders(facts["files"]).get(folder) != facts["code"].get(folder):
        return {}
    files = facts["files"].items()
    return {name: digest for name, digest in files if str(PurePosixPath(name).parent) == folder}


def _list_unknown(recorded: Facts, again: Facts) -> list[str]:
    unknown = []
    if not recorded["code"] and not recorded["commit"]:
        unknown.append("code")
    names = {"packages": "packages", "data": "data content", "order": "order of the rows"}
    unknown += [name for key, name in names.items() if again[key] and not recorded[key]]
    return unknown + [name for name in again["used"] if name not in recorded["used"]]


def _pair_losses(
    old: Mapping[str, Mapping[int, float]], new: Mapping[str, Mapping[int, float]]
) -> Iterator[Parting]:
    """Every loss of the first run beside that of the second, in the order they were measured."""
    epochs = sorted({epoch for values in old.values() for epoch in values})
    last = {max(losses["train/loss"]) for losses in (old, new) if losses.get("train/loss")}
    for epoch in epochs:
        for metric in _METRICS:
            if epoch not in old.get(metric, {}):
                continue
            if metric == "test/loss" and (metric not in new or len(last) > 1):
                continue  # of the best of other epochs
            yield Parting(
                epoch=epoch,
                metric=metric,
                recorded=old[metric][epoch],
                again=new.get(metric, {}).get(epoch),
            )


def _relative(pair: Parting) -> float:
    if pair.again is None:
        return math.inf
    size = max(abs(pair.recorded), abs(pair.again))
    return abs(pair.recorded - pair.again) / size if size else 0.0


def _differ(kind: Kind, name: str, recorded: str, again: str) -> Difference:
    return Difference(kind=kind, name=name, recorded=recorded, again=again)


def _show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
