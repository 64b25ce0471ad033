"""Writes a run's model as plain files, which load without Ray, Spark or MLflow."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import nets
from nets.files import DESCRIPTION, WEIGHTS
from tracking import ArtifactError, Reader, Run
from workbench.errors import WorkbenchError


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The files of an export."""

    run_id: str
    """The run that the model is from; of a sweep, its best trial."""
    files: list[str]
    """Names below the folder."""


def export(reader: Reader, run: Run, directory: Path, *, onnx: bool = False) -> Exported:
    """Write model.safetensors, model.json, experiment.json and, on demand, model.onnx.

    The folder appears complete or not at all.

    Raises:
        WorkbenchError: the folder has files already.
        ArtifactError: the run has no model.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise WorkbenchError(
            f"The folder to export to must be new or empty, got {directory}. Name another."
        )
    if best := run.tags.get("workbench.best_run"):
        run = reader.run(best)
    names = reader.artifacts(run.run_id, "model")
    model_files = [n for n in names if PurePosixPath(n).name in (WEIGHTS, DESCRIPTION)]
    if len(model_files) != 2:
        raise ArtifactError(
            f"Run {run.run_id[:8]} ({run.status.lower()}) has kept no model. Of a sweep, the best "
            "trials have one (sweep.keep); of a training, one that finished."
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".export-") as folder:
        target = Path(folder) / "model"
        target.mkdir()
        for name in (*model_files, "experiment.json"):
            file = reader.download(run.run_id, name, Path(folder))
            shutil.move(file, target / PurePosixPath(name).name)
        net = nets.load(target)  # a model that cannot be read is not handed out
        if onnx:
            nets.to_onnx(net, target / "model.onnx")
        if directory.exists():
            directory.rmdir()
        shutil.move(target, directory)
    return Exported(run_id=run.run_id, files=sorted(p.name for p in directory.iterdir()))
