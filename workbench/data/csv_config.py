"""How a CSV file is written: the settings that override what is found."""

from __future__ import annotations

from typing import Literal

from nets.config import config
from nets.errors import ConfigError

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "none", "<NA>", "?", "-")
"""As pandas has them, with ? and -."""


@config
class CsvConfig:
    """How CSV and TSV files are written; what is null is found from the file, and said."""

    delimiter: str | None = None
    """One character between cells; tab is a name for the tabulator."""
    quote: str = '"'
    """The character around cells with delimiters or line breaks in them."""
    decimal: Literal[".", ","] | None = None
    """The sign between whole and decimal digits of a number."""
    header: bool | None = None
    """Whether the first line holds the names of the columns; without them, they are c0, c1, ..."""
    encoding: Literal["utf-8", "utf-16", "latin-1", "cp1252"] | None = None
    """The character encoding."""
    missing: tuple[str, ...] = MISSING
    """Cells that stand for no value. Spaces around a cell do not count."""

    def __post_init__(self) -> None:
        for name, text in (("delimiter", self.delimiter_character), ("quote", self.quote)):
            if text is not None and len(text) != 1:
                raise ConfigError(f"csv.{name} must be one character, got {text!r}.")

    @property
    def delimiter_character(self) -> str | None:
        """The delimiter itself."""
        return "\t" if self.delimiter in ("tab", "\\t") else self.delimiter
