from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.preflight import doctor, machine, software


def test_every_check_is_made_and_says_what_it_saw() -> None:
    checks = list(doctor.diagnose())
    assert len(checks) >= 12
    assert all(check.seen for check in checks)
    assert not [check for check in checks if "could not be checked" in check.seen]


def test_a_problem_comes_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    problems = [check for check in doctor.diagnose() if check.verdict != "ok"]
    assert "Java" in {check.name for check in problems}
    assert all(check.advice for check in problems)


def test_java_of_this_machine() -> None:
    check = software.check_java()
    assert check.verdict == "ok"
    assert check.seen.split()[0] in {"8", "11", "17"}


def test_a_wrong_java_fails_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\" 2023-10-17' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    check = software.check_java()
    assert check.verdict == "fail"
    assert "Java 21" in check.seen
    assert "JAVA_HOME" in check.advice


def test_packages_match_the_stated_ranges() -> None:
    check = software.check_packages()
    assert check.verdict == "ok", check.seen
    assert "pyspark 3.5" in check.seen


def test_a_package_outside_its_range_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = software.importlib.metadata.version

    def version(name: str) -> str:
        return "4.0.0" if name == "pyspark" else found(name)

    monkeypatch.setattr(software.importlib.metadata, "version", version)
    check = software.check_packages()
    assert check.verdict == "fail"
    assert "pyspark 4.0.0 (needs" in check.seen


@pytest.mark.parametrize(("gib", "verdict"), [(8, "ok"), (3, "warn"), (1, "fail")])
def test_memory(gib: int, verdict: str) -> None:
    assert machine.check_memory(gib * 2**30).verdict == verdict


def test_memory_counts_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_memory", lambda: 2**29)
    assert machine.check_memory().seen == "512 MiB free"


def test_a_folder_that_cannot_be_written_to_fails() -> None:
    check = machine.check_disk((Path("/proc"),))  # refuses files, even root's
    assert check.verdict == "fail"
    assert "/proc cannot be written to" in check.seen


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        before = dict(machine._PORTS)
        machine._PORTS.clear()
        machine._PORTS["MLflow"] = port
        try:
            check = machine.check_ports()
        finally:
            machine._PORTS.clear()
            machine._PORTS.update(before)
    assert check.verdict == "warn"
    assert str(port) in check.seen


def test_loopback() -> None:
    assert machine.check_loopback().verdict == "ok"


@pytest.mark.cluster
@pytest.mark.slow
def test_ray_and_spark_start() -> None:
    command = [sys.executable, "-m", "workbench", "doctor", "--start", "--json"]
    reply = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    last = json.loads(reply.stdout)[-1]
    assert (last["name"], last["verdict"]) == ("Ray and Spark", "ok"), last
    assert "1000 rows" in last["seen"]
