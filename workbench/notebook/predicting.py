"""A net's answers for rows in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from nets import Net

_BATCH = 256


def is_spark(data: Any) -> bool:
    """Whether it is a DataFrame of Spark."""
    return type(data).__module__.startswith("pyspark.sql")


def predict(net: Net, data: Any, columns: Sequence[str]) -> pd.DataFrame:
    """A row for each sample: prediction and confidence for classes, else value, value_1, ...

    Args:
        data: (n, *spec.shape) raw samples, or a pandas DataFrame with `columns`.

    Raises:
        DataError: a column is missing, or the samples have another shape.
    """
    import torch

    index = data.index if isinstance(data, pd.DataFrame) else None
    features, length = _features(net, data, columns)
    batches = []
    with torch.inference_mode():
        for start in range(0, len(features), _BATCH):
            part = slice(start, start + _BATCH)
            batches.append(net(features[part], None if length is None else length[part]))
    scores = torch.cat(batches) if batches else torch.zeros(0, net.num_outputs)
    if net.labels is None:
        values = scores.flatten(1).numpy()
        names = ["value", *(f"value_{i}" for i in range(1, values.shape[1]))]
        return pd.DataFrame(values, columns=names, index=index)
    best = scores.softmax(dim=1).max(dim=1)
    names = [net.labels[i] for i in best.indices.tolist()]
    return pd.DataFrame({"prediction": names, "confidence": best.values.numpy()}, index=index)


def _features(net: Net, data: Any, columns: Sequence[str]) -> tuple[Tensor, Tensor | None]:
    import torch

    if isinstance(data, pd.DataFrame):
        named = [name for name in columns if name in data] or list(data.columns)
        if columns and len(named) < len(columns) and set(columns) & set(data.columns):
            lacking = ", ".join(name for name in columns if name not in data)
            raise DataError(f"The frame has no column {lacking}, which the net was trained on.")
        if net.text is not None:
            return _text(net, data[named[0]].tolist())
        one = len(named) == 1 and data[named[0]].dtype == object
        data = np.stack(data[named[0]].tolist()) if one else data[named].to_numpy()
    if isinstance(data, (list, tuple)) and net.text is not None:
        return _text(net, list(data))
    features = torch.as_tensor(np.asarray(data)).to(getattr(torch, net.spec.dtype))
    if tuple(features.shape[1:]) != tuple(net.spec.shape):
        if np.prod(features.shape[1:]) != np.prod(net.spec.shape):
            raise DataError(
                f"The net takes samples of the shape {list(net.spec.shape)}, got "
                f"{list(features.shape[1:])}."
            )
        features = features.reshape(len(features), *net.spec.shape)
    return features, None


def _text(net: Net, texts: list[Any]) -> tuple[Tensor, Tensor]:
    import torch

    from nets.text import TextEncoder

    assert net.text is not None
    ids, length, _ = TextEncoder(net.text).encode(texts)
    return torch.from_numpy(ids), torch.from_numpy(length)
