"""Pictures or sounds in tar and zip archives, read where they lie: WebDataset's shards, or folders of classes."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame
from workbench.data.class_order import natural_order
from workbench.data.listing import Folder, describe_ignored, kind_of_leftover
from workbench.data.size import Size
from workbench.data.sources.archives import Member, list_archives, list_members, read_member
from workbench.data.sources.paths import find_path
from workbench.data.sources.picture_files import PictureFile, read_pictures
from workbench.data.sources.picture_layout import FileKind, find_layout
from workbench.data.split_names import find_splits
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CLASSES = ("cls", "json", "txt", "cls.txt", "label.txt")
"""Endings of a sample's class, in the order in which they are tried."""
_KEYS = ("label", "cls", "class", "class_name", "category")
"""Keys of a sample's class in JSON."""


class Archive(Protocol):
    """The settings that such sources share."""

    @property
    def path(self) -> str: ...
    @property
    def label(self) -> str | None: ...
    @property
    def classes(self) -> tuple[str, ...] | None: ...
    @property
    def spec(self) -> TensorSpec: ...


@dataclass
class _Sample:
    """The members of one sample, by ending."""

    tar: Path
    key: str
    members: dict[str, Member] = field(default_factory=dict)


def read_archives(
    source: Archive, kind: FileKind, content: str | None, spark: SparkSession
) -> CanonicalFrame:
    """The samples of archives as samples of `source.spec`; classes in natural order, or as
    `source.classes` names them.

    Args:
        content: ending of a sample's picture or sound; None: the first one of the kind.

    Raises:
        DataError: there is no archive, it is damaged or compressed, or its samples have no classes.
    """
    files, labels, decided = _list_files(source, kind, content)
    canonical = read_pictures(spark, files, source.spec, labels)
    return replace(canonical, decided=tuple(f"{text}." for text in decided))


def count_archived(source: Archive, kind: FileKind, content: str | None) -> Size:
    """Samples and classes, from the archives' headers.

    Raises:
        DataError: as `read_archives` does.
    """
    files, labels, _ = _list_files(source, kind, content)
    return Size(rows=len(files), spec=source.spec, num_outputs=max(2, len(labels)))


def _list_files(
    source: Archive, kind: FileKind, content: str | None
) -> tuple[list[PictureFile], tuple[str, ...], list[str]]:
    what = f"a tar or zip archive of {kind.noun}, or a folder of such archives"
    root = find_path(source.path, what)
    tars = [root] if root.is_file() else list_archives(root)
    if not tars:
        raise DataError(f"data.source.path must be {what}, and {root} holds no *.tar and no *.zip.")
    ignored: Counter[str] = Counter()
    samples = [sample for tar in tars for sample in _read_tar(tar, ignored)]
    files, labels, decided = _find_classes(source, root, tars, samples, kind, content)
    if ignored:
        decided.append(f"Ignored: {describe_ignored(ignored)}")
    return files, labels, decided


def _find_classes(
    source: Archive,
    root: Path,
    tars: list[Path],
    samples: list[_Sample],
    kind: FileKind,
    content: str | None,
) -> tuple[list[PictureFile], tuple[str, ...], list[str]]:
    """The samples with their classes, by files beside them or by folders; and what was decided."""
    label = source.label or _find_label(samples, kind)
    if label is None:
        # Shards whose samples have files of other endings have a class there, which is not known yet.
        shards = len(tars) > 1 and any(
            not _is_of(ending, kind) for s in samples if len(s.members) > 1 for ending in s.members
        )
        if not shards and (listed := _read_folders(root, tars, samples, kind)) is not None:
            return listed
        raise DataError(
            f"{root} holds neither WebDataset's samples with a class (000.jpg, 000.cls) nor folders of "
            f"{kind.noun} by class. Its files end with "
            f"{', '.join(sorted({e for s in samples[:100] for e in s.members})) or 'nothing'}: name the "
            "class's with --set data.source.label=ENDING."
        )
    return _read_samples(source, root, tars, samples, label, kind, content)


def _read_tar(tar: Path, ignored: Counter[str]) -> list[_Sample]:
    """Samples by their names up to the first dot, in order; what systems leave is ignored and counted."""
    samples: dict[str, _Sample] = {}
    for path, member in list_members(tar):
        folder, _, name = path.removeprefix("./").rpartition("/")
        above = [part for part in folder.split("/") if part not in ("", ".", "..")]
        places = [(part, "/") for part in above] + [(name, "")]
        kinds = [kind + end for part, end in places if (kind := kind_of_leftover(part))]
        if kinds:
            ignored[kinds[0]] += 1
            continue
        stem, _, ending = name.partition(".")
        key = f"{folder}/{stem}" if folder else stem
        samples.setdefault(key, _Sample(tar, key)).members[ending.lower()] = member
    return list(samples.values())


def _find_label(samples: list[_Sample], kind: FileKind) -> str | None:
    """The ending of the class: that which most of the first samples of the kind have."""
    some = [sample for sample in samples[:1000] if _find_content(sample, None, kind)]
    for ending in _CLASSES:
        if sum(ending in sample.members for sample in some) * 2 > len(some):
            if ending != "json":
                return ending
            keys = _read_json(some[0])
            for key in _KEYS:
                if key in keys:
                    return f"json.{key}"
    return None


