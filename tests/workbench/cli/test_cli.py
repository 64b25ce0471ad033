"""The command line as a person or a script meets it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.cli import app, manual
from workbench.errors import ClusterError, DataError, TrainingError, WorkbenchError, exit_code

runner = CliRunner()
COMMANDS = (
    "train",
    "sweep",
    "up",
    "down",
    "jobs",
    "runs",
    "compare",
    "export",
    "experiments",
    "doctor",
    "ui",
    "mlflow",
    "docs",
)
HEAVY = ("torch", "ray", "raydp", "pyspark", "mlflow", "pandas", "numpy", "streamlit", "sklearn")


def workbench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    reply = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in reply.stdout.split()}


@pytest.mark.parametrize("statement", ["import workbench", "import workbench.cli"])
def test_nothing_heavy_is_loaded(statement: str) -> None:
    assert not loaded_by(statement) & set(HEAVY)


def test_help_lists_every_command() -> None:
    reply = workbench("--help")
    assert reply.returncode == 0
    assert all(command in reply.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    reply = runner.invoke(app, [command, "--help"], terminal_width=200)
    assert reply.exit_code == 0
    assert "--debug" in reply.output


@pytest.mark.parametrize("command", ["train", "sweep", "runs", "compare", "export", "experiments"])
def test_help_teaches_by_examples(command: str) -> None:
    reply = runner.invoke(app, [command, "--help"], terminal_width=200)
    assert f"workbench {command}" in reply.output.split("Examples")[1]


def test_version() -> None:
    assert runner.invoke(app, ["--version"]).output.startswith("workbench 0.")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WorkbenchError("x"), 1),
        (DataError("x"), 3),
        (ClusterError("x"), 4),
        (TrainingError("x"), 5),
        (RuntimeError("x"), 1),
    ],
)
def test_exit_codes_of_errors(error: Exception, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "digits_cn"], "digits_cnn"),
        (["train", "missing.py:wide"], "missing.py"),
        (["train", "digits_cnn", "--set", "net.activaton=elu"], "net.activation"),
        (["train", "digits_cnn", "--set", "training.learning_rate=-1"], "learning_rate"),
        (["train", "digits_cnn", "--set", "training"], "KEY=VALUE"),
        (["sweep", "digits_cnn", "--space", "training.learning_rate=1..0"], "low < high"),
        (["sweep", "digits_cnn", "--space", "training.lr=0..1"], "training."),
        (["sweep", "digits_cnn", "--search", "bays"], "bays"),
        (["frobnicate"], "frobnicate"),
        (["train"], "EXPERIMENT"),
    ],
)
def test_a_wrong_command_is_refused_and_nothing_starts(arguments: list[str], message: str) -> None:
    reply = runner.invoke(app, arguments)
    assert reply.exit_code == 2
    assert message in reply.stderr.replace("\n", " ")
    assert "Traceback" not in reply.stderr
    assert reply.stdout == ""


def test_exit_code_and_message_of_the_real_process() -> None:
    reply = workbench("train", "digits_cn")
    assert reply.returncode == 2
    assert "Error: Unknown experiment 'digits_cn'. Did you mean 'digits_cnn'" in reply.stderr


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_missing_data_is_refused_before_a_cluster_starts(command: str, tmp_path: Path) -> None:
    absent = str(tmp_path / "cifar-10-python.tar.gz")
    reply = runner.invoke(app, [command, "cifar10_cnn", "--set", f"data.source.path={absent}"])
    assert reply.exit_code == 3
    assert absent in reply.stderr
    assert "--set data.source.path=PATH" in reply.stderr
    assert "Starting Ray" not in reply.stderr


@pytest.mark.parametrize("arguments", [["runs"], ["train", "digits_cnn"], ["compare", "a", "b"]])
def test_a_tracking_store_that_does_not_answer_is_named(arguments: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        store = f"http://127.0.0.1:{free.getsockname()[1]}"
    reply = runner.invoke(app, arguments, env={"MLFLOW_TRACKING_URI": store})
    assert reply.exit_code == 6
    assert f"{store} cannot be reached" in reply.stderr and "MLFLOW_TRACKING_URI" in reply.stderr
    assert "Starting Ray" not in reply.stderr


@pytest.mark.parametrize("command", ["ui", "mlflow", "docs"])
def test_a_taken_port_is_refused_with_another(command: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        reply = runner.invoke(app, [command, "--port", str(port)])
    assert reply.exit_code == 2
    assert f"Port {port} cannot be used" in reply.stderr and "--port" in reply.stderr


def test_the_manual_is_served_where_it_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manual, "FOLDERS", (tmp_path / "none", tmp_path))
    reply = runner.invoke(app, ["docs", "--port", "0"])
    assert reply.exit_code == 2 and "`make docs`" in " ".join(reply.stderr.split())
    (tmp_path / "index.html").write_text("<h1>Manual</h1>")
    with manual.open_manual(0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/") as page:
            assert page.read() == b"<h1>Manual</h1>"
        server.shutdown()


def test_a_traceback_only_when_asked_for() -> None:
    reply = runner.invoke(app, ["train", "digits_cn", "--debug"], env={"WORKBENCH_DEBUG": None})
    assert reply.exit_code == 2
    assert "Traceback" in reply.stderr


def test_a_fault_leaves_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.cli import errors

    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.setattr(errors, "find_own_log", lambda: None)
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError as error:
        assert errors.report(error) == 1
    (log,) = (tmp_path / "logs").iterdir()
    assert "Traceback" in log.read_text()
    assert "division by zero" in log.read_text()


def test_the_experiments_are_listed() -> None:
    reply = runner.invoke(app, ["experiments"])
    assert reply.exit_code == 0
    assert {"digits_cnn", "digits_rnn", "cifar10_cnn"} <= set(reply.output.split())


def test_the_settings_of_an_experiment_are_explained() -> None:
    reply = runner.invoke(app, ["experiments", "digits_cnn"], terminal_width=250)
    line = next(x for x in reply.output.splitlines() if x.startswith("training.batch_size"))
    assert "Rows of a step, over all workers together" in line


def test_experiments_as_json() -> None:
    reply = runner.invoke(app, ["experiments", "--json"])
    listed = json.loads(reply.stdout)
    assert listed["digits_rnn"]["net"]["kind"] == "rnn"


def test_doctor_as_json_and_its_exit_code() -> None:
    reply = workbench("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(reply.stdout)}
    assert reply.returncode == (1 if any(c["verdict"] == "fail" for c in checks.values()) else 0)
    assert checks["Java"]["verdict"] == "ok"


def test_doctor_fails_on_a_wrong_java(tmp_path: Path) -> None:
    reply = workbench("doctor", JAVA_HOME=str(tmp_path))
    assert reply.returncode == 1
    assert "fail" in reply.stdout and "Java" in reply.stdout
    assert str(tmp_path) in reply.stdout
