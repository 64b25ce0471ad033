"""Real clusters made of processes on this machine: a standalone Spark, and a Ray of three nodes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import ClassVar, Self

import psutil
import pyspark
import pytest

from tests.workbench.cluster.hosts import Hosts
from workbench.cluster.java import find_java

START_S = 90.0


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])


def wait_for(what: str, done: object, log: Path | None = None) -> None:
    """Wait until `done()`; fails after START_S with the end of the log."""
    assert callable(done)
    deadline = time.monotonic() + START_S
    while not done():
        tail = "" if log is None or not log.exists() else log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < deadline, f"{what} did not come up\n{tail}"
        time.sleep(0.2)


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def plain_environment(**more: str) -> dict[str, str]:
    """This process's environment, without the variables that a Ray or a Spark has set in it."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAY_", "PYSPARK_", "SPARK_"))
    }
    return environment | more


class Processes:
    """Processes that end together, with all processes that they started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self._started: list[psutil.Process] = []

    def __enter__(self) -> Self:
        try:
            self.bring_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def bring_up(self) -> None:
        """Start all processes, and wait until they work together."""

    def __exit__(self, *_: object) -> None:
        family = set(self._started)
        for process in self._started:
            with suppress(psutil.NoSuchProcess):
                family |= set(process.children(recursive=True))
        # Orphans of children that have ended have the folder in their command.
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if str(self.folder) in " ".join(process.cmdline()):
                    family.add(process)
        family.discard(psutil.Process())
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            if not psutil.wait_procs(family, timeout=8)[1]:
                break
        self._stack.close()

    def start(self, name: str, command: list[str], env: dict[str, str]) -> Path:
        """Start a process; returns the file that it prints to."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, env=env, stdout=out, stderr=out, cwd=self.folder, start_new_session=True
            )
        self._started.append(psutil.Process(process.pid))
        return log


class StandaloneSpark(Processes):
    """A Spark master and two workers on loopback; their home folder has no Ray token."""

    WORKERS: ClassVar = {"worker-a": 2, "worker-b": 3}
    """Name to the last number of the address, where it is a host."""
    APART = False

    def bring_up(self) -> None:
        java, spark = find_java().home, Path(pyspark.__file__).parent
        elsewhere = self.folder / "home"
        elsewhere.mkdir()
        self.hosts = Hosts(self.folder, self.WORKERS if self.APART else {}, own_disks=True)
        self._stack.enter_context(self.hosts)
        env = plain_environment(
            HOME="/root" if self.APART else str(elsewhere),
            JAVA_HOME=str(java),
            SPARK_HOME=str(spark),
            SPARK_DAEMON_MEMORY="256m",
            SPARK_DAEMON_JAVA_OPTS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            # Two nodes on one machine take turns to find their ports.
            RAY_ON_SPARK_RAY_WORKER_NODE_STARTUP_INTERVAL="1",
        )
        deploy = f"{spark / 'bin' / 'spark-class'} org.apache.spark.deploy"
        host, port = self.hosts.here, free_port(self.hosts.here)
        self.master = f"spark://{host}:{port}"
        run = f"{deploy}.master.Master --host {host} --webui-port 0 --port {port}"
        log = self.start("master", ["sh", "-c", f"exec {run}"], env | {"SPARK_LOCAL_IP": host})
        wait_for("Spark's master", lambda: answers(host, port), log)
        for name in self.WORKERS:
            own = self.hosts.address(name)
            run = f"{deploy}.worker.Worker --host {own} --webui-port 0 --cores 2 --memory 1g"
            run += f" --work-dir {self.folder / name} {self.master}"
            self.start(name, self.hosts.command(name, run), env | {"SPARK_LOCAL_IP": own})
        wait_for("Spark's workers", lambda: log.read_text().count("Registering worker") == 2, log)


class SparkHosts(StandaloneSpark):
    """The same, where this machine allows it, with the workers on hosts that share `self.storage` only."""

    APART = True

    def bring_up(self) -> None:
        super().bring_up()
        self.storage = self.hosts.shared / "storage"


