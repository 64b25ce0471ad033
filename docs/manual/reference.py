"""Writes the reference from the code: settings, commands, and what may be imported."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

FACES = {
    "workbench": "What most programs need",
    "workbench.notebook": "Results, runs and figures",
    "workbench.data.sources": "Where data comes from",
    "workbench.ml": "Estimators of Spark ML",
    "workbench.scoring": "A trained net over a DataFrame",
    "nets": "Nets, in PyTorch alone",
    "nets.inside": "Inside a trained net",
    "tracking": "Runs in MLflow",
}
_WIDE = 88
"""Characters of a call on one line, at most."""


@functools.cache
def pages() -> dict[str, str]:
    """Name to Markdown."""
    import messages

    pages = {"settings": settings(), "commands": commands(), "api": api()}
    return {**pages, "messages": messages.page()}


def settings() -> str:
    """Every setting of an experiment: its path, type, default and meaning."""
    from workbench.experiments.experiment import Experiment

    lines = [
        "# Settings",
        "",
        "An experiment is a tree of settings. The path is the same for `--set`, for a sweep's space,",
        "for `settings=` in Python and for the parameters of a run. Where a part has a `kind`, each",
        "kind has settings of its own.",
        "",
    ]
    for path, kind in _configs(Experiment, ""):
        lines += [f"## {path or 'experiment'}: {kind.__name__}", "", _docstring(kind), ""]
        lines += ["| setting | default | meaning |", "|---|---|---|"]
        for field in dataclasses.fields(kind):
            meaning = kind.__pydantic_fields__[field.name].description or ""
            name = f"{path}.{field.name}".lstrip(".")
            lines.append(f"| `{name}` | {_default(field)} | {_cell(meaning)} |")
        lines.append("")
    return "\n".join(lines)


def _configs(kind: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every configuration class below one, with the path it is at; once each."""
    yield path, kind
    for name, annotation in inspect.get_annotations(kind, eval_str=True).items():
        for part in _classes(annotation):
            yield from _configs(part, f"{path}.{name}".lstrip("."))


def _classes(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        yield annotation
    for part in get_args(annotation):
        yield from _classes(part)


def _default(field: dataclasses.Field[Any]) -> str:
    default = field.default
    default = getattr(default, "default", default)
    if dataclasses.is_dataclass(default):
        return f"{type(default).__name__}"
    if default is dataclasses.MISSING or repr(default) == "PydanticUndefined":
        return "" if field.default_factory is not dataclasses.MISSING else "needed"
    return f"`{_cell(repr(default))}`"


def commands() -> str:
    """Every command with its options, from the command line itself."""
    import typer

    from workbench.cli import app

    lines = ["# Commands", ""]
    for name, command in _commands(typer.main.get_command(app), "workbench"):
        lines += [f"## {name}", "", textwrap.dedent(command.help or "").strip(), ""]
        rows = [p for p in command.params if not getattr(p, "hidden", False)]
        if rows:
            lines += ["| option | meaning |", "|---|---|"]
        for part in rows:
            names = ", ".join(f"`{o}`" for o in (*part.opts, *part.secondary_opts))
            lines.append(f"| {names} | {_cell(getattr(part, 'help', '') or '')} |")
        lines.append("")
    return "\n".join(lines)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if not children or command.help:
        yield name, command
    for child, each in children.items():
        if not each.hidden:
            yield from _commands(each, f"{name} {child}")


def api() -> str:
    """The faces of the packages: what a program may import."""
    lines = [
        "# Python",
        "",
        "What a program may import. Everything else may change without a note.",
        "",
    ]
    for module, title in FACES.items():
        face = importlib.import_module(module)
        lines += [f"## {module}", "", f"{title}. {_docstring(face)}", ""]
        for name in sorted(_public(face), key=str.lower):
            lines += _describe(module, name, getattr(face, name))
    return "\n".join(lines)


def _public(face: Any) -> list[str]:
    return [name for name in face.__all__ if not name.startswith("_")]


def _describe(module: str, name: str, thing: Any) -> list[str]:
    if not callable(thing) or not inspect.getmodule(thing):
        return []
    lines = [f"### {module}.{name}", "", "```python", f"{_signature(name, thing)}", "```", ""]
    lines += [_docstring(thing), ""]
    if not inspect.isclass(thing) or issubclass(thing, Exception):
        return lines
    for field, meaning in _attributes(thing):
        lines.append(f"- `{field}`: {meaning}")
    lines.append("")
    for method, function in vars(thing).items():
        inner = getattr(function, "func", getattr(function, "fget", function))
        if method.startswith("_") or not inspect.isfunction(inner) or not inner.__doc__:
            continue
        call = method if inner is not function else _signature(method, inner)
        lines += [f"#### {name}.{method}", "", "```python", call, "```", ""]
        lines += [_docstring(inner), ""]
    return lines


def _signature(name: str, thing: Any) -> str:
    """A call, with a line for each argument where it is long."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    shown = [each for each in signature.parameters.values() if each.name != "self"]
    signature = signature.replace(parameters=[_shorten(each) for each in shown])
    text = _tidy(str(signature))
    if len(text) < _WIDE:
        return f"{name}{text}"
    plain = signature.replace(return_annotation=inspect.Signature.empty)
    arguments = [_tidy(str(each)) for each in plain.parameters.values()]
    kinds = [each.kind for each in plain.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        arguments.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return f"{name}(\n{lines}){_tidy(text[text.rindex(')') + 1 :])}"


class _Made:
    """Stands for a configuration with its defaults."""

    def __init__(self, value: Any) -> None:
        self.name = type(value).__name__

    def __repr__(self) -> str:
        return f"{self.name}(...)"


def _shorten(parameter: inspect.Parameter) -> inspect.Parameter:
    """A default that is a configuration, by its name: the page of settings has what is in it."""
    if not dataclasses.is_dataclass(parameter.default):
        return parameter
    return parameter.replace(default=_Made(parameter.default))


def _tidy(text: str) -> str:
    """A signature without the quotes of its annotations and the addresses of its defaults."""
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)
    text = re.sub(r'(: |-> )"([^"]*)"', r"\1\2", text)
    return re.sub(r"<(?:class |function )?'?([\w.]+)'?(?: object)?(?: at 0x\w+)?>", r"\1", text)


def _docstring(thing: Any) -> str:
    """A docstring as Markdown: its sections become lists."""
    text = inspect.getdoc(thing) or ""
    lines = []
    for line in text.splitlines():
        if re.fullmatch(r"(Args|Raises|Returns|Yields)( \([^)]*\))?:", line):
            lines += ["", f"*{line}*", ""]
        elif match := re.match(r"    ([\w*, ]+): (.*)", line):
            lines.append(f"- `{match[1]}`: {match[2]}")
        else:
            lines.append(line.strip() if line.startswith("     ") else line.removeprefix("    "))
    return "\n".join(lines)


def _attributes(kind: type) -> Iterator[tuple[str, str]]:
    """Fields with the texts below them in the source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except (OSError, TypeError):
        return
    assert isinstance(tree, ast.ClassDef)
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            yield field.target.id, _cell(str(text.value.value))


def _cell(text: str) -> str:
    """Text for one line of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    for page, content in pages().items():
        Path(f"{page}.md").write_text(content)
