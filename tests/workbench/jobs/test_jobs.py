"""One bench, and everything that is done on it through the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from workbench import ui
from workbench.cli.jobs import run_on_bench
from workbench.jobs import Client, Job, find_bench
from workbench.jobs.folder import load
from workbench.jobs.request import Request
from workbench.ui.data import descriptions
from workbench.ui.jobs import Queue

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

FOR_EVER = ("--epochs", "100000", "--set", "training.schedule=constant")


class Bench:
    """A bench of a home of its own, as commands see it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = os.environ | {"WORKBENCH_HOME": str(home), "NO_COLOR": "1"}
        self.env.pop("MLFLOW_TRACKING_URI", None)
        self.seen: set[psutil.Process] = set()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "workbench", *arguments],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0, timeout: float = 120) -> tuple[str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=timeout)
        assert process.returncode == code, err
        return out, err

    @property
    def client(self) -> Client:
        client = find_bench(self.home)
        assert client is not None
        return client

    def note_processes(self) -> None:
        """Note the processes of the bench."""
        supervisor = psutil.Process(self.client.state.pid)
        self.seen |= {supervisor, *supervisor.children(recursive=True)}

    def job(self, ready: Callable[[Job], bool]) -> Job:
        """The newest job, as soon as it is ready."""
        end = time.monotonic() + 60
        while True:
            jobs = self.client.jobs.read_all()
            if jobs and ready(jobs[0]):
                return jobs[0]
            assert time.monotonic() < end, jobs[:1]
            time.sleep(0.05)

    def training(self, *more: str) -> tuple[subprocess.Popen[str], Job]:
        """A training that never ends, after its first epoch."""
        before = {job.id for job in self.client.jobs.read_all()}
        process = self.start("train", "digits_cnn", *FOR_EVER, *more)
        job = self.job(lambda job: job.id not in before and read_events(job, "epoch") != [])
        return process, job


def read_events(job: Job, what: str) -> list[dict[str, Any]]:
    path = job.folder / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return [event for event in events if event["what"] == what]


def find_survivors(bench: Bench) -> list[psutil.Process]:
    """Processes of the bench that still run; a zombie does not."""
    alive = psutil.wait_procs(bench.seen, timeout=2)[1]
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    try:
        bench.run("up", "--dashboards", "--json")
        bench.note_processes()
        yield bench
    finally:
        bench.run("down")


