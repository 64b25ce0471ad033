from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from tests.workbench.ui.browser import ARGUMENTS, CHROMIUM, Window, open_window, server
from tests.workbench.ui.fill import add_job_and_log, fill
from tests.workbench.ui.tasks import fill_tasks


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with a store of real small runs, and their ids by name."""
    folder = tmp_path_factory.mktemp("store")
    return folder, fill(folder)


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with a store of a run of each task, and their ids by name."""
    folder = tmp_path_factory.mktemp("tasks")
    return folder, fill_tasks(folder)


@pytest.fixture
def runs(
    filled: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The filled store as the one that the UI reads."""
    folder, ids = filled
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.setenv("WORKBENCH_HOME", str(folder / "home"))
    yield ids
    st.cache_data.clear()


@pytest.fixture
def empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store without runs."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    st.cache_data.clear()
    yield tmp_path
    st.cache_data.clear()


@pytest.fixture(scope="module")
def address(
    filled: tuple[Path, dict[str, str]], home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder, ids = filled
    of_server = tmp_path_factory.mktemp("home")
    (of_server / "prepared").symlink_to(home / "prepared")
    add_job_and_log(of_server, f"sqlite:///{folder}/mlflow.db", ids)
    with server(f"sqlite:///{folder}/mlflow.db", of_server) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def window(browser: object, address: str) -> Iterator[Window]:
    yield from open_window(browser, address, "light")


@pytest.fixture
def dark(browser: object, address: str) -> Iterator[Window]:
    yield from open_window(browser, address, "dark")
