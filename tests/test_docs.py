"""What the Markdown pages name exists: imports, links, files, modules, commands and their options."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import typer

from workbench.cli import app
from workbench.cluster.clusters_file import read_cluster
from workbench.errors import INTERRUPTED, exit_code

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
CHANGELOG = ROOT / "CHANGELOG.md"  # names old modules and files, too

PACKAGES = ("nets", "tracking", "workbench", "benchmarks")
BLOCK = re.compile(r"^([ ]*)```python\n(.*?)^[ ]*```", re.DOTALL | re.MULTILINE)
TOML = re.compile(r"^([ ]*)```toml\n(.*?)^[ ]*```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"(?<![\w/.:-])((?:nets|tracking|workbench|benchmarks|tests|docs)/[\w./-]*)")
MODULE = re.compile(r"`((?:nets|tracking|workbench|benchmarks)(?:\.[a-zA-Z_]\w*)+)`")
COMMAND = re.compile(r"^\s+(?:%sh )?(?:\.venv/bin/)?(workbench .*)$", re.MULTILINE)
NOT_MODULES = set(
    re.findall(r"`(workbench\.[\w.]+)`(?:,| \|)", (ROOT / "docs/runs.md").read_text())
)
"""Tags of runs, which that page lists."""
NOT_RUN = "# Not run in the tests: "
"""First line of a block that cannot run here, before the reason."""

IMPORTED_ABOVE = {
    "docs/own-parts.md": "import torch\nfrom torch.nn import functional as F\n"
    "from nets import Custom, TrainingConfig\n",
}
"""What a page's first block imports, for those that follow it."""

IN_A_SESSION = {
    ("README.md", 1),
    ("docs/data.md", 0),
    ("docs/large-data.md", 0),
    ("docs/notebook.md", 1),
    ("docs/spark-ml.md", 0),
    ("docs/spark-ml.md", 2),
}
"""Blocks that need Ray or Spark; `tests/workbench/test_docs_in_a_session.py` runs them."""
ELSEWHERE = {("docs/notebook.md", 0): "the tutorial a-first-net does the same"}
"""Blocks that another test runs."""


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def python_blocks(page: Path) -> list[str]:
    return [textwrap.dedent(block.expandtabs()) for _, block in BLOCK.findall(page.read_text())]


def own_imports(source: str) -> list[tuple[str, str]]:
    """(module, name) of each `from MODULE import NAME` of our packages."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        and node.module
        and node.module.split(".")[0] in PACKAGES
        for alias in node.names
    ]


def resolve(dotted: str) -> Any:
    """The module, or the attribute of a module or class, that a dotted name stands for."""
    parts = dotted.split(".")
    thing = importlib.import_module(parts[0])
    for depth, part in enumerate(parts[1:], start=2):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            thing = importlib.import_module(".".join(parts[:depth]))
    return thing


def command_options(words: list[str]) -> set[str] | None:
    """All options of `workbench WORDS...`; None where there is no such command."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if not hasattr(command, "commands"):
            break
        if word not in command.commands:
            return None
        command = command.commands[word]
    return {
        option
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    } | {"-h", "--help"}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_blocks_compile_and_their_imports_exist(page: Path) -> None:
    for block in python_blocks(page):
        compile(block, page.name, "exec")
        for module, name in own_imports(block):
            assert hasattr(importlib.import_module(module), name), f"from {module} import {name}"


def all_blocks() -> list[tuple[str, int]]:
    """Page and number of each block of Python that can run here."""
    return [
        (page_id(page), number)
        for page in PAGES
        for number, block in enumerate(python_blocks(page))
        if not block.startswith(NOT_RUN)
    ]


@pytest.mark.parametrize(
    ("page", "number"), [each for each in all_blocks() if each not in {*IN_A_SESSION, *ELSEWHERE}]
)
def test_blocks_run(
    page: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file, which a person's own parts must be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    block = python_blocks(ROOT / page)[number]
    (tmp_path / "block_of_docs.py").write_text(IMPORTED_ABOVE.get(page, "") + block)
    try:
        importlib.import_module("block_of_docs")
    finally:
        sys.modules.pop("block_of_docs", None)


def test_a_block_that_does_not_run_says_why_and_every_exception_is_a_block() -> None:
    reasons = [
        block.splitlines()[0].removeprefix(NOT_RUN)
        for page in PAGES
        for block in python_blocks(page)
        if block.startswith(NOT_RUN)
    ]
    assert all(len(reason) > 10 for reason in reasons)
    assert {*IN_A_SESSION, *ELSEWHERE} - set(all_blocks()) == set()


@pytest.mark.parametrize(
    ("page", "number"),
    [
        (page_id(page), number)
        for page in PAGES
        if "clusters" in page_id(page)
        for number, _ in enumerate(TOML.findall(page.read_text()))
    ],
)
def test_clusters_of_a_page_are_read(
    page: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "clusters.toml"
    block = textwrap.dedent(TOML.findall((ROOT / page).read_text())[number][1])
    file.write_text(block.replace("~/", f"{tmp_path}/"))
    for token in re.findall(r'token_path = "(.*?)"', file.read_text()):
        Path(token).parent.mkdir(parents=True)
        Path(token).write_text("token")
        Path(token).chmod(0o600)
    for name in re.findall(r"^\[(\w+)\]", file.read_text(), re.MULTILINE):
        assert read_cluster(file, name).name == name


def test_experiments_of_the_readme_are_valid() -> None:
    names: dict[str, Any] = {"__name__": "my_experiment"}
    exec(python_blocks(ROOT / "README.md")[0], names)
    assert names["maxout"]().net.activation == "maxout"
    assert names["pictures"]().net.activation == "relu"


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=page_id)
def test_links_and_images_exist(page: Path) -> None:
    targets = [link.split("#")[0] for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_that_a_page_names_exist(page: Path) -> None:
    files = [path.rstrip(".") for path in FILE.findall(page.read_text()) if "NAME" not in path]
    assert [path for path in files if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_modules_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    names = set(MODULE.findall(text)) | set(re.findall(r"python -m (benchmarks\.[a-z_]+)", text))
    missing = []
    for name in sorted(names - NOT_MODULES):
        try:
            resolve(name)
        except (ImportError, AttributeError):
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=page_id)
def test_commands_and_options_of_a_page_exist(page: Path) -> None:
    unknown = []
    for line in COMMAND.findall(page.read_text().replace("\\\n", " ")):
        words = line.split(" # ")[0].split()[1:]
        options = command_options([word for word in words if not word.startswith("-")])
        if options is None or {w.split("=")[0] for w in words if w.startswith("-")} - options:
            unknown.append(line)
    assert unknown == []


def test_messages_that_the_page_of_errors_lists_are_in_the_code() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    files = [path for package in PACKAGES[:3] for path in (ROOT / package).rglob("*.py")]
    # A message goes over several lines of code: its strings are joined as Python joins them.
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text() for path in files))
    assert len(rows) > 15
    assert [row for row in rows if row not in code] == []


def test_exit_codes_of_the_page_of_errors_are_those_of_the_classes() -> None:
    page = (ROOT / "docs/errors.md").read_text().split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \|(.*)$", page, re.MULTILINE)
    listed = {name: int(code) for code, cells in rows for name in re.findall(r"`(\w+)`", cells)}
    codes = {
        name: exit_code(kind.__new__(kind))
        for package in PACKAGES[:3]
        for name, kind in vars(importlib.import_module(f"{package}.errors")).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }
    assert listed == {name: codes[name] for name in listed}
    assert {int(code) for code, _ in rows} == {*codes.values(), INTERRUPTED}
