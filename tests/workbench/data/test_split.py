"""Splits: exact, stratified, and the same however the rows lie."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pyspark.sql import SparkSession

from workbench.data.config import SplitConfig
from workbench.data.split import check, split
from workbench.errors import DataError

LABELS = ("a", "b")


def rows(sizes: dict[int, int], official: int = 0) -> list[tuple[str, int, str | None]]:
    found: list[tuple[str, int, str | None]] = [
        (f"{label}-{i}", label, None) for label, size in sizes.items() for i in range(size)
    ]
    return found + [(f"test-{i}", 0, "test") for i in range(official)]


def done(
    spark: SparkSession, data: Any, config: SplitConfig, partitions: int = 2, **kwargs: Any
) -> dict[str, str]:
    frame = spark.createDataFrame(data, "key string, label long, split string")
    result = split(frame.repartition(partitions), config, **kwargs)
    return {row["key"]: row["split"] for row in result.collect()}


@pytest.mark.cluster
def test_every_class_is_held_out_in_its_share(spark: SparkSession) -> None:
    chosen = done(spark, rows({0: 100, 1: 40}), SplitConfig(validation=0.1, test=0.2))
    counted = Counter((key.split("-")[0], part) for key, part in chosen.items())
    assert counted == {
        ("0", "test"): 20,
        ("0", "validation"): 10,
        ("0", "train"): 70,
        ("1", "test"): 8,
        ("1", "validation"): 4,
        ("1", "train"): 28,
    }


@pytest.mark.cluster
def test_the_split_follows_from_keys_and_seed_alone(spark: SparkSession) -> None:
    data = rows({0: 60, 1: 30})
    first = done(spark, data, SplitConfig(), partitions=1)
    assert done(spark, data[::-1], SplitConfig(), partitions=5) == first
    assert done(spark, data, SplitConfig(seed=1)) != first


@pytest.mark.cluster
def test_an_official_test_set_is_kept_and_only_validation_is_drawn(spark: SparkSession) -> None:
    chosen = done(spark, rows({0: 50, 1: 50}, official=30), SplitConfig(validation=0.1, test=0.5))
    assert {key for key, part in chosen.items() if part == "test"} == {
        f"test-{i}" for i in range(30)
    }
    assert Counter(chosen.values()) == {"train": 90, "validation": 10, "test": 30}


@pytest.mark.cluster
def test_measured_labels_are_split_as_a_whole(spark: SparkSession) -> None:
    chosen = done(spark, rows({i: 1 for i in range(50)}), SplitConfig(), stratified=False)
    assert Counter(chosen.values()) == {"train": 35, "validation": 5, "test": 10}


def test_an_empty_split_is_refused_with_the_counts() -> None:
    with pytest.raises(
        DataError, match=r"test split is empty \(train: 3 rows, validation: 1 rows\)"
    ):
        check({"train": [2, 1], "validation": [1, 0]}, LABELS, SplitConfig())


def test_no_rows_at_all_are_refused() -> None:
    with pytest.raises(DataError, match=r"train split is empty \(no rows\)"):
        check({}, LABELS, SplitConfig())


def test_a_class_without_a_training_row_is_named() -> None:
    counts = {"train": [5, 0], "validation": [1, 0], "test": [1, 1]}
    with pytest.raises(DataError, match="'b' has none left to train on"):
        check(counts, LABELS, SplitConfig())
