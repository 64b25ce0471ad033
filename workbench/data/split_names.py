"""Which split a file, a folder, a partition or a value belongs to, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Split = Literal["train", "validation", "test"]

_SPELLINGS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "validate", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""As HuggingFace's datasets reads them, where eval is the test split too."""
_WORDS = {word: split for split, words in _SPELLINGS.items() for word in words}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
"""A run of letters; a capital after a small letter begins another word (`trainData`)."""
_TAIL = re.compile(r"(?<=.)(set|data)$")
"""Written as one word: `testset`, `traindata`."""


def split_of(name: str) -> Split | None:
    """The split that a name stands for: `train-00000-of-00001.parquet`, `X_Train`, `my_test.csv`.

    None where no word of the name is a split (`trainer`, `contest`, `latest`), or where two words are
    two splits (`train_test`).
    """
    return _only_split(_words(name))


def find_splits(names: Iterable[str]) -> dict[str, Split]:
    """The split of each name that stands for one; empty unless both train and another split are there.

    Words that all names share say nothing (`test_bench_train.csv` beside `test_bench_eval.csv`).
    """
    words = {name: _words(name) for name in names}
    shared = set.intersection(*words.values()) if len(words) > 1 else set()
    splits = {name: split for name in words if (split := _only_split(words[name] - shared))}
    several = "train" in splits.values() and len(set(splits.values())) > 1
    return splits if several else {}


def _words(name: str) -> set[str]:
    return {_TAIL.sub("", word.lower()) for word in _WORD.findall(name)}


def _only_split(words: set[str]) -> Split | None:
    splits = {_WORDS[word] for word in words if word in _WORDS}
    return splits.pop() if len(splits) == 1 else None
