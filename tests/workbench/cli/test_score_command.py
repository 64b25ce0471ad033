"""`workbench score`: its options, and where the net comes from; no Spark."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import nets
from nets.errors import ModelFileError
from tracking import MlflowRecorder
from workbench.cli import app
from workbench.cli.score import find_model
from workbench.training.recording import record_files

runner = CliRunner()
SPEC = nets.TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")


def test_the_net_of_a_folder_and_of_a_run_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nets.save(nets.build(nets.CNNConfig(), SPEC, 10), tmp_path / "net", labels=list("0123456789"))
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    recorder = MlflowRecorder(store)
    run = recorder.start("digits", "a run", params={}, tags={"workbench.kind": "train"})
    record_files(recorder, run, {"experiment.json": b"{}"})
    recorder.model(run, tmp_path / "net", example={"features": [bytes(64)]})
    recorder.finish(run)
    assert find_model(run[:8]).key == find_model(str(tmp_path / "net")).key
    assert find_model(run).labels == tuple("0123456789")
    with pytest.raises(ModelFileError, match="holds no saved net"):
        find_model(str(tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stream"], "need each other"),
        (["--checkpoint", "state"], "need each other"),
        (["--once"], "belongs to --stream"),
        (["--stream", "--checkpoint", "state", "--overwrite"], "adds to its output"),
    ],
)
def test_options_that_do_not_go_together(options: list[str], message: str, tmp_path: Path) -> None:
    arguments = ["score", str(tmp_path), "-i", "in", "-o", "out", *options]
    reply = runner.invoke(app, arguments, terminal_width=200)
    assert reply.exit_code == 2 and message in reply.output


def test_a_path_that_cannot_be_scored_is_refused_before_spark_starts(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.xyz").write_bytes(bytes(9))
    arguments = ["score", str(tmp_path), "-o", str(tmp_path / "out")]
    reply = runner.invoke(app, [*arguments, "-i", str(tmp_path / "none")])
    assert reply.exit_code == 3 and "nothing is there" in reply.output
    reply = runner.invoke(app, [*arguments, "-i", str(tmp_path / "in")])
    assert reply.exit_code == 3 and ".xyz" in reply.output and "--format" in reply.output


def test_an_error_of_spark_is_shown_without_java(capsys: pytest.CaptureFixture[str]) -> None:
    from pyspark.errors import PySparkException

    from workbench.cli.errors import report

    text = (
        "An error occurred while calling o61.collect.\n: org.apache.spark.SparkException: Aborted\n"
        "\tat org.apache.spark.X.y(X.scala:1)\nCaused by: java.io.IOException: a.pq is cut short\n"
    )
    assert report(PySparkException(text)) == 3
    shown = capsys.readouterr().err
    assert "a.pq is cut short. Look at" in shown
    assert "Exception" not in shown and "org.apache" not in shown
