"""The trials of an earlier sweep, which a resumed one takes as they are."""

from __future__ import annotations

import json

from nets import ConfigError
from tracking import Recorder
from workbench.experiments.space import SweepConfig
from workbench.results import TrialResult


def read_finished_trials(
    recorder: Recorder, sweep_run: str, config: SweepConfig
) -> list[TrialResult]:
    """The trials of an earlier sweep that came to an end of their own, from the tracking store.

    Raises:
        ConfigError: the run is no sweep, or searched other settings.
    """
    trials = []
    for run in recorder.children(sweep_run):
        value = run.metrics.get(f"best/{config.metric}")
        if run.status == "FINISHED" and value is None:
            continue
        if run.status not in ("FINISHED", "FAILED"):
            continue
        settings = json.loads(run.tags["workbench.settings"])
        if settings.keys() != config.space.keys():
            raise ConfigError(
                f"sweep {sweep_run} searched {', '.join(settings)}, got a space of "
                f"{', '.join(config.space)}. Resume it with the space it was started with."
            )
        trials.append(
            TrialResult(
                number=int(run.tags["workbench.trial"]),
                run_id=run.run_id,
                settings=settings,
                status="FAILED" if run.status == "FAILED" else "FINISHED",
                epochs=int(run.metrics.get("epoch", 0)),
                value=value,
                metrics=dict(run.metrics),
            )
        )
    return trials
