"""`workbench runs`, `compare` and `export` on a real store with small real runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import nets
from tests.workbench.small import digits
from tracking import MlflowRecorder
from workbench.cli import app
from workbench.training import provenance
from workbench.training.recording import record_files

SPEC = nets.TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
runner = CliRunner()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Two finished trainings, a sweep whose best trial is the second, and one run that failed."""
    home = tmp_path_factory.mktemp("home")
    recorder = MlflowRecorder(f"sqlite:///{home / 'mlflow.db'}")
    runs = []
    for rate, accuracy in ((0.001, 0.5), (0.01, 0.75)):
        experiment = digits(learning_rate=rate)
        run = recorder.start(
            "digits-small",
            f"rate {rate}",
            params=provenance.params(experiment),
            tags=provenance.tags(experiment, "train", "f")
            | {"workbench.used.threads": "2", "workbench.used.parameters": str(rate)},
        )
        for epoch in (1, 2, 3):
            value = accuracy + (0.1 if epoch == 2 else 0)
            recorder.metrics(run, {"validation/accuracy": value}, epoch)
        net = nets.build(experiment.net, SPEC, 10, seed=3)
        nets.save(net, home / "net", labels=list("0123456789"))
        record_files(recorder, run, {"experiment.json": b"{}"})
        tested = {"test/accuracy": accuracy, "baseline/commonest_class/accuracy": 0.5}
        recorder.metrics(run, {**tested, "baseline/rows": 1359.0}, 0)
        recorder.model(run, home / "net", example={"features": [bytes(64)]})
        recorder.finish(run)
        runs.append(run)
    sweep = recorder.start(
        "digits-small", "a sweep", params={}, tags=provenance.tags(digits(), "sweep", "f")
    )
    recorder.tags(sweep, {"workbench.best_run": runs[1], "workbench.tied_trials": "3"})
    recorder.metrics(sweep, {"validation/accuracy": 0.85, "test/accuracy": 0.75}, 0)
    recorder.finish(sweep)
    failed = recorder.start(
        "other", "no model", params={}, tags=provenance.tags(digits(), "train", "f")
    )
    recorder.finish(failed, "FAILED")
    return home, [*runs, sweep, failed]


def output_of(store: tuple[Path, list[str]], *arguments: str, code: int = 0) -> str:
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{store[0] / 'mlflow.db'}"}
    reply = runner.invoke(app, list(arguments), env=environment, terminal_width=200)
    assert reply.exit_code == code, reply.output
    return reply.output


def test_runs_show_the_best_and_the_last_value(store: tuple[Path, list[str]]) -> None:
    listed = output_of(store, "runs", "digits-small")
    (line,) = (line for line in listed.splitlines() if store[1][1][:8] in line)
    assert "0.85" in line and "0.75" in line and "finished" in line
    assert "no model" not in listed
    assert "no model" in output_of(store, "runs")


def test_runs_show_the_test_result_beside_its_best_baseline_and_the_rows(
    store: tuple[Path, list[str]],
) -> None:
    lines = output_of(store, "runs", "digits-small").splitlines()
    heads = lines[0].split()
    assert heads[-4:] == ["test", "baseline", "rows", "started"]
    (better,) = (line for line in lines if store[1][1][:8] in line)
    assert "0.75 accuracy" in better and "0.5 commonest class" in better and "1,359" in better
    assert "tie" not in better
    (tied,) = (line for line in lines if store[1][0][:8] in line)
    assert "0.5 commonest class (a tie)" in tied
    (sweep,) = (line for line in lines if store[1][2][:8] in line)
    assert "0.85 (3 tie)" in sweep
    assert "baseline" not in output_of(store, "runs", "other")


def test_runs_as_json_are_whole(store: tuple[Path, list[str]]) -> None:
    runs = json.loads(output_of(store, "runs", "--json"))
    assert {run["run_id"] for run in runs} == set(store[1])


def test_an_unknown_experiment_lists_the_known(store: tuple[Path, list[str]]) -> None:
    assert "digits-small" in output_of(store, "runs", "digit-small", code=6)


def test_a_comparison_shows_what_differs_and_nothing_else(store: tuple[Path, list[str]]) -> None:
    first, second, *_ = store[1]
    text = output_of(store, "compare", first[:8], second)
    assert "training.learning_rate" in text and "0.001" in text and "0.01" in text
    assert "training.epochs" not in text
    assert "really used" in text and "parameters" in text and "threads" not in text
    result = json.loads(output_of(store, "compare", first, second, "--json"))
    assert list(result["settings"]) == ["training.learning_rate"]
    assert result["used"] == {"workbench.used.parameters": ["0.001", "0.01"]}
    assert result["metrics"]["validation/accuracy"] == [0.5, 0.75]


def test_a_comparison_shows_baselines_rows_and_ties(store: tuple[Path, list[str]]) -> None:
    first, second, sweep, _ = store[1]
    text = output_of(store, "compare", first, second)
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines() if line}
    assert lines["test/accuracy"][-2:] == ["0.5", "0.75"]
    assert lines["baseline/commonest_class/accuracy"][-2:] == ["0.5", "0.5"]
    assert lines["test rows"][-2:] == ["1,359", "1,359"]
    assert f"{first[:8]}: The net's accuracy 0.5 is a tie with always naming" in text
    assert "tie at" not in text
    text = output_of(store, "compare", second, sweep)
    assert f"{second[:8]}, {sweep[:8]} tie at validation/accuracy 0.85." in text


def test_an_export_loads_without_ray_spark_and_mlflow(
    store: tuple[Path, list[str]], tmp_path: Path
) -> None:
    output_of(store, "export", store[1][0][:8], str(tmp_path / "out"), "--onnx")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"model.safetensors", "model.json", "experiment.json", "model.onnx"}
    code = (
        "import sys, nets; net = nets.load(sys.argv[1]); print(net(net.example(2)).shape);"
        "print(*{m.split('.')[0] for m in sys.modules} & {'ray', 'pyspark', 'mlflow', 'raydp'})"
    )
    reply = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert reply.stdout == "torch.Size([2, 10])\n\n"


def test_a_sweep_exports_its_best_trial(store: tuple[Path, list[str]], tmp_path: Path) -> None:
    shown = json.loads(output_of(store, "export", store[1][2], str(tmp_path / "out"), "--json"))
    assert shown["run"] == store[1][1]


@pytest.mark.parametrize(
    ("run", "directory", "code", "message"),
    [
        (3, "new", 6, "has kept no model"),
        (0, ".", 1, "must be new or empty"),
        ("ffffffff", "new", 6, "There is no run 'ffffffff'"),
        ("../../etc", "new", 6, "A run is named by its id"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing_behind(
    store: tuple[Path, list[str]],
    tmp_path: Path,
    run: int | str,
    directory: str,
    code: int,
    message: str,
) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    name = store[1][run] if isinstance(run, int) else run
    assert message in " ".join(
        output_of(store, "export", name, str(tmp_path / directory), code=code).split()
    )
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_the_recorded_model_predicts_from_raw_input(
    store: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    import pandas as pd

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store[0] / 'mlflow.db'}")
    model = mlflow.pyfunc.load_model(f"runs:/{store[1][0]}/model")
    generator = torch.Generator().manual_seed(0)
    samples = torch.randint(0, 17, (4, 1, 8, 8), generator=generator, dtype=torch.uint8)
    result = model.predict(pd.DataFrame({"features": [s.numpy().tobytes() for s in samples]}))
    net = nets.build(digits().net, SPEC, 10, seed=3).eval()
    assert result["prediction"].tolist() == net(samples).argmax(1).tolist()
