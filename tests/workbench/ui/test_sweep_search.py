"""The Sweep page and the Launch form where more than plain settings are searched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workbench.small import digits_sweep
from tests.workbench.sweeps.here import sweep_here
from tests.workbench.ui.fill import open_recorder
from tests.workbench.ui.test_pages import checked, open_page, text
from workbench.experiments.space_text import parse_space
from workbench.results import SweepResult
from workbench.ui import store, sweeps

SPACE = (
    "net.blocks[*].channels=2,16",
    "training.optimizer=adam,sgd",
    "training.nesterov=true,false if training.optimizer=sgd",
)


@pytest.fixture
def swept(empty_store: Path) -> Iterator[SweepResult]:
    """A sweep of six settings with two seeds and two objectives."""
    experiment = digits_sweep(
        space=parse_space(SPACE),
        search="grid",
        repeats=2,
        objectives={"parameters": "min"},
        max_concurrent=1,
        keep=1,
    )
    storage = replace(experiment.cluster, storage=str(empty_store / "checkpoints"))
    training = replace(experiment.training, epochs=1)
    recorder = open_recorder(empty_store)
    yield sweep_here(replace(experiment, cluster=storage, training=training), recorder)
    recorder.close()


def test_the_page_shows_means_and_the_front(swept: SweepResult) -> None:
    run = store.run(swept.run_id)
    assert run is not None
    sweep = sweeps.read(run)
    assert sweep.each == ("training.seed",)
    assert sweep.objectives == {"validation/accuracy": "max", "parameters": "min"}
    frame = sweeps.by_setting(sweep)
    best = swept.configurations[0]
    assert len(frame) == len(swept.configurations) == 6
    assert frame["mean"][0] == pytest.approx(best.mean)
    assert frame["deviation"][0] == pytest.approx(best.deviation)
    adam = sweep.trials[sweep.trials["training.optimizer"] == "adam"]
    assert len(adam) == 4 and adam["training.nesterov"].isna().all(), "not searched in these"
    assert set(sweep.trials["net.blocks[*].channels"]) == {2, 16}
    on_front = [trial.run_id for trial in swept.trials if trial.number in swept.front]
    assert set(sweeps.front(sweep)) == set(on_front)
    at = open_page("sweep", run=swept.run_id)
    said = text(at)
    assert f"{len(on_front)} of 12 trials are on the front" in said
    assert "Settings by their mean" in said and "over each seed" in said
    assert any("deviation" in table.value for table in at.dataframe)
    trials = next(table.value for table in at.dataframe if "trial" in table.value)
    assert {"channels", "optimizer", "nesterov", "seed"} <= set(trials.columns)


def test_the_form_takes_lines_and_refuses_what_is_not_there(empty_store: Path) -> None:
    at = open_page("launch", base="digits_cnn", what="sweep")
    area = at.text_area(key="space_digits_cnn_lines")
    area.set_value("\n".join(SPACE)).run()
    assert '"only_if": {"training.optimizer": ["sgd"]}' in checked(at).code[0].value
    assert not at.button(key="start").disabled
    at.text_area(key="space_digits_cnn_lines").set_value("net.blocks[7].channels=2,4").run()
    assert "net.blocks has" in text(checked(at)) and at.button(key="start").disabled
    at.text_area(key="space_digits_cnn_lines").set_value("net.blocks").run()
    assert "takes KEY=VALUE" in text(checked(at))
