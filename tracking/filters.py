"""Filters of runs: words and conditions as a person types them, and MLflow's syntax.

    failed or stopped
    digits_cnn maxout
    accuracy > 0.9 and lr < 1e-3
    metrics.`validation/accuracy` > 0.9 and params.`net.activation` = 'relu'

A word is searched in the name, the experiment, the note, the tags and the values of parameters.
A word that is a status, as the table shows it, asks for that status; in quotes it is text.
`and` (or nothing) binds closer than `or`; `not` and brackets work as usual.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tracking.errors import QueryError
from tracking.run import NOTE

STOPPED = "workbench.stopped"
"""The tag of trials that their sweep stopped early."""
TEXT_COMPARATORS = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
NUMBER_COMPARATORS = ("=", "!=", ">", ">=", "<", "<=")
NULL_COMPARATORS = ("IS NULL", "IS NOT NULL")
NUMBER = re.compile(r"[+-]?(\d{1,20}\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
"""A text that Python and every database read as the same number."""


@dataclass(frozen=True)
class Word:
    """Text that a run contains: in its name, experiment, note, tags or values of parameters."""

    text: str


@dataclass(frozen=True)
class Compare:
    """One comparison. `kind`: attribute, metric, parameter, tag; empty: still to be found."""

    kind: str
    key: str
    comparator: str
    value: str | float | tuple[str, ...] | None = None


@dataclass(frozen=True)
class Not:
    part: Node


@dataclass(frozen=True)
class All:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Some:
    """At least one of its parts."""

    parts: tuple[Node, ...]


Node = Word | Compare | Not | All | Some

_EARLY = All(
    (Compare("attribute", "status", "=", "FINISHED"), Compare("tag", STOPPED, "IS NOT NULL"))
)
STATES: dict[str, Node] = {
    "running": Compare("attribute", "status", "=", "RUNNING"),
    "scheduled": Compare("attribute", "status", "=", "SCHEDULED"),
    "failed": Compare("attribute", "status", "=", "FAILED"),
    "killed": Compare("attribute", "status", "=", "KILLED"),
    "finished": All(
        (Compare("attribute", "status", "=", "FINISHED"), Compare("tag", STOPPED, "IS NULL"))
    ),
    "stopped": Some((Compare("attribute", "status", "=", "KILLED"), _EARLY)),
    "stopped early": _EARLY,
}
"""A status as the pages show it, and what it asks for."""
_MLFLOW_STATES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
_KINDS = {
    "metric": ("metric", "metrics"),
    "parameter": ("param", "params", "parameter", "parameters"),
    "tag": ("tag", "tags"),
    "attribute": ("attribute", "attributes", "attr", "run"),
}
KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}
ATTRIBUTE_OF = {
    "run name": "run_name",
    "run_name": "run_name",
    "name": "run_name",
    "run_id": "run_id",
    "id": "run_id",
    "status": "status",
    "start_time": "start_time",
    "created": "start_time",
    "end_time": "end_time",
    "artifact_uri": "artifact_uri",
    "user_id": "user_id",
    "experiment": "experiment",
}
"""Attributes by every name they have; MLflow has no `experiment`."""
TAG_OF = {"note": NOTE, "kind": "workbench.kind"}
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<comparator>>=|<=|!=|<>|==|=|>|<)
    |(?P<mark>[(),])
    |(?P<prefix>[\w]+\.)?(?P<quote>['"`])(?P<quoted>.*?)(?P=quote)
    |(?P<word>[^\s()<>=!,'"`]+)
    )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class _Token:
    text: str
    kind: str
    """comparator, mark, word, or the quote around it."""
    prefix: str = ""

    def says(self, *words: str) -> bool:
        return self.kind == "word" and self.text.lower() in words


def parse(text: str) -> Node:
    """A filter as a tree; an empty one is `All(())`. Names may still have no kind.

    Raises:
        QueryError: it is neither words and conditions nor MLflow's syntax.
    """
    return _Parser(list(_tokens(text))).whole()


def refuse(reason: str) -> QueryError:
    """The error of a filter that means nothing."""
    return QueryError(
        f"The store does not understand this filter: {reason} Write words, a status such as failed, "
        "or conditions such as accuracy > 0.9 and lr < 1e-3, joined by and, or, not."
    )


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:].strip()
            why = "a quote is not closed at" if rest[0] in "'\"`" else "it cannot be read from"
            raise refuse(f"{why} {rest[:40]!r}.")
        at = match.end()
        if match["quote"]:
            yield _Token(match["quoted"], match["quote"], (match["prefix"] or "").rstrip("."))
        elif match["comparator"]:
            yield _Token(
                {"==": "=", "<>": "!="}.get(match[0].strip(), match[0].strip()), "comparator"
            )
        else:
            yield _Token(match[0].strip(), "mark" if match["mark"] else "word")


class _Number(float):
    """A number without quotes, and how it was typed."""

    def __init__(self, text: str) -> None:
        self.text = text


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens, self.at = tokens, 0

    def whole(self) -> Node:
        if not self.tokens:
            return All(())
        node = self._either()
        if (rest := self._peek()) is not None:
            raise refuse(f"{rest.text!r} is one too many.")
        return node

    def _peek(self, ahead: int = 0) -> _Token | None:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else None

    def _says(self, *words: str, ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token is not None and token.says(*words)

    def _is_mark(self, text: str, ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token is not None and token.kind == "mark" and token.text == text

    def _either(self) -> Node:
        parts = [self._both()]
        while self._says("or"):
            self.at += 1
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _both(self) -> Node:
        parts = [self._one()]
        while (token := self._peek()) is not None:
            if self._says("and"):
                self.at += 1
            elif token.says("or") or self._is_mark(")"):
                break
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self) -> Node:
        token = self._peek()
        if token is None:
            raise refuse("it ends where a word or a condition is due.")
        if token.says("not"):
            self.at += 1
            return Not(self._one())
        if self._is_mark("("):
            self.at += 1
            inside = self._either()
            if not self._is_mark(")"):
                raise refuse("a bracket is not closed.")
            self.at += 1
            return inside
        if token.kind in ("mark", "comparator") or token.says("and", "or"):
            raise refuse(f"a name or a word is due before {token.text!r}.")
        self.at += 1
        comparator = self._comparator()
        if comparator:
            return _comparison(token, comparator, self._value(comparator))
        return self._word(token)

    def _word(self, token: _Token) -> Node:
        kind, key = _split(token)
        if kind or token.kind == "`":
            raise refuse(f"{key!r} is compared with nothing.")
        if token.kind != "word":
            return Word(token.text)
        state = token.text.lower()
        if state == "stopped" and self._says("early"):
            self.at += 1
            state = "stopped early"
        return STATES.get(state, Word(token.text))

    def _comparator(self) -> str:
        token = self._peek()
        if token is None:
            return ""
        if token.kind == "comparator":
            self.at += 1
            return token.text
        after = self._peek(1)
        length, comparator = 0, ""
        if token.says("like", "ilike") and after is not None and after.kind in "'\"":
            length, comparator = 1, token.text.upper()
        elif token.says("in") and self._is_mark("(", 1):
            length, comparator = 1, "IN"
        elif token.says("not") and self._says("in", ahead=1) and self._is_mark("(", 2):
            length, comparator = 2, "NOT IN"
        elif token.says("is") and self._says("null", ahead=1):
            length, comparator = 2, "IS NULL"
        elif token.says("is") and self._says("not", ahead=1) and self._says("null", ahead=2):
            length, comparator = 3, "IS NOT NULL"
        self.at += length
        return comparator

    def _value(self, comparator: str) -> str | float | tuple[str, ...] | None:
        if comparator in NULL_COMPARATORS:
            return None
        if comparator in ("IN", "NOT IN"):
            return self._list()
        token = self._peek()
        if token is None or token.kind in ("mark", "comparator"):
            raise refuse(f"a value is due after {comparator}.")
        self.at += 1
        number = token.kind == "word" and NUMBER.fullmatch(token.text)
        return _Number(token.text) if number else token.text

    def _list(self) -> tuple[str, ...]:
        values = []
        self.at += 1
        while not self._is_mark(")"):
            token = self._peek()
            if token is None:
                raise refuse("a bracket is not closed.")
            if token.kind != "mark":
                values.append(token.text)
            self.at += 1
        self.at += 1
        if not values:
            raise refuse("a list of values is empty.")
        return tuple(values)


def _split(token: _Token) -> tuple[str, str]:
    """The kind that a name says itself, and the key."""
    if token.prefix:
        if token.prefix.lower() not in KIND_OF:
            raise refuse(f"{token.prefix!r} is none of metrics, params, tags, attributes.")
        return KIND_OF[token.prefix.lower()], token.text
    if token.kind == "word":
        first, dot, rest = token.text.partition(".")
        if dot and rest and first.lower() in KIND_OF:
            return KIND_OF[first.lower()], rest
    return "", token.text


def _comparison(
    token: _Token, comparator: str, value: str | float | tuple[str, ...] | None
) -> Node:
    kind, key = _split(token)
    if not kind and token.kind != "`":
        if key.lower() in ATTRIBUTE_OF:
            kind = "attribute"
        elif key.lower() in TAG_OF:
            kind, key = "tag", TAG_OF[key.lower()]
    if kind == "attribute":
        return _attribute(key, comparator, value)
    return (
        check(Compare(kind, key, comparator, value))
        if kind
        else Compare("", key, comparator, value)
    )


def _attribute(key: str, comparator: str, value: str | float | tuple[str, ...] | None) -> Node:
    if key.lower() not in ATTRIBUTE_OF:
        raise refuse(f"a run has no attribute {key!r}.")
    key = ATTRIBUTE_OF[key.lower()]
    if key == "status" and comparator in ("=", "!=") and value not in _MLFLOW_STATES:
        state = STATES.get(str(value).lower())
        if state is None:
            raise refuse(f"{value!r} is no status; there are {', '.join(STATES)}.")
        return state if comparator == "=" else Not(state)
    return check(Compare("attribute", key, comparator, value))


def check(node: Compare) -> Compare:
    """A comparison with a kind, its value as the comparison takes it.

    Raises:
        QueryError: the comparison has no meaning for this kind.
    """
    name, comparator, value = f"{node.kind} {node.key!r}", node.comparator, node.value
    numeric = node.kind == "metric" or node.key in ("start_time", "end_time")
    if comparator in NULL_COMPARATORS:
        if node.kind == "attribute":
            raise refuse(f"every run has the {name}.")
        return node
    if numeric:
        number = _read_number(value)
        if comparator not in NUMBER_COMPARATORS or number is None:
            raise refuse(f"the {name} is compared with a number, got {comparator} {value!r}.")
        return Compare(node.kind, node.key, comparator, number)
    if comparator in TEXT_COMPARATORS:
        if isinstance(value, _Number) and node.kind != "parameter":
            value = value.text
        return Compare(node.kind, node.key, comparator, value)
    number = _read_number(value)
    if node.kind != "parameter" or number is None:
        raise refuse(f"the {name} is text, and {comparator} compares numbers, got {value!r}.")
    return Compare(node.kind, node.key, comparator, number)


def _read_number(value: str | float | tuple[str, ...] | None) -> float | None:
    if isinstance(value, float):
        return value
    return float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else None
