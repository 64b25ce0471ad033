"""docs/environment.md has every environment variable that the code reads or sets."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/environment.md").read_text()
FIRST_CELLS = re.findall(r"^\|([^|]*)\|", PAGE, re.MULTILINE)
LISTED = {name for cell in FIRST_CELLS for name in re.findall(r"`(\w+)`", cell)}
FOLDERS = ("nets", "tracking", "workbench", "benchmarks", "tests")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
FILES.remove(Path(__file__))
METHODS = ("get", "setdefault", "pop", "getenv", "setenv", "delenv")


def is_environment(node: ast.expr) -> bool:
    """Whether an expression is `os`, `os.environ`, or pytest's `monkeypatch`."""
    return ast.unparse(node) in ("os", "os.environ", "monkeypatch")


def variable_names(source: str) -> set[str]:
    """Names of variables that a file reads or sets, and all texts that look like one of ours."""
    tree = ast.parse(source)
    constants = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    keys: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_environment(node.value):
            keys.append(node.slice)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in METHODS and is_environment(node.func.value) and node.args:
                keys.append(node.args[0])
        elif isinstance(node, ast.BinOp) and is_environment(node.left):
            keys += node.right.keys if isinstance(node.right, ast.Dict) else []
        elif isinstance(node, ast.Dict) and any(
            key is None and is_environment(value)
            for key, value in zip(node.keys, node.values, strict=True)
        ):
            keys += node.keys
        elif isinstance(node, ast.Constant) and re.fullmatch(r"WORKBENCH_[A-Z_]+", str(node.value)):
            keys.append(node)
    names = [constants.get(key.id) if isinstance(key, ast.Name) else key for key in keys]
    texts = [name.value if isinstance(name, ast.Constant) else name for name in names]
    return {text for text in texts if isinstance(text, str)}


def test_every_variable_is_on_the_page() -> None:
    files = {str(path.relative_to(ROOT)): variable_names(path.read_text()) for path in FILES}
    unlisted = {file: names - LISTED for file, names in files.items() if names - LISTED}
    assert unlisted == {}


def test_a_variable_is_recognised_however_it_is_read() -> None:
    source = """
NAMED = "WORKBENCH_A"
os.environ.get(NAMED), os.environ["B"], os.getenv("C", "d"), os.environ.pop("E", None)
env = {**os.environ, "F": "1"}
env = os.environ | {"G": "1"}
"""
    assert variable_names(source) == {"WORKBENCH_A", "B", "C", "E", "F", "G"}


def test_the_page_lists_no_variable_that_is_gone() -> None:
    texts = [path.read_text() for path in [*FILES, ROOT / "Makefile"]]
    gone = {n for n in LISTED if not any(re.search(rf"\b{n}\b", text) for text in texts)}
    assert gone - {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"} == set()
