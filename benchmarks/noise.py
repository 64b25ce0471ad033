"""A case's rows as prepared data, without Spark: in Ray's object store, or in this process."""

from __future__ import annotations

from typing import Any

import numpy as np
import ray

from benchmarks.cases import CLASSES, Case
from workbench.bridge import Prepared, Split
from workbench.bridge.arrays import Arrays


class Here(Split):
    """A split whose arrays are in this process."""

    def read(self) -> Arrays:
        arrays: Any = self.arrays
        return arrays


def noise_data(case: Case, *, shared: bool = True) -> Prepared:
    """All rows for training; the first tenth of them again for validation and for test.

    Args:
        shared: put the arrays into Ray's object store; without it no Ray is needed.
    """
    data = case.data()
    everything = {"features": data.features.numpy(), "label": data.label.numpy()}
    everything["key"] = np.array([f"{i:06d}" for i in range(case.rows)])
    counts = {"train": case.rows, "validation": case.rows // 10, "test": case.rows // 10}
    kind, place = (Split, ray.put) if shared else (Here, dict)
    splits = {
        name: kind(
            name=name,
            num_rows=count,
            spec=case.spec,
            arrays=place({column: values[:count] for column, values in everything.items()}),
        )
        for name, count in counts.items()
    }
    return Prepared(
        splits=splits,
        spec=case.spec,
        labels=tuple(str(i) for i in range(CLASSES)),
        num_outputs=CLASSES,
        statistics=None,
        class_counts=tuple(np.bincount(everything["label"], minlength=CLASSES).tolist()),
        fingerprint=f"noise-{case.name}",
        record={"rows": counts},
    )
