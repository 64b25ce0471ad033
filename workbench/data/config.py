"""Where data comes from and how it is split."""

from __future__ import annotations

from typing import Any, Literal

import pydantic
from pydantic import Field

from nets.config import config
from nets.errors import ConfigError
from workbench.data.sources import DigitsSource, SeriesSource, Source, is_source


@config
class SplitConfig:
    """Shares of the rows that are held out, stratified by label and reproducible from the seed."""

    by: Literal["rows", "group", "time"] = "rows"
    """rows: each row by itself; group: rows of a group (a column of the source, an entity of a series) stay together; time: the last rows are held out, the very last ones for test."""
    validation: float = Field(default=0.1, ge=0, lt=1)
    """Share of the rows that is held out for choosing epochs and settings. Where the source has its own test set: share of its training rows."""
    test: float = Field(default=0.2, ge=0, lt=1)
    """Share of the rows that is held out for the final figure. Not used where the source has its own test set."""
    seed: int = 0
    """Seed of the split, which follows from the seed and the keys of the rows."""
    folds: int | None = Field(default=None, ge=2)
    """Cross-validation: the rows that are not held out for test are cut into this many folds. One fold is the validation split, in place of the share `validation`. A sweep tries every configuration on each fold."""
    fold: int = Field(default=0, ge=0)
    """Cross-validation: which fold is the validation split, from 0."""

    def __post_init__(self) -> None:
        if self.fold >= (self.folds or 1):
            raise ConfigError(
                f"fold counts from 0 and must be below folds, got fold {self.fold} of "
                f"{self.folds or 'no'} folds. Set folds, or a lower fold."
            )
        if self.folds and self.by == "time":
            raise ConfigError(
                f"folds of a split by time would train on what comes after, got folds {self.folds}. "
                "Set folds to null, or by to group."
            )
        if self.validation + self.test >= 1:
            raise ConfigError(
                "validation + test must leave rows to train on (sum < 1), "
                f"got {self.validation} + {self.test}."
            )


@config
class DataConfig:
    """A source, its split, and a limit for its preparation."""

    source: Source = DigitsSource()
    """The source of the rows."""
    split: SplitConfig = SplitConfig()
    """How rows are held out."""
    max_bad_share: float = Field(default=0.01, ge=0, le=1)
    """Refuse the data when a larger share of its rows cannot be read."""
    corrections: str | None = None
    """A CSV file with the columns key, action (exclude or relabel) and label: these samples are left out or get another class. `workbench data labels` and the Run page write it; None: all rows as they are."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _read_forms(cls, values: Any) -> Any:
        """A source alone stands for its data with everything else as it is by default.

        Runs of earlier versions record `resident_bytes`, which had data in memory or streamed.
        """
        if is_source(values):
            return {"source": values}
        if isinstance(values, dict):
            return {name: value for name, value in values.items() if name != "resident_bytes"}
        return values

    def __post_init__(self) -> None:
        if isinstance(self.source, SeriesSource) and self.split.by == "rows":
            raise ConfigError(
                "windows of a series overlap, so they cannot be split row by row: set split.by to "
                "time (the last steps are held out) or group (whole entities are)."
            )
