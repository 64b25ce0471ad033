"""A saved net as an MLflow model: `mlflow.pyfunc.load_model` predicts from raw input.

MLflow imports the net's loader by name when it loads the model. Nothing is pickled. Recording a
model loads neither nets nor torch.
"""

from __future__ import annotations

import base64
import importlib.metadata
import importlib.util
import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracking import mlflow_private

LOADER = "nets.pyfunc"
"""`_load_pyfunc(folder)` in it returns an object with `predict(DataFrame) -> DataFrame`."""

_REQUIRED = ("torch", "numpy", "pandas", "pydantic", "safetensors", "torchmetrics", "lazy_loader")
_RECORDED = Path(__file__).parent / "recorded_package.py"
"""Becomes the package by whose name MLflow loads a model: see its own text."""
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
            of a net that reads text `text` alone.
        labels: names of the classes; the signature then has the outputs of a classifier.
        loader: module that loads the folder. Its package travels with the model.
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
                code_paths=[str(_copy_package(loader.partition(".")[0], Path(folder)))],
                mlflow_model=Model(saved_input_example_info=_example_info() if example else None),
                signature=_signature(example or {}, labels),
                metadata={"labels": list(labels)} if labels else None,
                # Stated, because MLflow would load the model in another process to find them.
                pip_requirements=[f"{name}=={_version(name)}" for name in _required(directory)],
            )
    if example:
        _write_example(target, example)


def _signature(example: Mapping[str, Sequence[Any]], labels: Sequence[str] | None) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    reads_text = "text" in example
    inputs = [ColSpec("string", "text") if reads_text else ColSpec("binary", "features")]
    if "length" in example:
        inputs.append(ColSpec("long", "length", required=False))
    if not labels:  # a value or a vector: only the net knows which
        return ModelSignature(Schema(inputs))
    outputs = [
        # Blank text has no prediction, and MLflow has no long without a value.
        ColSpec("double" if reads_text else "long", "prediction"),
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


def _copy_package(name: str, folder: Path) -> Path:
    """A copy of the package's code in `folder`, as `recorded_package.py` finds it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.submodule_search_locations
    package = folder / "code" / name
    shutil.copytree(
        spec.submodule_search_locations[0],
        package / "recorded" / name,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copyfile(_RECORDED, package / "__init__.py")
    return package


def _required(directory: Path) -> tuple[str, ...]:
    """Packages that loading the net needs."""
    file = Path(directory) / "model.json"
    text = (json.loads(file.read_text()).get("text") if file.exists() else None) or {}
    return (*_REQUIRED, "tokenizers") if text.get("tokenizer") == "file" else _REQUIRED


def _version(name: str) -> str:
    return importlib.metadata.version(name).partition("+")[0]
