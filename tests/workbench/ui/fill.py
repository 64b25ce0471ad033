"""A store of real small runs. The code that records runs writes them; only Ray and Spark are absent:
data is in memory, trainings and trials run in this process."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from ray.exceptions import RayTaskError
from safetensors.torch import save
from sklearn.datasets import load_digits

from nets import CNNConfig, DivergedError, RNNConfig, TensorSpec, TrainingConfig
from nets.config import override
from nets.prepare import PreparationConfig
from nets.statistics import Sums
from nets.step_losses import StepPoint
from tracking import MlflowRecorder, Reader
from workbench.bridge import Prepared, store_arrays
from workbench.bridge.arrays import Arrays
from workbench.experiments.experiment import Experiment
from workbench.home import jobs_folder, logs_folder
from workbench.jobs.folder import Jobs, write
from workbench.results import TrainResult
from workbench.sweeps import driver as sweeps
from workbench.sweeps import variants
from workbench.training import driver, provenance
from workbench.training.evaluation import TrainedModel, evaluate_best
from workbench.training.learner import Learner, cpu_state
from workbench.training.recording import Part, RecordEpoch, RecordPart, step_metrics

TRIALS = 10
FAILURE = "The loss became NaN."


class NoSession:
    """A session without Ray and Spark: every question is answered with None."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args, **_options: None


def prepare_here(spec: TensorSpec, splits: Mapping[str, Arrays], **values: Any) -> Prepared:
    """Prepared data without Spark."""
    rows = splits["train"]["features"]
    sums = Sums(rows[0].size)
    sums.add(rows.reshape(len(rows), -1).astype(np.float64))
    return store_arrays(splits, spec, statistics=sums.statistics(), **values)


@functools.cache  # the same content written again would replace the files that trials still read
def digits(kind: str) -> Prepared:
    """Handwritten digits as pictures for a CNN, or as series of pixel rows for an RNN."""
    pixels, label = load_digits(return_X_y=True)
    if kind == "cnn":
        spec = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    else:
        spec = TensorSpec(kind="series", shape=(8, 8), dtype="float32")
    features = pixels.reshape(-1, *spec.shape).astype(spec.dtype)
    cut = {"train": slice(0, 1000), "validation": slice(1000, 1300), "test": slice(1300, 1797)}
    return prepare_here(
        spec,
        {name: {"features": features[rows], "label": label[rows]} for name, rows in cut.items()},
        labels=tuple("0123456789"),
        num_outputs=10,
        class_counts=tuple(np.bincount(label[cut["train"]]).tolist()),
    )


def base(kind: str = "cnn", **changes: Any) -> Experiment:
    """A small experiment on the digits."""
    experiment = Experiment(
        name=f"digits_{kind}",
        net=CNNConfig() if kind == "cnn" else RNNConfig(cell="lstm", hidden=12),
        preparation=PreparationConfig(method="standardize"),
        training=TrainingConfig(epochs=4, batch_size=50, learning_rate=0.005),
    )
    return override(experiment, changes) if changes else experiment


def open_recorder(folder: Path) -> MlflowRecorder:
    """Records to a store in the folder."""
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    return MlflowRecorder(f"sqlite:///{folder}/mlflow.db")


def train(
    recorder: MlflowRecorder, experiment: Experiment, name: str, prepared: Prepared | None = None
) -> str:
    """Train and record; the run's id."""
    return train_result(recorder, experiment, name, prepared).run_id


def train_result(
    recorder: MlflowRecorder, experiment: Experiment, name: str, prepared: Prepared | None = None
) -> TrainResult:
    """Train and record; the result."""
    with patch.object(driver, "train_on_one", _train_here):
        result = driver.train(
            experiment,
            session=NoSession(),
            recorder=recorder,
            prepared=prepared or digits(experiment.net.kind),
        )
    recorder.client.update_run(result.run_id, name=name)
    return result


def _train_here(
    experiment: Experiment,
    prepared: Prepared,
    _session: NoSession,
    receive: RecordEpoch,
    record_part: RecordPart,
    **_options: Any,
) -> TrainedModel:
    learner = Learner(experiment, prepared)
    while not learner.finished:
        try:
            metrics = learner.train_epoch()
        except DivergedError as error:  # as it comes from a worker
            raise RayTaskError("train", "Traceback", error).as_instanceof_cause() from None
        used = learner.describe_use()
        record_part(Part(None, learner.fit.take_points(), used))
        receive(metrics, save(cpu_state(learner.net)), used)
    return evaluate_best(experiment, prepared, save(learner.best_weights))


