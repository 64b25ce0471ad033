"""A saved net on the driver: its files and their description. Loads no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nets import Task
from nets.config import from_dict
from nets.errors import ConfigError, ModelFileError
from nets.spec import TensorSpec
from nets.text import TextEncoding

DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"
"""The files' names, as in `nets.files`, which loads torch."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """The files that `nets.save` wrote, in memory."""

    files: Mapping[str, bytes]
    """File name to content."""
    described: Mapping[str, Any]
    """`model.json`."""
    spec: TensorSpec
    """Kind, shape and dtype of a sample."""
    labels: tuple[str, ...] | None
    """Class names by index; None where the net gives values."""
    text: TextEncoding | None
    """Encoding of raw text; None: the net takes no text."""
    key: str
    """A hash of the files."""

    @property
    def task(self) -> Task:
        """What the net learned."""
        return Task.of(self.described["net"]["kind"], has_classes=self.labels is not None)

    @property
    def num_outputs(self) -> int:
        """Classes, or values of a row."""
        return int(self.described["num_outputs"])

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns of the training, from the experiment; () where it does not name them."""
        source = (self.described.get("experiment") or {}).get("data", {}).get("source", {})
        settings = ("image", "sound", "text_column", "features")
        named = next((source[name] for name in settings if source.get(name)), ())
        return (named,) if isinstance(named, str) else tuple(named)


def read_model(model: Path | str | Mapping[str, bytes]) -> Model:
    """The net in a folder that `workbench export` or `nets.save` wrote, or in files by name.

    Raises:
        ModelFileError: a file is missing or not ours.
    """
    if isinstance(model, (Path, str)):
        folder = Path(model)
        paths = {n: folder / n for n in (DESCRIPTION, WEIGHTS) if (folder / n).is_file()}
        files: Mapping[str, bytes] = {name: path.read_bytes() for name, path in paths.items()}
    else:
        files = {name: bytes(model[name]) for name in (DESCRIPTION, WEIGHTS) if name in model}
    missing = [name for name in (DESCRIPTION, WEIGHTS) if name not in files]
    if missing:
        where = str(model) if isinstance(model, (Path, str)) else "The model"
        raise ModelFileError(
            f"{where} holds no saved net: {' and '.join(missing)} is missing. Name the folder that "
            "`workbench export` or `nets.save` wrote."
        )
    try:
        described = json.loads(files[DESCRIPTION])
        text = described.get("text")
        return Model(
            files=files,
            described=described,
            spec=from_dict(TensorSpec, described["spec"]),
            labels=tuple(described["labels"]) if described["labels"] else None,
            text=from_dict(TextEncoding, text) if text else None,
            key=hashlib.sha256(files[DESCRIPTION] + files[WEIGHTS]).hexdigest(),
        )
    except (ConfigError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{DESCRIPTION} does not describe a net ({type(error).__name__}: {error}). It is damaged "
            "or not ours: export the run again."
        ) from error
