"""A saved net as an MLflow model: `mlflow.pyfunc.load_model` predicts from raw input.

MLflow imports the net's loader by name when it loads the model. Nothing is pickled. Recording a
model loads neither nets nor torch.
"""

from __future__ import annotations

import base64
import importlib.metadata
import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracking import mlflow_private

LOADER = "nets.pyfunc"
"""`_load_pyfunc(folder)` in it returns an object with `predict(DataFrame) -> DataFrame`."""

_REQUIRED = ("torch", "numpy", "pandas", "pydantic", "safetensors", "torchmetrics")
_EXAMPLE, _SERVED = "input_example.json", "serving_input_example.json"


def save_model(
    directory: Path,
    target: Path,
    *,
    example: Mapping[str, Sequence[Any]] | None = None,
    labels: Sequence[str] | None = None,
    loader: str = LOADER,
) -> None:
    """Write an MLflow model to the folder `target`; the net's files lie below `data/net`.

    Args:
        directory: what `nets.save` wrote.
        example: some rows as the model takes them: `features` (bytes) and, for sequences, `length`;
            of a net that reads text also `text`.
        labels: names of the classes; the signature then has the outputs of a classifier.
        loader: module that loads the folder.
    """
    mlflow_private.quiet()
    with warnings.catch_warnings():
        # MLflow warns about its own type hints, and about the missing example. With an example it
        # would load the model to try it; it is written below instead.
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        from mlflow.models import Model

        with tempfile.TemporaryDirectory() as folder:
            net = Path(folder) / "net"  # MLflow keeps the folder's name
            net.symlink_to(Path(directory).resolve(), target_is_directory=True)
            mlflow.pyfunc.save_model(
                str(target),
                loader_module=loader,
                data_path=str(net),
                mlflow_model=Model(saved_input_example_info=_example_info() if example else None),
                signature=_signature(example or {}, labels),
                metadata={"labels": list(labels)} if labels else None,
                # Stated, because MLflow would load the model in another process to find them.
                pip_requirements=[f"{name}=={_version(name)}" for name in _REQUIRED],
            )
    if example:
        _write_example(target, example)


def _signature(example: Mapping[str, Sequence[Any]], labels: Sequence[str] | None) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    # A net for text takes features or raw text: one of the two columns is needed.
    reads_text = "text" in example
    inputs = [ColSpec("binary", "features", required=not reads_text)]
    if reads_text:
        inputs.append(ColSpec("string", "text", required=False))
    if "length" in example:
        inputs.append(ColSpec("long", "length", required=False))
    if not labels:  # a value or a vector: only the net knows which
        return ModelSignature(Schema(inputs))
    outputs = [
        ColSpec("long", "prediction"),
        ColSpec("string", "label"),
        ColSpec(Array(DataType.double), "probabilities"),
    ]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _example_info() -> dict[str, str]:
    """The entry in the file MLmodel by which MLflow finds the example."""
    return {
        "artifact_path": _EXAMPLE,
        "serving_input_path": _SERVED,
        "type": "dataframe",
        "pandas_orient": "split",
    }


def _write_example(target: Path, example: Mapping[str, Sequence[Any]]) -> None:
    rows = zip(*example.values(), strict=True)
    table = {"columns": list(example), "data": [[_plain(value) for value in row] for row in rows]}
    (target / _EXAMPLE).write_text(json.dumps(table))
    (target / _SERVED).write_text(json.dumps({"dataframe_split": table}))


def _plain(value: Any) -> Any:
    """Bytes as base64, which MLflow's scoring server expects."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _version(name: str) -> str:
    return importlib.metadata.version(name).partition("+")[0]
