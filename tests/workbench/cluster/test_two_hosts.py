"""Two hosts with disks of their own, which share nothing but `cluster.storage`: a folder, then S3."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workbench.cluster.person import SMALL, Person
from tests.workbench.cluster.processes import TwoHosts, only_with_namespaces
from tests.workbench.s3 import start_s3

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]

TRAIN = ("train", "digits_cnn", *SMALL, "--epochs", "2")
EPOCHS = 100
SWEEP = (
    "sweep",
    "digits_cnn",
    *SMALL,
    "--epochs",
    str(EPOCHS),
    "--trials",
    "2",
    "--search",
    "random",
    "--scheduler",
    "none",
)


@pytest.fixture(scope="module")
def hosts() -> Iterator[TwoHosts]:
    # Not below pytest's folders: paths of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="wb-") as folder, TwoHosts(Path(folder)) as nodes:
        only_with_namespaces(nodes)
        yield nodes


@pytest.fixture(scope="module")
def person(hosts: TwoHosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """With a bench on the two hosts: an executor, and room for one worker, on each."""
    clusters = f"""
    [two]
    address = "{hosts.address}"
    token_path = "{hosts.token}"
    storage = "{hosts.storage}"
    num_executors = 2
    executor_memory = "512m"
    executor_resources.spark = 1
    worker_resources.trainer = 1
    """
    person = Person(tmp_path_factory.mktemp("person"), clusters)
    person.read_json("up", "--cluster", "two")
    yield person
    assert person.run("down").returncode == 0


def losses(person: Person, *options: str) -> list[float]:
    """Of each step of a training, and of the validation rows."""
    trained = person.read_json(*TRAIN, *options)
    history = person.store.history(trained["run_id"])
    assert len(history["step/loss"]) > 20
    return [value for name in ("step/loss", "validation/loss") for _, value in history[name]]


def test_a_worker_on_each_host_has_the_losses_of_one(
    person: Person, hosts: TwoHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = losses(person)
    assert list(hosts.storage.glob("prepared/*/store.json"))
    both = losses(person, "--set", "cluster.num_workers=2")
    assert both == pytest.approx(alone, rel=1e-4)
    with start_s3(monkeypatch, hosts.hosts.here) as s3:
        storage = f"cluster.storage={s3.storage}"
        there = losses(person, "--set", "cluster.num_workers=2", "--set", storage)
        assert there == both
        assert any(key.endswith(".arrow") for key in s3.held())


def test_a_sweep_goes_on_where_a_host_is_gone(person: Person, hosts: TwoHosts) -> None:
    """The last test: the host does not come back."""

    def curves() -> list[list[int]]:
        """The epochs that each trial has recorded."""
        trials = person.store.runs(kinds=("trial",))
        found = [person.store.history(run.run_id) for run in trials]
        return [[step for step, _ in each.get("validation/loss", [])] for each in found]

    with person.start(*SWEEP, "--json") as process:
        try:
            deadline = time.monotonic() + 300
            while not (len(seen := curves()) == 2 and min(map(len, seen)) > 5):  # one on each host
                assert process.poll() is None and time.monotonic() < deadline, person.log()
                time.sleep(0.5)
            assert max(map(len, seen)) < EPOCHS
            hosts.kill("node-b")
            out, said = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 0, said + person.log()
    assert [trial["status"] for trial in json.loads(out)["trials"]] == ["FINISHED"] * 2
    assert curves() == [[*range(1, EPOCHS + 1)]] * 2  # none twice
