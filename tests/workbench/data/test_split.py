"""Splits: exact, stratified, and the same however the rows lie."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from workbench.data import ranks
from workbench.data.config import SplitConfig
from workbench.data.split import check_splits, draw_splits, find_missing_classes
from workbench.errors import DataError

LABELS = ("a", "b")


def rows(sizes: dict[int, int], official: int = 0) -> list[tuple[str, int, str | None]]:
    drawable: list[tuple[str, int, str | None]] = [
        (f"{label}-{i}", label, None) for label, size in sizes.items() for i in range(size)
    ]
    return drawable + [(f"test-{i}", 0, "test") for i in range(official)]


def draw(
    spark: SparkSession, data: Any, config: SplitConfig, partitions: int = 2, **kwargs: Any
) -> dict[str, str]:
    frame = spark.createDataFrame(data, "key string, label long, split string")
    result = draw_splits(frame.repartition(partitions), config, **kwargs)
    return {row["key"]: row["split"] for row in result.collect()}


@pytest.mark.cluster
def test_every_class_is_held_out_in_its_share(spark: SparkSession) -> None:
    chosen = draw(spark, rows({0: 100, 1: 40}), SplitConfig(validation=0.1, test=0.2))
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
    first = draw(spark, data, SplitConfig(), partitions=1)
    assert draw(spark, data[::-1], SplitConfig(), partitions=5) == first
    assert draw(spark, data, SplitConfig(seed=1)) != first


@pytest.mark.cluster
def test_an_official_test_set_is_kept_and_only_validation_is_drawn(spark: SparkSession) -> None:
    chosen = draw(spark, rows({0: 50, 1: 50}, official=30), SplitConfig(validation=0.1, test=0.5))
    assert {key for key, part in chosen.items() if part == "test"} == {
        f"test-{i}" for i in range(30)
    }
    assert Counter(chosen.values()) == {"train": 90, "validation": 10, "test": 30}


@pytest.mark.cluster
def test_measured_labels_are_split_as_a_whole(spark: SparkSession) -> None:
    chosen = draw(spark, rows({i: 1 for i in range(50)}), SplitConfig(), stratified=False)
    assert Counter(chosen.values()) == {"train": 35, "validation": 5, "test": 10}


def test_an_empty_split_is_refused_with_the_counts() -> None:
    with pytest.raises(
        DataError, match=r"test split is empty \(train: 3 rows, validation: 1 rows\)"
    ):
        check_splits({"train": [2, 1], "validation": [1, 0]}, LABELS, SplitConfig())


def test_no_rows_at_all_are_refused() -> None:
    with pytest.raises(DataError, match=r"train split is empty \(no rows\)"):
        check_splits({}, LABELS, SplitConfig())


def test_a_class_without_a_training_row_is_named() -> None:
    counts = {"train": [5, 0], "validation": [1, 0], "test": [1, 1]}
    with pytest.raises(DataError, match=r"row to train on .* 'b' \(1 rows\) has none left"):
        check_splits(counts, LABELS, SplitConfig())


def test_classes_that_are_not_held_out_are_named_and_not_refused() -> None:
    counts = {"train": [5, 3], "validation": [1, 0], "test": [0, 1]}
    check_splits(counts, LABELS, SplitConfig())
    assert find_missing_classes(counts, LABELS) == {"validation": ["b"], "test": ["a"]}
    assert find_missing_classes(counts, None) == {}


# Keys of no meaning, one letter for the class each: their order and number are all there is to it.
_KEYS = st.lists(st.text("ab", max_size=6), unique=True, min_size=1, max_size=40)


@pytest.mark.cluster
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keys=_KEYS,
    shares=st.tuples(st.sampled_from([0, 0.1, 0.34]), st.sampled_from([0, 0.2, 0.5])),
    seed=st.integers(0, 3),
    partitions=st.integers(1, 4),
    folds=st.sampled_from([None, 2, 3]),
)
def test_any_split_is_exact_and_depends_on_its_own_class_only(
    spark: SparkSession, keys: Any, shares: Any, seed: int, partitions: int, folds: int | None
) -> None:
    validation, test = shares
    config = SplitConfig(validation=validation, test=test, seed=seed, folds=folds)
    data = [(key, int(key.endswith("a")), None) for key in keys]
    chosen = draw(spark, data, config, partitions)
    assert chosen.keys() == set(keys)
    for label in (0, 1):
        own = [row for row in data if row[1] == label]
        size = len(own)
        counted = Counter(chosen[key] for key, *_ in own)
        num_test = max(1, int(test * size + 0.5)) if test and size else 0
        assert counted["test"] == min(size, num_test)
        rest = size - counted["test"]
        if folds:
            assert counted["validation"] in (rest // folds, -(-rest // folds))
        elif size:
            num_validation = max(1, int(validation * size + 0.5)) if validation else 0
            assert counted["validation"] == min(rest, num_validation)
    alone = draw(spark, [row for row in data if row[1] == 1] or data, config, 1)
    assert all(chosen[key] == part for key, part in alone.items())


@pytest.mark.cluster
@pytest.mark.parametrize(("fetched", "keys"), [(50_000, 3000), (40, 3000), (40, 7), (0, 500)])
def test_the_row_at_a_rank_is_that_of_a_sort(
    spark: SparkSession, fetched: int, keys: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "_FETCHED_ROWS", fetched)
    hashed = F.xxhash64(F.col("key"), F.lit(3))
    numbers = spark.range(3000).withColumn("key", F.concat(F.lit("ä"), F.col("id") % keys))
    rows = numbers.select((F.col("id") % 2).alias("stratum"), hashed.alias("hash"), "key")
    wanted = [1, 0, 2, 400, 700, 1500]
    found = ranks.find_places(rows, lambda size: [*wanted[:-1], size])
    for stratum in (0, 1):
        every = sorted((r["hash"], r["key"]) for r in rows.where(f"stratum = {stratum}").collect())
        assert len(every) == wanted[-1]
        assert found[stratum] == [every[rank - 1] if rank else None for rank in wanted]


@pytest.mark.cluster
def test_rows_of_one_key_share_a_split(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [(f"k{i % 10}", 0, None) for i in range(100)], "key string, label long, split string"
    )
    parts = draw_splits(frame, SplitConfig()).select("key", "split").distinct().collect()
    assert len(parts) == 10
    assert {row["split"] for row in parts} == {"train", "validation", "test"}
