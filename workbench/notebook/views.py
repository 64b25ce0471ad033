"""What can be read and drawn of a recorded run."""

from __future__ import annotations

import json
import tempfile
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tracking import ArtifactError
from workbench.errors import WorkbenchError
from workbench.notebook import charts
from workbench.notebook.figure import Figure

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from torch import Tensor

    from nets import Net
    from tracking import Reader
    from workbench.experiments.experiment import Experiment
    from workbench.scoring import Model

_SPLITS = ("test", "validation", "train")


class RunViews:
    """Reads the files of a run when they are asked for, once.

    Raises (every part):
        ArtifactError: the run has not kept the file that is needed.
    """

    run_id: str
    reader: Reader

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment that the run recorded; `wb.train` takes it again."""
        from nets.config import from_dict
        from workbench.experiments.experiment import Experiment

        return from_dict(Experiment, self._json("experiment.json"))

    @cached_property
    def model(self) -> Model:
        """The net's files, for scoring in Spark."""
        from workbench.scoring import read_model

        return read_model(self._model_files)

    @cached_property
    def net(self) -> Net:
        """The trained net, a `torch.nn.Module` in eval mode: raw samples in, logits or values out."""
        import nets
        from workbench.scoring.model import write_files

        with tempfile.TemporaryDirectory() as folder:
            write_files(self._model_files, Path(folder))
            return nets.load(folder).eval()

    def predict(self, data: DataFrame | pd.DataFrame | np.ndarray | Tensor, **options: Any) -> Any:
        """The net's answers: for a Spark DataFrame its rows with more columns, else a pandas frame.

        Args:
            data: a Spark DataFrame with the columns of the training; a pandas DataFrame with the
                same; raw samples (n, *spec.shape) as an array or tensor.
            options: as `workbench.scoring.score` takes them, for a Spark DataFrame only.
        """
        from workbench.notebook import predicting

        if predicting.is_spark(data):
            from workbench.scoring import score

            return score(data, self.model, **options)
        if options:
            raise WorkbenchError(
                f"predict takes {', '.join(options)} for a Spark DataFrame only, got "
                f"{type(data).__name__}. Leave it out."
            )
        return predicting.predict(self.net, data, self.model.columns)

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row for each epoch, a column for each metric."""
        points = {
            name: dict(values)
            for name, values in self.reader.history(self.run_id).items()
            if not name.startswith(("step/", "test/", "baseline/"))
        }
        return pd.DataFrame(points).sort_index().rename_axis("epoch")

    def curves(self, *metrics: str) -> Figure:
        """Loss and accuracy (or what was recorded) over the epochs; or these metrics.

        Raises:
            WorkbenchError: the run recorded no such metric.
        """
        frame = self.history
        if unknown := [name for name in metrics if name not in frame]:
            raise WorkbenchError(
                f"Run {self.run_id[:8]} recorded no {', '.join(unknown)} by epoch. It has "
                f"{', '.join(frame.columns) or 'nothing yet'}."
            )
        names = list(metrics) or [
            name for name in frame if name.startswith(("train/", "validation/"))
        ]
        panels: dict[str, list[str]] = {}
        for name in names:
            panels.setdefault(name.rpartition("/")[2], []).append(name)
        if not metrics:  # the loss, and what the best epoch was chosen by
            known = "experiment.json" in self.files  # not yet, while a training begins
            monitor = self.experiment.training.monitor if known else "validation/accuracy"
            chosen = monitor.rpartition("/")[2]
            panels = {
                name: panels[name] for name in dict.fromkeys(("loss", chosen)) if name in panels
            }
        if not panels:
            raise WorkbenchError(f"Run {self.run_id[:8]} has no finished epoch to draw.")
        shown = frame[[name for columns in panels.values() for name in columns]]
        shown = shown.dropna(how="all")  # before the first epoch, only norms are recorded
        title = f"Run {self.run_id[:8]}"
        return Figure(title, shown, charts.curves(shown, panels), (4.0 * len(panels), 3.4))

    def confusion(self) -> Figure:
        """The confusion matrix of the evaluation: a row for each true class, a column for each answer."""
        values, split = self._evaluation
        if "confusion" not in values:
            raise ArtifactError(
                f"The evaluation of run {self.run_id[:8]} has no confusion matrix: its net gives no "
                "classes, or there are too many of them."
            )
        cells, labels = np.array(values["confusion"]), values["labels"]
        frame = pd.DataFrame(cells, index=labels, columns=labels).rename_axis("true")
        side = 2.4 + 0.32 * min(len(labels), 24)
        title = f"{split}: {np.trace(cells)} of {cells.sum()} right"
        return Figure(title, frame, charts.confusion(cells, labels), (side, side))

    def mistakes(self, count: int = 12) -> Figure:
        """The samples that the net answered wrong, those it was surest of first.

        The frame has all that the evaluation listed; pictures are drawn of the samples that the run
        has kept.
        """
        import torch

        from nets import inside

        values, split = self._evaluation
        frame = pd.read_parquet(self._file("evaluation/predictions.parquet"))
        frame = frame[frame["label"] != frame["prediction"]]
        frame = frame.sort_values("confidence", ascending=False).reset_index(drop=True)
        names = dict(enumerate(values.get("labels", [])))
        for column in ("label", "prediction"):
            frame[column] = frame[column].map(lambda index: names.get(index, str(index)))
        samples = self.samples
        kept = {int(row): place for place, row in enumerate(samples["row"])}
        shown = frame[frame["row"].isin(kept)].head(count)
        title = f"{split}: {len(frame)} mistakes"
        if self.net.spec.kind != "image" or shown.empty:
            draw = charts.table(frame.head(count))
            return Figure(title, frame, draw, (7.0, 0.6 + 0.25 * min(len(frame), count)))
        features: torch.Tensor = samples["features"]
        tiles = [inside.picture(features[kept[int(row)]].numpy()) for row in shown["row"]]
        texts = [
            f"{row.label}, not {row.prediction}\n{row.confidence:.0%} sure"
            for row in shown.itertuples()
        ]
        down = -(-len(tiles) // 6)
        return Figure(title, frame, charts.pictures(tiles, texts), (7.5, 0.4 + 1.6 * down))

    def filters(self, layer: str | None = None) -> Figure:
        """As `workbench.notebook.filters`, of this run's net."""
        from workbench.notebook.looks import filters

        return filters(self.net, layer)

    def feature_maps(self, picture: Tensor | int = 0, layers: list[str] | None = None) -> Figure:
        """As `workbench.notebook.feature_maps`, of this run's net.

        Args:
            picture: a raw sample, or the place of one of the run's `samples`.
        """
        from workbench.notebook.looks import feature_maps

        return feature_maps(self.net, self._sample(picture)[0], layers)

    def attribution(self, sample: Tensor | int = 0, target: Any = None, **options: Any) -> Figure:
        """As `workbench.notebook.attribution`, of this run's net.

        Args:
            sample: a raw sample, or the place of one of the run's `samples`.
            options: method, layer, length.
        """
        from workbench.notebook.one_sample import attribution

        features, length = self._sample(sample)
        return attribution(self.net, features, target, **{"length": length, **options})

    def states(self, sample: Tensor | int = 0, **options: Any) -> Figure:
        """As `workbench.notebook.states`, of this run's net.

        Args:
            sample: a raw sample, or the place of one of the run's `samples`.
            options: part, length.
        """
        from workbench.notebook.one_sample import states

        features, length = self._sample(sample)
        return states(self.net, features, **{"length": length, **options})

    def health(self) -> Figure:
        """As `workbench.notebook.health`, of this run's net on the samples that the run has kept."""
        from nets.config import flatten
        from workbench.notebook.looks import health

        samples = self.samples
        settings = flatten(self.experiment)
        return health(self.net, samples["features"], samples.get("length"), settings=settings)

    @cached_property
    def samples(self) -> dict[str, Tensor]:
        """The samples that the run has kept: features (n, *spec.shape), label, row, and length."""
        from safetensors.torch import load_file

        for split in _SPLITS:
            if f"samples/{split}.safetensors" in self.files:
                return load_file(self._file(f"samples/{split}.safetensors"))
        raise ArtifactError(f"Run {self.run_id[:8]} has kept no samples. {self._why}")

    def _sample(self, sample: Tensor | int) -> tuple[Tensor, int | None]:
        """A raw sample and its length, where one is known."""
        if not isinstance(sample, int):
            return sample, None
        features = self.samples["features"]
        if not 0 <= sample < len(features):
            raise WorkbenchError(
                f"Run {self.run_id[:8]} has kept {len(features)} samples, got the place {sample}. "
                f"Name one from 0 to {len(features) - 1}."
            )
        lengths = self.samples.get("length")
        return features[sample], None if lengths is None else int(lengths[sample])

    @cached_property
    def files(self) -> list[str]:
        """The paths of the run's files."""
        return self.reader.artifacts(self.run_id)

    @cached_property
    def _evaluation(self) -> tuple[dict[str, Any], str]:
        for split in _SPLITS:
            if f"evaluation/{split}.json" in self.files:
                return self._json(f"evaluation/{split}.json"), split
        raise ArtifactError(f"Run {self.run_id[:8]} has no evaluation. {self._why}")

    @cached_property
    def _model_files(self) -> dict[str, bytes]:
        from nets.code import FOLDER as CODE
        from workbench.scoring.model import DESCRIPTION, WEIGHTS

        names = [n for n in self.files if PurePosixPath(n).name in (DESCRIPTION, WEIGHTS)]
        if len(names) != 2:
            raise ArtifactError(f"Run {self.run_id[:8]} has kept no model. {self._why}")
        folder = f"{PurePosixPath(names[0]).parent}/"
        names += [
            n for n in self.files if n.startswith(f"{folder}{CODE}/")
        ]  # of a net of one's own
        return {name.removeprefix(folder): self._file(name).read_bytes() for name in names}

    _why = (
        "It is written at the end of a training; a sweep keeps it for its best trials (sweep.keep), "
        "each of which is a run."
    )

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="workbench-run-")

    def _file(self, path: str) -> Path:
        return self.reader.download(self.run_id, path, Path(self._folder.name))

    def _json(self, path: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._file(path).read_text())
        return content
