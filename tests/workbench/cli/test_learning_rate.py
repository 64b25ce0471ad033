"""`workbench lr-find`: what it refuses and what it prints; the rates are tried in test_find_rate.py."""

from __future__ import annotations

import math

import pytest
from typer.testing import CliRunner

from nets.rate_range import spaced_rates
from workbench.cli import app
from workbench.cli.learning_rate import _as_options, _show, draw_curve
from workbench.results import RateResult

RATES = spaced_rates(1e-4, 1.0, 41)  # 10 a decade
FALLING = [2.0] * 10 + [2 - 0.1 * n for n in range(1, 11)] + [1.0] * 10 + [1.5] * 5 + [9.0] * 6


def test_the_curve_is_drawn_over_powers_of_ten_with_the_suggestion_below() -> None:
    lines = draw_curve(RATES, FALLING, RATES[15])
    edge = lines[0].index("│") + 1
    assert lines[0] == "       2 │" + "▀" * 10 + " " * 25 + "▀" * 6  # 9 is above the edge
    assert lines[9] == "       1 │" + " " * 19 + "▄" * 11
    heights = [next(n for n in range(10) if lines[n].ljust(60)[edge + c] != " ") for c in range(41)]
    assert heights == sorted(heights[:30]) + sorted(heights[30:], reverse=True)
    mark, ticks = lines[-2], lines[-1]
    assert mark[edge + 15] == "^" and mark.endswith(f"^ {RATES[15]:.2g}")
    assert [ticks.index(text) - edge for text in ("1e-4", "1e-3", "1e-2", "1e-1", "1e0")] == [
        *(0, 10, 20, 30, 40)
    ]


@pytest.mark.parametrize("losses", [[1.0], [1.0] * 30, [float(n) for n in range(100)]])
def test_any_losses_can_be_drawn(losses: list[float]) -> None:
    lines = draw_curve(spaced_rates(1e-7, 10, 100)[: len(losses)], losses, None)
    assert len(lines) == 12 and not any("^" in line for line in lines)
    assert draw_curve([], [], None) == ["(no finite loss)"]


def test_the_next_command_has_the_rate_and_what_was_set(capsys: pytest.CaptureFixture[str]) -> None:
    result = RateResult(
        run_id="0123abcd", rates=RATES, losses=FALLING, suggestion=RATES[15], end="risen"
    )
    options = _as_options(["net.activation=elu"], "lab")
    _show("mine", result, ["my file.py:mine", *options])
    printed = capsys.readouterr().out
    assert "41 learning rates tried: the loss had risen to four times" in printed
    assert (
        "train 'my file.py:mine' --set net.activation=elu --cluster lab "
        "--set training.learning_rate=0.0032" in printed
    )


def test_no_suggestion_is_said_with_what_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    result = RateResult(run_id="0", rates=(), losses=(), suggestion=None, end="not finite")
    _show("mine", result, ["mine"])
    printed = capsys.readouterr().out
    assert "0 learning rates tried: the loss was no longer finite" in printed
    assert "does not clearly fall" in printed and "--from" in printed
    assert "workbench train" not in printed
    assert str(result) == "Run 0, learning rate: no rate lowers the loss, 0 tried"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "1"], None),
        (["--from", "20"], "got 20 to 10"),
        (["--from", "0"], "above 0"),
        (["--to", str(math.nan)], "got 1e-07 to nan"),
        (["--steps", "19"], "at least 20"),
    ],
)
def test_rates_that_do_not_rise_are_refused(options: list[str], message: str | None) -> None:
    # An experiment that there is not: it ends before anything starts, whatever the rates.
    reply = CliRunner().invoke(app, ["lr-find", "no_such_experiment", *options])
    assert reply.exit_code == 2
    assert (message or "no_such_experiment") in " ".join(reply.output.split())
