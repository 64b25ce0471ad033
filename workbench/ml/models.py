"""Trained nets as models of Spark ML: transform, save, load. Needs no Ray and no MLflow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.ml import Model as SparkModel
from pyspark.ml.util import (
    DefaultParamsReader,
    DefaultParamsWriter,
    MLReadable,
    MLReader,
    MLWritable,
    MLWriter,
)

from nets.errors import ConfigError, ModelFileError
from workbench import spark_private
from workbench.ml.params import ClassParams, CodeParams, ScoringParams
from workbench.scoring import Model, Outputs, read_model, score
from workbench.scoring.model import write_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from nets.net import Net

_FOLDER = "net"
"""Folder in a saved model with the files that `nets.save` writes."""


class NetModel(SparkModel, ScoringParams, MLWritable, MLReadable):
    """A net that transforms DataFrames."""

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._model: Model | None = None
        self.runId: str | None = None
        """The run in MLflow that trained it."""
        self.metrics: dict[str, float] = {}
        """Metrics of the best epoch."""

    @property
    def model(self) -> Model:
        """The net's files and description.

        Raises:
            ModelFileError: this object was constructed directly; only `fit` and `load` set a net.
        """
        if self._model is None:
            raise ModelFileError(
                f"This {type(self).__name__} has no net. Take one from fit, or from "
                f"{type(self).__name__}.load(path)."
            )
        return self._model

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Class names, in the order of the probabilities; None where the net predicts values."""
        return self.model.labels

    @property
    def summary(self) -> dict[str, float]:
        """The net's results on held-out rows and, as baseline/..., what answers without a net reach there."""
        shown = ("validation/", "test/", "baseline/")
        return {name: value for name, value in self.metrics.items() if name.startswith(shown)}

    def net(self) -> Net:
        """The net itself, in PyTorch."""
        import nets

        with tempfile.TemporaryDirectory() as folder:
            write_files(self.model.files, Path(folder))
            return nets.load(folder)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        invalid = self.getOrDefault("handleInvalid")
        if invalid not in ("keep", "skip", "error"):
            raise ConfigError(f"handleInvalid must be keep, skip or error, got {invalid!r}.")
        length = self.getOrDefault("lengthCol") if self.isDefined("lengthCol") else None
        answers = score(
            dataset,
            self.model,
            features=self.getFeaturesCol(),
            length=length,
            outputs=self._outputs(),
        )
        reason = F.col(f"`{self.getOrDefault('reasonCol')}`")
        if invalid == "skip":
            return answers.where(reason.isNull())
        if invalid == "error":
            message = F.concat(F.lit("A row cannot be read (handleInvalid is error): "), reason)
            # As a filter, because Spark evaluates it even if the reason is not selected.
            fails = F.raise_error(message).cast("boolean")
            return answers.where(F.when(reason.isNull(), True).otherwise(fails))
        return answers

    def _outputs(self) -> Outputs:
        raise NotImplementedError

    def _set_net(self, model: Model, run_id: str | None, metrics: Mapping[str, float]) -> NetModel:
        self._model, self.runId, self.metrics = model, run_id, dict(metrics)
        return self

    def write(self) -> MLWriter:
        return NetWriter(self)

    @classmethod
    def read(cls) -> MLReader[NetModel]:
        return NetReader(cls)


class ClassificationModel(NetModel, ClassParams):
    """Adds rawPrediction, probability, prediction and predictedLabel."""

    @property
    def numClasses(self) -> int:
        """Number of classes."""
        return self.model.num_outputs

    def _outputs(self) -> Outputs:
        return Outputs(
            raw=self.getRawPredictionCol() or None,
            probability=self.getProbabilityCol() or None,
            prediction=self.getPredictionCol(),
            label=self.getOrDefault("predictedLabelCol") or None,
            reason=self.getOrDefault("reasonCol"),
        )


class RegressionModel(NetModel):
    """Adds prediction: a double, or a vector where several values are predicted."""

    def _outputs(self) -> Outputs:
        return Outputs(prediction=self.getPredictionCol(), reason=self.getOrDefault("reasonCol"))


class AutoencoderModel(NetModel, CodeParams):
    """Adds code, reconstruction (of the prepared sample) and error."""

    def _outputs(self) -> Outputs:
        return Outputs(
            prediction=self.getPredictionCol() or None,
            code=self.getOrDefault("codeCol") or None,
            error=self.getOrDefault("errorCol") or None,
            reason=self.getOrDefault("reasonCol"),
        )


class NetWriter(MLWriter):
    """Writes Spark's metadata and the net's two files: safetensors and JSON, no pickle."""

    def __init__(self, instance: NetModel) -> None:
        super().__init__()
        self.instance = instance

    def saveImpl(self, path: str) -> None:
        extra = {"runId": self.instance.runId, "metrics": self.instance.metrics}
        DefaultParamsWriter.saveMetadata(self.instance, path, self.sc, extraMetadata=extra)
        for name, content in self.instance.model.files.items():
            spark_private.write_file(self.sparkSession, f"{path}/{_FOLDER}/{name}", content)


class NetReader(MLReader[NetModel]):
    """Reads the files of NetWriter."""

    def __init__(self, cls: type[NetModel]) -> None:
        super().__init__()
        self.cls = cls

    def load(self, path: str) -> NetModel:
        metadata = DefaultParamsReader.loadMetadata(path, self.sc)
        name = f"{self.cls.__module__}.{self.cls.__name__}"
        if metadata["class"] != name:
            raise ModelFileError(
                f"{path} holds a {metadata['class']}, not a {name}. Load it as that class."
            )
        instance = self.cls()
        spark_private.set_uid(instance, metadata["uid"])
        DefaultParamsReader.getAndSetParams(instance, metadata)
        rows = self.sparkSession.read.format("binaryFile").load(f"{path}/{_FOLDER}").collect()
        files = {row["path"].rsplit("/", 1)[-1]: bytes(row["content"]) for row in rows}
        return instance._set_net(read_model(files), metadata["runId"], metadata["metrics"])
