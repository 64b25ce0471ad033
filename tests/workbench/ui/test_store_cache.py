"""What the pages read is never older than the moment from which they watch the store."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.workbench.ui.test_find import add_run
from tracking import Reader
from tracking.database import DatabaseTable
from tracking.query import Page, Query
from workbench.ui import store
from workbench.ui.store import _files


def test_a_slow_read_of_another_window_is_not_an_answer_to_a_later_one(
    empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(empty_store, "first")
    store.refresh()
    read, go_on = threading.Event(), threading.Event()
    page = DatabaseTable.page

    def slow(self: DatabaseTable, query: Query, offset: int = 0, limit: int = 50) -> Page:
        rows = page(self, query, offset, limit)
        read.set()
        assert go_on.wait(20)
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(DatabaseTable, "page", slow)
        other_window = threading.Thread(target=store.page)
        other_window.start()
        assert read.wait(20)  # it has read one run
    add_run(empty_store, "second")
    store.refresh()
    go_on.set()
    other_window.join()
    assert store.page().total == 2


def test_the_stamp_changes_with_the_data_only(empty_store: Path) -> None:
    before = store.read_stamp()
    assert before is None
    add_run(empty_store, "first")
    once = store.read_stamp()
    assert once != before
    store.page()
    store.names()
    assert store.read_stamp() == once
    (empty_store / "mlflow.db").touch()
    assert store.read_stamp() == once
    add_run(empty_store, "second")
    assert store.read_stamp() != once


def test_a_file_that_was_read_is_not_listed_again(
    runs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = store.artifact(runs["cnn"], "evaluation/test.json")
    assert read is not None and read.is_file()
    assert store.artifact(runs["cnn"], "evaluation/none.json") is None
    _files._artifact_sizes.clear()
    monkeypatch.setattr(Reader, "artifact_sizes", lambda *_args: pytest.fail("listed again"))
    assert store.artifact(runs["cnn"], "evaluation/test.json") == read
