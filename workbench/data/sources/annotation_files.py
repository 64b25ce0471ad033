"""Exports of labelling tools beside pictures or sounds, as rows of a file's name and its class.

COCO's JSON, Label Studio's JSON (whole or JSON-MIN), a JSON object a line (HuggingFace's
`metadata.jsonl`), CVAT's XML, and Pascal VOC's XML file for each picture. A file with boxes of one
class has that class; one with boxes of several has none, and the reason says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ENDINGS = (".json", ".jsonl", ".ndjson", ".xml")
_FILE, _LABEL = "file", "label"
_VOC = "Pascal VOC"
_MOST_BYTES = 2**30


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """What an export says."""

    what: str
    """The kind of export, for a sentence."""
    header: list[str]
    rows: list[list[str]]
    problems: dict[int, str] = field(default_factory=dict)
    """Why a row has no class, by its number."""


def read_annotations(file: Path) -> Annotations | None:
    """An export in one file; None: it is another file, or cannot be read."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        if file.suffix.lower() == ".xml":
            found = _read_xml([file])
            return (
                None if found is None or found.what == _VOC else found
            )  # `read_voc` takes them all
        return _read_json(file)
    except (OSError, ValueError, ElementTree.ParseError, RecursionError):
        return None
    except (AttributeError, TypeError):  # its parts are others
        return None


def read_voc(files: Iterable[Path]) -> Annotations | None:
    """Pascal VOC's: an XML file for each picture."""
    try:
        return _read_xml(list(files))
    except (OSError, ElementTree.ParseError):
        return None


def _read_json(file: Path) -> Annotations | None:
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix.lower() != ".json":
        value: Any = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        value = json.loads(text)
    if isinstance(value, dict):
        return _read_coco(value)
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    if "data" in value[0] and ("annotations" in value[0] or "completions" in value[0]):
        return _read_label_studio(value)
    return _read_flat(value)


def _read_coco(value: dict[str, Any]) -> Annotations | None:
    parts = [value.get(name) for name in ("images", "annotations", "categories")]
    if not all(isinstance(part, list) for part in parts):
        return None
    images, annotations, categories = parts
    names = {one.get("id"): str(one.get("name")) for one in categories or ()}
    of_image: dict[Any, set[str]] = {}
    for one in annotations or ():
        name = names.get(one.get("category_id"), str(one.get("category_id")))
        of_image.setdefault(one.get("image_id"), set()).add(name)
    pairs = [
        (str(one.get("file_name", "")), of_image.get(one.get("id"), set())) for one in images or ()
    ]
    return _one_class(pairs, "COCO")


def _read_label_studio(value: list[dict[str, Any]]) -> Annotations | None:
    pairs = []
    for task in value:
        data = task.get("data")
        places = [v for v in data.values() if isinstance(v, str)] if isinstance(data, dict) else []
        classes: set[str] = set()
        for annotation in task.get("annotations") or task.get("completions") or ():
            if annotation.get("was_cancelled"):
                continue
            for result in annotation.get("result") or ():
                found = result.get("value", {})
                for key in ("choices", "rectanglelabels", "polygonlabels", "brushlabels", "labels"):
                    classes.update(map(str, found.get(key) or ()))
        pairs.append((places[0] if places else "", classes))
    return _one_class(pairs, "Label Studio")


def _read_flat(value: list[dict[str, Any]]) -> Annotations:
    """Objects of texts and numbers, as a table."""
    names = list(dict.fromkeys(name for one in value for name in one))
    plain = [n for n in names if not any(isinstance(one.get(n), dict | list) for one in value)]
    rows = [
        ["" if (cell := one.get(name)) is None else str(cell) for name in plain] for one in value
    ]
    return Annotations(what="JSON", header=plain, rows=rows)


def _read_xml(files: list[Path]) -> Annotations | None:
    pairs: list[tuple[str, set[str]]] = []
    what = _VOC
    for file in files:
        root = ElementTree.parse(file).getroot()
        if root.tag == "annotation":
            name = (root.findtext("filename") or file.stem).strip()
            classes = {(one.findtext("name") or "").strip() for one in root.iter("object")} - {""}
            pairs.append((name, classes))
        elif root.tag == "annotations":
            what = "CVAT"
            for image in root.iter("image"):
                tags = {one.get("label", "") for one in image.iter("tag")} - {""}
                shapes = {one.get("label", "") for one in image if one.tag != "tag"} - {""}
                pairs.append((image.get("name", ""), tags or shapes))
    return _one_class(pairs, what) if pairs else None


def _one_class(pairs: list[tuple[str, set[str]]], what: str) -> Annotations:
    rows, problems = [], {}
    for i, (file, classes) in enumerate(pairs):
        rows.append([file, next(iter(classes)) if len(classes) == 1 else ""])
        if len(classes) > 1:
            problems[i] = f"annotated as several classes ({', '.join(sorted(classes)[:5])})"
        elif not classes:
            problems[i] = "not annotated"
    return Annotations(what=what, header=[_FILE, _LABEL], rows=rows, problems=problems)
