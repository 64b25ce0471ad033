"""Sessions start and stop: the resources they need, the addresses they listen at, what they leave."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workbench.cluster import ClusterConfig, Session, open_session
from workbench.cluster.ray_start import check_reachable
from workbench.cluster.spark_start import check_resources
from workbench.errors import ClusterError


def test_an_address_nobody_answers_at_is_refused_in_seconds() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ClusterError, match=rf"No Ray cluster answers at {address}.*ray start"):
            check_reachable(address)
        assert time.monotonic() - began < 60


def test_an_address_of_another_form_is_refused() -> None:
    with pytest.raises(ClusterError, match="local, auto or host:port, got 'elsewhere'"):
        check_reachable("elsewhere")


def test_more_than_ray_has_is_refused_with_both_amounts() -> None:
    config = ClusterConfig(num_workers=4, cpus_per_worker=2)
    with pytest.raises(ClusterError, match=r"needs 8\.1 CPU .*Ray has 3 free"):
        check_resources(config, {"CPU": 3})
    with pytest.raises(ClusterError, match=r"needs 4 GPU .*Ray has 0 free"):
        check_resources(dataclasses.replace(config, gpus_per_worker=1), {"CPU": 64})


_ASK = """
import sys
from ray._raylet import GcsClient
print(len(GcsClient(address=sys.argv[1]).get_all_node_info(timeout=5)), "nodes")
"""


@pytest.mark.cluster
def test_without_the_token_ray_tells_nothing(session: Session, tmp_path: Path) -> None:
    def ask(**environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", _ASK, session.ray_address]
        env = os.environ | environment
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)

    assert ask(RAY_AUTH_MODE="token").stdout == "1 nodes\n"
    for stranger in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_TOKEN": "0" * 64}):
        refused = ask(**({"RAY_AUTH_MODE": "token"} | stranger))
        assert refused.returncode and "nodes" not in refused.stdout
        assert "auth" in refused.stderr.lower() or "token" in refused.stderr.lower()


@pytest.mark.cluster
def test_everything_listens_on_loopback_only(session: Session) -> None:
    me = psutil.Process()
    addresses = set()
    for process in [me, *me.children(recursive=True)]:
        try:
            connections = process.net_connections(kind="inet")
        except psutil.NoSuchProcess:
            continue
        addresses |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    assert addresses
    assert {address.removeprefix("::ffff:") for address in addresses} <= {"127.0.0.1", "::1"}


@pytest.mark.cluster
def test_a_second_session_in_one_process_is_refused(session: Session, tmp_path: Path) -> None:
    with (
        pytest.raises(ClusterError, match="already running in this process"),
        open_session(home=tmp_path),
    ):
        pass


_SCRIPT = """
import sys
from pathlib import Path
from workbench.cluster import open_session
for again in (False, True):  # in the same process
    with open_session(home=Path(sys.argv[1])) as session:
        print("rows", session.spark.range(10).count(), flush=True)
        if again:
            raise ValueError("on purpose")
"""


@pytest.mark.cluster
def test_sessions_are_quiet_and_leave_no_process_behind_however_they_end(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        seen: set[psutil.Process] = set()
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                seen |= set(watched.children(recursive=True))
            except psutil.NoSuchProcess:
                break
            time.sleep(0.3)
        assert process.stdout is not None and process.stderr is not None
        out, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == 1
    assert out == "rows 10\n" * 2
    first, *_, last = err.splitlines()
    assert first.startswith("Traceback") and last == "ValueError: on purpose"
    assert len(seen) > 5  # Ray's daemons and JVMs
    _, alive = psutil.wait_procs(seen, timeout=15)
    assert not alive
    logs = list((tmp_path / "logs").glob("*.log"))
    assert len(logs) == 2
