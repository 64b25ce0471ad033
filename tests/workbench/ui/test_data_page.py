"""The Data page: a source is described by a job, and what it prints is drawn."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.workbench.ui.browser import ARGUMENTS, CHROMIUM, Window, server
from tests.workbench.ui.test_pages import open_page, text
from workbench.home import jobs_folder
from workbench.jobs.folder import write
from workbench.ui.data import descriptions
from workbench.ui.jobs import Queue

DESCRIPTION: dict[str, Any] = {
    "source": {"kind": "table", "path": "a.csv"},
    "spec": {"kind": "vector", "shape": [2], "dtype": "float32"},
    "labels": ["cat", "dog"],
    "rows": {"train": 40, "test": 12},
    "class_counts": {"train": [10, 30], "test": [6, 6]},
    "missing_classes": {},
    "balance": 1 / 3,
    "sample_bytes": 8,
    "num_bytes": 416,
    "bad": {"rows": 2, "examples": [{"key": "7", "reason": "the label is empty"}]},
    "figures": {"label": [0, 1]},
    "split": {"by": "rows"},
    "partitions": 1,
    "fingerprint": "f00d",
    "content": "beef",
    "problem": None,
    "seconds": 1.5,
    "decided": ["Column id is a row number: no feature.", "Classes, in this order: cat, dog."],
    "samples": None,
    "texts": {},
}


def end_job(source: str, output: str, code: int) -> None:
    """A job that has described the source, with what it printed."""
    queue = Queue(jobs_folder())
    job = queue.create(descriptions.make_arguments(source, []), "describe", Path.cwd())
    (job.folder / "log").write_text(output)
    state = "failed" if code else "finished"
    write(job.folder / "status.json", {"state": state, "exit_code": code, "started": 1, "ended": 3})


def test_a_description_is_drawn(empty_store: Path) -> None:
    output = f"Reading the data {{in Spark}}\n{json.dumps(DESCRIPTION, indent=2)}\nbye\n"
    end_job("a.csv", output, 0)
    page = open_page("data", source="a.csv")
    says = text(page) + "\n".join(t.value for t in page.text)
    assert "Samples: 52" in says
    assert "Shape: 2" in says
    assert "Column id is a row number: no feature." in says
    assert "workbench data describe a.csv" in says
    splits, bad = page.dataframe[0].value, page.dataframe[1].value
    assert splits.to_dict("list") == {"class": ["cat", "dog"], "train": [10, 30], "test": [6, 6]}
    assert bad["reason"].tolist() == ["the label is empty"]
    assert "1 of 2 rows" in says


def test_what_cannot_be_read_says_why(empty_store: Path) -> None:
    end_job("b.csv", "Error: the file b.csv has no column 'species'.\n", 2)
    page = open_page("data", source="b.csv")
    assert "the job failed" in text(page)
    assert "no column 'species'" in text(page)


@pytest.mark.parametrize("source", ["--debug", "nothing-here.csv"])
def test_other_corrections_are_another_description(source: str, empty_store: Path) -> None:
    end_job(source, json.dumps(DESCRIPTION, indent=2), 0)
    assert "Samples: 52" in text(open_page("data", source=source))
    page = open_page("data", source=source, set="data.source.label=species")
    assert "Not described yet" in text(page)
    assert "--set data.source.label=species" in text(page)


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed (Debian: apt install chromium)")
def test_a_description_in_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from playwright.sync_api import sync_playwright

    home = tmp_path / "home"
    monkeypatch.setenv("WORKBENCH_HOME", str(home))
    end_job("a.csv", json.dumps(DESCRIPTION, indent=2), 0)
    with (
        server(f"sqlite:///{tmp_path}/mlflow.db", home) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        window = Window(browser.new_context(viewport={"width": 800, "height": 900}), address)
        window.open("data", source="a.csv").shows("Column id is a row number")
        window.page.locator('[data-testid="stDataFrame"] canvas').first.wait_for()
        width = window.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 800
        window.check()
        browser.close()


@pytest.mark.long
@pytest.mark.cluster
def test_a_table_is_described_from_the_page(empty_store: Path) -> None:
    file = empty_store / "pets.csv"
    lines = [f"{i}.5,{i % 7},{'cat' if i % 2 else 'dog'}" for i in range(60)]
    file.write_text("\n".join(["weight,legs,species", *lines]))
    page = open_page("data", source=str(file))
    page.button[0].click()
    page.run(timeout=60)
    queue = Queue(jobs_folder())
    end = time.monotonic() + 300
    while queue.read_all()[0].live and time.monotonic() < end:
        time.sleep(1)
    page = open_page("data", source=str(file))
    assert "Samples: 60" in text(page), text(page)
    assert page.dataframe[0].value["class"].tolist() == ["cat", "dog"]
