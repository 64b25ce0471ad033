"""Read the files of a run, each by itself: any of them may be missing.

Only files named here are read. A file that is absent, cut short or of another shape raises
`Missing`; the page shows its message, and all the rest.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

import nets
from nets import inside
from nets.code import FOLDER as CODE
from nets.errors import ConfigError, ModelFileError, UntrustedCodeError
from workbench.ui import store
from workbench.ui.errors import Missing
from workbench.ui.inside.sounds import from_spectrograms, spectrograms

_CHECKPOINT = re.compile(r"epoch_(\d{4,6})\.safetensors")
_MODEL_FILES = ("model.safetensors", "model.json")
_SPLITS = ("test", "validation", "train")
_ENDED = {"FAILED": "failed", "KILLED": "was stopped"}


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Some rows of a split, kept in the run."""

    split: str
    features: Tensor
    """(n, *shape), raw."""
    label: Tensor | None
    """(n,)"""
    length: Tensor | None
    row: list[int]
    """Row in the predictions table."""

    def __len__(self) -> int:
        return len(self.features)

    def one(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Features (1, *shape) and length (1,) of a sample."""
        part = slice(index, index + 1)
        return self.features[part], None if self.length is None else self.length[part]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A run's final evaluation."""

    split: str
    values: dict[str, Any]

    @property
    def labels(self) -> list[str] | None:
        names = self.values.get("labels")
        return [str(name) for name in names] if isinstance(names, list) else None


def _json(run_id: str, path: str, what: str) -> dict[str, Any]:
    file = _file(run_id, path, what)
    try:
        value = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise Missing(f"{what} cannot be read: {path} is damaged ({error}).") from error
    if not isinstance(value, dict):
        raise Missing(f"{what} cannot be read: {path} holds no table of values.")
    return value


def _file(run_id: str, path: str, what: str) -> Path:
    file = store.artifact(run_id, path)
    if file is None or not file.is_file():
        raise Missing(f"{what}: this run has no {path}. {_when(run_id)}")
    return file


def _when(run_id: str) -> str:
    """Why a file of the end of a training is not there."""
    run = store.run(run_id)
    if run is None or run.status in ("RUNNING", "SCHEDULED"):
        return "It is written at the end of a training."
    if run.status in ("FAILED", "KILLED"):
        return f"It is written at the end of a training, and this one {_ENDED[run.status]} before."
    if run.kind == "trial":
        return "A sweep keeps the files of its best trials only (sweep.keep)."
    return "It is written at the end of a training; another program may have made this run."


def experiment(run_id: str) -> dict[str, Any]:
    """The experiment as JSON."""
    return _json(run_id, "experiment.json", "The experiment")


def data(run_id: str) -> dict[str, Any]:
    """What the run was trained on."""
    return _json(run_id, "data.json", "The description of the data")


def evaluation(run_id: str) -> Evaluation:
    """Metrics, confusion matrix and per-class table of the final evaluation."""
    split = _split(run_id, "evaluation/{}.json", "The evaluation")
    return Evaluation(
        split=split, values=_json(run_id, f"evaluation/{split}.json", "The evaluation")
    )


def predictions(run_id: str) -> pd.DataFrame:
    """A row per evaluated sample: row, label, prediction, confidence, loss."""
    file = _file(run_id, "evaluation/predictions.parquet", "The predictions")
    try:
        frame = pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise Missing(f"The predictions cannot be read: the file is damaged ({error}).") from error
    lacking = {"row", "label", "prediction", "confidence"} - set(frame.columns)
    if lacking:
        raise Missing(f"The predictions lack {', '.join(sorted(lacking))}.")
    return frame


def values(run_id: str) -> pd.DataFrame:
    """A row per evaluated sample of a net that predicts values: row, label, prediction (lists)."""
    file = _file(run_id, "evaluation/values.parquet", "The predicted values")
    try:
        frame = pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise Missing(f"The predicted values cannot be read: {error}.") from error
    if not {"row", "label", "prediction"} <= set(frame.columns) or frame.empty:
        raise Missing("The predicted values are not there: the table has no rows of them.")
    return frame


def _split(run_id: str, pattern: str, what: str) -> str:
    for split in _SPLITS:
        if store.artifact(run_id, pattern.format(split)) is not None:
            return split
    raise Missing(f"{what}: this run has no {pattern.format('test')}. {_when(run_id)}")


def epochs(run_id: str) -> list[int]:
    """Epochs whose weights were kept."""
    names = [name.rsplit("/", 1)[-1] for name in store.artifact_names(run_id, "checkpoints")]
    return sorted(int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name)))


