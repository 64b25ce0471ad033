"""A table with encoded sounds: Parquet, ORC or any format with bytes that Spark has a reader for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.csv_config import CsvConfig
from workbench.data.sounds import load_soundfile
from workbench.data.sources.encoded_table import read_encoded
from workbench.data.sources.settings import RowSettings, SoundSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class SoundTableSource(RowSettings, SoundSettings):
    """A table with a sound (the bytes of a WAV, FLAC, OGG or MP3 file) in each row."""

    kind: Literal["sound_table"] = "sound_table"
    path: str
    """The table: a file or folder, or a URL that Spark reads."""
    test_path: str | None = None
    """A table of the same columns whose rows are the test set; None: drawn, or as `split` says."""
    format: Literal["parquet", "orc", "delta", "avro"] = "parquet"
    """Spark's name of the format: one that holds bytes."""
    sound: str = "audio"
    """Column of the sounds: bytes, or HuggingFace's struct of bytes and path; a dot leads into a struct (`audio.bytes`)."""
    label: str = "label"
    """Column of the classes: text or numbers."""
    named_splits: bool = True
    """Whether names of files, folders and columns say the splits (train.parquet, test/); False: they are drawn."""

    @property
    def csv(self) -> CsvConfig:
        """Text has no bytes: this is never read."""
        return CsvConfig()


def read(source: SoundTableSource, spark: SparkSession) -> CanonicalFrame:
    """Sounds of source.seconds, int16.

    Raises:
        DataError: a table cannot be read or lacks a column, the test table has other columns, or
            soundfile is not installed.
    """
    load_soundfile()
    return read_encoded(source, spark, source.spec, column=source.sound, setting="sound")
