"""Fingerprints of prepared data: two runs with the same one trained on the same tensors."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets.config import to_dict
from workbench import spark_private
from workbench.data.config import DataConfig
from workbench.data.corrections import digest
from workbench.data.sources.open_table import CATALOG
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from nets.prepare import PreparationConfig
    from workbench.data.canonical import CanonicalFrame

_VERSION = 3
"""Raised when the same configuration comes to mean other bytes."""


_PATHS = ("path", "test_path", "tokenizer", "table")


def fingerprint(
    config: DataConfig, preparation: PreparationConfig, spark: SparkSession | None = None
) -> str:
    """Hash of the source's settings and files, the split and the preparation; 16 hex digits.

    A file counts by its path below the source, size and time of change. Reading gigabytes to hash
    them would cost more than preparing them again.

    Args:
        spark: lists the files of paths with `://`; None: such files are left out, see `is_remote`.

    Raises:
        DataError: Spark cannot list a path.
    """
    facts = {
        "version": _VERSION,
        "source": to_dict(config.source),
        "files": [_list_files(path, spark, _in_catalog(config)) for path in _paths(config)],
        "split": to_dict(config.split),
        "preparation": _preparation(preparation, sounds=config.source.kind.startswith("sound_")),
    }
    if config.corrections is not None:
        facts["corrections"] = digest(config.corrections)
    return _hash(facts)


def _preparation(preparation: PreparationConfig, *, sounds: bool) -> dict[str, Any]:
    """Its settings; those of spectrograms only where there are sounds."""
    settings = to_dict(preparation)
    if not sounds:
        del settings["spectrogram"]
    return settings


def is_remote(config: DataConfig) -> bool:
    """Whether only Spark can list the files of the source."""
    return _in_catalog(config) or any("://" in str(path) for path in _paths(config))


def _in_catalog(config: DataConfig) -> bool:
    """Whether the source's paths are names of tables in the session's catalog."""
    return getattr(config.source, "format", None) == CATALOG


def _paths(config: DataConfig) -> list[str | None]:
    return [getattr(config.source, name, None) for name in _PATHS]


def is_read_anew(config: DataConfig, spark: SparkSession | None = None) -> bool:
    """Whether the rows may be others although settings and files are the same: of a query, a function,
    a program's DataFrame, a view, or a table of a database. Equal plans of DataFrames may have other
    rows: `semanticHash` knows neither the rows of a local list nor the files' state.

    Args:
        spark: knows views and tables by name; None: they are not asked for.
    """
    if config.source.kind in ("custom", "dataframe", "sql"):
        return True
    if spark is None or not _in_catalog(config):
        return False
    return any(is_without_files(spark, path) for path in _paths(config) if path is not None)


def is_without_files(spark: SparkSession, name: str) -> bool:
    """Whether files do not say what rows a table of the catalog has: it is a view, or has none.

    One that is not there counts as none of these: reading it says what is wrong.
    """
    from pyspark.errors import PySparkException

    try:
        views = ("VIEW", "TEMPORARY")
        return _kind_of(spark, name) in views or not spark.table(name).inputFiles()
    except PySparkException:
        return False


def _kind_of(spark: SparkSession, name: str) -> str:
    from pyspark.errors import PySparkException

    try:
        return spark.catalog.getTable(name).tableType
    except PySparkException:  # a table of another catalog, as Iceberg's
        return ""


def content_fingerprint(
    content: str, canonical: CanonicalFrame, preparation: PreparationConfig
) -> str:
    """The same for rows without a source: from the hash of their content."""
    facts = {
        "version": _VERSION,
        "content": content,
        "spec": {k: v for k, v in to_dict(canonical.spec).items() if k != "rate" or v is not None},
        "labels": canonical.labels,
        "preparation": _preparation(preparation, sounds=canonical.spec.kind == "sound"),
    }
    if canonical.text is not None:  # the same numbers may stand for other words
        facts["text"] = to_dict(canonical.text)
    if canonical.forecast is not None:
        facts["forecast"] = asdict(canonical.forecast)
    return _hash(facts)


def _hash(facts: dict[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _list_files(
    path: str | None, spark: SparkSession | None, in_catalog: bool
) -> list[tuple[str, int, int]]:
    if path is None or ((in_catalog or "://" in path) and spark is None):
        return []
    if spark is not None and in_catalog:
        from pyspark.errors import PySparkException

        try:
            return spark_private.list_table_files(spark, path)
        except (PySparkException, OSError):
            return []  # reading it says what is wrong
    if spark is not None and "://" in path:
        try:
            return sorted(spark_private.list_files(spark, path))
        except OSError as error:
            raise DataError(f"{path} cannot be listed: {error}") from error
    if os.path.isfile(path):
        return [_describe_file(path, ".")]
    return sorted(_describe_file(file, os.path.relpath(file, path)) for file in _walk(path))


def _walk(path: str) -> Iterator[str]:
    """Each file below, also in folders that are links."""
    for folder, folders, names in os.walk(path, followlinks=True):
        folders[:] = [name for name in folders if not _is_loop(os.path.join(folder, name))]
        yield from filter(os.path.isfile, (os.path.join(folder, name) for name in names))


def _is_loop(folder: str) -> bool:
    """Whether a folder is a link to one that contains it."""
    if not os.path.islink(folder):
        return False
    above = Path(folder).parent.resolve()
    return Path(folder).resolve() in (above, *above.parents)


def _describe_file(file: str, name: str) -> tuple[str, int, int]:
    facts = os.stat(file)
    return name, facts.st_size, facts.st_mtime_ns
