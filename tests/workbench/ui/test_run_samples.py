"""The Run page, *Samples*: doubtful labels to filter and mark, the map, samples alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workbench.ui.test_pages import Runs, checked, open_page, text
from workbench.data import Correction, read_corrections
from workbench.ui import store
from workbench.ui.data import marks, sample_map


@pytest.fixture
def run(runs: Runs, home: Path, monkeypatch: pytest.MonkeyPatch) -> store.Run:
    """A CNN's run, whose prepared data lies in the home of these tests."""
    monkeypatch.setenv("WORKBENCH_HOME", str(home))
    chosen = store.run(runs["cnn"])
    assert chosen is not None
    marks.file_of(chosen).unlink(missing_ok=True)
    return chosen


def test_samples_are_listed_filtered_and_marked(run: store.Run) -> None:
    page = open_page("run", run=run.id, part="Samples")
    table = page.dataframe[0].value
    assert (len(table), table["doubt"].is_monotonic_decreasing) == (500, True)
    assert "1,000 samples." in text(page)
    page = checked(page.selectbox(key="samples_label").select("3").run())
    assert set(page.dataframe[0].value["label"]) == {"3"}
    page = checked(page.toggle(key="samples_wrong").set_value(True).run())
    wrong = page.dataframe[0].value
    assert (wrong["label"] != wrong["prediction"]).all()
    assert page.button(key="mark_exclude").disabled
    key, other = table["key"].iloc[:2]
    marks.mark(run, {key: Correction(action="exclude")})
    marks.mark(run, {other: Correction(action="relabel", label="7")})
    page = open_page("run", run=run.id, part="Samples")
    assert page.dataframe[0].value["marked"].iloc[:2].tolist() == ["leave out", "is 7"]
    said = text(page)
    assert "1 samples to leave out, 1 to get another class" in said
    assert f"--set data.corrections={marks.file_of(run)}" in said
    marks.mark(run, {key: None})
    assert list(read_corrections(str(marks.file_of(run)))) == [other]


def test_another_split_and_its_nearest_training_samples(run: store.Run) -> None:
    page = open_page("run", run=run.id, part="Samples", samples_split="test")
    assert "497 samples." in text(page)
    assert "the training samples that the net sees as most alike" in text(page)


def test_a_click_on_the_map_is_a_sample() -> None:
    groups = {"cat": [4, 9], "dog": [1, 2, 3]}
    dog, cat, none = ({"series_index": i, "data_indices": [n]} for i, n in ((1, 2), (0, 1), (7, 0)))
    assert sample_map.read_selected({"selection": {"selected": [dog]}}, groups) == [3]
    both = sample_map.read_selected({"selection": {"selected": [cat, dog]}}, groups)
    assert both == [9, 3]
    for odd in ({"selection": {"selected": []}}, None, {"selection": {"selected": [none]}}):
        assert sample_map.read_selected(odd, groups) == []
    assert sample_map.order_clicks([3], both) == [3, 9], "the cat was clicked after the dog"
    assert sample_map.order_clicks([3, 9], [3]) == [3], "clicked again, it is not selected"
    assert sample_map.order_clicks([3], []) == []


def test_data_that_is_gone_is_named(runs: Runs) -> None:
    assert "is not kept on this machine" in "".join(
        str(one.value) for one in open_page("run", run=runs["cnn"], part="Samples").warning
    )
