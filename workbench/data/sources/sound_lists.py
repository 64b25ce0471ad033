"""Splits of sounds that lists of files say, as Speech Commands has them (Warden 2018)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.data.listing import Folder
from workbench.data.sources.picture_layout import Layout
from workbench.data.split_names import Split, split_of

_MOST_BYTES = 64 * 2**20


def mark_listed(layout: Layout, root: Path, folder: Folder) -> None:
    """Give the files that a list beside the classes names its split: testing_list.txt, validation_list.txt.

    Where folders or a table say splits, lists are left alone. A list counts if at least half of its
    lines are files that are there.
    """
    if any(found.split is not None for found in layout.pictures):
        return
    paths = {found.path for found in layout.pictures}
    listed: dict[str, Split] = {}
    for name, size in folder.files.items():
        split = split_of(Path(name).stem) if name.lower().endswith((".txt", ".lst")) else None
        if split is None or split == "train" or size > _MOST_BYTES:
            continue
        text = (root / name).read_text(encoding="utf-8", errors="replace")
        lines = [line.strip().removeprefix("./") for line in text.splitlines() if line.strip()]
        known = [line for line in lines if line in paths]
        if 2 * len(known) < max(1, len(lines)):
            continue
        listed |= dict.fromkeys(known, split)
        absent = len(lines) - len(known)
        more = f"; {absent} of its lines name no file here" if absent else ""
        layout.decided.append(f"{name} is the {split} split ({len(known)} files{more})")
    if listed:
        layout.pictures = [
            replace(found, split=listed.get(found.path, "train")) for found in layout.pictures
        ]
