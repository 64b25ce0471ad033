"""Names of splits in their usual spellings."""

from __future__ import annotations

import pytest

from workbench.data.split_names import find_splits, split_of


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train training Train TRAIN X_Train train-00000-of-00001.parquet train.csv.gz"),
        ("train", "trainset training_set split=train trainImages my-train2017 ECG_TRAIN.ts"),
        ("validation", "val valid validation Val dev dev.tsv my_dev val2017 validationset"),
        ("test", "test testing Test my_test.csv test-00000-of-00001.parquet eval evaluation.jsonl"),
        (None, "trainer contest latest development testimony cat value valley train_test data"),
        (None, "retrain attest evaluate_x set devil 0 constrain"),
    ],
)
def test_the_split_of_a_name(split: str | None, names: str) -> None:
    assert {name: split_of(name) for name in names.split()} == dict.fromkeys(names.split(), split)


def test_splits_are_named_together() -> None:
    assert find_splits(["Train", "Val", "notes"]) == {"Train": "train", "Val": "validation"}
    assert find_splits(["test", "cat", "dog"]) == {}  # without train, "test" may be a class
    assert find_splits(["train", "rain"]) == {}
    assert find_splits(["test_bench_train.csv", "test_bench_eval.csv"]) == {
        "test_bench_train.csv": "train",
        "test_bench_eval.csv": "test",
    }
