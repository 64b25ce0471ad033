"""Pictures in tar or zip archives, read where they lie: WebDataset's shards, or folders of classes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.class_order import natural_order
from workbench.data.listing import Folder
from workbench.data.pictures import ENDINGS, picture_spec
from workbench.data.size import Size
from workbench.data.sources.archives import Member, list_archives, list_members
from workbench.data.sources.paths import find_path
from workbench.data.sources.picture_files import PictureFile, inflate, read_pictures
from workbench.data.sources.picture_layout import find_layout
from workbench.data.split_names import find_splits
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_WHAT = "a tar or zip archive of pictures, or a folder of such archives"
_CLASSES = ("cls", "json", "txt", "cls.txt", "label.txt")
"""Endings of a sample's class, in the order in which they are tried."""
_KEYS = ("label", "cls", "class", "class_name", "category")
"""Keys of a sample's class in JSON."""


@config
class PictureTarsSource:
    """Tar or zip archives. WebDataset's shards: files of one sample have one name (`000.jpg`, `000.cls`); or folders of classes."""

    kind: Literal["picture_tars"] = "picture_tars"
    path: str
    """A tar or zip archive, or a folder of them; archives named train, val, test and the like are splits."""
    shape: tuple[int, int, int] = (3, 32, 32)
    """(channels, height, width) every picture is converted to: 1 grey, 3 RGB, 4 RGBA; scaled and cut."""
    image: str | None = None
    """Ending of a sample's picture, as jpg or left.png; None: the first picture of each sample."""
    label: str | None = None
    """Ending of a sample's class, as cls or txt, or a key in its JSON, as json.label; None: cls, or else found."""
    classes: tuple[str, ...] | None = None
    """Class names by index where classes are numbers; None: the numbers."""

    def __post_init__(self) -> None:
        picture_spec(self.shape)


@dataclass
class _Sample:
    """The members of one sample, by ending."""

    tar: Path
    key: str
    members: dict[str, Member] = field(default_factory=dict)


def read(source: PictureTarsSource, spark: SparkSession) -> CanonicalFrame:
    """Pictures of source.shape, uint8; classes in natural order, or as source.classes names them.

    Raises:
        DataError: there is no archive, it is damaged or compressed, or its pictures have no classes.
    """
    files, labels, decided = _list_pictures(source)
    canonical = read_pictures(spark, files, picture_spec(source.shape), labels)
    return replace(canonical, decided=tuple(f"{text}." for text in decided))


def size(source: PictureTarsSource) -> Size:
    """Pictures and classes, from the archives' headers.

    Raises:
        DataError: as `read` does.
    """
    files, labels, _ = _list_pictures(source)
    outputs = max(2, len(labels))
    return Size(rows=len(files), spec=picture_spec(source.shape), num_outputs=outputs)


def _list_pictures(
    source: PictureTarsSource,
) -> tuple[list[PictureFile], tuple[str, ...], list[str]]:
    root = find_path(source.path, _WHAT)
    tars = [root] if root.is_file() else list_archives(root)
    if not tars:
        raise DataError(
            f"data.source.path must be {_WHAT}, and {root} holds no *.tar and no *.zip."
        )
    samples = [sample for tar in tars for sample in _read_tar(tar)]
    label = source.label or _find_label(samples)
    if label is None and len(tars) == 1:
        return _read_folders(source, tars[0], samples)
    if label is None:
        raise DataError(
            f"The samples in {root} have no class: none has a file {', '.join(_CLASSES)}. They have "
            f"{', '.join(sorted({e for s in samples[:100] for e in s.members}))}: name the class's "
            "with --set data.source.label=ENDING."
        )
    return _read_samples(source, root, tars, samples, label)


