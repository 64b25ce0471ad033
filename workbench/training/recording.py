"""What the workbench writes to the tracking store, and where in a run it lies.

experiment.json                     the whole experiment
code.json                           file of nets and workbench to digest
code/                               the files of a person's own parts, with their SHA-256
data.json                           spec, labels, rows, bad rows, seconds by stage
checkpoints/epoch_0000.safetensors  weights before training, then after each epoch (small nets)
model/                              an MLflow model: nets.pyfunc over what `nets.save` wrote
evaluation/test.json                metrics, confusion matrix, per-class table
evaluation/predictions.parquet      a row per test sample: label, prediction, confidence, loss
evaluation/values.parquet           the same of measured values: label, prediction, loss
samples/test.safetensors            test rows to look at
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from nets.config import to_dict
from nets.step_losses import StepPoint
from nets.text import SEPARATOR
from tracking import Recorder
from workbench.bridge import Prepared
from workbench.experiments.experiment import Experiment
from workbench.training.evaluation import TrainedModel
from workbench.training.own_parts import files_of_run
from workbench.training.provenance import digest_files, without_passwords

RecordEpoch = Callable[[dict[str, float], bytes | None, dict[str, str]], None]
"""Called with the metrics of each epoch, its weights as safetensors where they are kept, and the tags
that say what the worker really uses (`Learner.describe_use`)."""


class Part(NamedTuple):
    """What a worker reports of a part of an epoch; the last part comes before the epoch's metrics."""

    rows: int | None
    """Rows of the epoch so far; None: the epoch is done."""
    points: Sequence[StepPoint]
    """The training loss by step since the last report."""
    used: dict[str, str]
    """As in `RecordEpoch`."""


RecordPart = Callable[[Part], None]


def step_metrics(point: StepPoint) -> dict[str, float]:
    """A point of the curves by step; they are recorded at `point.step`."""
    return {
        "step/loss": point.loss,
        "step/learning_rate": point.learning_rate,
        "step/rows": float(point.rows),
        "step/seconds": point.seconds,
    }


def default_recorder() -> Recorder:
    """The store at MLFLOW_TRACKING_URI, else the embedded one below WORKBENCH_HOME."""
    from tracking import MlflowRecorder

    return MlflowRecorder()


def record_bytes(recorder: Recorder, run_id: str, path: str, content: bytes) -> None:
    """One file of a run."""
    record_files(recorder, run_id, {path: content})


def record_files(recorder: Recorder, run_id: str, files: dict[str, bytes]) -> None:
    """Files of a run by relative path."""
    with tempfile.TemporaryDirectory() as folder:
        for path, content in files.items():
            target = Path(folder) / PurePosixPath(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        recorder.artifact_dir(run_id, Path(folder), "")


def record_data(
    recorder: Recorder, run_id: str, experiment: Experiment, prepared: Prepared
) -> None:
    """What was asked for, which code it was asked of, and which data."""
    recorder.artifact_dict(run_id, "experiment.json", without_passwords(to_dict(experiment)))
    recorder.artifact_dict(run_id, "code.json", digest_files())
    if own := files_of_run(experiment):
        record_files(recorder, run_id, own)
    labels = None if prepared.labels is None else list(prepared.labels)
    described = {"spec": to_dict(prepared.spec), "labels": labels, "rows": rows_of(prepared)}
    if prepared.text is not None:
        described["vocabulary"] = list(prepared.text.vocabulary)
    recorder.artifact_dict(run_id, "data.json", prepared.record | described)


def record_model(
    recorder: Recorder, run_id: str, model: TrainedModel, prepared: Prepared, *, step: int = 0
) -> None:
    """Test metrics, evaluation, samples and the model."""
    recorder.metrics(run_id, model.metrics, step)
    record_files(recorder, run_id, model.files)
    with tempfile.TemporaryDirectory() as folder:
        net = Path(folder) / "net"  # its name in the model's data folder
        net.mkdir()
        for name, content in model.model.items():
            (net / name).parent.mkdir(parents=True, exist_ok=True)
            (net / name).write_bytes(content)
        recorder.model(run_id, net, example=example(prepared), labels=model.labels)


def example(prepared: Prepared) -> dict[str, list[object]]:
    """Two rows as the recorded model takes them: column name to values. Of a net of text: `text` alone."""
    split = next(iter(prepared.splits.values()))
    arrays = split.read(stop=2)
    if prepared.text is not None:
        between = {"characters": "", "tokens": SEPARATOR}.get(prepared.text.tokenizer, " ")
        words = [[prepared.text.vocabulary[i] for i in row if i] for row in arrays["features"]]
        return {"text": [between.join(row) for row in words]}
    columns: dict[str, list[object]] = {"features": [row.tobytes() for row in arrays["features"]]}
    if "length" in arrays:
        columns["length"] = arrays["length"].tolist()
    return columns


def rows_of(prepared: Prepared) -> dict[str, int]:
    """Rows of each split."""
    return {name: split.num_rows for name, split in prepared.splits.items()}
