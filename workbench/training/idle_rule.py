"""One setting that changes nothing, and what the rules about such settings need to know."""

from __future__ import annotations

from typing import Any, NamedTuple

from workbench.data.sources import (
    CifarArchiveSource,
    DigitsSource,
    IdxSource,
    ImageFolderSource,
    ImageTableSource,
    SeriesSource,
    SoundFolderSource,
    SoundTableSource,
    TableSource,
    TextSource,
    TsFileSource,
)

_KINDS: dict[type, str] = {
    CifarArchiveSource: "image",
    IdxSource: "image",
    ImageFolderSource: "image",
    ImageTableSource: "image",
    SeriesSource: "series",
    SoundFolderSource: "sound",
    SoundTableSource: "sound",
    TableSource: "vector",
    TextSource: "tokens",
    TsFileSource: "series",
}


class Idle(NamedTuple):
    """A setting that changes nothing beside the others, whatever its value."""

    path: str
    """Its path in an experiment."""
    rule: str
    """When it acts, and what is set instead."""
    way_out: str
    """A change with which it acts."""
    also_true: tuple[Any, ...] = ()
    """Values beside the default that say what happens anyway, such as a share of 0."""


def sample_kind(source: Any) -> str | None:
    """`TensorSpec.kind` of a source's rows; None where only reading them shows it."""
    if isinstance(source, DigitsSource):
        return source.layout
    return _KINDS.get(type(source))


def value_of(tree: Any, path: str) -> Any:
    """The value at a dotted path; numbers count the entries of a tuple."""
    for name in path.split("."):
        tree = tree[int(name)] if name.isdigit() else getattr(tree, name)
    return tree


def default_of(tree: Any, path: str) -> Any:
    """The default of the field at a dotted path, in the class that the tree has there."""
    parent, _, name = path.rpartition(".")
    owner: Any = type(value_of(tree, parent))
    return owner.__pydantic_fields__[name].get_default(call_default_factory=True)
