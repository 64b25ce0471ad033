"""Files that change after a process loaded them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from workbench.jobs import reload
from workbench.jobs.reload import LoadedCode


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of three modules; this process has loaded none of them yet."""
    monkeypatch.setattr(reload, "_ROOT", tmp_path)
    monkeypatch.setattr(sys, "modules", {"sys": sys, "os": os})
    for name in ("nets/files", "workbench/bridge/arrays", "workbench/ui/app"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True)
        path.touch()
    return tmp_path


def load(root: Path, *names: str) -> None:
    for name in names:
        module = ModuleType(name)
        module.__file__ = str(root / f"{name.replace('.', '/')}.py")
        sys.modules[name] = module


def change(root: Path, name: str) -> None:
    later = time.time_ns() + 10**9
    os.utime(root / name, ns=(later, later))


def test_a_loaded_file_that_changes_is_noticed_whichever_package_it_is_in(root: Path) -> None:
    load(root, "nets.files", "workbench.bridge.arrays")
    code = LoadedCode(time.time_ns())
    assert code.find_changed_files() == []
    change(root, "workbench/ui/app.py")  # nobody loaded it
    assert code.find_changed_files() == []
    change(root, "workbench/bridge/arrays.py")
    assert code.find_changed_files() == ["workbench/bridge/arrays.py"]
    (root / "nets/files.py").unlink()
    assert code.find_changed_files() == ["nets/files.py", "workbench/bridge/arrays.py"]


def test_a_file_that_is_loaded_later_is_watched_from_then(root: Path) -> None:
    code = LoadedCode(time.time_ns())
    load(root, "workbench.bridge.arrays")
    assert code.find_changed_files() == []
    change(root, "workbench/bridge/arrays.py")
    assert code.find_changed_files() == ["workbench/bridge/arrays.py"]


def test_a_file_that_changed_while_the_process_loaded_counts_as_changed(root: Path) -> None:
    since_ns = time.time_ns()
    load(root, "nets.files")
    change(root, "nets/files.py")
    code = LoadedCode(since_ns)
    assert code.find_changed_files() == code.find_changed_files() == ["nets/files.py"]


def test_a_process_watches_what_it_has_loaded() -> None:
    code = LoadedCode(time.time_ns())
    files = {path.relative_to(reload._ROOT).as_posix() for path in code._mtimes}
    assert {"workbench/__init__.py", "workbench/jobs/reload.py"} <= files
    assert "workbench/jobs/supervisor.py" not in files  # its own process only
