"""DataFrames that a program holds: as a source, in a training, in a sweep; on the shared session."""

from __future__ import annotations

import ast
import copy
import gc
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import workbench
from nets import CNNConfig, TrainingConfig
from nets.config import from_dict, to_dict
from nets.errors import ConfigError
from workbench import DataFrameSource, Experiment
from workbench.cluster import Session
from workbench.data import DataConfig, SplitConfig
from workbench.data.sources.dataframe import held_session
from workbench.errors import DataError
from workbench.experiments.changes import override
from workbench.experiments.write import experiment_code
from workbench.progress import Silent
from workbench.training.preparing import prepare_experiment

pytestmark = pytest.mark.cluster

ROWS = [(i % 7 + 0.1 * (i % 11), i % 3 + 0.5, i // 20, str(i % 3)) for i in range(240)]
SCHEMA = "petal double, sepal double, plant int, species string"


@pytest.fixture
def df(session: Session) -> Any:
    return session.spark.createDataFrame(ROWS, SCHEMA)


def on(source: DataFrameSource, **split: Any) -> Experiment:
    return Experiment(
        name="on a frame",
        data=DataConfig(source=source, split=SplitConfig(**split)),
        net=CNNConfig(blocks=(), dense=(8,)),
        training=TrainingConfig(epochs=1),
    )


def content(experiment: Experiment, session: Session) -> str:
    return str(prepare_experiment(experiment, session, Silent()).fingerprint)


def test_settings_find_the_frame_as_long_as_it_lives(session: Session, df: Any) -> None:
    source = DataFrameSource(df, label="species", group="plant")
    assert source.features == ("petal", "sepal") and source.plan == df.semanticHash()
    assert DataFrameSource(df, label="species", group="plant") == source
    experiment = on(source, by="group")
    for same in (
        from_dict(Experiment, to_dict(experiment)),
        override(experiment, {"training.seed": 3}),
        pickle.loads(pickle.dumps(experiment)),
        copy.deepcopy(experiment),
    ):
        assert same.data.source == source
        assert held_session(same.data.source) is session.spark
    assert Experiment(name="short", data=source).data == DataConfig(source=source)  # type: ignore[arg-type]
    kept = pickle.dumps(experiment)
    with pytest.raises(DataError, match=r"label must be a column .*got 'kind'"):
        workbench.train(on(DataFrameSource(df, label="kind")), session=session)
    with pytest.raises(
        ConfigError, match=r"predict, got None.*DataFrameSource\(df, label=\.\.\.\)"
    ):
        workbench.train(on(DataFrameSource(df)), session=session)
    with pytest.raises(ConfigError, match=r"data\.source\.group 'plant' would change nothing"):
        workbench.train(on(source), session=session)
    with pytest.raises(ConfigError, match="takes a Spark DataFrame, got list"):
        DataFrameSource(ROWS, label="species")  # type: ignore[arg-type]
    code = experiment_code(experiment)
    assert "def on_a_frame(df) -> Experiment" in code and ast.parse(code)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["on_a_frame"](df) == experiment

    other = DataFrameSource(df.limit(60), label="species")  # nobody else has it
    assert (
        prepare_experiment(on(other), session, Silent())
        .record["decided"][0]
        .startswith(
            "A DataFrame of a Spark session, columns petal, sepal, plant, label species. It is not"
        )
    )
    record = to_dict(on(other))
    del other
    gc.collect()
    with pytest.raises(DataError, match=r"columns petal, sepal, plant, label species"):
        workbench.train(from_dict(Experiment, record), session=session)
    assert held_session(pickle.loads(kept).data.source) is session.spark


def test_rows_say_whether_data_is_prepared_already(
    session: Session, df: Any, tmp_path: Path
) -> None:
    """Not the plan: it is the same over files that were replaced."""
    first = content(on(DataFrameSource(df, label="species")), session)
    again = session.spark.createDataFrame(ROWS, SCHEMA).repartition(3)
    assert content(on(DataFrameSource(again, label="species")), session) == first

    path = str(tmp_path / "rows")
    df.write.parquet(path)
    stored = DataFrameSource(session.spark.read.parquet(path), label="species")
    assert content(on(stored), session) == first
    df.withColumn("petal", df.petal + 1).write.mode("overwrite").parquet(path)
    replaced = DataFrameSource(session.spark.read.parquet(path), label="species")
    assert replaced.plan == stored.plan
    assert content(on(replaced), session) != first

    drawn = [df.selectExpr("petal", "rand() as sepal", "species") for _ in range(2)]
    one, other = (on(DataFrameSource(frame, label="species")) for frame in drawn)
    assert content(one, session) == content(one, session) != content(other, session)


@pytest.mark.slow
def test_a_workbench_trains_on_a_frame(session: Session, df: Any) -> None:
    wb = workbench.open(spark=session.spark, show=False)
    settings = {
        "training.epochs": 1,
        "data.source.group": "plant",
        "data.split.by": "group",
        "data.split.seed": 3,
    }
    trained = wb.train(df, settings, label="species")
    source = trained.experiment.data.source
    assert isinstance(source, DataFrameSource)
    assert (source.features, source.group) == (("petal", "sepal"), "plant")
    assert held_session(source) is session.spark
    assert trained.predict(df).where("predictedLabel in ('0', '1', '2')").count() == len(ROWS)
    # The record takes another DataFrame with the same columns.
    other = df.limit(200)
    onto = wb.train(trained.experiment, data=other).experiment.data.source
    assert isinstance(onto, DataFrameSource)
    assert onto.group == "plant" and onto.plan == other.semanticHash()
    described = wb.describe(on(DataFrameSource(df, label="species")))
    assert sum(described.rows.values()) == len(ROWS)
    wb.close()
    assert session.spark.range(3).count() == 3


@pytest.mark.slow
def test_a_sweep_on_a_frame_is_resumed_on_the_same_rows_only(
    session: Session, df: Any, tmp_path: Path
) -> None:
    wb = workbench.open(spark=session.spark, show=False)
    quick = {"training.epochs": 1, "sweep.scheduler": "none", "sweep.keep": 1}
    first = wb.sweep(df, quick, label="species", trials=1, space={"training.seed": [1, 2]})
    experiment = wb.run(first.run_id).experiment
    assert held_session(experiment.data.source) is session.spark
    record = wb.reader.download(first.run_id, "data.json", tmp_path).read_text()
    assert "not readable from elsewhere" in record
    more = override(experiment, {"sweep.num_trials": 2})
    others = replace(more, data=DataConfig(source=DataFrameSource(df.limit(200), label="species")))
    with pytest.raises(ConfigError, match=r"trained on other rows \(content \w{8}, now \w{8}\)"):
        workbench.sweep(others, resume=first.run_id)  # on the frame's own session
    again = session.spark.createDataFrame(ROWS, SCHEMA)
    same = replace(more, data=DataConfig(source=DataFrameSource(again, label="species")))
    second = workbench.sweep(same, resume=first.run_id)
    assert second.run_id == first.run_id and len(second.trials) == 2