@st.cache_resource(max_entries=4, show_spinner=False, ttl=600)
def samples(run_id: str) -> Samples:
    """The rows of the test split that were kept in the run; of sounds, their spectrograms."""
    split = _split(run_id, "samples/{}.safetensors", "Samples to look at")
    file = _file(run_id, f"samples/{split}.safetensors", "Samples to look at")
    try:
        tensors = load_file(file)
        features = tensors["features"]
    except (OSError, KeyError, SafetensorError) as error:
        raise Missing(f"The samples cannot be read: the file is damaged ({error}).") from error
    if features.dtype == torch.int16:
        features = spectrograms(_model(run_id), features)
    rows = tensors.get("row")
    return Samples(
        split=split,
        features=features,
        label=tensors.get("label"),
        length=tensors.get("length"),
        row=list(range(len(features))) if rows is None else [int(r) for r in rows],
    )


def net(run_id: str, epoch: int | None = None) -> nets.Net:
    """The run's net: the model it kept, or with the weights after `epoch`; of sounds, from their
    spectrograms on."""
    return from_spectrograms(_model(run_id) if epoch is None else _at_epoch(run_id, epoch))


def whole_net(run_id: str) -> nets.Net:
    """The run's net as it takes rows of its data: of sounds, from their waveforms on."""
    return _model(run_id)


def trusts_code() -> bool:
    """Whether the person who started the UI allowed it to run the code of runs."""
    return os.environ.get("WORKBENCH_TRUST_CODE") == "1"


@st.cache_resource(max_entries=12, show_spinner=False)
def _model(run_id: str) -> nets.Net:
    names = store.artifact_names(run_id, "model")
    weights = next((n for n in names if n.endswith("model.safetensors")), None)
    if weights is None:
        raise Missing(f"The net: this run has no model. {_when(run_id)}")
    folder = weights.rsplit("/", 1)[0]
    files = [store.artifact(run_id, f"{folder}/{name}") for name in _MODEL_FILES]
    for name in names:
        if name.startswith(f"{folder}/{CODE}/"):  # of a person's own net
            store.artifact(run_id, name)
    if files[0] is None or files[1] is None:
        raise Missing(
            f"The net: one of {' and '.join(_MODEL_FILES)} below {folder} cannot be read."
        )
    try:
        return nets.load(files[0].parent, trust_code=trusts_code()).eval()
    except UntrustedCodeError as error:
        text = str(error).replace(
            "say --trust-code", "start the UI with `workbench ui --trust-code`"
        )
        raise Missing(f"The net is not loaded: {text}") from error
    except (ModelFileError, ConfigError, OSError) as error:
        raise Missing(f"The net cannot be loaded: {error}") from error


@st.cache_resource(max_entries=48, show_spinner=False)
def _at_epoch(run_id: str, epoch: int) -> nets.Net:
    twin = inside.copy_modules(_model(run_id))
    path = f"checkpoints/epoch_{epoch:04d}.safetensors"
    file = _file(run_id, path, f"The weights after epoch {epoch}")
    try:
        weights = load_file(file)
        twin.load_state_dict(weights, assign=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise Missing(f"The weights after epoch {epoch} cannot be used: {error}") from error
    twin.requires_grad_(True).eval()
    return twin


def labels(run_id: str) -> list[str] | None:
    """Names of the classes, where there are classes."""
    try:
        names = data(run_id).get("labels")
    except Missing:
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def class_name(names: list[str] | None, index: int) -> str:
    """A class's name, or its number."""
    return names[index] if names is not None and 0 <= index < len(names) else str(index)


def value_top(tensor: torch.Tensor) -> int:
    """The largest value of integer pixels: 16 for the 17 grey levels of the digits, else 255."""
    return 16 if tensor.dtype == torch.uint8 and int(tensor.max()) <= 16 else 255
