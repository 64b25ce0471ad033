"""A case's rows as prepared data, without Spark."""

from __future__ import annotations

import numpy as np

from benchmarks.cases import CLASSES, Case
from workbench.bridge import Prepared, store_arrays


def noise_data(case: Case) -> Prepared:
    """All rows for training; the first tenth of them again for validation and for test."""
    data = case.data()
    everything = {"features": data.features.numpy(), "label": data.label.numpy()}
    counts = {"train": case.rows, "validation": case.rows // 10, "test": case.rows // 10}
    return store_arrays(
        {
            name: {column: values[:count] for column, values in everything.items()}
            for name, count in counts.items()
        },
        case.spec,
        labels=tuple(str(i) for i in range(CLASSES)),
        num_outputs=CLASSES,
        statistics=None,
        class_counts=tuple(np.bincount(everything["label"], minlength=CLASSES).tolist()),
        record={"rows": counts},
    )
