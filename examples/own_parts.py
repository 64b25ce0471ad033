"""A net, a loss, a metric, a callback and data of your own, in one file. Nothing is registered, and nothing is
installed.

    workbench train examples/own_parts.py
    workbench train examples/own_parts.py --set net.width=24 --set training.loss.gamma=0.5
    workbench sweep examples/own_parts.py --space net.depth=1,2,3 --space training.loss.gamma=0,1,2
    workbench train examples/own_parts.py --set training.optimizer=NAdam --set data.source.classes=5
    workbench experiments examples/own_parts.py

The arguments of a part are settings. Their types and defaults come from the signature, their help from the
section `Args:` of the docstring. docs/own-parts.md says what each part must be.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nets import Custom, Fit, TensorSpec, TrainingConfig
from workbench import Experiment
from workbench.data import CanonicalFrame, DataConfig, from_dataframe

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Mine(nn.Module):
    """Blocks of convolutions, then 2 x 2 values of each map.

    Args:
        width: Channels of a block.
        depth: Number of blocks.
        pool: What a quarter of a map becomes: its mean or its largest value.
    """

    def __init__(
        self,
        spec: TensorSpec,  # what `forward` gets: `spec.kind` and `spec.shape` without the batch
        num_outputs: int,  # classes, or values of a row
        *,
        width: int = 16,
        depth: int = 2,
        pool: Literal["mean", "max"] = "mean",
    ) -> None:
        super().__init__()
        channels = [spec.shape[0], *[width] * depth]
        self.blocks = nn.Sequential()
        for before, after in itertools.pairwise(channels):
            self.blocks.append(nn.Conv2d(before, after, 3, padding=1))
            self.blocks.append(nn.BatchNorm2d(after))
            self.blocks.append(nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(2) if pool == "mean" else nn.AdaptiveMaxPool2d(2)
        self.output = nn.Linear(4 * channels[-1], num_outputs)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        maps = self.pool(self.blocks(x))  # (B, width, 2, 2)
        out: Tensor = self.output(maps.flatten(1))  # (B, num_outputs): logits, without a softmax
        return out


def focal(outputs: Tensor, targets: Tensor, *, gamma: float = 2.0) -> Tensor:
    """The focal loss of Lin et al. (2017), one for each row: the mean is taken by the workbench, with the
    weights of rows and classes.

    Args:
        gamma: How strongly rows that are already right are discounted.
    """
    losses = F.cross_entropy(outputs, targets, reduction="none")  # (B,)
    return (1 - torch.exp(-losses)).clamp(min=1e-6) ** gamma * losses


def top_k(outputs: Tensor, targets: Tensor, *, k: int = 3) -> Tensor:
    """Share of the rows whose class is among the k highest outputs: a number for all rows of an
    evaluation, recorded as `validation/top_k` and `test/top_k`.

    Args:
        k: How many answers a row has.
    """
    answers = outputs.topk(k, dim=1).indices  # (B, k)
    return (answers == targets[:, None]).any(1).float().mean()


class GoodEnough:
    """Ends the training once the validation accuracy is high enough, and records how much is missing.

    Args:
        accuracy: The accuracy that is enough.
    """

    def __init__(self, *, accuracy: float = 0.98) -> None:
        self.accuracy = accuracy

    def on_epoch_end(self, fit: Fit, metrics: dict[str, float]) -> dict[str, float]:
        missing = self.accuracy - metrics["validation/accuracy"]
        if missing <= 0:
            fit.stop()
        return {"own/missing": max(missing, 0.0)}


def digits_by_sql(spark: SparkSession, *, classes: int = 10) -> CanonicalFrame:
    """Handwritten digits as a table, and the rows that a query gives of it.

    Args:
        classes: How many of the ten digits are learned.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    rows = [
        (row.astype("uint8").tobytes(), int(label))
        for row, label in zip(pixels, labels, strict=True)
    ]
    spark.createDataFrame(rows, "pixels binary, label int").createOrReplaceTempView("digits")
    frame = spark.sql(f"select pixels, label from digits where label < {classes}")
    spec = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    return from_dataframe(frame, features="pixels", label="label", spec=spec)


def own() -> Experiment:
    """Handwritten digits by the parts of this file. The best epoch is the one with the best `top_k`."""
    return Experiment(
        name="own",
        data=DataConfig(source=Custom(digits_by_sql)),
        net=Custom(Mine, width=16),
        training=TrainingConfig(
            epochs=10,
            learning_rate=0.01,
            loss=Custom(focal, gamma=1.5),
            metrics=(Custom(top_k, k=2),),
            callbacks=(Custom(GoodEnough, accuracy=0.98),),
            monitor="validation/top_k",
        ),
    )
