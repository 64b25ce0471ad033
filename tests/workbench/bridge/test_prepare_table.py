"""From a person's own DataFrame to a trained net, in the shared session."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nets import PreparationConfig, TensorSpec
from tests.workbench.small import digits
from tracking import MemoryRecorder
from workbench.bridge import prepare, prepare_table
from workbench.cluster import Session
from workbench.data import DataConfig, from_dataframe
from workbench.data.config import SplitConfig
from workbench.data.sources import DataFrameSource
from workbench.errors import DataError
from workbench.training import train

pytestmark = pytest.mark.cluster

SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")


@pytest.fixture(scope="module")
def frame(session: Session) -> Any:
    """The digits as a person would have them: pixels as numbers, the class as a number."""
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    rows = [
        (i, row.tolist(), int(label))
        for i, (row, label) in enumerate(zip(values, labels, strict=True))
    ]
    return session.spark.createDataFrame(rows, "id int, pixels array<double>, digit int")


def test_a_dataframe_of_a_program_is_trained_on(session: Session, frame: Any) -> None:
    base = digits()
    source = DataFrameSource(features=("pixels",), label="digit", plan=frame.semanticHash())
    experiment = replace(base, data=DataConfig(source=source, split=SplitConfig(seed=3)))
    table = from_dataframe(frame, features="pixels", label="digit", spec=SPEC, key="id")
    prepared = prepare_table(table, experiment.data, experiment.preparation, session)
    assert prepared.labels == tuple("0123456789")
    assert prepared.record["plan"] == frame.semanticHash()
    assert prepared.record["split"]["seed"] == 3
    assert sum(prepared.record["rows"].values()) == 1797
    assert np.array_equal(
        np.bincount(prepared.splits["train"].read()["label"]), prepared.class_counts
    )
    recorder = MemoryRecorder()
    result = train(experiment, session=session, recorder=recorder, prepared=prepared)
    assert result.metrics["test/accuracy"] > 0.9
    files = recorder.runs[result.run_id].artifacts
    described = json.loads(files["data.json"])
    assert described["content"] == prepared.record["content"]
    assert json.loads(files["experiment.json"])["data"]["source"]["label"] == "digit"
    # The session finds its prepared data by the same settings; a fresh session cannot read it.
    assert session.prepared[prepared.fingerprint] is prepared
    with pytest.raises(DataError, match="stands for a DataFrame that a program made"):
        prepare(experiment.data, experiment.preparation, session)


def test_the_content_decides_the_fingerprint_and_partitions_do_not(
    session: Session, frame: Any
) -> None:
    def prepared(changed: Any, **split: Any) -> Any:
        table = from_dataframe(changed, features="pixels", label="digit", spec=SPEC, key="id")
        config = DataConfig(split=SplitConfig(**split))
        return prepare_table(table, config, PreparationConfig(), session)

    small = frame.where("id < 300")
    first, again = prepared(small), prepared(small.repartition(5))
    assert first.fingerprint == again.fingerprint
    assert first.record["content"] == again.record["content"]
    assert np.array_equal(*(p.splits["train"].read()["features"] for p in (first, again)))
    assert prepared(small, seed=1).fingerprint != first.fingerprint
    other = small.selectExpr("id", "pixels", "if(id = 7, 0, digit) digit")
    assert prepared(other).fingerprint != first.fingerprint


def test_nothing_stays_in_spark(session: Session, frame: Any) -> None:
    kept = session.spark.sparkContext._jsc.getPersistentRDDs
    before = kept().size()
    small = frame.where("id < 300")
    table = from_dataframe(small, features="pixels", label="digit", spec=SPEC, key="id")
    prepare_table(table, DataConfig(), PreparationConfig(), session)
    broken = from_dataframe(
        small, features="pixels", label="digit", spec=replace(SPEC, shape=(1, 4, 4)), key="id"
    )
    with pytest.raises(DataError, match="300 of 300 rows are bad"):
        prepare_table(broken, DataConfig(), PreparationConfig(), session)
    assert kept().size() == before
