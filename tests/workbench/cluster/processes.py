"""Real clusters made of processes on this machine: a standalone Spark, and a Ray of three nodes."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import psutil
import pyspark
import pytest

from workbench.cluster.java import find_java

START_S = 90.0
_KINDS = {"node-a": (2, "spark"), "node-b": (3, "trainer"), "spare": (4, "spark")}
"""Nodes beside the head: the last number of the address, and their custom resource."""


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

    def bring_up(self) -> None:
        java, spark = find_java().home, Path(pyspark.__file__).parent
        elsewhere = self.folder / "home"
        elsewhere.mkdir()
        env = plain_environment(
            HOME=str(elsewhere),
            JAVA_HOME=str(java),
            SPARK_HOME=str(spark),
            SPARK_LOCAL_IP="127.0.0.1",
            SPARK_DAEMON_MEMORY="256m",
            SPARK_DAEMON_JAVA_OPTS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            # Two nodes on one machine take turns to find their ports.
            RAY_ON_SPARK_RAY_WORKER_NODE_STARTUP_INTERVAL="1",
        )
        run = str(spark / "bin" / "spark-class")
        port = free_port()
        self.master = f"spark://127.0.0.1:{port}"
        deploy = "org.apache.spark.deploy"
        here = ["--host", "127.0.0.1", "--webui-port", "0"]
        master = [run, f"{deploy}.master.Master", *here, "--port", str(port)]
        log = self.start("master", master, env)
        wait_for("Spark's master", lambda: answers("127.0.0.1", port), log)
        for name in ("worker-a", "worker-b"):
            share = ["--cores", "2", "--memory", "1g", "--work-dir", str(self.folder / name)]
            self.start(name, [run, f"{deploy}.worker.Worker", *here, *share, self.master], env)
        wait_for("Spark's workers", lambda: log.read_text().count("Registering worker") == 2, log)


class RayNodes(Processes):
    """A Ray head, a node for Spark's executors and one for training; a spare can replace the first.

    Where this machine allows network namespaces, the nodes have their own addresses and host names,
    and the second node does not see the folder `self.hidden`.
    """

    OBJECT_STORE_BYTES = 100_000_000

    def bring_up(self) -> None:
        self.hidden = self.folder / "hidden"
        self.hidden.mkdir()
        tag = os.getpid() % 250  # two test runs on one machine use other addresses
        self.name, self.subnet = f"wb{tag}", f"10.203.{tag}"
        self.apart = self._networks()
        host = f"{self.subnet}.1" if self.apart else "127.0.0.1"
        port = free_port(host)
        self.address = f"{host}:{port}"
        self.token = self.folder / "token"
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
        self._node(
            "head", host, f"--head --port={port} --include-dashboard=false --num-cpus=0", env
        )
        wait_for("Ray's head", lambda: answers(host, port), self.folder / "head.log")
        self._env = env
        for name in ("node-a", "node-b"):
            self.join(name)
        for name in ("node-a", "node-b"):
            log = self.folder / f"{name}.log"
            wait_for(name, lambda log=log: "runtime started" in log.read_text(), log)

    def join(self, name: str) -> None:
        """Start a node that joins the head; does not wait for it."""
        place, kind = _KINDS[name]
        own = f"{self.subnet}.{place}" if self.apart else "127.0.0.1"
        resources = f"--num-cpus=2 --resources='{{\"{kind}\": 2}}'"
        self._node(name, own, f"--address={self.address} {resources}", self._env)

    def kill(self, name: str) -> None:
        """Kill all processes of a node at once, as when a machine fails."""
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if f"--temp-dir={self.folder / name} " in " ".join(process.cmdline()):
                    for one in (process, *process.children(recursive=True)):
                        with suppress(psutil.NoSuchProcess):
                            one.kill()

    def _node(self, name: str, host: str, options: str, env: dict[str, str]) -> None:
        ray = Path(sys.executable).with_name("ray")
        store = f"--object-store-memory={self.OBJECT_STORE_BYTES} --disable-usage-stats --block"
        # Each node has its own: nodes that start together in one folder take each other's sockets.
        store += f" --temp-dir={self.folder / name}"
        run = f"exec {ray} start --node-ip-address={host} {store} {options}"
        command = ["sh", "-c", run]
        if self.apart and name != "head":
            steps = [f"hostname {name}"]
            steps += [f"mount --bind {self.folder}/{f} /etc/{f}" for f in ("hosts", "resolv.conf")]
            steps += [f"mount -t tmpfs none {self.hidden}"] * (name == "node-b")
            own = " && ".join([*steps, run])
            inside = ["ip", "netns", "exec", f"{self.name}-{name}", "unshare", "--uts", "--mount"]
            command = [*inside, "sh", "-c", own]
        self.start(name, command, env)

    def _networks(self) -> bool:
        """Make a network with an address for each node; False where this machine does not allow it."""
        if shutil.which("ip") is None or os.geteuid() != 0:
            return False
        steps = [
            f"link add {self.name} type bridge",
            f"addr add {self.subnet}.1/24 dev {self.name}",
            f"link set {self.name} up",
        ]
        self._stack.callback(_ip, f"link del {self.name}")
        for name, (place, _) in _KINDS.items():
            inside = f"netns exec {self.name}-{name} ip"
            steps += [
                f"netns add {self.name}-{name}",
                f"link add {self.name}v{place} type veth peer name eth0 netns {self.name}-{name}",
                f"link set {self.name}v{place} master {self.name} up",
                f"{inside} addr add {self.subnet}.{place}/24 dev eth0",
                f"{inside} link set eth0 up",
                f"{inside} link set lo up",
                f"{inside} route add default via {self.subnet}.1",
            ]
            self._stack.callback(_ip, f"netns del {self.name}-{name}")
        names = "".join(f"{self.subnet}.{place} {name}\n" for name, (place, _) in _KINDS.items())
        hosts = f"127.0.0.1 localhost\n{self.subnet}.1 head\n{names}"
        (self.folder / "hosts").write_text(hosts)
        # Java looks up its own host name, and would wait for a name server that it cannot reach.
        (self.folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        return all(_ip(step) for step in steps)


def _ip(arguments: str) -> bool:
    return not subprocess.run(
        ["ip", *arguments.split()], capture_output=True, check=False
    ).returncode


def only_with_namespaces(nodes: RayNodes) -> None:
    if not nodes.apart:
        pytest.skip("this machine allows no network namespaces (needs root and iproute2)")
