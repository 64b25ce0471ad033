"""The columns that scoring adds: their names, their types, and vectors as Spark ML has them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from nets import Task
from workbench.scoring.model import Model

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql.types import StructField


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Names of the columns; None: left out. A net adds those that its task has."""

    raw: str | None = "rawPrediction"
    """classes: the logits, a vector."""
    probability: str | None = "probability"
    """classes: their softmax, a vector."""
    prediction: str | None = "prediction"
    """classes: a double, the class's index, or its own number where all classes are numbers. values:
    a double, or a vector of several. Nets that reconstruct: the prepared sample as they give it back, a vector."""
    label: str | None = "predictedLabel"
    """classes: the class's name."""
    code: str | None = None
    """Nets that reconstruct from a code: the code of the sample, a vector."""
    error: str | None = None
    """Nets that reconstruct: mean squared difference of the prepared sample and its reconstruction, a double."""
    reason: str | None = "reason"
    """Why a row has no prediction; null where it has one."""

    def of(self, model: Model) -> dict[str, tuple[str, str]]:
        """Column name to (what it holds, vector | double | string), in the order they are added."""
        task = model.task
        several = task.reconstructs or (task is Task.VALUES and model.num_outputs > 1)
        kinds = {"raw": "vector", "probability": "vector", "code": "vector", "error": "double"}
        kinds |= {"prediction": "vector" if several else "double"}
        kinds |= {"label": "string", "reason": "string"}
        has = {
            Task.CLASSES: ("raw", "probability", "prediction", "label", "reason"),
            Task.VALUES: ("prediction", "reason"),
            Task.RECONSTRUCTION: ("prediction", "error", "reason"),
        }[task]
        has += ("code",) if model.has_code else ()
        names = {f.name: getattr(self, f.name) for f in fields(self) if f.name in has}
        return {name: (what, kinds[what]) for what, name in names.items() if name}


def class_numbers(labels: tuple[str, ...]) -> list[float]:
    """A number for each class: its name where all names are numbers, else its index.

    Spark ML's evaluators compare these with the label column: classes 1, 2 and 5 stay 1, 2 and 5.
    """
    try:
        numbers = [float(name) for name in labels]
    except ValueError:
        numbers = []
    if len(set(numbers)) == len(labels) and all(math.isfinite(number) for number in numbers):
        return numbers
    return [float(index) for index in range(len(labels))]


def spark_fields(columns: dict[str, tuple[str, str]], *, vectors: bool) -> list[StructField]:
    """The columns' Spark types; arrays of doubles where not `vectors`."""
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import types as T

    vector: Any = VectorUDT() if vectors else T.ArrayType(T.DoubleType(), False)
    kinds = {"vector": vector, "double": T.DoubleType(), "string": T.StringType()}
    return [T.StructField(name, kinds[kind]) for name, (_, kind) in columns.items()]


def arrow_vectors(values: np.ndarray, null: np.ndarray, *, vectors: bool) -> pa.Array:
    """(n, k) as dense vectors of Spark ML, or as lists; null where `null`, (n,) bool."""
    import pyarrow as pa

    size, width = values.shape
    number = pa.field("element", pa.float64(), nullable=False)
    offsets = pa.array(np.arange(size + 1, dtype=np.int32) * width)
    flat = pa.array(np.ascontiguousarray(values, np.float64).reshape(-1))
    mask = pa.array(null)
    lists = pa.ListArray.from_arrays(
        offsets, flat, type=pa.list_(number), mask=None if vectors else mask
    )
    if not vectors:
        return lists
    integer = pa.list_(pa.field("element", pa.int32(), nullable=False))
    return pa.StructArray.from_arrays(
        # VectorUDT.sqlType: type 1 is dense, and has values only
        [
            pa.array(np.ones(size, np.int8)),
            pa.nulls(size, pa.int32()),
            pa.nulls(size, integer),
            lists,
        ],
        fields=[
            pa.field("type", pa.int8(), nullable=False),
            pa.field("size", pa.int32()),
            pa.field("indices", integer),
            pa.field("values", pa.list_(number)),
        ],
        mask=mask,
    )
