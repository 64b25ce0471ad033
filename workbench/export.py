"""Writes a run's model as plain files, which load without Ray, Spark or MLflow."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import nets
from nets.code import FOLDER
from nets.errors import UntrustedCodeError
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


def export(
    reader: Reader, run: Run, directory: Path, *, onnx: bool = False, trust_code: bool = False
) -> Exported:
    """Write model.safetensors, model.json, experiment.json and, on demand, model.onnx.

    With a net of a person's own also its files, below code/. The folder appears complete or not at all.

    Args:
        trust_code: the code of a person's own net may run here.

    Raises:
        UntrustedCodeError: the run has a net of a person's own, and nobody allowed its code.
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
    model_files = {n: PurePosixPath(n).name for n in names}
    model_files = {n: name for n, name in model_files.items() if name in (WEIGHTS, DESCRIPTION)}
    if len(model_files) != 2:
        raise ArtifactError(
            f"Run {run.run_id[:8]} ({run.status.lower()}) has kept no model. Of a sweep, the best "
            "trials have one (sweep.keep); of a training, one that finished."
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".export-") as folder:
        target = Path(folder) / "model"
        target.mkdir()
        for name, to in {
            **model_files,
            **_code_files(names, model_files),
            "experiment.json": "experiment.json",
        }.items():
            file = reader.download(run.run_id, name, Path(folder))
            (target / to).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, target / to)
        # A model that cannot be read is not handed out.
        net = _load(target, run.run_id, trust_code=trust_code)
        if onnx:
            nets.to_onnx(net, target / "model.onnx")
        if directory.exists():
            directory.rmdir()
        shutil.move(target, directory)
    files = [p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()]
    return Exported(run_id=run.run_id, files=sorted(files))


def _code_files(names: Iterable[str], model_files: Iterable[str]) -> dict[str, str]:
    """Files of a person's own net, beside the weights: name in the run to name in the folder."""
    beside = f"{PurePosixPath(next(iter(model_files))).parent}/"
    start = f"{beside}{FOLDER}/"
    return {name: name.removeprefix(beside) for name in names if name.startswith(start)}


def _load(folder: Path, run_id: str, *, trust_code: bool) -> nets.Net:
    where = f"the artifacts of run {run_id[:8]} ({FOLDER}/, which `workbench mlflow` shows)"
    try:
        return nets.load(folder, trust_code=trust_code)
    except UntrustedCodeError as error:  # the folder is gone when a person reads this
        raise UntrustedCodeError(str(error).replace(str(folder / FOLDER), where)) from None
