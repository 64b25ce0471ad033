"""A saved net as an MLflow model."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOADER = "nets.pyfunc"
"""Imported by MLflow when a model is loaded; nothing is unpickled."""

_REQUIRED = ("torch", "numpy", "pandas", "pydantic", "safetensors", "torchmetrics")


def save_model(
    directory: Path,
    target: Path,
    example: Mapping[str, Sequence[Any]] | None = None,
    uri: str | None = None,
) -> None:
    """Write an MLflow model to the folder `target`.

    Args:
        directory: what `nets.save` wrote.
        example: some rows as the model takes them, column name to values.
    """
    import mlflow
    from mlflow.types import ColSpec

    columns = [ColSpec("binary", "features")]
    if "length" in (example or {}):
        columns.append(ColSpec("long", "length"))
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    if uri:
        mlflow.set_tracking_uri(uri)
    with warnings.catch_warnings():
        # The example is a file of its own: MLflow would load the model to try it.
        warnings.filterwarnings("ignore", message=".*input example was not provided")
        _save(target, directory, columns)
    if example:
        table = {name: [_readable(value) for value in values] for name, values in example.items()}
        (target / "input_example.json").write_text(json.dumps(table))


def _save(target: Path, directory: Path, columns: list[Any]) -> None:
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema

    mlflow.pyfunc.save_model(
        str(target),
        loader_module=LOADER,
        data_path=str(directory),
        signature=ModelSignature(inputs=Schema(columns)),
        # Given, because finding them out loads the model in a process of its own.
        pip_requirements=[f"{name}=={_version(name)}" for name in _REQUIRED],
    )


def _readable(value: Any) -> Any:
    """Bytes as base64, as MLflow's scoring server takes them."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _version(name: str) -> str:
    return importlib.metadata.version(name).partition("+")[0]
