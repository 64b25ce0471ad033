"""The state file: for this user only, never half-written, and never mistaken when stale."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.errors import ClusterError
from workbench.jobs import State, find_bench, statefile
from workbench.jobs.status import BenchStatus, check_bench
from workbench.progress.events import Events

STATE = State(address="127.0.0.1:1", pid=1, actor_pid=2, started=0.0, log="/logs/bench.log")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_this_user_may_read_it(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir(mode=0o777)
    statefile.write(STATE, tmp_path)
    assert mode(tmp_path / "bench") == 0o700
    assert mode(tmp_path / "bench" / "state.json") == 0o600
    assert statefile.read(tmp_path) == STATE


@pytest.mark.parametrize("text", ["", "{", "[]", '{"address": "x"}', "null"])
def test_an_unreadable_file_is_no_bench(tmp_path: Path, text: str) -> None:
    (statefile.make_folder(tmp_path) / "state.json").write_text(text)
    assert statefile.read(tmp_path) is None
    assert find_bench(tmp_path) is None


def test_fields_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    statefile.write(STATE, tmp_path)
    path = tmp_path / "bench" / "state.json"
    path.write_text(path.read_text().replace("{", '{"colour": "red",', 1))
    assert statefile.read(tmp_path) == STATE


def test_without_a_bench_there_is_none_and_no_folder_is_made(tmp_path: Path) -> None:
    assert find_bench(tmp_path / "home") is None
    assert not (tmp_path / "home").exists()


def test_a_bench_whose_process_is_gone_is_explained_once(tmp_path: Path) -> None:
    statefile.write(STATE, tmp_path)
    with pytest.raises(ClusterError, match=r"gone: its process ended unexpectedly.*bench\.log"):
        find_bench(tmp_path)
    assert find_bench(tmp_path) is None


def test_the_reason_that_the_supervisor_wrote_is_shown(tmp_path: Path) -> None:
    statefile.write(replace(STATE, ended="its process 2 was killed"), tmp_path)
    with pytest.raises(ClusterError, match=r"gone: its process 2 was killed.*`workbench up`"):
        find_bench(tmp_path)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    statefile.write(STATE, tmp_path)
    for _ in range(2):
        status = check_bench(tmp_path)
        assert status.name == "gone" and status.bench is None
        assert "/logs/bench.log" in status.text
    assert check_bench(tmp_path / "elsewhere").name == "none"


def test_why_a_start_failed_is_kept(tmp_path: Path) -> None:
    Events(statefile.make_folder(tmp_path) / "start.jsonl").write("end", error="no Java")
    assert check_bench(tmp_path) == BenchStatus(name="none", text="no Java")


def test_the_lock_says_who_lives_and_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from workbench.jobs import statefile; "
        "file = statefile.lock(pathlib.Path(sys.argv[1])); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "locked\n"
        assert statefile.is_alive(tmp_path)
        assert statefile.lock(tmp_path) is None
        with pytest.raises(ClusterError, match="bench is starting"):
            find_bench(tmp_path)
        holder.kill()
    assert not statefile.is_alive(tmp_path)


def test_a_second_supervisor_ends_at_once_and_disturbs_nothing(tmp_path: Path) -> None:
    file = statefile.lock(tmp_path)
    assert file is not None
    Events(tmp_path / "bench" / "start.jsonl").stage("Starting Ray")
    reply = subprocess.run(
        [sys.executable, "-m", "workbench.jobs.supervisor", "{}"],
        env=os.environ | {"WORKBENCH_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert reply.returncode == 1
    assert "up or starting here" in reply.stderr
    assert check_bench(tmp_path) == BenchStatus(name="starting", text="Starting Ray")
    file.close()


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("workbench.jobs, workbench.cli", {"ray", "torch", "pyspark", "mlflow", "numpy"}),
        ("workbench.jobs.supervisor, workbench.jobs.server", {"torch", "pyspark", "mlflow"}),
        ("workbench.training.one_worker, workbench.sweeps.trial", {"pyspark", "mlflow"}),
    ],
)
def test_clients_supervisor_and_workers_stay_small(modules: str, heavy: set[str]) -> None:
    code = f"import sys, {modules}; print(*sys.modules)"
    reply = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(reply.stdout.split())