def test_only_this_user_and_this_machine_reach_it(bench: Bench) -> None:
    folder = bench.home / "bench"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("state.json", "socket"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    state = load(folder / "state.json")
    assert state["token_path"] and stat.S_IMODE(Path(state["token_path"]).stat().st_mode) == 0o600
    addresses = set()
    for process in bench.seen:
        if process.is_running():
            connections = process.net_connections(kind="inet")
            addresses |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    assert addresses
    assert {address.removeprefix("::ffff:") for address in addresses} <= {"127.0.0.1", "::1"}


def test_ray_and_spark_show_their_pages_where_asked(bench: Bench) -> None:
    pages = bench.client.state.pages
    assert set(pages) == {"Ray", "Spark"}
    with urllib.request.urlopen(pages["Spark"], timeout=10) as reply:
        assert b"Spark" in reply.read()


def test_a_second_up_finds_the_first(bench: Bench) -> None:
    out, _ = bench.run("up", "--json")
    assert json.loads(out)["pid"] == bench.client.state.pid


def test_trainings_join_it_and_the_second_begins_at_once(bench: Bench) -> None:
    first, first_progress = bench.run("train", "digits_cnn", "--epochs", "2", "--json")
    assert "Writing the prepared data" in first_progress
    assert "epoch 2/2" in first_progress
    began = time.time()
    second, second_progress = bench.run("train", "digits_cnn", "--epochs", "2", "--json")
    assert "Spark" not in second_progress
    job = bench.client.jobs.read_all()[0]
    assert (job.state, job.exit_code, job.title) == ("finished", 0, "train digits_cnn, 1 changed")
    assert job.ended is not None and job.ended - began < 15  # 1 to 2 s on an idle machine
    results = [json.loads(first)["metrics"], json.loads(second)["metrics"]]
    assert results[0]["test/loss"] == results[1]["test/loss"]
    assert results[0]["validation/loss"] == results[1]["validation/loss"]
    runs, _ = bench.run("runs", "--json")
    assert json.loads(second)["run_id"] in runs
    assert "epoch 2/2" in bench.client.jobs.read_log(job.id)


def test_a_persons_own_file_is_evaluated_by_the_client(bench: Bench, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import os, pathlib\n"
        "from dataclasses import replace\n"
        "from workbench import load_experiment\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "def wide():\n"
        "    return replace(load_experiment('digits_cnn'), name='mine')\n"
    )
    process = bench.start("train", f"{mine}:wide", "--epochs", "1", "--json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert int((tmp_path / "pid").read_text()) == process.pid
    assert json.loads(out)["epochs"] == 1


def test_failures_have_their_exit_codes_and_end_nothing(bench: Bench) -> None:
    _, err = bench.run("train", "digits_cnn", "--set", "training.epochs=none", code=2)
    assert "training.epochs" in err
    wild = ("--set", "training.learning_rate=1e30", "--set", "training.optimizer=sgd")
    _, err = bench.run("train", "digits_cnn", *wild, code=5)
    assert "learning_rate" in err and "Log: " in err
    job = bench.client.jobs.read_all()[0]
    assert (job.state, job.exit_code) == ("failed", 5)
    assert "Traceback" in bench.client.jobs.read_log(job.id)
    _, err = bench.run("train", "digits_cnn", "--set", "cluster.executor_memory=2g", code=4)
    assert "up --set cluster.executor_memory=2g" in err
    bench.run("train", "digits_cnn", "--epochs", "1")


def test_ctrl_c_ends_a_training_in_order_and_twice_at_once(bench: Bench) -> None:
    process, job = bench.training()
    queued = bench.start("train", "digits_cnn", "--epochs", "1")
    waiting = bench.job(lambda newest: newest.id != job.id)
    assert waiting.state == "queued"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Interrupted" in err
    assert bench.client.jobs.read(job.id).state == "stopped"
    _, err = queued.communicate(timeout=60)
    assert queued.returncode == 0, err
    assert "1 before it" in err
    process, job = bench.training()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    bench.run(
        "train", "digits_cnn", "--epochs", "1"
    )  # the next one closes the run that was cut off
    statuses = {run["run_id"]: run["status"] for run in json.loads(bench.run("runs", "--json")[0])}
    assert list(statuses.values()).count("KILLED") == 2, statuses


def test_jobs_are_listed_followed_and_cancelled(bench: Bench) -> None:
    process, job = bench.training()
    assert "running" in bench.run("jobs")[0]
    follower = bench.start("jobs", job.id)
    assert follower.stderr is not None
    assert any("epoch 1/100000" in line for line in follower.stderr)
    bench.run("jobs", job.id[-6:], "--cancel")
    assert process.wait(timeout=60) == 130
    follower.communicate(timeout=60)
    assert follower.returncode == 0
    listed = json.loads(bench.run("jobs", "--json")[0])
    assert listed[0]["id"] == job.id and listed[0]["state"] == "stopped"


def test_a_sweep_joins_it(bench: Bench) -> None:
    out, err = bench.run(
        *("sweep", "digits_cnn", "--trials", "2", "--epochs", "1", "--search", "random"),
        *("--scheduler", "none", "--json"),
    )
    result = json.loads(out)
    assert [trial["status"] for trial in result["trials"]] == ["FINISHED", "FINISHED"]
    assert not result["interrupted"] and "trial 1/2" in err


def test_the_ui_runs_on_it_and_shows_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(bench.home / "jobs")
    request = Request(kind="train", experiment="digits_cnn", changes={"training.epochs": 1})
    job = queue.submit(
        [sys.executable, "-c", "raise SystemExit(9)"], request.title, request=request
    )
    assert job.resident
    assert bench.job(lambda newest: not newest.live).state == "finished"
    assert "epoch 1/1" in queue.read_log(job.id)
    monkeypatch.setenv("WORKBENCH_HOME", str(bench.home))
    at = AppTest.from_file(str(Path(ui.__file__).parent / "app.py"), default_timeout=60)
    at.switch_page("views/bench.py").run()
    assert not at.exception
    shown = {metric.label: metric.value for metric in at.metric}
    assert shown["Ray"] == bench.client.state.address
    again = queue.again(job.id)
    assert again.resident and again.id != job.id
    queue.stop(again.id)
    assert bench.job(lambda newest: not newest.live).id == again.id


def test_data_is_described_on_it(bench: Bench, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = (f"{i / 7},{i % 3},{'ab'[i % 2]}" for i in range(90))
    table.write_text("\n".join(["x,w,label", *rows]))
    sheet, made = tmp_path / "sheet.png", tmp_path / "mine.py"
    files = ("--samples", str(sheet), "--save", str(made))
    out, err = bench.run("data", "describe", str(table), "--json", *files)
    found = json.loads(out)
    assert sum(found["rows"].values()) == 90 and found["labels"] == ["a", "b"]
    assert "Starting Ray" not in err
    assert bench.job(lambda newest: not newest.live).title == f"describe {table}"
    assert sheet.is_file() and "t.csv" in made.read_text()
    _, err = bench.run("data", "describe", str(table), "--set", "data.source.label=z", code=3)
    assert "has no column 'z'" in err
    bench.run("data", "describe", "{", code=2)


def test_the_ui_describes_data_on_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(bench.home))
    queue, changes = Queue(bench.home / "jobs"), ["data.split.test=0.5"]
    job = descriptions.start(queue, "digits_cnn", changes)
    found = descriptions.find(queue, "digits_cnn", changes)
    assert job.resident and found is not None and found.id == job.id  # it may run by now
    done = bench.job(lambda newest: not newest.live)
    assert done.id == job.id and done.state == "finished"
    described = descriptions.read_result(queue, done)
    assert described is not None and described["rows"]["test"] == 901
    assert Path(described["samples"]).is_file()


def test_a_description_does_not_wait_for_a_training(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, job = bench.training()
    monkeypatch.setenv("WORKBENCH_HOME", str(bench.home))
    notes: list[str] = []
    progress: Any = SimpleNamespace(note=notes.append)
    assert run_on_bench("describe", "digits_cnn", {}, progress, own=False) is None
    assert notes == [f"The bench runs job {job.id}; a Spark of its own reads the data."]
    bench.client.cancel(job.id, now=True)
    training.communicate(timeout=60)


def test_a_killed_job_process_costs_its_job_only(bench: Bench) -> None:
    # On two workers: their resources are not free by themselves.
    workers = ("--set", "cluster.num_workers=2")
    process, _ = bench.training(*workers)
    os.kill(bench.client.describe()["pids"]["runner"], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "process died" in err
    began = time.monotonic()
    bench.run("train", "digits_cnn", "--epochs", "1", *workers)
    print(f"\n{time.monotonic() - began:.1f} s for the next job, all in all")


@pytest.mark.long
def test_the_actor_does_not_grow_with_its_jobs(bench: Bench) -> None:
    for _ in range(2):  # the first jobs prepare the data and load libraries
        bench.run("train", "digits_cnn", "--epochs", "1")
    before = bench.client.describe()
    for _ in range(4):
        bench.run("train", "digits_cnn", "--epochs", "1")
    after = bench.client.describe()
    assert after["memory"]["actor"] - before["memory"]["actor"] < 16 * 2**20
    assert after["memory"]["runner"] - before["memory"]["runner"] < 64 * 2**20
    assert len(after["prepared"]) == 1 and after["prepared"][0]["rows"]["train"] > 1000


def test_a_killed_bench_is_explained_and_nothing_of_it_is_left(bench: Bench) -> None:
    """The last but one: `up` works again after it, and `down` leaves no process either."""
    process, _ = bench.training()
    bench.note_processes()
    os.kill(bench.client.state.actor_pid, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert re.search(r"gone: its process \d+ ended unexpectedly.*`workbench up`", err, re.DOTALL)
    assert find_survivors(bench) == []
    bench.run("up")
    assert bench.client.describe()["running"] is None


def test_down_ends_what_runs_and_leaves_no_process(bench: Bench) -> None:
    process, job = bench.training()
    bench.note_processes()
    bench.run("down")
    assert process.wait(timeout=60) in (130, 4)
    assert find_survivors(bench) == []
    assert find_bench(bench.home) is None
    assert not (bench.home / "bench" / "socket").exists()
    assert load(job.folder / "status.json")["state"] == "stopped"
    _, err = bench.run("down")
    assert "No bench is up" in err
