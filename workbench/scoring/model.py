"""A saved net on the driver: its files and their description. Loads no torch."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nets import Task
from nets.code import FOLDER
from nets.config import from_dict
from nets.custom import check_trust, from_record, is_record
from nets.errors import ConfigError, ModelFileError, UntrustedCodeError
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
        return Task.of(self, has_classes=self.labels is not None)

    @property
    def reconstructs(self) -> bool:
        """Whether the net gives its own input back."""
        return self._says("reconstructs")

    @property
    def has_code(self) -> bool:
        """Whether it does so from a code."""
        return self._says("has_code")

    def _says(self, name: str) -> bool:
        """What the description says of the net, or, where an older version wrote it, the net's settings:
        every net that reconstructed then had a code."""
        if name in self.described:
            return bool(self.described[name])
        if is_record(self.described["net"]):
            return False
        from nets.net import read_config  # loads torch

        return read_config(self.described["net"]).reconstructs

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


def read_model(model: Path | str | Mapping[str, bytes], *, trust_code: bool = False) -> Model:
    """The net in a folder that `workbench export` or `nets.save` wrote, or in files by name.

    Args:
        trust_code: the code of a person's own net may run, here and on the executors.

    Raises:
        UntrustedCodeError: the net is a person's own, and nobody allowed its code.
        ModelFileError: a file is missing or not ours.
    """
    if isinstance(model, (Path, str)):
        folder = Path(model)
        paths = {n: folder / n for n in (DESCRIPTION, WEIGHTS) if (folder / n).is_file()}
        files: dict[str, bytes] = {name: path.read_bytes() for name, path in paths.items()}
        for path in sorted((folder / FOLDER).rglob("*.py")):
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    else:
        files = {name: bytes(model[name]) for name in (DESCRIPTION, WEIGHTS) if name in model}
        files |= {n: bytes(content) for n, content in model.items() if n.startswith(f"{FOLDER}/")}
    missing = [name for name in (DESCRIPTION, WEIGHTS) if name not in files]
    if missing:
        where = str(model) if isinstance(model, (Path, str)) else "The model"
        raise ModelFileError(
            f"{where} holds no saved net: {' and '.join(missing)} is missing. Name the folder that "
            "`workbench export` or `nets.save` wrote."
        )
    try:
        described = json.loads(files[DESCRIPTION])
        _check_code(described["net"], files, model, trust_code=trust_code)
        text = described.get("text")
        return Model(
            files=files,
            described=described,
            spec=from_dict(TensorSpec, described["spec"]),
            labels=tuple(described["labels"]) if described["labels"] else None,
            text=from_dict(TextEncoding, text) if text else None,
            key=hashlib.sha256(files[DESCRIPTION] + files[WEIGHTS]).hexdigest(),
        )
    except UntrustedCodeError:
        raise
    except (ConfigError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{DESCRIPTION} does not describe a net ({type(error).__name__}: {error}). It is damaged "
            "or not ours: export the run again."
        ) from error


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a model's files into a folder, for `nets.load`."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _check_code(
    net: Mapping[str, Any],
    files: Mapping[str, bytes],
    model: Path | str | Mapping[str, bytes],
    *,
    trust_code: bool,
) -> None:
    """Refuse a net of a person's own, unless its code may run."""
    if not is_record(net):
        return
    where = f"{model}/{FOLDER}" if isinstance(model, (Path, str)) else "the model"
    with tempfile.TemporaryDirectory() as folder:
        write_files(files, Path(folder))
        code = Path(folder) / FOLDER
        check_trust(from_record(net), code, allowed=trust_code, where=where)
