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


ZOO = {
    "cnn": {"CNN", "CNNConfig", "BlockConfig", "lenet"},
    "resnet": {"ResNet", "ResNetConfig", "fast_resnet"},
    "rnn": {"RNN", "RNNConfig"},
    "sequence_cnn": {"SequenceCNN", "SequenceCNNConfig"},
    "autoencoder": {"Autoencoder", "AutoencoderConfig"},
}
"""`net.kind` to the names of a net that ships."""
KNOW_NETS = [
    *(ROOT / "nets" / f"{kind}.py" for kind in (*ZOO, "net")),
    ROOT / "workbench" / "experiments" / "recipes",
    ROOT / "workbench" / "experiments" / "shipped",
]
"""A net's own module, the one that lists them, and those that choose one for data."""


def find_kinds(tree: ast.AST) -> list[str]:
    """Where a file asks which kind a net is: imports of a net that ships, comparisons with a kind, and
    filters of runs by it."""
    names = set[str]().union(*ZOO.values())
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nets":
            found += [alias.name for alias in node.names if alias.name in names | {*ZOO}]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found += [node.attr] if node.value.id == "nets" and node.attr in names else []
        elif isinstance(node, ast.Compare | ast.MatchValue):
            constants = [c.value for c in ast.walk(node) if isinstance(c, ast.Constant)]
            found += [value for value in constants if value in ZOO]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += re.findall(
                rf"net\.kind\W+(?:in|like)?\W*(?:{'|'.join(ZOO)})\b", node.value, re.I
            )
    return found


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if not {p, *p.parents} & {*KNOW_NETS}],
    ids=module_name,
)
def test_nothing_asks_which_kind_a_net_is(path: Path) -> None:
    """A net of a person's own is treated as one that ships: by what it says of itself."""
    assert find_kinds(ast.parse(path.read_text())) == []


def test_questions_for_a_kind_are_recognised() -> None:
    asked = (
        "from nets.autoencoder import Autoencoder",
        "nets.RNNConfig()",
        "x = net.kind == 'rnn'",
        "x = kind in ('cnn', 'custom')",
        "where = \"finished and params.`net.kind` IN ('rnn', 'custom')\"",
    )
    assert all(find_kinds(ast.parse(code)) for code in asked)
    assert find_kinds(ast.parse("from nets import Net\nx = spec.kind == 'image'")) == []
