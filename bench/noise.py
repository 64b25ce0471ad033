"""A case's rows as prepared data in Ray's object store, without Spark."""

from __future__ import annotations

import numpy as np
import ray

from bench.cases import CLASSES, Case
from workbench.bridge import Prepared, Split

EVALUATED = 256
"""Rows of the validation and of the test split."""


def noise_data(case: Case) -> Prepared:
    data = case.data()
    everything = {"features": data.features.numpy(), "label": data.label.numpy()}
    everything["key"] = np.array([f"{i:06d}" for i in range(case.rows)])
    counts = {"train": case.rows, "validation": EVALUATED, "test": EVALUATED}
    splits = {
        name: Split(
            name=name,
            num_rows=count,
            spec=case.spec,
            arrays=ray.put({column: values[:count] for column, values in everything.items()}),
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
