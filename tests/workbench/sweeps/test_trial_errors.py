"""What a sweep says of a trial that failed; no cluster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ray.exceptions import RayTaskError

from nets import ConfigError
from workbench.experiments import load_experiment
from workbench.progress import Progress
from workbench.results import TrialResult
from workbench.sweeps.recorder import TrialRecorder


class Silent(Progress):
    def handle(self, event: Any) -> None:
        pass


def test_a_failed_trial_shows_the_errors_own_message() -> None:
    tags: dict[str, str] = {}
    store: Any = SimpleNamespace(
        tags=lambda run, new: tags.update(new), finish=lambda run, status: None
    )
    whole: Any = SimpleNamespace(of=lambda settings: SimpleNamespace(is_whole=lambda: True))
    recorder = TrialRecorder(
        load_experiment("digits_cnn"),
        store,
        Silent(),
        sweep_run="s",
        variants=whole,
        total=1,
        earlier=[],
    )
    recorder.trials["1"] = TrialResult(number=1, run_id="r", settings={})
    text = "Traceback:\nnets.errors.ConfigError: depth must be > 0, got 0."
    error = RayTaskError("train", text, ConfigError("depth must be > 0, got 0."))
    failed: Any = SimpleNamespace(
        trial_id="1", get_error=lambda: error.as_instanceof_cause(), last_result={}
    )
    with recorder.written:
        recorder.on_trial_error(1, [], failed)
    assert tags == {"workbench.error": "depth must be > 0, got 0."}
