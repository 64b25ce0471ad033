"""Experiments in which each kind of net, loss, optimizer, source and search comes at least once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nets.config import override
from workbench.experiments.experiment import Experiment

_SMALL = {
    "training.epochs": 1,
    "training.batch_size": 6,
    "training.learning_rate": 0.05,
    "training.weight_decay": 0.1,  # without it, adam and adamw are one
}
_BLOCK = {"channels": 3}
_CNN = {"kind": "cnn", "blocks": [_BLOCK], "dense": [5]}
_RNN = {"kind": "rnn", "hidden": 4}
_SEQUENCE = {"kind": "sequence_cnn", "channels": [3], "kernels": [2, 3]}
_DENSE = {"kind": "cnn", "blocks": [], "dense": [5]}
_RESNET = {"kind": "resnet", "widths": [2, 3], "residual": [True]}
_SQUEEZE = {"kind": "autoencoder", "code_size": 2, "hidden": [5]}
_SERIES = {"data.source": {"kind": "digits", "layout": "series"}}
_TEXT = {"data.source": {"kind": "text", "path": "none", "max_length": 6}}
_TABLE = {"data.source": {"kind": "table", "path": "none", "features": ["a", "b"]}}
_VALUES = {
    "training.loss": "mse",
    "training.mode": "min",
    "training.monitor": "validation/loss",
    "sweep.metric": "validation/loss",
    "sweep.mode": "min",
}
_WINDOWS = {
    "data.split.by": "time",
    "data.source": {"kind": "series", "path": "none", "targets": ["a", "b"], "length": 6},
}
_SPACE = {
    "training.learning_rate": {"kind": "choice", "values": [0.1, 0.2, 0.3]},
    "training.batch_size": {"kind": "choice", "values": [3, 4, 5, 6, 7]},
}
_SPARK = {"topology": "spark", "spark": {"master": "local-cluster[2,2,2048]"}}

CHANGES: dict[str, dict[str, Any]] = {
    "pictures": {"net": _CNN},
    "focal": {"net": _CNN, "training.loss": "focal"},
    "maxout": {"net": _CNN | {"activation": "maxout"}},
    "pool none": {"net": _CNN | {"blocks": [_BLOCK | {"pool": "none"}]}},
    "pool of one": {"net": _CNN | {"blocks": [_BLOCK | {"pool_size": 1}]}},
    "dense pictures": {"net": _DENSE},
    "linear": {"net": _DENSE | {"dense": []}},
    "resnet": {"net": _RESNET},
    "resnet maxout": {"net": _RESNET | {"activation": "maxout"}},
    "crop": {"net": _CNN, "training.augment.crop": 2},
    "several workers": {"net": _CNN, "cluster.num_workers": 2},
    "cnn of text": {"net": _CNN | {"embedding": 4}, **_TEXT},
    "cnn of series": {"net": _CNN, **_SERIES},
    "lstm": {"net": _RNN, **_SERIES},
    "plain cell": {"net": _RNN | {"cell": "rnn"}, **_SERIES},
    "gru of text": {"net": _RNN | {"cell": "gru", "dense": [4]}, **_TEXT},
    "two layers": {"net": _RNN | {"layers": 2, "dropout": 0.2, "dense": [4]}, **_SERIES},
    "maxout after a gru": {
        "net": _RNN | {"cell": "gru", "dense": [4], "activation": "maxout"},
        **_SERIES,
    },
    "maxout without dense layers": {"net": _RNN, **_SERIES},
    "forecast": {"net": _RNN, **_WINDOWS, **_VALUES},
    "windows with a class": {
        "net": _RNN,
        "data.split.by": "group",
        "data.source": {"kind": "series", "path": "none", "label_column": "c", "length": 6},
    },
    "convolutions of text": {"net": _SEQUENCE | {"embedding": 4, "dropout": 0.2}, **_TEXT},
    "convolutions of series": {
        "net": _SEQUENCE | {"channels": [2, 3], "batch_norm": True, "dense": [4]},
        **_SERIES,
    },
    "convolutions of a forecast": {
        "net": _SEQUENCE | {"activation": "maxout"},
        **_WINDOWS,
        **_VALUES,
    },
    "wide text": {"net": _RNN | {"wide": 2, "dropout": 0.2}, **_TEXT},
    "wide vectors": {"net": _DENSE | {"wide": 1}, **_TABLE},
    "relative forecast": {"net": _RNN | {"wide": 1, "relative": True}, **_WINDOWS, **_VALUES},
    "autoencoder": {"net": _SQUEEZE, **_VALUES},
    "autoencoder maxout": {"net": _SQUEEZE | {"activation": "maxout"}, **_VALUES},
    "autoencoder of series": {"net": _SQUEEZE | {"hidden": []}, **_SERIES, **_VALUES},
    "values": {
        "net": _DENSE,
        "data.source": {"kind": "table", "path": "none", "task": "values"},
        **_VALUES,
    },
    "folds": {
        "net": _CNN,
        "data.split.folds": 3,
        "sweep.search": "grid",
        "sweep.scheduler": "none",
    },
    "groups": {
        "net": _CNN,
        "data.split.by": "group",
        "data.source": {"kind": "image_table", "path": "none", "group": "g"},
    },
    "vectors by time": {"net": _DENSE, **_TABLE, "data.split.by": "time"},
    "two tables": {"net": _DENSE, "data.source": {"kind": "table", "path": "a", "test_path": "b"}},
    "table of text": {
        "net": _RNN,
        "data.source": {"kind": "text", "path": "none", "format": "csv", "max_length": 6},
    },
    "tokenizer file": {
        "net": _RNN,
        "data.source": {"kind": "text", "path": "none", "tokenizer": "t.json", "max_length": 6},
    },
    "cifar": {"net": _CNN, "data.source": {"kind": "cifar_archive", "path": "none"}},
    "idx": {"net": _CNN, "data.source": {"kind": "idx", "path": "none"}},
    "folder": {"net": _CNN, "data.source": {"kind": "image_folder", "path": "none"}},
    "sounds": {"net": _CNN, "data.source": {"kind": "sound_folder", "path": "none"}},
    "frames of sounds": {
        "net": _RNN,
        "data.source": {"kind": "sound_table", "path": "none", "seconds": 0.1},
        "preparation.method": "scale",
    },
    "ts file": {"net": _RNN, "data.source": {"kind": "ts_file", "path": "none"}},
    "spark": {"net": _CNN, "cluster": _SPARK},
    "placement": {"net": _CNN, "cluster.placement": "PACK"},
    "joined ray": {"net": _CNN, "cluster.address": "auto"},
}


def contexts() -> Iterator[tuple[str, Experiment]]:
    """Their names, and the experiments."""
    base = override(Experiment(name="any"), {**_SMALL, "sweep.space": _SPACE})
    base = override(base, {"sweep.num_trials": 10, "sweep.search": "random"})
    cnn = override(base, {"net": _CNN})
    for name, changes in CHANGES.items():
        grid = changes.get("sweep.search") == "grid"
        whole = {path: value for path, value in changes.items() if "." not in path}
        start = override(base, whole)
        rest = {path: value for path, value in changes.items() if path not in whole}
        yield name, override(start, rest | ({"sweep.num_trials": 16} if grid else {}))
    for optimizer in ("sgd", "adam", "adagrad", "rmsprop"):
        yield optimizer, override(cnn, {"training.optimizer": optimizer})
    named = {"training.optimizer": {"name": "NAdam"}}
    yield "optimizer of torch", override(cnn, named)
    steps = {"training.schedule": {"name": "StepLR", "step_size": 1}}
    yield "schedule of torch", override(cnn, steps)
    still = {"training.optimizer": "sgd", "training.momentum": 0.0}
    yield "sgd without momentum", override(cnn, still)
    for schedule in ("cosine", "one_cycle"):
        yield schedule, override(cnn, {"training.schedule": schedule})
    vectors = override(override(base, {"net": _DENSE}), _TABLE)
    for method in ("none", "scale", "center", "pca", "zca"):
        yield f"preparation {method}", override(vectors, {"preparation.method": method})
    axes = {"preparation.method": "pca", "preparation.whiten": False}
    yield "pca without whitening", override(vectors, axes)
    for search in ("grid", "random", "qmc", "bayes", "gp"):
        for scheduler in ("none", "asha", "hyperband", "median"):
            chosen: dict[str, Any] = {"sweep.search": search, "sweep.scheduler": scheduler}
            if search == "grid":
                chosen["sweep.num_trials"] = 16
            yield f"{search}, {scheduler}", override(cnn, chosen)
    ranges = {"training.weight_decay": {"kind": "uniform", "low": 0.0, "high": 0.1}}
    ranges |= {"training.learning_rate": {"kind": "uniform", "low": 0.01, "high": 0.1}}
    yield "cmaes", override(cnn, {"sweep.search": "cmaes", "sweep.space": ranges})
