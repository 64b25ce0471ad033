"""The samples of a run's data as its net sees them: losses, neighbours, labels that may be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from nets import Net, inside
from tracking import Run
from workbench import bridge
from workbench.bridge import Prepared
from workbench.bridge.arrays import Arrays
from workbench.errors import DataError

NEIGHBOURS = 10
"""Samples that are asked about a label; their answers are counted."""

LIMIT = 60_000
"""Rows looked at by default: the search for neighbours takes time in proportion to their square."""

_WIDTH = 64
"""Coordinates of an embedding that are kept for the search: its largest axes."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Rows of one split after a pass through the net."""

    split: str
    num_rows: int
    """Of the split; more than were looked at, where it is larger than the limit."""
    labels: tuple[str, ...] | None
    """Class names by index; None where the net predicts values."""
    frame: pd.DataFrame
    """A row per sample: row, key and loss; for classes also label and prediction (indices),
    confidence, suggestion (the commonest label of the neighbours), agreeing (neighbours with the same
    label) and doubt (0 to 1, see `nets.inside.label_doubt`)."""
    embedding: np.ndarray
    """(n, up to 64) float32, in the order of `frame`."""
    wide: np.ndarray
    """(n, width) float32: the embedding itself, comparable between splits."""
    arrays: Arrays
    """The rows themselves: features (n, *shape), label, length."""

    @cached_property
    def map(self) -> np.ndarray:
        """(n, 2) the two largest axes of the embedding (PCA)."""
        return inside.reduce_width(self.embedding, 2)

    def nearest_in(self, other: Samples, place: int, count: int = 8) -> np.ndarray:
        """(count,) places in `other`, of the same net, of the samples most alike one of these."""
        one = inside.nearest(self.wide[place : place + 1], other.wide, min(count, len(other.wide)))
        return one.index[0]

    def near(self, place: int, count: int = 8) -> np.ndarray:
        """(count,) places of the samples that the net sees as most alike, the nearest first."""
        one = self.embedding[place : place + 1]
        found = inside.nearest(one, self.embedding, min(count + 1, len(self.embedding))).index[0]
        return found[found != place][:count]


def find_data(run: Run) -> Prepared:
    """The prepared data that a run trained on.

    Raises:
        DataError: it is not kept on this machine.
    """
    return find_prepared(run.tags.get("workbench.fingerprint", ""), run.run_id)


def find_prepared(fingerprint: str, run_id: str) -> Prepared:
    """The prepared data of that fingerprint.

    Args:
        run_id: of a run that trained on it, for the message.

    Raises:
        DataError: it is not kept on this machine.
    """
    prepared = bridge.find(fingerprint) if fingerprint else None
    if prepared is None:
        raise DataError(
            f"The data that run {run_id[:8]} trained on ({fingerprint or 'of no fingerprint'}) is "
            "not kept on this machine, or by another version of the program. "
            f"`workbench verify {run_id[:8]}` trains it again and prepares its data for that."
        )
    return prepared


def look(net: Net, prepared: Prepared, split: str = "train", limit: int = LIMIT) -> Samples:
    """Pass the rows of a split through the net, and ask each row's neighbours about its label.

    Above `limit`, rows evenly spread over the split are looked at.

    Raises:
        DataError: there is no such split.
        ConfigError: the net has no linear layer.
    """
    if split not in prepared.splits:
        raise DataError(
            f"The data has the splits {', '.join(prepared.splits)}, got {split!r}. Name one of them."
        )
    num_rows = prepared.splits[split].num_rows
    rows = np.arange(num_rows)
    if num_rows > limit:
        rows = np.linspace(0, num_rows - 1, limit).round().astype(int)
    with prepared.splits[split].open() as stored:
        arrays = stored.take(rows)
        arrays["key"] = stored.keys(rows)
    length = torch.from_numpy(arrays["length"]) if "length" in arrays else None
    seen = inside.embed(net, torch.from_numpy(arrays["features"]), length)
    embedding = inside.reduce_width(seen.embedding, _WIDTH)
    frame = pd.DataFrame({"row": rows, "key": arrays["key"]})
    has_classes = prepared.labels is not None and seen.scores.shape[1] == len(prepared.labels)
    if has_classes:
        frame = frame.assign(**_ask_classes(seen.scores, embedding, arrays["label"]))
    else:
        frame["loss"] = _squared_error(seen.scores, arrays["label"])
    return Samples(
        split=split,
        num_rows=num_rows,
        labels=prepared.labels if has_classes else None,
        frame=frame,
        embedding=embedding,
        wide=seen.embedding,
        arrays=arrays,
    )


def _ask_classes(scores: np.ndarray, embedding: np.ndarray, label: np.ndarray) -> Arrays:
    log_probability = torch.log_softmax(torch.from_numpy(scores), dim=1).numpy()
    label = label.astype(np.int64)
    loss = -np.take_along_axis(log_probability, label[:, None], axis=1)[:, 0]
    columns = {
        "label": label,
        "prediction": log_probability.argmax(1),
        "confidence": np.exp(log_probability.max(1)),
        "loss": loss,
    }
    count = min(NEIGHBOURS, len(label) - 1)
    if count < 1:
        return columns
    near = label[inside.nearest(embedding, embedding, count, same=True).index]
    votes = np.zeros(scores.shape, np.int64)
    for column in near.T:
        votes[np.arange(len(label)), column] += 1
    return columns | {
        "suggestion": votes.argmax(1),
        "agreeing": (near == label[:, None]).sum(1),
        "doubt": inside.label_doubt(loss, label, near),
    }


def _squared_error(scores: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Mean squared error of each row, (n,)."""
    if scores.shape[0] != label.shape[0] or scores.size != label.size:
        return np.full(len(label), np.nan)  # reconstructions are not compared with labels
    difference = scores.reshape(len(label), -1) - label.reshape(len(label), -1)
    return np.asarray((difference.astype(np.float64) ** 2).mean(1))
