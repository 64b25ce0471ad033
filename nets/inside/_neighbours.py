"""Samples beside each other as the net sees them: embeddings, nearest neighbours, doubtful labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from nets.errors import ConfigError
from nets.inside._capture import copy_modules, run

Array = NDArray[np.float32]

_CHUNK_BYTES = 2**27
"""Of the similarities that are held at a time."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Samples after one pass through a net."""

    embedding: Array
    """(n, width): what the last linear layer reads."""
    scores: Array
    """(n, outputs)"""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest of some keys for each query, the nearest first."""

    index: NDArray[np.int64]
    """(n, count) rows of the keys."""
    similarity: Array
    """(n, count) cosine of the angle between the embeddings."""


def embed(
    net: nn.Module, features: Tensor, length: Tensor | None = None, *, batch_size: int = 512
) -> Embedded:
    """The embedding and the scores of every sample.

    Args:
        features: (n, *shape), raw; length: (n,) or None.

    Raises:
        ConfigError: the net has no linear layer.
    """
    twin = copy_modules(net)
    linear = [module for module in twin.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ConfigError("This net has no linear layer, so there is no embedding to read.")
    read: list[Tensor] = []

    def see(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        read[:] = [inputs[0].detach().flatten(1)]  # the last one that runs stays

    handles = [module.register_forward_pre_hook(see) for module in linear]
    device = next(twin.parameters()).device
    embeddings, scores = [], []
    try:
        with torch.inference_mode():
            for start in range(0, len(features), batch_size):
                part = slice(start, start + batch_size)
                lengths = None if length is None else length[part].to(device)
                answer = run(twin, features[part].to(device), lengths)
                scores.append(answer.float().cpu())
                embeddings.append(read[0].float().cpu())
    finally:
        for handle in handles:
            handle.remove()
    return Embedded(embedding=torch.cat(embeddings).numpy(), scores=torch.cat(scores).numpy())


def reduce_width(embedding: Array, width: int) -> Array:
    """(n, width): the coordinates along the axes of the largest variance (PCA); as they are if narrower.

    The axes are found on at most 5,000 rows, evenly spread.
    """
    if embedding.shape[1] <= width:
        return embedding
    x = torch.from_numpy(embedding)
    some = x[:: max(1, len(x) // 5_000)]
    mean = some.mean(0)
    _, axes = torch.linalg.eigh(torch.cov((some - mean).T))
    kept: Array = ((x - mean) @ axes[:, -width:].flip(1)).numpy()
    return kept


def nearest(queries: Array, keys: Array, count: int, *, same: bool = False) -> Neighbours:
    """The `count` keys with the largest cosine similarity to each query.

    Args:
        queries: (n, width); keys: (m, width).
        same: the queries are the keys; a row is not its own neighbour.

    Raises:
        ConfigError: fewer keys than `count`.
    """
    if len(keys) - same < count:
        raise ConfigError(f"{count} neighbours need more samples than {len(keys)}.")
    a = F.normalize(torch.from_numpy(queries), dim=1)
    b = F.normalize(torch.from_numpy(keys), dim=1)
    step = max(1, _CHUNK_BYTES // (4 * len(b)))
    similarity, index = [], []
    for start in range(0, len(a), step):
        cosine = a[start : start + step] @ b.T
        if same:
            rows = torch.arange(len(cosine))
            cosine[rows, start + rows] = -torch.inf
        top = cosine.topk(count)
        similarity.append(top.values)
        index.append(top.indices)
    return Neighbours(index=torch.cat(index).numpy(), similarity=torch.cat(similarity).numpy())


def label_doubt(loss: Array, label: NDArray[np.int64], neighbour_label: NDArray[np.int64]) -> Array:
    """How doubtful each label is, (n,) in [0, 1]: 1 for the most doubtful of these samples.

    The mean of two ranks: of the net's loss at the label, and of the share of the nearest samples that
    have another one (the edited nearest neighbour rule of Wilson 1972). A net that has learned a wrong
    label by heart has a small loss there, but its neighbours still disagree.

    Args:
        loss: (n,) at the label; label: (n,); neighbour_label: (n, count).
    """
    disagree = (neighbour_label != label[:, None]).mean(1)
    # Many samples disagree with the same number of neighbours: the loss orders them.
    by_neighbours = np.lexsort((loss, disagree)).argsort()
    doubt = by_neighbours + loss.argsort(kind="stable").argsort()
    return np.asarray(doubt / max(1, 2 * (len(loss) - 1)), dtype=np.float32)
