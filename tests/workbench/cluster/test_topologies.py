"""The same experiments on real clusters, by the commands: a sweep, and a training on two workers."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.workbench.cluster.person import SMALL, Person
from tests.workbench.cluster.processes import RayNodes, SparkHosts, only_with_namespaces

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]

TWO_DRAWN = ("--trials", "2", "--search", "random", "--scheduler", "none")
SWEEP = ("sweep", "digits_cnn", *SMALL, *TWO_DRAWN)
LARGE = """
from nets import CNNConfig, TrainingConfig
from workbench.data import DataConfig
from workbench.data.sources.table import TableSource
from workbench.experiments import Experiment

large = Experiment(
    name="large",
    data=DataConfig(source=TableSource(path={path!r}, features=("features",))),
    net=CNNConfig(blocks=(), dense=(8,)),
    training=TrainingConfig(epochs=2, learning_rate=3e-3, batch_size=64),
)
"""
TRAIN = ("train", "digits_cnn", *SMALL, "--set", "cluster.num_workers=2")


@pytest.fixture(scope="module")
def ray_nodes() -> Iterator[RayNodes]:
    # Not below pytest's folders: paths of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="wb-") as folder, RayNodes(Path(folder)) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def on_ray(ray_nodes: RayNodes, tmp_path_factory: pytest.TempPathFactory) -> Person:
    clusters = f"""
    [lab]
    description = "executors on one node, training on the other"
    address = "{ray_nodes.address}"
    token_path = "{ray_nodes.token}"
    executor_memory = "512m"
    executor_resources.spark = 1
    worker_resources.trainer = 1

    [frail]
    description = "everything on one node"
    address = "{ray_nodes.address}"
    token_path = "{ray_nodes.token}"
    executor_memory = "512m"
    executor_resources.spark = 0.1
    worker_resources.spark = 0.1
    """
    return Person(tmp_path_factory.mktemp("person"), clusters)


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkHosts]:
    with SparkHosts(tmp_path_factory.mktemp("spark")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def on_spark(spark: SparkHosts, tmp_path_factory: pytest.TempPathFactory) -> Person:
    clusters = f"""
    [standalone]
    topology = "spark"
    storage = "{spark.storage}"
    executor_memory = "512m"
    spark.master = "{spark.master}"
    spark.max_nodes = 2
    spark.cpus_per_node = 2
    spark.memory_per_node = "1g"
    spark.settings = {{ "spark.executor.memory" = "512m" }}
    """
    return Person(tmp_path_factory.mktemp("person"), clusters)


def check_experiments(person: Person) -> None:
    """Run a sweep and a training on the running bench, and check what the store has of them."""
    sweep = person.read_json(*SWEEP)
    assert not sweep["interrupted"]
    trials = person.store.runs(kinds=("trial",))
    assert {run.run_id for run in trials} == {trial["run_id"] for trial in sweep["trials"]}
    assert [run.status for run in trials] == ["FINISHED", "FINISHED"]
    assert sweep["best"]["metrics"]["test/accuracy"] > 0.1
    trained = person.read_json(*TRAIN)
    (run,) = person.store.runs(kinds=("train",))
    assert (run.run_id, run.status) == (trained["run_id"], "FINISHED")
    assert run.params["cluster.num_workers"] == "2"
    assert run.metrics["validation/loss"] > 0 and run.metrics["test/accuracy"] > 0.1


def check_data_larger_than_memory_for_objects(person: Person) -> None:
    """Data that does not fit into Ray's object store goes to disk, and the training continues."""
    rows, width = 3000, 10_000
    numbers = np.random.default_rng(0).random((rows, width), np.float32)
    numbers[::2] += 0.5
    assert numbers.nbytes > RayNodes.OBJECT_STORE_BYTES
    features = pa.FixedSizeListArray.from_arrays(numbers.ravel(), width)
    table = pa.table({"features": features, "label": np.arange(rows) % 2})
    path = person.home / "large.parquet"
    pq.write_table(table, path, row_group_size=500)
    file = person.home / "large.py"
    file.write_text(LARGE.format(path=str(path)))
    trained = person.read_json("train", f"{file}:large")
    assert trained["metrics"]["test/accuracy"] > 0.9


