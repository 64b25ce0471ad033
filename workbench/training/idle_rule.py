"""What the rules about settings that change nothing need to know of an experiment."""

from __future__ import annotations

from typing import Any

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
