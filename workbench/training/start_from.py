"""Reads the weights that a training starts from, where the training is started: its workers get them."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

from nets import ConfigError
from nets.files import DESCRIPTION, WEIGHTS
from nets.pretrained import PRETRAINED, read_pretrained
from nets.start import Weights, read_weights
from tracking import ArtifactError, TrackingError
from workbench.bridge import Prepared
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice


def add_start(experiment: Experiment, prepared: Prepared) -> Prepared:
    """The data with the weights that `training.start_from` names, or a sweep's space of it.

    Raises:
        ConfigError: there is no such run, folder or file, or it has no weights; a package is missing.
        ModelFileError: a file of weights is damaged.
    """
    searched = experiment.sweep.space.get("training.start_from")
    names = [experiment.training.start_from]
    names += list(searched.values) if isinstance(searched, Choice) else []
    return replace(prepared, start={str(name): _read(str(name)) for name in names if name})


def _read(where: str) -> Weights:
    if where in PRETRAINED:
        return read_pretrained(where)
    path = Path(where).expanduser()
    if path.exists():
        return read_weights(path)
    if "/" in where or where.endswith(".safetensors"):
        raise ConfigError(f"training.start_from: there is no file or folder {where!r}.")
    from tracking import Reader  # importing it loads MLflow, a second that workers need not spend

    try:
        reader = Reader()
        run = reader.run(where)
        run = reader.run(run.tags.get("workbench.best_run", run.run_id))
        kept = reader.artifacts(run.run_id, "model")
        names = {PurePosixPath(n).name: n for n in kept}
        if WEIGHTS not in names:
            raise ConfigError(f"training.start_from: run {where} has kept no model.")
        with tempfile.TemporaryDirectory() as folder:
            for name in (WEIGHTS, DESCRIPTION):
                if name in names:
                    file = reader.download(run.run_id, names[name], Path(folder) / "download")
                    shutil.move(file, Path(folder) / name)
            return read_weights(Path(folder))
    except (TrackingError, ArtifactError) as error:
        raise ConfigError(
            f"training.start_from takes a run, a folder with {WEIGHTS}, or a safetensors file, or "
            f"{' or '.join(PRETRAINED)}; {where!r} is none: {error}"
        ) from error