def test_on_a_ray_cluster_of_three_nodes(on_ray: Person) -> None:
    reply = on_ray.run("doctor", "--cluster", "lab", "--json")
    (seen,) = (check for check in json.loads(reply.stdout) if check["name"] == "cluster lab")
    assert seen["verdict"] == "ok"
    up = on_ray.read_json("up", "--cluster", "lab")
    try:
        assert up["cluster"]["worker_resources"] == {"trainer": 1.0}
        check_data_larger_than_memory_for_objects(on_ray)
    finally:
        assert on_ray.run("down").returncode == 0


def test_without_the_clusters_token_ray_is_not_joined(on_ray: Person, ray_nodes: RayNodes) -> None:
    address = f"cluster.address={ray_nodes.address}"
    reply = on_ray.run("train", "digits_cnn", "--set", address, RAY_AUTH_TOKEN="0" * 64)
    assert reply.returncode == 4
    assert "asks for another token" in reply.stderr and "RAY_AUTH_TOKEN_PATH" in reply.stderr


def test_a_folder_for_checkpoints_that_a_node_does_not_see_is_refused(
    on_ray: Person, ray_nodes: RayNodes
) -> None:
    only_with_namespaces(ray_nodes)
    reply = on_ray.run(*SWEEP, "--cluster", "lab", "--set", f"cluster.storage={ray_nodes.hidden}")
    assert reply.returncode == 4
    assert (
        f"{ray_nodes.hosts.address('node-b')} does not" in reply.stderr
        and "cluster.storage" in reply.stderr
    )
    assert "Starting Spark" not in reply.stderr
    assert not on_ray.store.runs(text="attributes.status = 'FAILED'")


def test_a_node_that_dies_with_data_executor_and_worker(
    on_ray: Person, ray_nodes: RayNodes
) -> None:
    """Another machine joins; no epoch and no data is lost, and no epoch is recorded twice."""
    only_with_namespaces(ray_nodes)
    epochs = 150
    command = ("train", "digits_cnn", *SMALL, "--epochs", str(epochs), "--cluster", "frail")
    before = {run.run_id for run in on_ray.store.runs(kinds=("train",))}
    with on_ray.start(*command) as process:
        assert process.stderr
        said: list[tuple[float, str]] = []
        try:
            for line in process.stderr:
                print(line, end="", flush=True)
                said.append((time.monotonic(), line))
                if f"epoch 10/{epochs}" in line:
                    ray_nodes.kill("node-a")
                    ray_nodes.join("spare")
            code = process.wait(30)
        finally:
            process.kill()
    text = "".join(line for _, line in said)
    assert code == 0, text + on_ray.log()
    assert "process died" in text
    assert text.count("Measuring the training split in Spark:") <= 1  # prepared once
    (run,) = (r for r in on_ray.store.runs(kinds=("train",)) if r.run_id not in before)
    assert run.status == "FINISHED"
    curve = on_ray.store.history(run.run_id)["validation/loss"]
    assert [step for step, _ in curve] == [*range(1, epochs + 1)]
    at = [when for when, line in said if f"/{epochs}  " in line]
    print(f"\n{max(b - a for a, b in pairwise(at)):.1f} s from the kill to the next epoch")


def test_executors_with_another_package_are_refused(on_spark: Person, spark: SparkHosts) -> None:
    other = spark.hosts.shared / "other" / "torch-1.2.3.dist-info"  # the executors see it
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 1.2.3\n")
    settings = {"spark.executor.memory": "512m", "spark.executorEnv.PYTHONPATH": str(other.parent)}
    reply = on_spark.run(
        *TRAIN, "--cluster", "standalone", "--set", f"cluster.spark.settings={json.dumps(settings)}"
    )
    assert reply.returncode == 4, reply.stderr
    assert "torch 1.2.3 (here 2." in reply.stderr and "pip install" in reply.stderr
    assert "Starting Ray" not in reply.stderr


def test_on_a_standalone_spark_cluster(on_spark: Person) -> None:
    up = on_spark.read_json("up", "--cluster", "standalone")
    processes = psutil.Process(up["pid"]).children(recursive=True)
    assert processes
    try:
        assert up["cluster"]["topology"] == "spark"
        check_experiments(on_spark)
    finally:
        assert on_spark.run("down").returncode == 0
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive
