"""The launcher: its Spark settings, and its messages when a Spark cluster does not serve."""

from __future__ import annotations

import re
import socket

import pytest

from workbench.cluster.config import SparkClusterConfig
from workbench.cluster.launcher import (
    _explain_python,
    build_nodes_path,
    build_spark_settings,
    check_master,
)
from workbench.errors import ClusterError


def test_spark_is_asked_for_executors_of_a_nodes_size() -> None:
    config = SparkClusterConfig(
        master="local-cluster[2,4,2048]",
        max_nodes=3,
        cpus_per_node=4,
        gpus_per_node=1,
        memory_per_node="8g",
    )
    settings = build_spark_settings(config)
    assert settings["spark.executor.cores"] == "4" and settings["spark.cores.max"] == "12"
    assert settings["spark.executor.memoryOverhead"] == "8g"
    assert settings["spark.executor.resource.gpu.amount"] == "1"
    assert settings["spark.driver.host"] == "127.0.0.1"
    assert settings["spark.ui.enabled"] == "false"


def test_the_users_settings_win() -> None:
    own = {"spark.ui.enabled": "true", "spark.driver.host": "10.1.2.3"}
    settings = build_spark_settings(
        SparkClusterConfig(master="local-cluster[1,1,1024]", settings=own)
    )
    assert settings["spark.ui.enabled"] == "true" and settings["spark.driver.host"] == "10.1.2.3"
    assert "spark.executor.cores" not in settings  # what Spark gives


def test_a_master_that_does_not_answer_is_refused_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        master = f"spark://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(
            ClusterError, match=f"No Spark master answers at {master}.*start-master"
        ):
            check_master(master)
        unused.listen()
        check_master(f"spark://127.0.0.1:1,{master.removeprefix('spark://')}")  # one of two


def test_nodes_find_ray_and_java_of_any_machine() -> None:
    here = {"executable": "/v/bin/python", "java": "/j", "path": "/usr/bin:/bin"}
    there = {"executable": "/v/bin/python", "java": None, "path": "/opt/bin:/bin"}
    assert build_nodes_path([here, there]) == "/v/bin:/j/bin:/usr/bin:/bin:/opt/bin"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            'java.io.IOException: Cannot run program "/no/python": error=2',
            "no Python at /no/python",
        ),
        (
            "PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different version "
            "(3, 10) than that in driver 3.11, PySpark cannot run",
            r"run Python 3\.10 .* this machine 3\.11\. .*spark\.pyspark\.python",
        ),
        ("org.apache.spark.SparkException: something else\n at x", "something else$"),
    ],
)
def test_a_python_that_does_not_run_there_is_explained(
    error: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", "/no/python")
    assert re.search(message, _explain_python(error))