class RayNodes(Processes):
    """A Ray head, a node for Spark's executors and one for training; a spare can replace the first.

    Where this machine allows network namespaces, the nodes are `Hosts`, and the second node does not see
    the folder `self.hidden`.
    """

    KINDS: ClassVar = {"node-a": (2, "spark"), "node-b": (3, "trainer"), "spare": (4, "spark")}
    """Nodes beside the head: the last number of the address, and their custom resources."""
    FIRST = ("node-a", "node-b")
    """Nodes that are up at the beginning."""
    OWN_DISKS = False
    OBJECT_STORE_BYTES = 100_000_000

    def bring_up(self) -> None:
        self.hidden = self.folder / "hidden"
        self.hidden.mkdir()
        numbers = {name: number for name, (number, _) in self.KINDS.items()}
        self.hosts = self._stack.enter_context(
            Hosts(self.folder, numbers, own_disks=self.OWN_DISKS)
        )
        port = free_port(self.hosts.here)
        self.address = f"{self.hosts.here}:{port}"
        self.token = self.hosts.shared / "token"
        self.token.touch(mode=0o600)
        self.token.write_text(secrets.token_hex(32))
        java = find_java().home / "bin"
        env = plain_environment(
            PATH=f"{java}:{os.environ['PATH']}",
            RAY_AUTH_MODE="token",
            RAY_AUTH_TOKEN_PATH=str(self.token),
            RAY_USAGE_STATS_ENABLED="0",
            # A node that does not answer is dead after 3 s; by default after half a minute.
            RAY_health_check_period_ms="1000",
            RAY_health_check_failure_threshold="3",
        )
        options = f"--head --port={port} --include-dashboard=false --num-cpus=0"
        run = self._command("head", self.hosts.here, options)
        log = self.start("head", ["sh", "-c", f"exec {run}"], env)
        wait_for("Ray's head", lambda: answers(self.hosts.here, port), log)
        self._env = env
        for name in self.FIRST:
            self.join(name)
        for name in self.FIRST:
            log = self.folder / f"{name}.log"
            wait_for(name, lambda log=log: "runtime started" in log.read_text(), log)

    def join(self, name: str) -> None:
        """Start a node that joins the head; does not wait for it."""
        own = json.dumps(dict.fromkeys(self.KINDS[name][1].split(), 2))
        options = f"--address={self.address} --num-cpus=2 --resources='{own}'"
        run = self._command(name, self.hosts.address(name), options)
        hidden = self.hidden if name == "node-b" and not self.OWN_DISKS else None
        self.start(name, self.hosts.command(name, run, hidden=hidden), self._env)

    def kill(self, name: str) -> None:
        """Kill all processes of a node at once, as when a machine fails."""
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if f"--temp-dir={self.folder / name} " in " ".join(process.cmdline()):
                    for one in (process, *process.children(recursive=True)):
                        with suppress(psutil.NoSuchProcess):
                            one.kill()

    def _command(self, name: str, host: str, options: str) -> str:
        ray = Path(sys.executable).with_name("ray")
        store = f"--object-store-memory={self.OBJECT_STORE_BYTES} --disable-usage-stats --block"
        # Each node has its own: nodes that start together in one folder take each other's sockets.
        store += f" --temp-dir={self.folder / name}"
        return f"{ray} start --node-ip-address={host} {store} {options}"


class TwoHosts(RayNodes):
    """Two hosts with Spark and training on both, and disks of their own: they share `self.storage`."""

    KINDS: ClassVar = {"node-a": (2, "spark trainer"), "node-b": (3, "spark trainer")}
    OWN_DISKS = True

    def bring_up(self) -> None:
        super().bring_up()
        self.storage = self.hosts.shared / "storage"


def only_with_namespaces(nodes: RayNodes) -> None:
    if not nodes.hosts.made:
        pytest.skip("this machine allows no network namespaces (needs root and iproute2)")
