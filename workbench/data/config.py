"""Where data comes from, how it is split and what is fitted on it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nets.config import config
from nets.errors import ConfigError


@config
class SplitConfig:
    """Shares of the rows held out, stratified by label and reproducible from the seed."""

    validation: float = Field(default=0.1, ge=0, lt=1)
    """Share of the rows held out to choose epochs and settings by; of the training rows, where the source has a test set of its own."""
    test: float = Field(default=0.2, ge=0, lt=1)
    """Share of the rows held out for the final figure; not used where the source has a test set of its own."""
    seed: int = 0
    """Decides, with each row's own key, which split the row is in."""

    def __post_init__(self) -> None:
        if self.validation + self.test >= 1:
            raise ConfigError(
                "validation + test must leave rows to train on (sum < 1), "
                f"got {self.validation} + {self.test}."
            )


@config
class DigitsSource:
    """1,797 handwritten digits of 8x8 grey pixels, shipped with scikit-learn (UCI optdigits)."""

    kind: Literal["digits"] = "digits"
    layout: Literal["image", "series"] = "image"
    """image: (1, 8, 8) uint8; series: 8 rows of 8 pixels, read top to bottom, as (8, 8) float32."""


@config
class CifarArchiveSource:
    """The official CIFAR-10 python archive: `cifar-10-python.tar.gz`, or the folder it unpacks to."""

    kind: Literal["cifar_archive"] = "cifar_archive"
    path: str
    """The archive, or the folder `cifar-10-batches-py`."""


@config
class ImageFolderSource:
    """Image files in one folder per class, or in `train/` and `test/` folders of such folders."""

    kind: Literal["image_folder"] = "image_folder"
    path: str
    """The folder."""
    shape: tuple[int, int, int] = (3, 32, 32)
    """(channels, height, width) every picture is converted to: 1 grey, 3 RGB, 4 RGBA; scaled and cut."""

    def __post_init__(self) -> None:
        if self.shape[0] not in (1, 3, 4) or min(self.shape) < 1:
            raise ConfigError(
                "shape must be (channels, height, width) with 1, 3 or 4 channels and sizes >= 1, "
                f"got {self.shape}."
            )


Source = Annotated[
    DigitsSource | CifarArchiveSource | ImageFolderSource,
    Field(discriminator="kind"),
]


@config
class DataConfig:
    """A source, its split, and the limits within which it is prepared."""

    source: Source = DigitsSource()
    """Where rows come from."""
    split: SplitConfig = SplitConfig()
    """How rows are held out."""
    max_bad_share: float = Field(default=0.01, ge=0, le=1)
    """Refuse the data when a larger share of its rows cannot be read."""
    partition_bytes: int = Field(default=16 * 2**20, ge=2**16)
    """Largest Spark partition handed to Ray, in bytes of features: RayDP copies a partition in the JVM heap."""
    resident_bytes: int = Field(default=4 * 2**30, ge=0)
    """Keep a split as one array in Ray's object store when it is at most this large; stream it otherwise."""
