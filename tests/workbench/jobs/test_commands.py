"""`up`, `down` and `jobs` where no bench is up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.jobs import Jobs, State, statefile
from workbench.jobs.folder import write

runner = CliRunner()


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    return tmp_path


def test_nothing_to_stop_is_no_error() -> None:
    reply = runner.invoke(app, ["down"])
    assert reply.exit_code == 0
    assert "No bench is up" in reply.stderr


def test_a_bench_that_has_gone_is_explained_by_down_and_forgotten(base: Path) -> None:
    statefile.write(State(address="x", pid=1, actor_pid=2, started=0.0, log="/the.log"), base)
    reply = runner.invoke(app, ["down"])
    assert reply.exit_code == 0
    assert "is gone: its process ended unexpectedly" in reply.stderr
    assert "/the.log" in reply.stderr
    assert not (base / "bench" / "state.json").exists()


def test_a_bench_takes_settings_of_the_cluster_only(base: Path) -> None:
    reply = runner.invoke(app, ["up", "--set", "training.epochs=3"])
    assert reply.exit_code == 2
    assert "settings of cluster only" in reply.stderr
    assert not (base / "bench" / "state.json").exists()


def test_no_jobs_yet() -> None:
    assert "No jobs yet" in runner.invoke(app, ["jobs"]).stderr


def test_jobs_are_listed_whoever_ran_them(base: Path) -> None:
    jobs = Jobs(base / "jobs")
    first = jobs.create(("python", "x"), "train a", base)
    second = jobs.create(("workbench", "train"), "train b", base, resident=True)
    write(first.folder / "status.json", {"state": "failed", "exit_code": 5, "runner": 1})
    (first.folder / "log").write_text("epoch 1\x1b[0m\n")
    out = runner.invoke(app, ["jobs"]).stdout
    assert out.index("train b") < out.index("train a")
    listed = json.loads(runner.invoke(app, ["jobs", "--json"]).stdout)
    assert [job["id"] for job in listed] == [second.id, first.id]
    assert listed[1]["exit_code"] == 5
    assert runner.invoke(app, ["jobs", first.id[-6:]]).stdout == "epoch 1\n\n"
    reply = runner.invoke(app, ["jobs", first.id, "--cancel"])
    assert (reply.exit_code, "has ended: failed" in reply.stderr) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jobs", "123456"], "no job ends in '123456'"),
        (["jobs", "--cancel"], "Say which job"),
    ],
)
def test_a_job_that_is_not_there_is_refused(arguments: list[str], message: str) -> None:
    reply = runner.invoke(app, arguments)
    assert reply.exit_code == 2
    assert message in reply.stderr


def test_a_job_whose_bench_died_is_lost(base: Path) -> None:
    job = Jobs(base / "jobs").create(("workbench", "train"), "train", base, resident=True)
    write(job.folder / "status.json", {"state": "running", "runner": 1})
    assert Jobs(base / "jobs").read(job.id).state == "lost"
