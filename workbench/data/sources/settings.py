"""Settings that several sources share: each is declared once, here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nets.config import config
from nets.errors import ConfigError
from nets.spec import TensorSpec
from workbench.data.pictures import USUAL_SHAPE, picture_spec
from workbench.data.sounds import sound_spec


@config
class RowSettings:
    """Columns of a table that say something of its rows."""

    split: str | None = None
    """Column of train, validation, test or null, in any usual spelling; None: a column named split, set, ... where its values are names of splits."""
    key: str | None = None
    """Column that names the rows; None: a hash of each row."""
    group: str | None = None
    """Column whose equal values stay together where data.split.by is group: a customer, a speaker, a recording."""
    time: str | None = None
    """Column of numbers, dates or timestamps that rows are ordered by where data.split.by is time."""


@config
class VectorSettings(RowSettings):
    """How the columns of a table become vectors, and what is learned of them."""

    features: tuple[str, ...] = ()
    """Columns of numbers, booleans, categories and dates, or one column of vectors or arrays; none: every such column that no other setting names, but those that only count the rows."""
    label: str = "label"
    """Column to predict."""
    task: Literal["classes", "values"] = "classes"
    """classes: each different label is a class; values: labels are measured, and predicted as numbers."""
    weight: str | None = None
    """Column with the weight of a row in the loss; None: all rows weigh the same."""
    max_categories: int = Field(default=50, ge=1)
    """A column of text with more different values is no category, and no feature."""
    fill: float | None = None
    """Number in place of a missing one, and no category in place of a missing category; None: rows without a value are set aside."""

    def __post_init__(self) -> None:
        others = {self.label, self.split, self.weight, self.key, self.group, self.time}
        if twice := others & set(self.features):
            raise ConfigError(
                f"features must not name another setting's column, got {', '.join(map(str, twice))}."
            )


@config
class FolderSettings:
    """What says the classes and splits of files in a folder."""

    splits: dict[str, Literal["train", "validation", "test"]] | None = None
    """Folder name to split, as {"part1": "train", "part2": "test"}; None: folders named train, val, valid, test and the like are splits, and of sounds also lists as testing_list.txt; {}: neither is."""
    class_level: int | None = Field(default=None, ge=0)
    """Which folder of a file's path is its class: 0 the first below `path`; None: found."""
    class_pattern: str | None = None
    """Regular expression whose first group in a file's path (from `path`) is its class, as (\\w+)\\.\\d+ for cat.12.jpg; None: classes are folders or a table's."""
    table: str | None = None
    """A CSV or TSV file with a row per file: its name (with or without ending) and its class; None: used where one lies beside files without folders of classes."""
    file: str | None = None
    """The table's column of file names; None: the one whose values are files."""
    label: str | None = None
    """The table's column of classes; None: found by its name."""

    def __post_init__(self) -> None:
        ways = [
            n for n in ("table", "class_pattern", "class_level") if getattr(self, n) is not None
        ]
        if len(ways) > 1:
            raise ConfigError(
                f"data.source: classes are named by one of table, class_pattern and class_level, got "
                f"{' and '.join(ways)}. Set the others to null."
            )
        table = self.table is not None
        idle = ("splits",) if table else ("file", "label") if ways else ()
        for name in idle:
            if getattr(self, name) is not None:
                of = "folders" if table else "a table"
                raise ConfigError(
                    f"data.source.{name} is of {of}, and classes are named by {ways[0]}: it would change "
                    f"nothing. Set it to null."
                )


@config
class ArchiveSettings:
    """What says the classes of samples in archives."""

    label: str | None = None
    """Ending of a sample's class, as cls or txt, or a key in its JSON, as json.label; None: cls, or else found."""
    classes: tuple[str, ...] | None = None
    """Class names by index where classes are numbers; None: the numbers."""


@config
class PictureSettings:
    """What pictures become."""

    shape: tuple[int, int, int] = USUAL_SHAPE
    """(channels, height, width) every picture is converted to: 1 grey, 3 RGB, 4 RGBA; scaled and cut."""

    def __post_init__(self) -> None:
        picture_spec(self.shape)

    @property
    def spec(self) -> TensorSpec:
        """Of a sample."""
        return picture_spec(self.shape)


@config
class SoundSettings:
    """What sounds become."""

    rate: int = Field(default=16_000, ge=1)
    """Samples a second that every sound is converted to."""
    seconds: float = Field(default=1.0, gt=0)
    """Length of a sample: the middle of a longer sound is kept, a shorter one is followed by silence."""

    def __post_init__(self) -> None:
        sound_spec(self.rate, self.seconds)

    @property
    def spec(self) -> TensorSpec:
        """Of a sample."""
        return sound_spec(self.rate, self.seconds)
