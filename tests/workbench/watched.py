"""Training data that notes which of its rows are trained on, and that can kill who trains on it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nets.fit import Batch
from workbench.bridge import OpenSplit, Prepared, Split

Rows = list[int]


class _Noting(torch.Tensor):
    """A split's features. `nets.batches` takes a batch of them by `index_select`."""

    folder: Path
    dies_at: int
    taken: int

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not torch.Tensor.index_select:
            return super().__torch_function__(func, types, args, kwargs or {})
        features, _, rows = args
        features.note(rows.tolist())
        return features.as_subclass(torch.Tensor).index_select(0, rows)

    def note(self, rows: Rows) -> None:
        self.taken += 1
        if self.taken == self.dies_at and _first(self.folder / "died"):
            os.kill(os.getpid(), signal.SIGKILL)
        with (self.folder / f"{os.getpid()}.txt").open("a") as file:
            file.write(f"{time.time()} {' '.join(map(str, rows))}\n")


class _WatchedRows(OpenSplit):
    def __init__(self, store: Path, split: _Watched) -> None:
        super().__init__(store, split)
        self.watched = split

    def tensors(self) -> Batch:
        batch = super().tensors()
        features = batch.features.as_subclass(_Noting)
        features.folder, features.dies_at, features.taken = (
            self.watched.folder,
            self.watched.dies_at,
            0,
        )
        return batch._replace(features=features)


@dataclass(frozen=True, kw_only=True)
class _Watched(Split):
    folder: Path
    dies_at: int

    def open(self) -> OpenSplit:
        return _WatchedRows(self.origin.folder, self)


def watched(prepared: Prepared, folder: Path, *, dies_at: int = 0) -> Prepared:
    """The data, with its training rows noted in `folder`.

    Args:
        dies_at: the first process that takes this many batches is killed by SIGKILL then.
    """
    folder.mkdir()
    train = prepared.splits["train"]
    noted_rows = _Watched(**vars(train), folder=folder, dies_at=dies_at)
    return replace(prepared, splits=prepared.splits | {"train": noted_rows})


@dataclass(frozen=True)
class Noted:
    """What one process trained on."""

    began: float
    """When it took its first batch; seconds since the epoch."""
    batches: list[Rows]

    def epochs(self, steps: int) -> list[list[Rows]]:
        """Its complete epochs, of `steps` batches each."""
        complete = len(self.batches) // steps * steps
        return [self.batches[first : first + steps] for first in range(0, complete, steps)]


def noted(folder: Path) -> list[Noted]:
    """What each process trained on, in the order of their beginnings."""
    found = []
    for file in folder.glob("*.txt"):
        lines = [line.split() for line in file.read_text().splitlines()]
        batches = [[int(row) for row in rows] for _, *rows in lines]
        found.append(Noted(float(lines[0][0]), batches))
    return sorted(found, key=lambda process: process.began)


def died_at(folder: Path) -> float:
    """When a process was killed; seconds since the epoch."""
    return (folder / "died").stat().st_mtime


def _first(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
