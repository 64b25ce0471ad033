"""Two runs' records side by side: equal losses or not, and what is to blame."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

from nets import TrainingConfig
from tests.workbench.small import digits
from tracking import Run
from workbench.cluster import ClusterConfig
from workbench.training import provenance
from workbench.training.differences import TOLERANCE, compare
from workbench.training.facts import Facts, read_facts
from workbench.training.process import describe_precision, describe_use

HISTORY = {
    "train/loss": [(1, 2.0), (2, 1.0), (3, 0.5)],
    "validation/loss": [(1, 2.1), (2, 1.1), (3, 0.6)],
    "test/loss": [(0, 0.65)],
    "samples_per_s": [(1, 1234.0)],
}


def facts(history: Any = None, **tags: str) -> Facts:
    """The facts of a run as a training records them."""
    used = describe_use(
        TrainingConfig(),
        torch.device("cpu"),
        num_workers=1,
        num_parameters=1000,
        steps_per_epoch=20,
    )
    more = {"workbench.content": "c0ffee", "workbench.order": "0rder", **used}
    more |= {"workbench.used.batch_size": "64"}
    run = Run(
        run_id="0" * 32,
        name="a run",
        experiment="digits-small",
        status="FINISHED",
        tags=provenance.tags(digits(), "train", "f00d") | more | tags,
    )
    return read_facts(run, digits(), {}, provenance.digest_files(), history or HISTORY)


def changed(section: str, name: str | None, value: Any) -> Facts:
    """The facts with one of them replaced."""
    other = copy.deepcopy(facts())
    if name is None:
        other[section] = value
    else:
        assert name in other[section], sorted(other[section])
        other[section][name] = value
    return other


@pytest.mark.parametrize(
    ("kind", "named", "section", "name", "value"),
    [
        ("code", "nets", "code", "nets", "abc"),
        ("package", "torch", "packages", "torch", "1.0"),
        ("data", "content", "data", "content", "bad"),
        ("order", "order of the rows", "order", None, "other"),
        ("order", "training.seed", "settings", "training.seed", 1),
        ("setting", "net.activation", "settings", "net.activation", "tanh"),
        ("batch", "batch_size", "used", "batch_size", "32"),
        ("batch", "training.batch_size", "settings", "training.batch_size", 32),
        ("workers", "workers", "used", "workers", "2"),
        ("device", "device", "used", "device", "cuda"),
        ("threads", "threads", "used", "threads", "99"),
        ("precision", "precision", "used", "precision", "bfloat16"),
        ("machine", "machine", "used", "machine", "NVIDIA H100"),
    ],
)
def test_one_difference_is_named_and_nothing_else(
    kind: str, named: str, section: str, name: str | None, value: Any
) -> None:
    other = changed(section, name, value)
    (first,) = compare(facts(), other).differences
    assert (first.kind, first.name) == (kind, named)
    assert str(value) == first.again != first.recorded
    (back,) = compare(other, facts()).differences
    assert (back.kind, back.recorded) == (kind, first.again)


def test_ten_differences_at_once_are_all_named() -> None:
    other = facts(
        **{
            "workbench.used.device": "cuda",
            "workbench.used.threads": "99",
            "workbench.used.precision": "bfloat16",
            "workbench.used.workers": "2",
            "workbench.used.batch_size": "32",
            "workbench.order": "other",
            "workbench.content": "bad",
        }
    )
    other["code"]["workbench/bridge"] = "other"
    other["packages"]["numpy"] = "1.0"
    other["settings"]["training.learning_rate"] = 0.5
    kinds = {difference.kind for difference in compare(facts(), other).differences}
    assert kinds == {
        *("code", "package", "data", "order", "setting"),
        *("batch", "workers", "device", "threads", "precision"),
    }


def test_equal_records_are_equal_to_the_last_digit() -> None:
    result = compare(facts(), facts())
    assert result.equal and result.same_machine and result.tolerance == 0
    assert (result.num_losses, result.largest) == (7, 0)
    assert result.differences == [] and result.not_recorded == []


def test_the_first_loss_that_differs_is_named_with_its_epoch_and_metric() -> None:
    history = copy.deepcopy(HISTORY)
    history["validation/loss"][1] = (2, 1.1 + 1e-12)
    history["train/loss"][2] = (3, 0.4)
    result = compare(facts(), facts(history))
    assert not result.equal and result.parting is not None
    assert (result.parting.epoch, result.parting.metric) == (2, "validation/loss")
    assert result.largest == pytest.approx(0.2)


def test_another_kind_of_machine_has_a_tolerance() -> None:
    close, far = copy.deepcopy(HISTORY), copy.deepcopy(HISTORY)
    close["train/loss"][0] = (1, 2.0 * (1 + TOLERANCE / 2))
    far["train/loss"][0] = (1, 2.0 * (1 + TOLERANCE * 2))
    other = {"workbench.used.machine": "NVIDIA H100"}
    result = compare(facts(), facts(close, **other))
    assert result.equal and not result.same_machine and result.tolerance == TOLERANCE
    assert not compare(facts(), facts(close)).equal
    assert not compare(facts(), facts(far, **other)).equal


def test_a_run_that_was_stopped_early_is_compared_as_far_as_it_went() -> None:
    short = {name: points[:2] for name, points in HISTORY.items()}
    short["test/loss"] = [(0, 0.9)]  # of the best of two epochs
    result = compare(facts(short), facts())
    assert result.equal and result.num_losses == 4
    missing = compare(facts(), facts(short)).parting
    assert missing is not None and (missing.epoch, missing.again) == (3, None)


def test_what_an_older_record_does_not_hold_is_said_and_not_blamed() -> None:
    old = facts()
    old |= {"code": {}, "commit": None, "order": None, "data": {}}
    old["used"] = {"workers": "1"}
    result = compare(old, facts())
    assert result.differences == []
    assert {"code", "data content", "order of the rows", "threads", "precision"} <= set(
        result.not_recorded
    )
    assert not result.same_machine and result.tolerance == TOLERANCE


def test_without_digests_of_the_code_commits_are_compared() -> None:
    old, new = facts(), facts()
    old |= {"code": {}, "commit": "a"}
    new |= {"commit": "b"}
    (difference,) = compare(old, new).differences
    assert (difference.kind, difference.name) == ("code", "commit")


def test_the_number_of_workers_of_an_older_record_is_that_of_its_experiment() -> None:
    experiment = replace(digits(), cluster=ClusterConfig(num_workers=3))
    run = Run(run_id="0", name="", experiment="", status="FINISHED")
    assert read_facts(run, experiment, {"content": "c"}, {}, {})["used"] == {"workers": "3"}


def test_the_precision_that_is_used_is_recorded_not_the_setting() -> None:
    cpu = torch.device("cpu")
    assert describe_precision(TrainingConfig(precision="auto"), cpu) == "float32"
    assert describe_precision(TrainingConfig(precision="bfloat16"), cpu) == "bfloat16"


def test_the_code_is_recorded_by_folder_and_by_file() -> None:
    files = provenance.digest_files()
    folders = provenance.digest_folders(files)
    assert {"nets", "nets/inside", "workbench/bridge", "workbench/training"} <= set(folders)
    assert {"nets/fit.py", "workbench/training/learner.py"} <= set(files)
    assert not any(name.startswith(("workbench/ui", "workbench/cli")) for name in files)
    assert len(str(folders)) < 6000  # a tag's limit is 8000


def test_files_of_the_code_are_named_where_their_digests_are_those_of_the_run() -> None:
    other = copy.deepcopy(facts())
    other["files"] |= {"nets/fit.py": "abc", "nets/new.py": "def"}
    other["code"] = provenance.digest_folders(other["files"])
    named = [one.name for one in compare(facts(), other).differences]
    assert named == ["nets/fit.py", "nets/new.py"]
    other["files"]["nets/loss.py"] = "of another run of the sweep"
    assert [one.name for one in compare(facts(), other).differences] == ["nets"]
