"""Data by a query, and by a person's own function."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nets import ConfigError, Custom
from nets.config import flatten, from_dict, override, to_dict
from tests.nets.test_custom import run_file
from tests.workbench.data.test_more_kinds import picture
from workbench import data
from workbench.data import DataConfig
from workbench.data.sources import SqlSource
from workbench.data.sources.custom import check_load
from workbench.errors import DataError
from workbench.experiments import load_experiment
from workbench.training.checks import check_before_start

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOADS = '''
from workbench.data import from_dataframe


def table(spark, *, rows: int = 40, label: str = "label"):
    """A table.

    Args:
        rows: Number of rows.
    """
    return spark.range(rows).selectExpr("id", "id * 0.5 as half", f"id % 4 as {label}", "id % 7 as weight")


def samples(spark):
    return spark.range(9).selectExpr("array(id, 2 * id, 3) as features", "id * 0.5d as label")


def canonical(spark):
    return from_dataframe(samples(spark), features="features", label="label")


def text(spark):
    return "rows"


def fails(spark):
    return spark.table("no_such_table")


def many(spark, path, *, a=1):
    return spark.read.parquet(path)
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("data")
    (folder / "own_data.py").write_text(LOADS)
    return run_file(folder, "own_data")


def test_the_settings_of_own_data_are_those_of_its_function(own: Any) -> None:
    config = override(DataConfig(source=Custom(own.table)), {"source.rows": 30})
    assert flatten(config)["source.rows"] == 30
    assert from_dict(DataConfig, to_dict(config)) == config
    assert data.is_read_anew(config) and not data.is_read_anew(DataConfig())
    with pytest.raises(
        ConfigError, match=r"function of the Spark session.*many takes \(spark, path"
    ):
        check_load(Custom(own.many))


def test_a_column_of_a_query_that_only_another_split_uses_is_refused() -> None:
    source = SqlSource(query="select 1", features=("x",), group="customer")
    experiment = load_experiment("digits_cnn")
    by_rows = replace(experiment, data=replace(experiment.data, source=source))
    with pytest.raises(ConfigError, match=r"data\.source\.group .*split by group"):
        check_before_start(by_rows)
    by_group = replace(by_rows.data.split, by="group")
    check_before_start(replace(by_rows, data=replace(by_rows.data, split=by_group)))


@pytest.mark.slow
def test_a_function_gives_a_table_samples_or_canonical_rows(own: Any, spark: SparkSession) -> None:
    table = data.read(Custom(own.table, rows=20), spark)
    # `id` only counts the rows, so it is no feature.
    assert table.spec.shape == (1,) and table.labels == ("0", "1", "2", "3")
    assert "weight" in table.frame.columns and table.frame.count() == 20
    samples = data.read(Custom(own.samples), spark)
    assert samples.spec.shape == (3,) and samples.labels is None  # measured
    assert data.read(Custom(own.canonical), spark).frame.count() == 9
    for part, arguments, message in (
        (own.text, {}, "must return a Spark DataFrame, .* got str"),
        (own.fails, {}, r"data fails fails: AnalysisException: .*no_such_table.*\(own_data.py, line"),
        (own.table, {"label": "class"}, "must give a column label, got the columns id, half, class, weight"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            data.read(Custom(part, **arguments), spark)


@pytest.mark.slow
def test_a_query_gives_a_table(spark: SparkSession) -> None:
    query = "select id, id / 2 as half, if(id % 3 = 0, 'a', 'b') as kind, id % 2 as target from range(24)"
    source = SqlSource(query=query, label="target", features=("half", "kind"))
    canonical = data.read(source, spark)
    assert canonical.labels == ("0", "1") and canonical.spec.shape[0] >= 2
    values = SqlSource(
        query="select id as x, id * 0.1 as y from range(9)", label="y", task="values"
    )
    assert data.read(values, spark).labels is None
    assert not [view for view in spark.catalog.listTables() if view.name.startswith("workbench_")]
    with pytest.raises(
        DataError, match=r"must be a query .*'select \* from nowhere' cannot be run"
    ):
        data.read(SqlSource(query="select * from nowhere"), spark)
    with pytest.raises(DataError, match="label"):
        data.read(SqlSource(query=query), spark)


@pytest.mark.slow
def test_a_query_that_would_act_is_refused(spark: SparkSession) -> None:
    spark.range(3).createOrReplaceTempView("kept_rows")
    for query in ("drop view kept_rows", "create or replace temp view kept_rows as select 1"):
        with pytest.raises(DataError, match="must be a query"):
            data.read(SqlSource(query=query), spark)
    assert spark.table("kept_rows").count() == 3
    spark.catalog.dropTempView("kept_rows")
    query = "with a as (select id / 2 as x, id % 2 as y from range(40)) select * from a; -- the end"
    assert (
        data.read(SqlSource(query=query.partition(" --")[0], label="y"), spark).frame.count() == 40
    )


@pytest.mark.slow
def test_pictures_of_a_query_keep_their_splits_and_measured_values(spark: SparkSession) -> None:
    rows = [(bytearray(picture(10 * i)), i, "Test" if i < 5 else "TRAIN") for i in range(20)]
    frame = spark.createDataFrame(rows, "p binary, age int, fold string")
    frame.createOrReplaceTempView("aged")
    source = SqlSource(query="table aged", features=("p",), label="age", task="values")
    canonical = data.read(source, spark)
    spark.catalog.dropTempView("aged")
    assert canonical.labels is None and canonical.spec.shape == (1, 4, 4)
    found = {row["label"]: row["split"] for row in canonical.frame.collect()}
    assert found == {i: "test" if i < 5 else None for i in range(20)}
    assert "Splits by the column fold: TRAIN is train, Test is test." in canonical.decided
