"""The Data page's samples of every kind, its form of corrections, and the training it starts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nets import TensorSpec
from nets.config import to_dict
from tests.workbench.ui.test_data_page import DESCRIPTION, end_job
from tests.workbench.ui.test_pages import open_page, text
from workbench.data.sources import TableSource
from workbench.home import jobs_folder
from workbench.ui.data import corrections
from workbench.ui.data.samples import _targets
from workbench.ui.jobs import Queue

ROWS = 6
KINDS: dict[str, tuple[TensorSpec, dict[str, Any]]] = {
    "image": (TensorSpec(kind="image", shape=(3, 8, 8), dtype="uint8"), {}),
    "tokens": (
        TensorSpec(kind="tokens", shape=(5,), dtype="int32", vocabulary_size=4),
        {"text": {"vocabulary": ["<pad>", "<unk>", "good", "<b>"], "tokenizer": "words"}},
    ),
    "series": (
        TensorSpec(kind="series", shape=(9, 2)),
        {"forecast": {"targets": [1], "horizon": 3}},
    ),
    "sound": (TensorSpec(kind="sound", shape=(800,), dtype="int16", rate=8000), {}),
    "vector": (TensorSpec(kind="vector", shape=(2,)), {"feature_names": ["width", "height"]}),
}


def write_samples(path: Path, kind: str) -> None:
    """A file as `workbench.preflight.samples.keep_samples` writes it."""
    spec, facts = KINDS[kind]
    random = np.random.default_rng(0)
    high = 4 if kind == "tokens" else 120
    features = random.integers(1, high, (ROWS, *spec.shape)).astype(spec.dtype)
    if kind == "tokens":
        features[0] = [2, 1, 3, 0, 0]
    arrays: dict[str, Any] = {
        "features": features,
        "label": np.arange(ROWS * 3.0).reshape(ROWS, 3) if kind == "series" else np.zeros(ROWS),
        "key": np.array([f"row {i}" for i in range(ROWS)]),
        "split": np.array(["train"] * ROWS),
        "class": np.array([""] * ROWS if kind == "series" else ["cat", "dog"] * (ROWS // 2)),
    }
    if kind == "tokens":
        arrays |= {"length": np.array([3] + [5] * (ROWS - 1)), "lengths": np.array([3, 5, 5])}
    if kind == "vector":
        arrays["values"] = features
    missing = {"text": None, "forecast": None, "feature_names": []}
    everything = {"spec": to_dict(spec), **missing, **facts}
    with path.open("wb") as file:
        np.savez(file, facts=np.array(json.dumps(everything)), **arrays)


def describe_as(folder: Path, kind: str) -> str:
    """A description of that kind, as a job has printed it; the source's name."""
    write_samples(folder / f"{kind}.npz", kind)
    source = f"{kind}.csv"
    changed = {
        "spec": to_dict(KINDS[kind][0]),
        "samples_file": str(folder / f"{kind}.npz"),
        "source": to_dict(TableSource(path=source)),
        "split": {"by": "rows"},
    }
    end_job(source, json.dumps(DESCRIPTION | changed, indent=2), 0)
    return source


def test_samples_of_every_kind_are_drawn(empty_store: Path) -> None:
    pages = {kind: open_page("data", source=describe_as(empty_store, kind)) for kind in KINDS}
    shown = {kind: Counter(element.type for element in page.main) for kind, page in pages.items()}
    assert shown["image"]["image"] == 4  # two classes, before and after
    assert shown["sound"]["image"] == shown["sound"]["audio"] == 6  # three of each class
    assert shown["series"]["echarts_chart"] == ROWS
    assert shown["vector"]["echarts_chart"] == 2
    assert shown["tokens"]["echarts_chart"] == 1  # lengths
    texts = [element.proto.body for element in pages["tokens"].get("html")]
    marked = next(value for value in texts if "<mark>" in value)
    assert marked == "<p>good <mark>unknown</mark> &lt;b&gt;</p>"


@pytest.mark.parametrize(
    ("channels", "classes", "flip"),
    [(3, ["cat", "dog"], True), (1, ["cat", "dog"], False), (3, ["3", "7"], False)],
)
def test_pictures_vary_at_first_as_the_recipe_has_it(
    empty_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    channels: int,
    classes: list[str],
    flip: bool,
) -> None:
    spec = TensorSpec(kind="image", shape=(channels, 8, 8), dtype="uint8")
    monkeypatch.setitem(KINDS, "image", (spec, {}))
    source = describe_as(empty_store, "image")
    with np.load(empty_store / "image.npz") as file:
        arrays = {**file, "class": np.array(classes * (ROWS // 2))}
    np.savez(empty_store / "image.npz", **arrays)
    page = open_page("data", source=source)
    assert [toggle.value for toggle in page.toggle if toggle.label == "Flip"] == [flip]


def test_the_values_to_forecast_follow_the_window() -> None:
    lines = {"load": [], "heat": []}
    label = np.array([1.0, 10.0, 2.0, 20.0])  # all targets of the first step first
    targets = _targets(label, {"targets": [0, 1], "horizon": 2}, lines, steps=7)
    assert targets == {
        "load (target)": [(7.0, 1.0), (8.0, 2.0)],
        "heat (target)": [(7.0, 10.0), (8.0, 20.0)],
    }


def test_samples_that_are_damaged_leave_the_rest_of_the_page(empty_store: Path) -> None:
    source = describe_as(empty_store, "vector")
    (empty_store / "vector.npz").write_bytes(b"PK no archive")
    page = open_page("data", source=source)
    assert not page.exception
    assert "Samples: 52" in text(page)


def test_the_form_makes_settings_and_describes_again(empty_store: Path) -> None:
    page = open_page("data", source=describe_as(empty_store, "vector"))
    label = next(w for w in page.text_input if w.label == "source: label")
    label.input("species")
    share = next(w for w in page.text_input if w.label == "split: validation")
    share.input("0.3")
    next(b for b in page.button if b.label == "Describe with these").click()
    page.run(timeout=60)
    job = Queue(jobs_folder()).read_all()[0]
    queued = [word for word in job.command if word.startswith("data.")]
    Queue(jobs_folder()).stop(job.id, force=True)
    assert queued == ["data.source.label=species", "data.split.validation=0.3"]


def test_a_changed_setting_takes_the_place_of_an_earlier_one() -> None:
    lines = ["data.source.label=a", "data.split.seed=3"]
    merged = corrections.merge(lines, {"data.source.label": "b", "data.source.key": "id"})
    assert merged == ["data.split.seed=3", "data.source.label=b", "data.source.key=id"]


@pytest.mark.parametrize("problem", [None, "one class"])
def test_what_can_be_trained_on_is_offered(problem: str | None, empty_store: Path) -> None:
    end_job("c.csv", json.dumps(DESCRIPTION | {"problem": problem}, indent=2), 0)
    page = open_page("data", source="c.csv")
    assert ("workbench train c.csv" in text(page)) == (problem is None)
