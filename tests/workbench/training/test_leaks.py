"""A session that has worked is as large as before: a smaller `python -m benchmarks.leaks`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.leaks import Footprint, measure_footprint, work
from tracking import MlflowRecorder
from workbench.cluster import Session

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def footprints(
    session: Session, tmp_path_factory: pytest.TempPathFactory, home: Path
) -> Iterator[tuple[Footprint, Footprint]]:
    """Before and after 5 trainings and 20 trials, in a session that has done some of each."""
    folder = tmp_path_factory.mktemp("leaks")
    recorder = MlflowRecorder(f"sqlite:///{folder / 'mlflow.db'}")
    work(session, recorder, 2, 4, seed=0)
    before = measure_footprint(session, home)
    work(session, recorder, 5, 20, seed=100)
    after = measure_footprint(session, home)
    recorder.close()
    print(f"\n{before}\n{after}")
    yield before, after


def test_no_process_and_no_handle_is_left(footprints: tuple[Footprint, Footprint]) -> None:
    before, after = footprints
    assert after.processes <= before.processes
    # Ray's connections come and go by a few.
    assert after.handles <= before.handles + 10
    assert after.threads <= before.threads + 10


def test_memory_and_objects_are_given_back(footprints: tuple[Footprint, Footprint]) -> None:
    before, after = footprints
    assert after.driver_mb <= before.driver_mb + 15
    assert after.others_mb <= before.others_mb + 60
    assert after.objects_mb <= before.objects_mb + 1


def test_checkpoints_are_gone(footprints: tuple[Footprint, Footprint]) -> None:
    assert footprints[1].files == footprints[0].files
