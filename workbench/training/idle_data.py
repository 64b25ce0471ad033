"""Settings of `data` and `preparation` that change nothing beside the others."""

from __future__ import annotations

from collections.abc import Iterator

from nets import Task
from nets.idle import IdleSetting
from nets.mel import SpectrogramConfig
from workbench.data.csv_config import CsvConfig
from workbench.data.sources import (
    CifarArchiveSource,
    DataFrameSource,
    ImageTableSource,
    SeriesSource,
    SoundTableSource,
    SqlSource,
    TableSource,
    TextSource,
)
from workbench.experiments.experiment import Experiment


def idle_in_preparation(experiment: Experiment, kind: str | None) -> Iterator[IdleSetting]:
    """Settings that change nothing.

    Args:
        kind: of the rows (`TensorSpec.kind`); None: not known yet.
    """
    config, training = experiment.preparation, experiment.training
    method = "none" if kind == "tokens" else config.method
    if kind == "tokens":
        rule = "token ids go to the embedding as they are"
        yield IdleSetting("preparation.method", rule, "Use a source of measured values", ("none",))
    if kind not in ("sound", None):
        rule = f"it is for sounds, got {kind} rows"
        for name in SpectrogramConfig.__dataclass_fields__:
            yield IdleSetting(f"preparation.spectrogram.{name}", rule, "Use a source of sounds")
    if method != "pca":
        rule = f"it belongs to method pca, got method {config.method!r}"
        for name in ("num_components", "whiten"):
            yield IdleSetting(f"preparation.{name}", rule, "Set preparation.method to pca")
    task = Task.by_loss(experiment.net, training.loss)
    may_be_values = task in (None, Task.VALUES)  # of an own loss the data decides, see `learner`
    if not may_be_values:
        rule = f"it is for measured labels, and this net learns {task}"
        way_out = "Use a source of measured values with training.loss mse"
        yield IdleSetting("preparation.targets", rule, way_out)
    divides = method in ("scale", "standardize", "zca") or (method == "pca" and config.whiten)
    if not divides and (not may_be_values or config.targets == "none"):
        rule = f"nothing is divided by a variance, got method {config.method!r}"
        yield IdleSetting("preparation.epsilon", rule, "Set preparation.method to standardize")


def idle_in_data(experiment: Experiment) -> Iterator[IdleSetting]:
    """Settings of the source and of the split that change nothing."""
    split, source = experiment.data.split, experiment.data.source
    if split.by == "time":
        rule = "a split by time draws nothing: the last rows are held out"
        yield IdleSetting("data.split.seed", rule, "Set data.split.by to rows or group")
    if split.folds:
        rule = f"one of {split.folds} folds is the validation split"
        yield IdleSetting("data.split.validation", rule, "Set data.split.folds to null", (0,))
    if isinstance(source, CifarArchiveSource) or getattr(source, "test_path", None):
        rule = "the source has its own test set"
        yield IdleSetting("data.split.test", rule, "Use a source without a test set", (0,))
    yield from _idle_in_split_columns(experiment)
    if isinstance(source, SeriesSource) and not source.targets:
        rule = "it belongs to a forecast, got windows with a class (label_column)"
        for name in ("horizon", "season"):
            yield IdleSetting(f"data.source.{name}", rule, "Set data.source.targets")
    if isinstance(source, TextSource):
        yield from _idle_in_text(source)
    if isinstance(source, TableSource | ImageTableSource):
        yield from _idle_in_table(source)


def _idle_in_split_columns(experiment: Experiment) -> Iterator[IdleSetting]:
    """Columns that split the rows, where these are split in another way."""
    source, by = experiment.data.source, experiment.data.split.by
    columns: dict[type, tuple[str, ...]] = {
        DataFrameSource: ("group", "time"),
        ImageTableSource: ("group", "time"),
        SoundTableSource: ("group", "time"),
        TextSource: ("group_column",),
    }
    if isinstance(source, TableSource | SqlSource) and source.features:
        # Without named features, a column that is named here is no feature: it acts.
        columns[type(source)] = ("group", "time")
    for name in columns.get(type(source), ()):
        how = name.removesuffix("_column")
        if by != how:
            rule = f"it belongs to a split by {how}, got data.split.by {by!r}"
            yield IdleSetting(f"data.source.{name}", rule, f"Set data.split.by to {how}")


def _idle_in_text(source: TextSource) -> Iterator[IdleSetting]:
    if source.format in ("lines", "files"):
        rule = f"it names a column of a table, got format {source.format!r}"
        for name in ("text_column", "label_column"):
            yield IdleSetting(
                f"data.source.{name}", rule, "Set data.source.format to csv, json or parquet"
            )
    if source.tokenizer not in ("words", "characters"):
        rule = "a tokenizer file decides by itself about lower case"
        yield IdleSetting("data.source.lowercase", rule, "Set data.source.tokenizer to words")


def _idle_in_table(source: TableSource | ImageTableSource) -> Iterator[IdleSetting]:
    if source.format != "csv":
        for name in CsvConfig.__dataclass_fields__:
            rule = f"it says how a CSV file is written, got format {source.format!r}"
            yield IdleSetting(f"data.source.csv.{name}", rule, "Set data.source.format to csv")
    if isinstance(source, TableSource) and source.time is None:
        rule = "it is the form of the column that data.source.time names, and there is none"
        yield IdleSetting("data.source.time_format", rule, "Set data.source.time")