def _read_tar(tar: Path) -> list[_Sample]:
    """Samples by their names up to the first dot, in order."""
    samples: dict[str, _Sample] = {}
    for path, member in list_members(tar):
        folder, _, name = path.removeprefix("./").rpartition("/")
        if name.startswith(".") or "__MACOSX" in folder:
            continue
        stem, _, ending = name.partition(".")
        key = f"{folder}/{stem}" if folder else stem
        samples.setdefault(key, _Sample(tar, key)).members[ending.lower()] = member
    return list(samples.values())


def _find_label(samples: list[_Sample]) -> str | None:
    """The ending of the class: that which most of the first samples with a picture have."""
    some = [sample for sample in samples[:1000] if _find_image(sample, None)]
    for ending in _CLASSES:
        if sum(ending in sample.members for sample in some) * 2 > len(some):
            if ending != "json":
                return ending
            keys = _read_json(some[0])
            for key in _KEYS:
                if key in keys:
                    return f"json.{key}"
    return None


def _find_image(sample: _Sample, setting: str | None) -> str | None:
    if setting is not None:
        return setting if setting in sample.members else None
    return next((e for e in sample.members if f".{e.rpartition('.')[2]}" in ENDINGS), None)


def _read_member(sample: _Sample, ending: str) -> bytes:
    member = sample.members[ending]
    with sample.tar.open("rb") as handle:
        handle.seek(member.offset)
        content = handle.read(member.size)
    return inflate(content) if member.deflated else content


def _read_json(sample: _Sample) -> dict[str, Any]:
    try:
        value = json.loads(_read_member(sample, "json")) if "json" in sample.members else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _read_samples(
    source: PictureTarsSource, root: Path, tars: list[Path], samples: list[_Sample], label: str
) -> tuple[list[PictureFile], tuple[str, ...], list[str]]:
    names = {tar: tar.name if root.is_file() else str(tar.relative_to(root)) for tar in tars}
    splits = find_splits(names.values())
    pictures = [(sample, _find_image(sample, source.image)) for sample in samples]
    texts = [_read_class(sample, label, source.classes) for sample, _ in pictures]
    labels = source.classes or natural_order(
        text for text, (_, image) in zip(texts, pictures, strict=True) if text and image
    )
    index = {name: i for i, name in enumerate(labels)}
    files = []
    for (sample, image), text in zip(pictures, texts, strict=True):
        member = sample.members[image] if image else Member(0, 0)
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
                problem=problem if image else "the sample has no picture",
            )
        )
    decided = [f"Classes are each sample's {label}"]
    if several := sum(
        sum(f".{e.rpartition('.')[2]}" in ENDINGS for e in sample.members) > 1 for sample in samples
    ):
        ending = source.image or f"the first, as {pictures[0][1]}"
        decided.append(f"{several} samples have several pictures; read is {ending}")
    if splits:
        decided += [f"{name} is the {split} split" for name, split in splits.items()]
        if rest := [name for name in names.values() if name not in splits]:
            files = [file for file in files if file.key.rpartition("/")[0] not in rest]
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
    source: PictureTarsSource, tar: Path, samples: list[_Sample]
) -> tuple[list[PictureFile], tuple[str, ...], list[str]]:
    """Pictures of an archive of class folders."""
    top, places = Folder(tar.name), {}
    for sample in samples:
        for ending, member in sample.members.items():
            path = f"{sample.key}.{ending}" if ending else sample.key
            *folders, name = path.split("/")
            folder = top
            for each in folders:
                folder = folder.folders.setdefault(each, Folder(each))
            folder.files[name], places[path] = member.size, member
    layout = find_layout(top)
    if layout is None or not layout.pictures:
        raise DataError(
            f"{tar} holds neither WebDataset's samples with a class (000.jpg, 000.cls) nor folders of "
            "pictures by class."
        )
    index = {name: i for i, name in enumerate(layout.labels)}
    files = [
        PictureFile(
            path=str(tar),
            key=found.path,
            label=index[found.label],
            split=None if found.split == "train" else found.split,
            size=found.size,
            offset=places[found.path].offset,
            deflated=places[found.path].deflated,
        )
        for found in layout.pictures
    ]
    return files, layout.labels, layout.decided
