"""Every option of every command acts, or is refused beside one that keeps it from acting.

The commands' own code is read: an option that is looked at only where another one has some value
depends on that one. Each such pair is named here, with the command line that is refused, or with how
the option acts all the same. A new pair fails until it is named.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from workbench.cli.commands import app

ROOT = typer.main.get_command(app)

ACTS = {
    # Where no job is named, `--cancel` and `--now` are refused; where they are given, they act.
    ("jobs", "now", "job"): "refused without a job, below",
    ("jobs", "cancel", "job"): "refused without a job, below",
    ("jobs", "json", "job"): "the list is printed as JSON too",
    ("experiments", "json", "name"): "the list is printed as JSON too",
    ("data download", "json", "name"): "the list is printed as JSON too",
    ("data list", "json", "storage"): "the list is printed as JSON too",
    ("data labels", "top", "json"): "the JSON and the table have this many",
}
"""(command, option, what it depends on): how it acts in the other case."""

REFUSED = (
    (["jobs", "--cancel"], "Say which job"),
    (["jobs", "--now"], "Say which job"),
    (["train", "digits_cnn", "--save", "x.py"], "--save belongs to a path of data"),
    (["sweep", "digits_cnn", "--save", "x.py"], "--save belongs to a path of data"),
    (["lr-find", "digits_cnn", "--set", "training.epochs=3"], "would change nothing"),
    (["lr-find", "digits_cnn", "--set", "sweep.num_trials=3"], "would change nothing"),
    (["train", "digits_cnn", "--epochs", "2", "--set", "training.epochs=3"], "overrules --epochs"),
    (["train", "digits_cnn", "--seed", "2", "--set", "training.seed=3"], "overrules --seed"),
    (["sweep", "digits_cnn", "--trials", "2", "--set", "sweep.num_trials=3"], "overrules --trials"),
    (["sweep", "digits_cnn", "--search", "grid", "--set", "sweep.search=grid"], "--search"),
    (["sweep", "digits_cnn", "--scheduler", "none", "--set", "sweep.scheduler=none"], "overrules"),
    (["sweep", "digits_cnn", "--repeats", "2", "--set", "sweep.repeats=2"], "overrules --repeats"),
    (["sweep", "digits_cnn", "--bound", "3m", "--set", "sweep.max_minutes=3"], "overrules --bound"),
    (["sweep", "digits_cnn", "--metric", "loss", "--set", "sweep.mode=max"], "overrules --metric"),
    (["sweep", "digits_cnn", "--bound", "soon"], "takes a time such as"),
    (["sweep", "digits_cnn", "--metric", "loss:low"], "takes NAME, NAME:max or NAME:min"),
    (["score", "x", "-i", "a", "-o", "b", "--once"], "--once belongs to --stream"),
    (["score", "x", "-i", "a", "-o", "b", "--checkpoint", "c"], "need each other"),
    (["score", "x", "-i", "a", "-o", "b", "--stream"], "need each other"),
    (["score", "x", "-i", "a", "-o", "b", "--files-per-batch", "3"], "belongs to --stream"),
    (
        ["score", "x", "-i", "a", "-o", "b", "--stream", "--checkpoint", "c", "--overwrite"],
        "cannot be used with --stream",
    ),
    (["score", "x", "-i", "a", "-o", "b", "--master", "m", "--cluster", "c"], "use one of them"),
    (["up", "--set", "net.activation=elu"], "settings of cluster only"),
    (["up", "digits_cnn", "--set", "net.activation=elu"], "settings of cluster only"),
    (["data", "describe", "digits_cnn", "--set", "training.epochs=3"], "describes data"),
)
"""Command lines with an option that could not act, and the message."""


def commands() -> Iterator[tuple[str, object]]:
    """Each command with its path, such as "data list"."""

    def walk(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, object]]:
        below = getattr(command, "commands", None)
        if below is None:
            yield " ".join(path), command
            return
        for name, one in below.items():
            yield from walk(one, (*path, name))

    return walk(ROOT, ())


COMMANDS = dict(commands())


def read_function(command: object) -> ast.FunctionDef:
    callback = inspect.unwrap(command.callback)  # type: ignore[attr-defined]
    tree = ast.parse(textwrap.dedent(inspect.getsource(callback)))
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return function


def names_in(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def loads(function: ast.FunctionDef, options: set[str]) -> dict[str, list[set[str]]]:
    """For each option, the other options that each look at it depends on."""
    seen: dict[str, list[set[str]]] = {name: [] for name in options}

    def look(node: ast.AST, under: set[str]) -> None:
        if isinstance(node, ast.Name) and node.id in options:
            seen[node.id].append(under - {node.id})
        if isinstance(node, ast.If | ast.IfExp):
            look(node.test, under)
            inside = under | (names_in(node.test) & options)
            for part in (node.body, node.orelse):
                block(part if isinstance(part, list) else [part], inside)
        elif isinstance(node, ast.With):
            for item in node.items:
                look(item, under)
            block(node.body, under)
        else:
            for child in ast.iter_child_nodes(node):
                look(child, under)

    def block(nodes: list[ast.stmt] | list[ast.expr], under: set[str]) -> None:
        for node in nodes:
            look(node, under)
            # What follows `if option: return` depends on the option too.
            if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Return):
                under = under | (names_in(node.test) & options)

    block(function.body, set())
    return seen


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_looked_at(path: str) -> None:
    command = COMMANDS[path]
    options = {p.name for p in command.params if p.callback is None}  # type: ignore[attr-defined]
    unused = [name for name, seen in loads(read_function(command), options).items() if not seen]
    assert not unused, f"{path}: nothing reads {unused}"


@pytest.mark.parametrize("path", COMMANDS)
def test_what_an_option_depends_on_is_named(path: str) -> None:
    command = COMMANDS[path]
    options = {p.name for p in command.params if p.callback is None}  # type: ignore[attr-defined]
    for name, places in loads(read_function(command), options).items():
        if not places or set() in places:
            continue
        for other in set.intersection(*places):
            assert (path, name, other) in ACTS, (
                f"{path}: {name} is looked at only where {other} has some value. Refuse it in the "
                "other case, and add the command line to REFUSED; or name how it acts in ACTS."
            )


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=lambda x: str(x)[:50])
def test_an_option_that_could_not_act_is_refused(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    reply = CliRunner().invoke(app, arguments)
    if isinstance(reply.exception, ValueError):  # ours, which the program prints as one sentence
        assert message in str(reply.exception)
        return
    assert reply.exit_code == 2, reply.output
    assert message in " ".join(reply.output.replace("│", " ").split())