def sweep(recorder: MlflowRecorder, folder: Path) -> str:
    """A sweep of small trials: the first was stopped early, the last one failed."""
    space = {
        "training.learning_rate": {"kind": "uniform", "low": 1e-4, "high": 0.1, "log": True},
        "training.batch_size": {"kind": "choice", "values": [25, 50, 100]},
        "net.activation": {"kind": "choice", "values": ["relu", "tanh"]},
    }
    experiment = base(
        **{
            "sweep.space": space,
            "sweep.num_trials": TRIALS,
            "sweep.search": "random",
            "sweep.max_concurrent": 1,
            "sweep.keep": 1,
            "training.epochs": 2,
            "cluster.storage": str(folder / "checkpoints"),
        }
    )
    with (
        patch.object(variants, "prepare_experiment", lambda *_args, **_options: digits("cnn")),
        patch.object(sweeps.tune, "Tuner", TunerHere),
    ):
        result = sweeps.sweep(experiment, session=NoSession(), recorder=recorder)
    recorder.client.update_run(result.run_id, name="sweep")
    return result.run_id


class TunerHere:
    """Ray Tune's place: runs the trials in this process and reports them to the sweep's recorder."""

    def __init__(self, _trainable: Any, *, param_space: Any, run_config: Any, **_: Any) -> None:
        self.settings = param_space["settings"]["grid_search"]
        self.trials = run_config.callbacks[0]
        self.folder = Path(run_config.storage_path) / run_config.name

    def fit(self) -> None:
        for number, settings in enumerate(self.settings, start=1):
            config = {"settings": settings}
            trial = SimpleNamespace(trial_id=str(number), config=config, checkpoint=None)
            self.trials.on_trial_start(0, [], trial)
            trial.last_result = self._run(trial, epochs=1 if number == 1 else 2)
            self.trials.on_trial_complete(0, [], trial)

    def _run(self, trial: Any, epochs: int) -> dict[str, Any]:
        if trial.trial_id == str(TRIALS):
            result: dict[str, Any] = {"verdict": FAILURE}
        else:
            experiment = override(self.trials.experiment, trial.config["settings"])
            learner = Learner(experiment, digits("cnn"))
            rows = [learner.train_epoch() for _ in range(epochs)]
            path = self.folder / trial.trial_id
            path.mkdir(parents=True)
            learner.save(path)
            result = {"epochs": rows, "metrics": rows[-1], "finished": learner.finished}
            result["checkpoint_path"] = str(path)
        self.trials.on_trial_result(0, [], trial, result)
        return result


def add_job_and_log(home: Path, store: str, runs: Mapping[str, str]) -> None:
    """A home folder with the job that made the sweep, and the log of the run "cnn"."""
    reader = Reader(store)
    sweep_run, cnn = reader.run(runs["sweep"]), reader.run(runs["cnn"])
    assert sweep_run.start is not None and sweep_run.end is not None and cnn.start is not None
    command = [sys.executable, "-m", "workbench", "sweep", "digits_cnn"]
    job = Jobs(jobs_folder(home)).create(command, "sweep digits_cnn", home)
    times = {"started": sweep_run.start, "ended": sweep_run.end}
    write(job.folder / "status.json", {"state": "finished", "exit_code": 0, **times})
    (job.folder / "log").write_text(f"best trial {'0' * 300}\n")
    begun = datetime.fromtimestamp(cnn.start).strftime("%Y%m%d-%H%M%S")
    logs_folder(home).mkdir()
    log = logs_folder(home) / f"{begun}-{cnn.tags['workbench.pid']}.log"
    log.write_text(f"epoch 1/4\nINFO /{'a_long_name/' * 30}file\n")


def fill(folder: Path) -> dict[str, str]:
    """Two CNNs, an LSTM, a sweep, a run without artifacts, one still running; name to run id."""
    recorder = open_recorder(folder)

    def start(name: str) -> str:
        params, tags = provenance.params(base()), provenance.tags(base(), "train", "f00d")
        return recorder.start(base().name, name, params=params, tags=tags)

    runs = {
        "cnn": train(recorder, base(), "relu"),
        "cnn_tanh": train(recorder, base(**{"net.activation": "tanh", "training.seed": 1}), "tanh"),
        "rnn": train(recorder, base("rnn"), "lstm"),
        "sweep": sweep(recorder, folder),
        "bare": start("no artifacts"),
        "running": start("still running"),
    }
    recorder.finish(runs["bare"], "KILLED")
    metrics = {"train/loss": 2.0, "epoch": 1.0, "validation/accuracy": 0.4}
    recorder.metrics(runs["running"], metrics, 1)
    recorder.tags(runs["running"], {"workbench.used.steps_per_epoch": "1000"})
    for step in range(250, 1501, 250):
        point = StepPoint(step, 50 * step, step / 20, 0.005, 100 / step)
        recorder.metrics(runs["running"], step_metrics(point), step)
    recorder.flush()
    return runs
