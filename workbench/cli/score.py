"""`workbench score`: predict for files, once or as they arrive. Uses Spark alone, no Ray."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import output as terminal
from workbench.cli.options import Cluster, Debug, Json, TrustCode

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from workbench.cluster import ClusterConfig
    from workbench.scoring import Model

_BATCH_BYTES = 16 * 2**20
_FILES_PER_BATCH = 64


def predict(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_FOLDER",
            help="Run id, its first letters, or latest; or a folder of `workbench export`",
            show_default=False,
        ),
    ],
    input: Annotated[
        str, typer.Option("--input", "-i", help="File, folder or URL to read", show_default=False)
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder to write", show_default=False)
    ],
    format: Annotated[
        str | None,
        typer.Option(
            help="Input format: parquet, orc, json, csv, text or binaryFile (a row per file)",
            show_default="found by names and content",
        ),
    ] = None,
    output_format: Annotated[
        str | None, typer.Option(help="parquet, orc, json or csv", show_default="as the input")
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that the net reads; repeat it for several numeric columns",
            show_default="as in training, else features",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Input column to write as well. Repeatable",
            show_default="all but columns of bytes",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output")] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Score files as they arrive, until stopped")
    ] = False,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="With --stream: folder for its state; a stopped stream continues from it",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="With --stream: stop when all present files are scored")
    ] = False,
    files_per_batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --stream: most files to score and write together", show_default="64"
        ),
    ] = None,
    master: Annotated[
        str | None, typer.Option(help="Spark's master", show_default="local[*]")
    ] = None,
    cluster: Cluster = None,
    trust_code: TrustCode = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Predict with a run's net, in Spark.

    Rows keep their columns and get rawPrediction, probability, prediction and predictedLabel. A row
    that cannot be read is kept, with the reason in place of a prediction. A stream that is stopped or
    killed continues from its checkpoint; every row is written exactly once.

    **Examples**

    `workbench score latest --input pictures/ --output scored`

    `workbench score exported -i new.parquet -o scored --features image --keep id`

    `workbench score exported -i inbox -o scored --stream --checkpoint state`
    """
    if master is not None and cluster is not None:
        raise typer.BadParameter("--cluster and --master both say where Spark is: use one of them.")
    if stream != (checkpoint is not None):
        raise typer.BadParameter("--stream and --checkpoint DIR need each other.")
    if once and not stream:
        raise typer.BadParameter("--once belongs to --stream.")
    if files_per_batch is not None and not stream:
        raise typer.BadParameter("--files-per-batch belongs to --stream.")
    if overwrite and stream:
        raise typer.BadParameter(
            "a stream adds to its output, so --overwrite cannot be used with --stream."
        )
    from workbench.scoring import score_files, stream_files
    from workbench.scoring.files import Paths
    from workbench.scoring.inputs import count_skipped, find_format, local_path

    format = format or find_format(input)
    model = find_model(run, trust_code=trust_code)
    paths = Paths(
        input=input,
        output=output,
        format=format,
        output_format=output_format,
        features=tuple(features or ()),
        keep=None if keep is None else tuple(keep),
    )
    # Arrow batches are counted in rows: some megabytes of samples, whatever their size.
    rows = max(16, min(4096, _BATCH_BYTES // model.spec.num_bytes))
    with spark_session(master or "local[*]", rows, cluster) as spark:
        if checkpoint is not None:
            query = stream_files(
                spark,
                model,
                paths,
                checkpoint=checkpoint,
                once=once,
                files_per_batch=files_per_batch or _FILES_PER_BATCH,
            )
            if not json:
                terminal.out().print(f"Scoring files that arrive in {input} (Ctrl-C stops)")
            _follow(query)
            summary: dict[str, Any] = {
                "output": output,
                "batches": (query.lastProgress or {}).get("batchId"),
                "format": format,
            }
            if format == "binaryFile" and (folder := local_path(input)) is not None:
                summary["unread"] = count_skipped(folder)
        else:
            done = score_files(spark, model, paths, overwrite=overwrite)
            summary = {
                "output": output,
                "rows": done.rows,
                "without_prediction": done.without_prediction,
                "format": format,
                "unread": done.unread,
            }
    if json:
        terminal.print_json(summary)
    elif not stream:
        bad = f", {summary['without_prediction']:,} of them without a prediction (see their reason)"
        terminal.out().print(
            f"{summary['rows']:,} rows in {output}{bad if summary['without_prediction'] else ''} "
            f"(input read as {format})"
        )
    if not json:
        for reason, count in summary.get("unread", {}).items():
            terminal.out().print(f"{count:,} without a row: {reason}")


def _follow(query: Any) -> None:
    """Wait until a stream ends, and raise its error."""
    from pyspark.errors import StreamingQueryException

    from workbench.errors import DataError
    from workbench.spark_errors import describe_failure

    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        raise DataError(f"The stream ended: {describe_failure(error)}") from error
    finally:
        query.stop()


def find_model(name: str, *, trust_code: bool = False) -> Model:
    """The net of a folder or a run; for a sweep, its best trial's.

    Args:
        trust_code: the code of a person's own net may run.

    Raises:
        ModelFileError, ArtifactError, TrackingError: no net is there.
    """
    from workbench.scoring import read_model

    if Path(name).is_dir():
        return read_model(name, trust_code=trust_code)
    from tracking import Reader
    from workbench.export import export

    reader = Reader()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model"
        export(reader, reader.run(name), target, trust_code=trust_code)
        return read_model(target, trust_code=trust_code)


@contextmanager
def spark_session(
    master: str, batch_rows: int, cluster: str | None = None
) -> Iterator[SparkSession]:
    """A Spark session of this process, stopped at the end.

    Args:
        cluster: name of a cluster to use instead of `master`: the Spark cluster itself, or Spark on
            the Ray of that name.

    Raises:
        ClusterError: there is no usable Java, or the cluster cannot be used.
    """
    settings = {
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(batch_rows),
    }
    if cluster is not None:
        from workbench.cluster import build_spark_settings, check_master, load_cluster

        named = load_cluster(cluster)
        named.use()
        config = named.config()
        if config.topology == "ray":
            with _on_ray(config, settings) as spark:
                yield spark
            return
        master = str(config.spark.master)
        check_master(master)
        settings |= build_spark_settings(config.spark)
    import os
    import sys

    from workbench.cluster import find_java

    find_java().use()
    os.environ.setdefault("PYSPARK_PYTHON", settings.get("spark.pyspark.python", sys.executable))
    from pyspark.sql import SparkSession

    from workbench.cluster.terminal_logs import new_log_path, send_logs_to
    from workbench.home import logs_folder

    builder = SparkSession.builder.appName("workbench score").master(master)
    if master.startswith("local"):
        builder = builder.config("spark.ui.enabled", "false").config(
            "spark.driver.host", "127.0.0.1"
        )
    for key, value in settings.items():
        builder = builder.config(key, value)
    with send_logs_to(new_log_path(logs_folder())):
        spark = builder.getOrCreate()
        try:
            spark.sparkContext.setLogLevel("ERROR")
            yield spark
        finally:
            spark.stop()


@contextmanager
def _on_ray(config: ClusterConfig, settings: dict[str, str]) -> Iterator[SparkSession]:
    from workbench.cluster import open_session
    from workbench.progress.terminal import Terminal

    with (
        terminal.progress_console() as console,
        Terminal(console) as progress,
        open_session(config, progress=progress) as opened,
    ):
        for key, value in settings.items():
            if key.startswith("spark.sql."):  # the others can only be set at the start
                opened.spark.conf.set(key, value)
        yield opened.spark
