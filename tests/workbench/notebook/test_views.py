"""Runs of a real store as objects: lists, figures with their numbers, answers."""

from __future__ import annotations

import copy
import functools
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import workbench
from nets import inside
from nets.errors import ConfigError
from tests.workbench.ui.fill import fill
from tracking import ArtifactError
from workbench.errors import DataError, WorkbenchError
from workbench.notebook import Figure, Run, Sweep, Training, attribution
from workbench.results import SweepResult, TrainResult, TrialResult


@pytest.fixture(scope="module")
def ids(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("store")
    return {"uri": f"sqlite:///{folder}/mlflow.db", **fill(folder)}


@pytest.fixture
def wb(ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> workbench.Workbench:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ids["uri"])
    return workbench.open()


def is_png(figure: Figure) -> bool:
    """Without a background: no figure is a white box in a dark notebook."""
    clear = np.asarray(Image.open(io.BytesIO(figure.png())))[..., 3] == 0
    return clear[0, 0] and clear[-1, -1] and len(figure.png()) > 2_000


def test_runs_are_listed_filtered_and_framed(wb: workbench.Workbench, ids: dict[str, str]) -> None:
    runs = wb.runs()
    assert {run.run_id for run in runs} == set(ids.values()) - {ids["uri"]}
    frame = runs.frame
    assert frame.loc[ids["cnn_tanh"], "net.activation"] == "tanh"
    assert frame.loc[ids["cnn"], "test/accuracy"] > 0.8
    best = runs.filter("test/accuracy > 0.8 net.activation = tanh")
    assert [run.run_id for run in best] == [ids["cnn_tanh"]]
    assert ids["cnn"][:8] in str(runs) and ids["cnn"][:8] in runs._repr_html_()
    assert len(wb.run(ids["sweep"]).trials) == 10
    assert wb.run(ids["cnn"][:6]).run_id == ids["cnn"]


def test_figures_of_a_picture_net_have_their_numbers(
    wb: workbench.Workbench, ids: dict[str, str], tmp_path: Path
) -> None:
    run = wb.run(ids["cnn"])
    curves = run.curves()
    assert list(curves.frame) == [
        f"{split}/{name}" for name in ("loss", "accuracy") for split in ("train", "validation")
    ]
    assert list(curves.frame.index) == [1, 2, 3, 4]
    assert list(run.curves("train/loss").frame) == ["train/loss"]

    confusion = run.confusion()
    right = int(np.trace(confusion.frame.to_numpy()))
    assert confusion.frame.to_numpy().sum() == 497
    assert right / 497 == pytest.approx(run.metrics["test/accuracy"])
    mistakes = run.mistakes()
    assert len(mistakes.frame) == 497 - right
    assert (mistakes.frame["label"] != mistakes.frame["prediction"]).all()
    assert mistakes.frame["confidence"].is_monotonic_decreasing

    maps = run.feature_maps(3)
    first = run.net.get_submodule("body.blocks.0.conv")
    with torch.no_grad():
        expected = first(run.net.prepare(run.samples["features"][3:4]))[0].mean(dim=(1, 2))
    shown = maps.frame[maps.frame["layer"] == "body.blocks.0.conv"]["mean"]
    np.testing.assert_allclose(shown, expected, rtol=1e-4, atol=1e-5)
    assert len(run.filters().frame) == first.weight.shape[0]
    heat = run.attribution(3)
    answer = int(run.predict(run.samples["features"][3:4])["prediction"][0])
    expected_heat = inside.grad_cam(run.net, run.samples["features"][3:4], answer)
    np.testing.assert_allclose(heat.frame, expected_heat, rtol=1e-4)
    signed = run.attribution(3, "8", method="occlusion")
    assert signed.frame.shape == (8, 8) and "for 8" in signed.title
    blind = copy.deepcopy(run.net)
    for parameter in blind.parameters():
        torch.nn.init.zeros_(parameter)
    assert "no place of the layer does" in attribution(blind, run.samples["features"][3]).title
    assert "no place" not in heat.title
    with pytest.raises(ConfigError, match=r"one of 0, 1.*got 'eight'"):
        run.attribution(3, "eight")
    health = run.health()
    assert health.frame["dead"].between(0, 1).all() and health.frame.attrs["findings"]
    for figure in (curves, confusion, mistakes, maps, run.filters(), health, heat, signed):
        assert is_png(figure), figure.title
    maps.save(tmp_path / "maps.svg")
    assert "<svg" in (tmp_path / "maps.svg").read_text()
    maps.save(tmp_path / "maps.png")
    assert np.asarray(Image.open(tmp_path / "maps.png").convert("RGBA"))[0, 0].tolist() == [255] * 4
    assert set(maps._repr_mimebundle_()) == {"image/png", "text/plain"}


def test_a_net_of_series_has_what_it_can_have(wb: workbench.Workbench, ids: dict[str, str]) -> None:
    run = wb.run(ids["rnn"])
    for figure in (run.curves(), run.confusion(), run.mistakes(), run.health()):
        assert is_png(figure)
    sample = run.samples["features"][2:3]
    states = run.states(2)
    [layer] = inside.states(run.net, sample)
    np.testing.assert_allclose(states.frame["body.recurrent"], layer.hidden, rtol=1e-5)
    answer = run.predict(sample)["prediction"][0]
    assert list(states.frame["answer"]) == [answer] and len(states.frame) == 8
    assert states.frame["answer", answer].iloc[-1] == pytest.approx(
        run.predict(sample)["confidence"][0], rel=1e-4
    )
    assert run.states(2, part="forget").frame["body.recurrent"].stack().between(0, 1).all()
    with pytest.raises(ConfigError, match=r"candidate, cell, forget, hidden.*got 'reset'"):
        run.states(2, part="reset")
    steps = run.attribution(2, "7").frame["attribution"]
    np.testing.assert_allclose(steps, inside.step_attribution(run.net, sample, 7), rtol=1e-4)
    assert is_png(states) and is_png(run.attribution(2))
    with pytest.raises(ConfigError, match="of a sequence is integrated_gradients"):
        run.attribution(2, method="grad_cam")
    with pytest.raises(ConfigError, match="net of kind rnn has none"):
        run.filters()
    with pytest.raises(ConfigError, match=r"body\.recurrent"):
        run.feature_maps()


def test_answers_are_those_of_the_evaluation(wb: workbench.Workbench, ids: dict[str, str]) -> None:
    run = wb.run(ids["cnn"])
    assert isinstance(run.net, torch.nn.Module) and not run.net.training
    pixels = load_digits().data[1300:]
    answers = run.predict(pixels)  # rows of 64 are pictures of 1 x 8 x 8
    truth = load_digits().target[1300:].astype(str)
    assert (answers["prediction"] == truth).mean() == pytest.approx(run.metrics["test/accuracy"])
    assert run.predict(pixels[:0]).empty
    with pytest.raises(DataError, match=r"shape \[1, 8, 8\], got \[63\]"):
        run.predict(pixels[:, :63])
    with pytest.raises(WorkbenchError, match="Spark DataFrame only"):
        run.predict(pixels, features="x")
    assert run.experiment.training.batch_size == 50


def test_what_a_run_lacks_is_named(wb: workbench.Workbench, ids: dict[str, str]) -> None:
    running = wb.run(ids["running"])
    assert list(running.curves().frame) == ["train/loss", "validation/accuracy"]
    for ask in (running.confusion, running.mistakes, running.health, lambda: running.net):
        with pytest.raises(ArtifactError, match="end of a training"):
            ask()
    with pytest.raises(WorkbenchError, match="no finished epoch"):
        wb.run(ids["bare"]).curves()
    with pytest.raises(WorkbenchError, match="recorded no nothing"):
        running.curves("nothing")
    with pytest.raises(WorkbenchError, match="0 to 496"):
        wb.run(ids["cnn"]).feature_maps(497)


def test_results_draw_themselves(wb: workbench.Workbench, ids: dict[str, str]) -> None:
    pretty = functools.partial(json.dumps, ensure_ascii=False)
    run = wb.run(ids["cnn"])
    result = TrainResult(
        run_id=run.run_id, epochs=4, best_epoch=4, metrics=run.metrics, verdicts=("Try <this>.",)
    )
    training = Training.of(result, run.reader)
    shown = training._repr_html_()
    assert "<polyline" in shown and "Try &lt;this&gt;." in shown
    assert "test/accuracy" in str(training) and "health/" not in pretty(str(training))
    assert isinstance(training.run, Run) and training.net.labels == tuple("0123456789")

    trials = [
        TrialResult(
            number=int(each.name[-3:]),
            run_id=each.run_id,
            settings={
                "net.activation": each.params["net.activation"],
                "training.learning_rate": float(each.params["training.learning_rate"]),
            },
            status="FINISHED",
            value=each.metrics.get("validation/accuracy"),
        )
        for each in wb.run(ids["sweep"]).trials
    ]
    values = vars(SweepResult(run_id=ids["sweep"], trials=trials))
    sweep = Sweep(
        **values,
        metric="validation/accuracy",
        logs=("training.learning_rate",),
        reader=run.reader,
    )
    parallel = sweep.parallel()
    assert len(parallel.frame) == 9 and len(sweep.frame) == 10  # the last one failed
    assert is_png(parallel)
    assert sweep.best_run.run_id == trials[0].run_id
    assert "10 trials" in str(sweep) and "<table" in sweep._repr_html_()
