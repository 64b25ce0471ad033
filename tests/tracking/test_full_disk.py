"""A disk that fills up while a run is written: a small one of its own, really full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracking import MlflowRecorder, Reader, TrackingError


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def running(small_disk: Path) -> Iterator[tuple[MlflowRecorder, str]]:
    # Patience beyond the test's own time: a full disk must not be waited for.
    recorder = MlflowRecorder(
        f"sqlite:///{small_disk / 'mlflow.db'}", interval_s=0.05, patience_s=3600
    )
    run_id = recorder.start("one", "run", params={"a": 1}, tags={})
    recorder.metrics(run_id, {"validation/accuracy": 0.5}, 1)
    recorder.flush()
    yield recorder, run_id
    (small_disk / "rest").unlink(missing_ok=True)
    recorder.close()


def fill(disk: Path) -> None:
    with pytest.raises(OSError), (disk / "rest").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_checkpoint_that_does_not_fit_is_refused_at_once(
    running: tuple[MlflowRecorder, str], small_disk: Path, tmp_path: Path
) -> None:
    recorder, run_id = running
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "epoch_0001.safetensors").write_bytes(bytes(4 * 2**20))
    with pytest.raises(TrackingError, match=r"disk .* is full.*WORKBENCH_HOME"):
        recorder.artifact_dir(run_id, tmp_path / "saved", "checkpoints")


def test_metrics_are_refused_and_what_was_stored_is_kept(
    running: tuple[MlflowRecorder, str],
    small_disk: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    recorder, run_id = running
    fill(small_disk)
    with pytest.raises(TrackingError, match=r"disk .* is full.*WORKBENCH_HOME"):
        for step in range(2, 200):
            recorder.metrics(run_id, {f"metric{i}": 0.5 for i in range(50)}, step)
            recorder.flush()
    assert "Traceback" not in capfd.readouterr().err
    (small_disk / "rest").unlink()
    assert Reader(recorder.uri).run(run_id).metrics["validation/accuracy"] == 0.5
