"""docs/runs.md and docs/files.md list what real runs have, and nothing that the code does not write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tracking import Reader
from tracking.run import PARENT

ROOT = Path(__file__).parents[3]
RUNS, FILES = ((ROOT / "docs" / name).read_text() for name in ("runs.md", "files.md"))
CODE = "\n".join(
    path.read_text()
    for package in ("nets", "tracking", "workbench")
    for path in sorted((ROOT / package).rglob("*.py"))
)
WRITES_METRICS = re.compile(
    r"(train|validation|test|baseline|step|data|health|folds|repeats|objective|lr_find|best)/"
)
"""How the name of a metric begins in the code."""
OWN = {"validation/<own>", "test/<own>", "<own name>"}
"""Rows that fit any name."""


def listed(page: str, heading: str) -> list[str]:
    """The names in the first column of the tables below a heading."""
    section = page.split(f"## {heading}")[1].split("\n## ")[0]
    cells = re.findall(r"^\|([^|]*)\|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


METRICS = [
    name
    for heading in re.findall(r"^## (Metrics.*)$", RUNS, re.MULTILINE)
    for name in listed(RUNS, heading)
]
TAGS, OF_RUNS = listed(RUNS, "Tags"), listed(RUNS, "Files")


def missing(names: Iterable[str], rows: Iterable[str]) -> list[str]:
    """Names that no row is for; `<x>` in a row or a name stands for any text."""
    left = set(rows) - OWN
    return sorted(
        name for name in names if not any(fits(row, name) or fits(name, row) for row in left)
    )


def fits(pattern: str, text: str) -> bool:
    return bool(re.fullmatch(re.sub("<[^>]+>", ".+", re.escape(pattern)), text))


def check(store: Path, filled: Iterable[str]) -> set[str]:
    """Compare the runs that a store was filled with, and the trials below them, with the page; their kinds.

    Other tests add runs and tags of a person's own to the same store.
    """
    reader = Reader(f"sqlite:///{store}/mlflow.db")
    kinds, first = set(), set(filled)
    for run in reader.runs(kinds=("train", "sweep", "trial", "lr_find"), limit=1000):
        if not {run.run_id, run.tags.get(PARENT)} & first:
            continue
        # best/validation/loss is the best of a metric that is listed itself.
        metrics = {name.removeprefix("best/") for name in run.metrics}
        assert missing(metrics, METRICS) == []
        own = [name for name in run.tags if name.startswith("workbench.")]
        assert missing(own, TAGS) == []
        assert missing(reader.artifacts(run.run_id), OF_RUNS) == []
        kinds.add(run.tags.get("workbench.kind", ""))
    return kinds


def test_runs_of_pictures_and_of_a_sweep_have_what_the_page_lists(
    filled: tuple[Path, dict[str, str]],
) -> None:
    assert {"train", "sweep", "trial"} <= check(filled[0], filled[1].values())


def test_runs_of_other_tasks_have_what_the_page_lists(tasks: tuple[Path, dict[str, str]]) -> None:
    assert {"train", "lr_find"} <= check(tasks[0], tasks[1].values())


def texts_of(source: str) -> set[str]:
    """The texts in a program, with `<x>` for the values in an f-string."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = [str(p.value) if isinstance(p, ast.Constant) else "<x>" for p in node.values]
            found.add("".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def test_metrics_and_tags_of_the_code_are_on_the_page() -> None:
    writers = [ROOT / "nets" / name for name in ("totals.py", "update.py", "inside/_health.py")]
    for folder in ("training", "sweeps"):
        writers += (ROOT / "workbench" / folder).glob("*.py")
    texts = set().union(*(texts_of(path.read_text()) for path in writers))
    metrics = {t for t in texts if WRITES_METRICS.match(t) and re.fullmatch(r"[\w/<>]+[^/]", t)}
    assert len(metrics) > 25
    assert missing(metrics, METRICS) == []
    tags = {t for t in texts if re.fullmatch(r"workbench(\.[a-z_]+)+", t)}
    modules = {t for t in tags if (ROOT / Path(*t.split(".")).with_suffix(".py")).is_file()}
    assert len(tags) > 20
    assert missing(tags - modules, TAGS) == []


@pytest.mark.parametrize("name", sorted({*METRICS, *TAGS, *OF_RUNS} - OWN))
def test_what_the_page_lists_is_in_the_code(name: str) -> None:
    """By its last part that is no value: `health/<layer>/weight_norm` by `weight_norm`."""
    last = re.split(r"[/<>]|workbench\.(?:used\.)?", name)
    word = next(part for part in reversed(last) if part.strip(".-")).strip(".-")
    assert word in CODE or f'"{word.removesuffix(".json")}"' in CODE


@pytest.mark.parametrize(
    "heading", ["# Files on your disk", *re.findall(r"^## (.*)$", FILES, re.MULTILINE)]
)
def test_files_on_disk_are_in_the_code(heading: str) -> None:
    section = FILES.split(f"{heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*)\|", section, re.MULTILINE)
    names = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    assert names
    parts = {
        re.split("[/>]", name.rstrip("/"))[-1].lstrip("-").removesuffix(".arrow") for name in names
    }
    assert [part for part in sorted(parts) if part not in CODE] == []