def _find_content(sample: _Sample, setting: str | None, kind: FileKind) -> str | None:
    """The ending of a sample's picture or sound."""
    if setting is not None:
        return setting if setting in sample.members else None
    return next((e for e in sample.members if _is_of(e, kind)), None)


def _is_of(ending: str, kind: FileKind) -> bool:
    return f".{ending.rpartition('.')[2]}" in kind.endings


def _read_member(sample: _Sample, ending: str) -> bytes:
    try:
        return read_member(sample.tar, sample.members[ending])
    except zlib.error as error:
        raise DataError(
            f"{sample.key}.{ending} in {sample.tar} is damaged: {error}. Copy or make the archive again."
        ) from error


def _read_json(sample: _Sample) -> dict[str, Any]:
    try:
        value = json.loads(_read_member(sample, "json")) if "json" in sample.members else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _read_samples(
    source: Archive,
    root: Path,
    tars: list[Path],
    samples: list[_Sample],
    label: str,
    kind: FileKind,
    content: str | None,
) -> tuple[list[PictureFile], tuple[str, ...], list[str]]:
    names = {tar: tar.name if root.is_file() else str(tar.relative_to(root)) for tar in tars}
    splits = find_splits(names.values())
    endings = [_find_content(sample, content, kind) for sample in samples]
    texts = [_read_class(sample, label, source.classes) for sample in samples]
    labels = source.classes or natural_order(
        text for text, ending in zip(texts, endings, strict=True) if text and ending
    )
    index = {name: i for i, name in enumerate(labels)}
    files = []
    noun = kind.noun.removesuffix("s")
    for sample, ending, text in zip(samples, endings, texts, strict=True):
        member = sample.members[ending] if ending else Member(0, 0)
        problem = None if text in index else f"no class is in its {label}: {text!r}"
        name = names[sample.tar]
        split = splits.get(name)
        files.append(
            PictureFile(
                path=str(sample.tar),
                key=f"{name}/{sample.key}",
                label=index.get(text, 0),
                split=None if split == "train" else split,
                size=member.size,
                offset=member.offset,
                deflated=member.deflated,
                problem=problem if ending else f"the sample has no {noun}",
            )
        )
    decided = [f"Classes are each sample's {label}"]
    if several := sum(sum(_is_of(e, kind) for e in sample.members) > 1 for sample in samples):
        chosen = content or f"the first, as {endings[0]}"
        decided.append(f"{several} samples have several {kind.noun}; read is {chosen}")
    if splits:
        decided += [f"{name} is the {split} split" for name, split in splits.items()]
        if rest := [name for name in names.values() if name not in splits]:
            left_out = {str(tar) for tar, name in names.items() if name in rest}
            files = [file for file in files if file.path not in left_out]
            decided.append(f"Left out: {', '.join(rest)}, whose names say no split")
    return files, labels, decided


def _read_class(sample: _Sample, label: str, classes: tuple[str, ...] | None) -> str:
    """The class as text, by name where it is a number and names are known; empty where there is none."""
    kind, _, key = label.partition(".")
    if kind == "json":
        value = _read_json(sample).get(key)
        text = "" if value is None else str(value)
    elif label in sample.members:
        text = _read_member(sample, label).decode("utf-8", "replace").strip()
    else:
        return ""
    if classes and text.isdecimal() and text not in classes:
        return classes[int(text)] if int(text) < len(classes) else text
    return text


def _read_folders(
    root: Path, tars: list[Path], samples: list[_Sample], kind: FileKind
) -> tuple[list[PictureFile], tuple[str, ...], list[str]] | None:
    """Files of archives of class folders; several archives are folders themselves: splits, as train.zip
    and test.zip, or classes. None: there are no such folders."""
    top, places = Folder(root.name), {}
    for sample in samples:
        first = [] if len(tars) == 1 else [*sample.tar.relative_to(root).with_suffix("").parts]
        for ending, member in sample.members.items():
            inner = f"{sample.key}.{ending}" if ending else sample.key
            *folders, name = path = [*first, *inner.split("/")]
            folder = top
            for each in folders:
                folder = folder.folders.setdefault(each, Folder(each))
            folder.files[name], places["/".join(path)] = member.size, (sample.tar, member)
    layout = find_layout(top, kind=kind)
    if layout is None or not layout.pictures:
        return None
    if len(layout.labels) < 2 and any(e in ("csv", "tsv") for s in samples for e in s.members):
        layout.decided.append(
            "Tables in archives are not read: if one names the classes, unpack the archive and name the folder"
        )
    index = {name: i for i, name in enumerate(layout.labels)}
    files = []
    for found in layout.pictures:
        tar, member = places[found.path]
        files.append(
            PictureFile(
                path=str(tar),
                key=found.path,
                label=index[found.label],
                split=None if found.split == "train" else found.split,
                size=member.size,
                offset=member.offset,
                deflated=member.deflated,
            )
        )
    return files, layout.labels, layout.decided
