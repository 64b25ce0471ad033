"""What all tests share: an own home for runs and logs, one cluster, and what a machine may lack."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no fault of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Before anything reads them. Spark, Ray and the tests share the cores of a small machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("MLFLOW_TRACKING_URI", None)
_HOME = Path(tempfile.mkdtemp(prefix="workbench-tests-"))
os.environ["WORKBENCH_HOME"] = str(_HOME)

_ORDER = ("cluster", "browser", "slow")
"""Fast tests first: a mistake shows before a cluster starts."""

_ROWS = ("bridge", "data", "ml", "preflight", "scoring")
"""Folders of tests that read and write rows; the others train."""


# First: pytest-xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: sum(name in item.keywords for name in _ORDER))
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))
    if shutil.which("chromium") is None:
        skip = pytest.mark.skip(
            reason="chromium is not installed (Debian: apt-get install chromium)"
        )
        for item in items:
            if "browser" in item.keywords:
                item.add_marker(skip)


def _group(item: pytest.Item) -> str | None:
    """Tests that share something costly stay in one process."""
    fixtures: Sequence[str] = getattr(item, "fixturenames", ())
    if "session" in fixtures:  # one for each of two processes
        return f"shared cluster: {'rows' if item.path.parent.name in _ROWS else 'trainings'}"
    if "filled" in fixtures:
        return "filled store"
    if "tasks" in fixtures:
        return "store of tasks"
    # A file's tests may share a cluster or a browser; files are dealt out to the processes as these get free.
    shares = "cluster" in item.keywords or "browser" in item.keywords
    return item.path.stem if shares else None


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def own_store() -> Iterator[None]:
    """No test leaves its store to the next: MLflow puts it into the environment by itself."""
    yield
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(scope="session")
def home() -> Path:
    """WORKBENCH_HOME of this test session."""
    return _HOME


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real data sets; the test is skipped where there is none."""
    folder = Path(os.environ.get("WORKBENCH_TEST_DATA", Path(__file__).parents[2] / "shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set WORKBENCH_TEST_DATA)")
    return folder
