"""Rules of the tree that no linter knows; import directions are contracts in pyproject.toml."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nets", "tracking", "workbench")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
FACES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("__init__.pyi"))]


def module_name(path: Path) -> str:
    """workbench/bridge/__init__.py -> workbench.bridge."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(tree: ast.AST) -> set[str]:
    """Full names of what a file imports, those of names in modules included."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def foreign_privates(importer: str, modules: set[str]) -> list[str]:
    """Those of our private modules (`package._module`) that only their own package may import."""
    foreign = []
    for module in sorted(modules):
        parts = module.split(".")
        if parts[0] not in PACKAGES:
            continue
        for depth, part in enumerate(parts):
            owner = ".".join(parts[:depth])
            if part.startswith("_") and not part.startswith("__") and importer != owner:
                if not importer.startswith(f"{owner}."):
                    foreign.append(module)
                break
    return foreign


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_nobody_imports_private_modules_of_another_package(path: Path) -> None:
    modules = imported_modules(ast.parse(path.read_text()))
    assert foreign_privates(module_name(path), modules) == []


def test_private_modules_are_recognised() -> None:
    modules = {"nets.inside._health", "nets.inside._health.health", "torch._dynamo"}
    assert foreign_privates("nets.inside", modules) == []
    assert foreign_privates("nets.inside._filters", modules) == []
    assert len(foreign_privates("workbench.ui.app", modules)) == 2


@pytest.mark.parametrize("face", FACES, ids=module_name)
def test_no_name_of_a_face_hides_a_module(face: Path) -> None:
    modules = {p.stem for p in face.parent.glob("*.py")} | {
        p.name for p in face.parent.iterdir() if p.is_dir()
    }
    names = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(face.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert names
    assert names & modules == set()


PRIVATE_USES = re.compile(
    r"ray\._|_internal\b|internal_kv|get_internal_block_refs"
    r"|\._(jvm|jsc|gateway|jdf|sc|engine_map|resetUid|dummy)\b|torch\._(?!_)|streamlit\.runtime"
)


@pytest.mark.parametrize(
    "path", [p for p in FILES if not p.stem.endswith("_private")], ids=module_name
)
def test_private_interfaces_of_libraries_are_used_in_their_own_modules_only(path: Path) -> None:
    code = "\n".join(
        line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")
    )
    assert PRIVATE_USES.findall(code) == []
