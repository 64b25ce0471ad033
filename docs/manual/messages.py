"""Writes the index of messages from the code: each place where an error for a person is made."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("nets", "tracking", "workbench")
GROUPS = {
    "ConfigError": ("Settings and options", 2),
    "MemoryFullError": ("Settings and options", 2),
    "BadParameter": ("Settings and options", 2),
    "DataError": ("Data and files of models", 3),
    "ModelFileError": ("Data and files of models", 3),
    "UntrustedCodeError": ("Data and files of models", 3),
    "ClusterError": ("Java, Ray and Spark", 4),
    "TrainingError": ("Trainings", 5),
    "DivergedError": ("Trainings", 5),
    "TrackingError": ("The tracking store", 6),
    "QueryError": ("The tracking store", 6),
    "RunNotFoundError": ("The tracking store", 6),
    "ArtifactError": ("The tracking store", 6),
    "WorkbenchError": ("Other", 1),
}
"""Class to heading and exit code."""
GAP = "…"
_FEWEST = 12
"""Letters of a message without its values, at least: a shorter one is made elsewhere."""


def page() -> str:
    """Every message by what failed, in the order of its first words."""
    lines = [
        "# Messages",
        "",
        f"Every message of an error that the code makes; `{GAP}` stands for a value. Each says the rule,",
        "the value and the way out. [Errors](../docs/errors.md) has the frequent ones with their causes.",
        "",
    ]
    found = sorted(set(messages()))
    for heading, code in dict.fromkeys(GROUPS.values()):
        rows = [(text, where) for text, where, kind in found if GROUPS[kind] == (heading, code)]
        lines += [f"## {heading}", "", f"Exit code {code}.", ""]
        lines += ["| message | made in |", "|---|---|"]
        lines += [f"| {_cell(text)} | `{where}` |" for text, where in rows]
        lines.append("")
    return "\n".join(lines)


def messages() -> Iterator[tuple[str, str, str]]:
    """Text, file and class of each error that is made with a text."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and node.args and _name(node.func) in GROUPS:
                    text = _text(node.args[0])
                    if len(text.replace(GAP, "")) >= _FEWEST:
                        yield text, str(path.relative_to(ROOT)), _name(node.func)


def _name(function: ast.expr) -> str:
    return ast.unparse(function).rpartition(".")[2]


def _text(node: ast.expr) -> str:
    """A text with gaps for its values."""
    match node:
        case ast.Constant(value=str(text)):
            whole = text
        case ast.JoinedStr(values=parts):
            whole = "".join(_text(part) for part in parts)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            whole = _text(left) + _text(right)
        case _:
            return GAP
    return re.sub(f"{GAP}(\\s*{GAP})+", GAP, whole)


def _cell(text: str) -> str:
    plain = " ".join(text.split()).replace("|", "\\|")
    # Markdown would read these as its own.
    return re.sub(r"([\\`*_<\[\]#$])", r"\\\1", plain) if "\\|" not in plain else f"`{plain}`"
