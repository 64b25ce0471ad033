"""Which name a person may have meant who typed one that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

ALIASES: dict[str, str] = {
    "acc": "accuracy",
    "act": "activation",
    "activation_fn": "activation",
    "amp": "precision",
    "augmentation": "augment",
    "batch": "batch_size",
    "batchnorm": "batch_norm",
    "batchsize": "batch_size",
    "bn": "batch_norm",
    "bs": "batch_size",
    "clip": "clip_norm",
    "clip_grad": "clip_norm",
    "concurrency": "max_concurrent",
    "cpus": "cpus_per_worker",
    "criterion": "loss",
    "decay": "weight_decay",
    "drop": "dropout",
    "dropout_rate": "dropout",
    "early_stopping": "patience",
    "emb": "embedding",
    "embedding_dim": "embedding",
    "epoch": "epochs",
    "eta": "learning_rate",
    "executors": "num_executors",
    "gamma": "focal_gamma",
    "gpu": "gpus_per_worker",
    "gpus": "gpus_per_worker",
    "grad_clip": "clip_norm",
    "hidden_dim": "hidden",
    "hidden_size": "hidden",
    "l2": "weight_decay",
    "loss_fn": "loss",
    "lr": "learning_rate",
    "lr_schedule": "schedule",
    "lr_scheduler": "schedule",
    "max_epochs": "epochs",
    "max_grad_norm": "clip_norm",
    "mixed_precision": "precision",
    "mom": "momentum",
    "n_trials": "num_trials",
    "num_epochs": "epochs",
    "num_gpus": "gpus_per_worker",
    "num_layers": "layers",
    "opt": "optimizer",
    "optim": "optimizer",
    "optimiser": "optimizer",
    "random_state": "seed",
    "rate": "learning_rate",
    "smoothing": "label_smoothing",
    "trials": "num_trials",
    "units": "hidden",
    "val_split": "validation",
    "wd": "weight_decay",
    "workers": "num_workers",
}
"""What people type for a name, and the name."""


def nearest(name: str, known: Sequence[str], most: int = 3) -> list[str]:
    """Up to `most` of the known names, the nearest first; [] where none is near.

    Names may be dotted paths. In this order: a known path that the name goes beyond (`net.blocks` for
    `net.blocks.0.channels`), those with the same last word or the word it stands for (`training.lr`),
    those spelt like it, those whose last word is spelt like its last word.
    """
    beyond = [
        path
        for path in known
        if name.startswith(f"{path}.") and not any(other.startswith(f"{path}.") for other in known)
    ]
    word = _last(name).lower().replace("-", "_")
    meant = {word, ALIASES.get(word, word)}
    same = [path for path in known if _last(path).lower() in meant]
    if beyond or same:
        return beyond[:most] or sorted(same, key=lambda path: -_likeness(name, path))[:most]
    if near := difflib.get_close_matches(name, known, n=most, cutoff=0.5):
        return near
    words = difflib.get_close_matches(word, {_last(path) for path in known}, n=most, cutoff=0.7)
    return sorted(path for path in known if _last(path) in words)[:most]


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _likeness(name: str, path: str) -> float:
    return difflib.SequenceMatcher(None, name, path).ratio()
