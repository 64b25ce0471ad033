"""Scores files: all that are there, or new ones as they appear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import DataError
from workbench.scoring.frames import score
from workbench.scoring.inputs import list_files, local_path
from workbench.scoring.model import Model
from workbench.scoring.outputs import Outputs
from workbench.scoring.whole_files import read_whole_files
from workbench.spark_errors import describe_failure

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming import StreamingQuery

FORMATS = ("parquet", "json", "csv", "orc", "text", "binaryFile")
"""Formats of the input, besides others that the Spark session knows. binaryFile: one row per file."""

_WRITTEN = ("parquet", "json", "csv", "orc")


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where rows come from and go to."""

    input: str
    """A file, a folder or a URL that Spark reads; a stream needs a folder."""
    output: str
    """A folder."""
    format: str = "parquet"
    """Of the input, as Spark names it."""
    output_format: str | None = None
    """parquet, orc, json or csv; None: the input's where it is one of them, else parquet."""
    features: Sequence[str] = ()
    """Feature columns as in `score`; (): those of the training, else `features`."""
    keep: Sequence[str] | None = None
    """Columns of the input to write as well; None: all except bytes."""

    @property
    def result_format(self) -> str:
        """The format of the output."""
        return self.output_format or (self.format if self.format in _WRITTEN else "parquet")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Counts of a finished scoring."""

    rows: int
    without_prediction: int
    """Rows that could not be encoded; each has its reason."""
    unread: dict[str, int] = field(default_factory=dict)
    """binaryFile: files that are no row, counted by their reason."""


def score_files(
    spark: SparkSession, model: Model, paths: Paths, *, overwrite: bool = False
) -> Scored:
    """Score all files and write the answers.

    Raises:
        DataError: there is nothing to read, a column is missing, or the output exists.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    path = local_path(paths.input)
    unread: dict[str, int] = {}
    if paths.format == "binaryFile" and path is not None and path.exists():
        files, unread = list_files(path.resolve())
        if not files:
            raise DataError(f"{paths.input} holds no file to score. Name a folder with files.")
        frame = read_whole_files(spark, files)
    else:
        frame = _read(spark, paths)
    observation = Observation("scored")
    answers = _answers(frame, model, paths).observe(
        observation, F.count(F.lit(1)).alias("rows"), F.count("reason").alias("without")
    )
    mode = "overwrite" if overwrite else "errorifexists"
    try:
        _writable(answers, paths).write.mode(mode).options(**_options(paths.result_format)).format(
            paths.result_format
        ).save(paths.output)
    except (PySparkException, Py4JJavaError) as error:
        if "ALREADY_EXISTS" not in str(error):
            raise DataError(
                f"{paths.input}, read as {paths.format}, could not be scored into {paths.output}: "
                f"{describe_failure(error)} Look at the files, or name their format with --format."
            ) from error
        raise DataError(
            f"{paths.output} exists already. Name a new folder, or say --overwrite."
        ) from error
    counts: dict[str, Any] = observation.get
    return Scored(rows=counts["rows"], without_prediction=counts["without"], unread=unread)


def stream_files(
    spark: SparkSession,
    model: Model,
    paths: Paths,
    *,
    checkpoint: str,
    once: bool = False,
    interval_s: float = 1.0,
    files_per_batch: int = 64,
) -> StreamingQuery:
    """Start a query that scores files as they appear in a folder.

    Each input row is written exactly once, even if the stream is stopped or killed and started again
    with the same checkpoint. Spark notes the files of a batch before the batch begins, and lists
    complete batches in the output's `_spark_metadata`. Read the output with Spark: it ignores files
    of incomplete batches, which are not in that list.

    Args:
        checkpoint: folder for the stream's state; use the same one for the same output.
        once: stop when all files that exist now are scored.
        interval_s: seconds between batches.
        files_per_batch: the largest number of files in a batch.

    Raises:
        DataError: the folder has no file yet, so its columns are unknown; or a column is missing.
    """
    schema = _read(spark, paths).schema
    reader = spark.readStream.format(paths.format).options(**_options(paths.format))
    frame = reader.schema(schema).option("maxFilesPerTrigger", files_per_batch).load(paths.input)
    writer = (
        _writable(_answers(frame, model, paths), paths)
        .writeStream.format(paths.result_format)
        .options(**_options(paths.result_format))
        .option("checkpointLocation", checkpoint)
        .outputMode("append")
    )
    when = {"availableNow": True} if once else {"processingTime": f"{interval_s} seconds"}
    return writer.trigger(**when).start(paths.output)


def _read(spark: SparkSession, paths: Paths) -> DataFrame:
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    reader = spark.read.format(paths.format).options(**_options(paths.format))
    try:
        return reader.load(paths.input)
    except (PySparkException, Py4JJavaError) as error:
        raise DataError(
            f"{paths.input} cannot be read as {paths.format}: {describe_failure(error)} The columns "
            "are taken from the files, so at least one must exist. Name the format with --format."
        ) from error


def _options(form: str) -> dict[str, str]:
    options = {"csv": {"header": "true", "inferSchema": "true", "escape": '"', "multiLine": "true"}}
    options["binaryFile"] = {"recursiveFileLookup": "true"}
    return options.get(form, {})


def _answers(frame: DataFrame, model: Model, paths: Paths) -> DataFrame:
    features = list(paths.features)
    if not features and model.columns and not set(model.columns) <= set(frame.columns):
        whole = {"binaryFile": "content", "text": "value"}.get(paths.format)
        features = [whole] if whole else []
    elif not features and not model.columns and paths.format == "binaryFile":
        features = ["content"]
    outputs = Outputs()
    if model.task.reconstructs:
        whole = None if model.has_code else "prediction"  # as large as the sample
        outputs = Outputs(code="code", error="error", prediction=whole)
    return score(frame, model, features=features or None, outputs=outputs, vectors=False)


def _writable(frame: DataFrame, paths: Paths) -> DataFrame:
    """The columns to write; arrays as JSON where the format has none."""
    from pyspark.sql import functions as F

    added = frame.columns[_first_answer(frame) :]
    kinds = {field.name: field.dataType.typeName() for field in frame.schema.fields}
    before = frame.columns[: _first_answer(frame)]
    if paths.keep is not None:
        missing = [name for name in paths.keep if name not in before]
        if missing:
            raise DataError(f"--keep names no column: {missing[0]!r}. Known: {', '.join(before)}.")
        before = list(paths.keep)
    else:
        before = [name for name in before if kinds[name] != "binary"]
    chosen = []
    for name in (*before, *added):
        column = F.col(f"`{name}`")
        if paths.result_format == "csv" and kinds[name] in ("array", "struct", "map"):
            column = F.to_json(column)
        chosen.append(column.alias(name))
    return frame.select(*chosen)


def _first_answer(frame: DataFrame) -> int:
    names = {"rawPrediction", "probability", "prediction", "code", "error", "predictedLabel"}
    return next(i for i, name in enumerate(frame.columns) if name in names)
