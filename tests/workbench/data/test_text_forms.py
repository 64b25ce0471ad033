"""Text files that are no texts: fastText's classes before each text, and columns of numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.data import guess_source
from workbench.errors import DataError


def write(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", ["cooking.train", "train.txt", "parts/train.ft.txt"])
def test_fasttext_is_refused_with_a_way_out(tmp_path: Path, name: str) -> None:
    lines = [f"__label__{'ab'[i % 2]} how do I cook, say, {i} beans" for i in range(30)]
    path = write(tmp_path / name, lines)
    with pytest.raises(DataError, match=r"fastText's class before each text.*sed -E"):
        guess_source(str(path.parent if "/" in name else path))


def test_the_table_that_the_message_names_is_read_as_texts(tmp_path: Path) -> None:
    lines = [f'{"ab"[i % 2]}\thow do I "cook", say, {i} beans' for i in range(30)]
    source = guess_source(str(write(tmp_path / "train.tsv", lines)))
    assert (source["kind"], source["label_column"], source["text_column"]) == ("text", "c0", "c1")


def test_several_classes_of_fasttext(tmp_path: Path) -> None:
    lines = [f"__label__a __label__b how do I cook {i} beans" for i in range(30)]
    with pytest.raises(DataError, match="several of fastText's classes"):
        guess_source(str(write(tmp_path / "t.txt", lines)))


def test_a_folder_of_texts_with_columns_of_numbers_is_a_table(tmp_path: Path) -> None:
    for name in ("Gun_TRAIN.txt", "Gun_TEST.txt"):
        rows = [f"  {i % 2 + 1:.7e}  {i * 0.37:.7e}  {i * 0.11:.7e}" for i in range(40)]
        write(tmp_path / "ucr" / name, rows)
    source = guess_source(str(tmp_path / "ucr"))
    assert (source["kind"], source["format"], source["label"]) == ("table", "csv", "c0")
    for name in ("pos.txt", "neg.txt"):
        write(tmp_path / "lines" / name, [f"a film, of {i} hours, in all" for i in range(40)])
    assert guess_source(str(tmp_path / "lines"))["format"] == "lines"
