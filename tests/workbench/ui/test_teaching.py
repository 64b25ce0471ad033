"""What the pages say of themselves: their purpose, the manual, the same in Python, reports, search."""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path

import pytest
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tests.workbench.ui.test_pages import PAGES, open_page
from workbench.experiments import load_experiment
from workbench.notebook.asked import change
from workbench.ui import as_python, manual, reports, search, store

ROOT = Path(__file__).parents[3]
Runs = dict[str, str]


@pytest.mark.parametrize("page", [*PAGES, "data"])
def test_a_page_says_in_two_sentences_what_it_is_for(page: str, runs: Runs) -> None:
    said = open_page(page).caption[0].value
    what, _, more = (
        said.partition("More in the manual")[0],
        *said.partition("More in the manual")[1:],
    )
    assert len(re.findall(r"[.;] ", what)) >= 1 and len(what) < 260
    name = re.search(r"docs/[\w-]+", more)
    assert name is not None and (ROOT / f"{name[0]}.md").is_file()


def test_a_built_manual_is_served_and_linked(tmp_path: Path) -> None:
    assert manual.routes(None) == [] and "`docs/data.md`" in manual.write_link("docs/data", None)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "data.html").write_text("<head></head>all sources")
    assert manual.write_link("docs/data#rows", tmp_path) == (
        "[More in the manual](/manual/docs/data.html#rows)"
    )
    (mount,) = manual.routes(tmp_path)
    assert isinstance(mount, Mount) and mount.path == manual.ADDRESS
    assert isinstance(mount.app, StaticFiles)
    assert mount.app.lookup_path("docs/data.html")[0] == str(tmp_path / "docs" / "data.html")
    assert mount.app.lookup_path("../secret")[1] is None


def test_the_same_in_python_has_the_forms_changes() -> None:
    changes = {
        "training.epochs": 2,
        "sweep.space": {"net.activation": {"kind": "choice", "values": ["relu"]}},
    }
    (call,) = (
        node
        for node in ast.walk(ast.parse(as_python.write_call("sweep", "digits_cnn", changes)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
    )
    name, settings = map(ast.literal_eval, call.args)
    changed = change(load_experiment(name), settings)
    assert (
        changed == change(load_experiment("digits_cnn"), changes) and changed.training.epochs == 2
    )
    ast.parse(as_python.write_read("0" * 32))


class TestReport:
    def test_a_runs_report_is_one_file_with_its_results(self, runs: Runs) -> None:
        run = store.run(runs["cnn"])
        assert run is not None
        store.write_note(run.id, "<b>bold</b> & 'quoted'")
        try:
            report = reports.write_run(store.run(run.id) or run)
        finally:
            store.write_note(run.id, "")
        assert "<title>Run relu</title>" in report and "Confusion" in report
        assert f"{run.metrics['test/accuracy']:.4g}" in report
        assert "&lt;b&gt;bold&lt;/b&gt; &amp; &#x27;quoted&#x27;" in report
        assert report.count("data:image/png") == 3, "two charts and the filters"
        assert not re.search(r"<script|src='http|href=", report)

    def test_what_a_run_lacks_is_said(self, runs: Runs) -> None:
        run = store.run(runs["bare"])
        assert run is not None
        assert "this run has no model" in reports.write_run(run)

    def test_a_comparison_marks_the_best_and_lists_what_differs(self, runs: Runs) -> None:
        pair = [run for name in ("cnn", "cnn_tanh") if (run := store.run(runs[name]))]
        report = reports.write_comparison(pair)
        best = max(run.metrics["test/accuracy"] for run in pair)
        assert f"<td class=best>{best:.4g}</td>" in report
        assert "net.activation" in report and "training.epochs" not in report

    def test_nothing_of_a_run_becomes_html_or_a_formula(self, runs: Runs) -> None:
        pair = [run for name in ("cnn", "cnn_tanh") if (run := store.run(runs[name]))]
        name = '<img src=x onerror=alert(1)> $\\frac{1 & "quoted"'
        store.rename(pair[0].id, name)
        try:
            named = [store.run(pair[0].id) or pair[0], pair[1]]
            written = reports.write_comparison(named), reports.write_run(named[0])
        finally:
            store.rename(pair[0].id, pair[0].name)
        for report in written:
            assert html.escape(name) in report and "<img src=x" not in report


def test_search_lists_pages_parts_runs_and_settings(runs: Runs) -> None:
    titles = {"run": "Run", "compare": "Compare", "cnn": "Inside a CNN"}
    entries = {entry.label: entry for entry in search.collect(titles)}
    assert entries["Page: Inside a CNN, Filters"].query == (("show", "Filters"),)
    assert entries["Page: Run, Samples"].query == (("part", "Samples"),)
    (relu,) = (e for label, e in entries.items() if label.startswith("Run: relu"))
    assert relu.page == "run" and relu.query == (("run", runs["cnn"]),)
    assert "Step size" in entries["Setting: training.learning_rate"].text


@pytest.mark.parametrize("name", ["app", *(f"views/{page}" for page in (*PAGES, "data"))])
def test_streamlit_draws_no_docstring(name: str) -> None:
    """A text that stands alone in a page's file is drawn on the page, docstrings of values too."""
    body = ast.parse((ROOT / "workbench" / "ui" / f"{name}.py").read_text()).body
    alone = [
        node for node in body if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call)
    ]
    assert alone == body[:1]
