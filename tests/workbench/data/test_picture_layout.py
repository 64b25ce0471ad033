"""Classes and splits of pictures, by the names of folders and by tables beside them."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nets.spec import TensorSpec
from workbench.data.class_order import natural_order
from workbench.data.config import DataConfig
from workbench.data.counts import refuse
from workbench.data.listing import list_folder
from workbench.data.sources import ImageFolderSource
from workbench.data.sources.image_folder import size
from workbench.data.sources.labelled_folder import find_files
from workbench.data.sources.picture_files import PictureFile, cut_evenly
from workbench.data.sources.picture_layout import PICTURES, Layout
from workbench.errors import DataError


def write(root: Path, *paths: str) -> Path:
    """Files of one byte; `a/{1..3}.png` stands for three of them."""
    for path in paths:
        names = [path]
        if "{1.." in path:
            head, tail = path.split("{1..")
            count, tail = tail.split("}")
            names = [f"{head}{i}{tail}" for i in range(1, int(count) + 1)]
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"x")
    return root


def lay_out(root: Path, **settings: Any) -> Layout:
    return find_files(ImageFolderSource(path=str(root), **settings), PICTURES)[1]


def count(layout: Layout) -> dict[tuple[str, str | None], int]:
    return dict(Counter((found.label, found.split) for found in layout.pictures))


BOTH = ("cat", "dog")
SPELLINGS = [
    ("train", "validation", "test"),
    ("Train", "Val", "Test"),
    ("training_set", "valid", "test_set"),
    ("TRAINING", "dev", "eval"),
    ("pets_train", "pets_val", "pets_test"),
]


@pytest.mark.parametrize("names", SPELLINGS)
def test_folders_of_splits_in_their_usual_spellings(tmp_path: Path, names: tuple[str, ...]) -> None:
    for i, (name, kind) in enumerate(itertools.product(names, BOTH)):
        write(tmp_path, f"{name}/{kind}/{{1..{i + 1}}}.png")
    layout = lay_out(tmp_path)
    splits = ("train", "validation", "test")
    expected = {key[::-1]: i + 1 for i, key in enumerate(itertools.product(splits, BOTH))}
    assert count(layout) == expected
    assert layout.labels == BOTH
    assert any("is the validation split" in text for text in layout.decided)


def test_splits_within_each_class(tmp_path: Path) -> None:
    write(tmp_path, "cat/train/{1..3}.png", "cat/test/1.png", "dog/train/1.png", "dog/test/1.png")
    layout = lay_out(tmp_path)
    assert layout.labels == BOTH
    assert count(layout)["cat", "train"] == 3 and count(layout)["dog", "test"] == 1


def test_a_setting_overrides_the_names_of_splits(tmp_path: Path) -> None:
    paths = [f"a/{part}/{kind}/1.png" for part in ("first", "second") for kind in BOTH]
    write(tmp_path, *paths)
    layout = lay_out(tmp_path / "a", splits={"first": "train", "second": "test"})
    assert count(layout)["cat", "test"] == 1 and layout.labels == BOTH
    write(tmp_path / "b", "train/a/1.png", "test/a/1.png")
    assert lay_out(tmp_path / "b", splits={}).labels == ("test", "train")
    with pytest.raises(DataError, match=r"splits names third, .* There is first, second"):
        lay_out(tmp_path / "a", splits={"third": "test"})


def test_folders_deeper_are_found_and_that_is_said(tmp_path: Path) -> None:
    write(tmp_path, "my_set/cat/1.png", "my_set/dog/1.png", "__MACOSX/my_set/cat/._1.png")
    layout = lay_out(tmp_path)
    assert layout.labels == BOTH
    assert layout.decided == ["Classes are found deeper, in my_set/", "Ignored: __MACOSX/ (1)"]


def test_splits_deeper_and_pictures_deeper_in_a_class(tmp_path: Path) -> None:
    write(tmp_path, "set/train/images/cat/1.png", "set/train/images/dog/far/1.png")
    write(tmp_path, "set/val/images/cat/1.png", "set/val/images/dog/1.png")
    layout = lay_out(tmp_path)
    assert count(layout) == {(kind, split): 1 for kind in BOTH for split in ("train", "validation")}


def test_what_systems_leave_is_ignored_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "cat/{1..3}.png", "cat/._1.png", "cat/._2.png", "cat/Thumbs.db", ".DS_Store")
    write(tmp_path, "dog/1.png", "dog/desktop.ini", "dog/.ipynb_checkpoints/1.png", ".git/x.png")
    write(tmp_path, "__MACOSX/cat/._1.png", "train.csv", "cat/notes.txt")
    layout = lay_out(tmp_path)
    assert count(layout) == {("cat", None): 3, ("dog", None): 1}
    said = " ".join(layout.decided)
    assert ".DS_Store (1), ._* (2), .git/ (1), .ipynb_checkpoints/ (1), Thumbs.db (1)" in said
    assert "Not pictures, and ignored: *.csv (1), *.txt (1)" in said
    assert size(ImageFolderSource(path=str(tmp_path))).rows == 4


def test_a_class_that_begins_with_an_underscore_is_a_class(tmp_path: Path) -> None:
    write(tmp_path, "_background_/1.png", "cat/_1.png")
    layout = lay_out(tmp_path)
    assert count(layout) == {("_background_", None): 1, ("cat", None): 1}


def test_classes_are_in_natural_order(tmp_path: Path) -> None:
    write(tmp_path, *(f"{i}/1.png" for i in range(12)))
    assert lay_out(tmp_path).labels == tuple(map(str, range(12)))
    assert natural_order(["b10", "b9", "a", "10", "9", "b9x"]) == (
        "9",
        "10",
        "a",
        "b9",
        "b9x",
        "b10",
    )


def test_folders_that_are_links_are_read_and_loops_end(tmp_path: Path) -> None:
    write(tmp_path, "far/cats/1.png", "here/dog/1.png")
    (tmp_path / "here/cat").symlink_to(tmp_path / "far/cats", target_is_directory=True)
    (tmp_path / "here/dog/loop").symlink_to(tmp_path / "here", target_is_directory=True)
    (tmp_path / "here/dog/gone.png").symlink_to(tmp_path / "nothing")
    layout = lay_out(tmp_path / "here")
    assert count(layout) == {("cat", None): 1, ("dog", None): 1}
    assert "links to a folder that contains them (1), links to nothing (1)" in layout.decided[-1]


def test_pictures_without_classes_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "train/cat/1.png", "train/dog/1.png", "test1/{1..7}.png", "more/cat/1.png")
    write(tmp_path, "train/5.png")
    layout = lay_out(tmp_path)
    assert count(layout) == {("cat", "train"): 1, ("dog", "train"): 1}
    said = " ".join(layout.decided)
    assert "test1/ holds 7 pictures without classes" in said
    assert "more beside the folders of splits (1 pictures)" in said
    assert "1 pictures in train/, beside the folders of classes" in said


def test_splits_without_classes_are_no_classes(tmp_path: Path) -> None:
    write(tmp_path, "train/{1..3}.png", "test/1.png")
    with pytest.raises(DataError, match=r"no class is known.*data.source.table=FILE.*splits=\{\}"):
        lay_out(tmp_path)


def test_class_names_in_another_case_are_one_class(tmp_path: Path) -> None:
    write(tmp_path, "train/Cat/1.png", "train/Dog/1.png", "test/cat/1.png", "test/Dog/1.png")
    layout = lay_out(tmp_path)
    assert layout.labels == ("Cat", "Dog") and count(layout)["Cat", "test"] == 1
    assert "test/cat/ is the class Cat" in layout.decided


def test_folders_of_the_same_names_in_each_class_are_said(tmp_path: Path) -> None:
    paths = [f"{site}/{kind}/1.png" for site in ("amazon", "webcam") for kind in BOTH]
    layout = lay_out(write(tmp_path, *paths))
    assert layout.labels == ("amazon", "webcam")
    assert "--set data.source.class_level=1" in layout.decided[0]
    assert count(lay_out(tmp_path, class_level=1)) == {("cat", None): 2, ("dog", None): 2}
    with pytest.raises(DataError, match="class_level 5 is deeper than the folders"):
        lay_out(tmp_path, class_level=5)


def test_a_class_level_beside_splits(tmp_path: Path) -> None:
    write(tmp_path, "train/a/cat/1.png", "test/a/cat/1.png", "train/a/dog/1.png")
    assert count(lay_out(tmp_path, class_level=2))["cat", "test"] == 1


def test_one_class_is_not_ready_to_train_on() -> None:
    rows = {"train": 8, "validation": 1, "test": 1}
    summary = {
        "bad": {"rows": 0, "examples": []},
        "rows": rows,
        "class_counts": {name: [count] for name, count in rows.items()},
    }
    with pytest.raises(DataError, match=r"one class, my_set: .* tell classes apart"):
        refuse(summary, ("my_set",), DataConfig())


# ---- tables of classes


def write_table(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.write_bytes(text.encode(encoding))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "id,breed\n1,cat\n2,dog\n3,cat\n"),
        ("labels.csv", "id,breed\r\n1.png,cat\r\n2.png,dog\r\n3.png,cat\r\n"),
        ("train.csv", '"breed";"filename";"width"\ncat;images/1.png;7\ndog;2;8\ncat;3;9\n'),
        ("labels.csv", "images/1.png,cat\nimages/2.png,dog\nimages/3.png,cat\n"),
        ("list.txt", "elsewhere/images/1.png cat\nelsewhere/images/2.png dog\n3.png cat\n"),
        ("data.tsv", "file\tcat\tdog\n1\t1\t0\n2\t0.0\t1.0\n3\t1\t0\n"),
    ],
)
def test_a_table_of_file_names_and_classes(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, "images/{1..5}.png")
    write_table(tmp_path / name, text)
    layout = lay_out(tmp_path)
    labels = {found.path: found.label for found in layout.pictures}
    assert labels == {"images/1.png": "cat", "images/2.png": "dog", "images/3.png": "cat"}
    assert layout.labels == BOTH
    assert any("Left out: 2 pictures that no row of the table names" in t for t in layout.decided)
    assert any(text.startswith(f"{name}: files are the column") for text in layout.decided)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_table_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, "1.png", "2.png")
    write_table(tmp_path / "labels.csv", "file,label\n1,Löwe\n2,Bär\n", encoding)
    assert lay_out(tmp_path).labels == ("Bär", "Löwe")


def test_tables_and_columns_of_splits(tmp_path: Path) -> None:
    write(tmp_path / "a", "train/{1..3}.jpg", "test/{1..2}.jpg")
    write_table(tmp_path / "a/train.csv", "id,label\n1,x\n2,y\n3,x\n")
    write_table(tmp_path / "a/test.csv", "id,label\n1,y\n2,x\n")
    assert count(lay_out(tmp_path / "a")) == {
        ("x", "train"): 2,
        ("y", "train"): 1,
        ("y", "test"): 1,
        ("x", "test"): 1,
    }
    write(tmp_path / "b", "{1..4}.jpg")
    write_table(
        tmp_path / "b/noisy.csv", "path,y,is_valid\n1.jpg,a,False\n2.jpg,b,True\n3,b,False\n"
    )
    assert count(lay_out(tmp_path / "b")) == {
        ("a", None): 1,
        ("b", "validation"): 1,
        ("b", None): 1,
    }
    write(tmp_path / "c", "{1..2}.jpg")
    write_table(tmp_path / "c/x.csv", "path,y,Split\n1.jpg,a,Training\n2.jpg,b,PublicTest\n")
    assert count(lay_out(tmp_path / "c")) == {("a", "train"): 1, ("b", "test"): 1}


def test_a_sample_submission_is_no_table_of_classes(tmp_path: Path) -> None:
    write(tmp_path, "train/{1..3}.jpg", "test/4.jpg")
    write_table(tmp_path / "train.csv", "id,label\n1,x\n2,y\n3,x\n")
    write_table(tmp_path / "test.csv", "id\n4\n")
    write_table(tmp_path / "sample_submission.csv", "id,label\n4,x\n")
    layout = lay_out(tmp_path)
    assert [found.path for found in layout.pictures] == [f"train/{i}.jpg" for i in (1, 2, 3)]
    assert any("sample_submission.csv" in text for text in layout.decided)


def test_rows_without_a_picture_or_class_are_bad_rows(tmp_path: Path) -> None:
    write(tmp_path, "{1..3}.png")
    write_table(tmp_path / "labels.csv", "file,label\n1,a\n2,\n9,b\n")
    problems = {found.path: found.problem for found in lay_out(tmp_path).pictures}
    assert problems == {
        "1.png": None,
        "2.png": "the table has no class for it",
        "9": "no file named '9'",
    }


def test_folders_of_classes_come_before_tables(tmp_path: Path) -> None:
    write(tmp_path, "0/{1..3}.png", "1/{4}.png")
    write_table(tmp_path / "train.csv", "label,file\n1,1.png\n0,2.png\n")
    write_table(tmp_path / "test.csv", "label,file\n1,3.png\n")
    layout = lay_out(tmp_path)
    assert layout.labels == ("0", "1") and not layout.from_table
    assert lay_out(tmp_path, table="train.csv").from_table


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"several columns that may be the class: age, size.*data.source.label=COLUMN"),
        ({"label": "aje"}, "column 'aje'.*age.*Set data.source.label"),
        ({"file": "nix"}, "column 'nix'.*Set data.source.file"),
        ({"table": "none.csv"}, r"data.source.table must be a file.*'none.csv'"),
        ({"table": "other.txt"}, "names none of the pictures below"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    write(tmp_path, "{1..3}.png")
    write_table(tmp_path / "labels.csv", "file,age,size\n1,3,4\n2,3,4\n3,9,8\n")
    write_table(tmp_path / "other.txt", "x,y\na,b\n")
    with pytest.raises(DataError, match=message):
        lay_out(tmp_path, **settings)


def test_columns_of_a_table_need_one(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "b/1.png")
    with pytest.raises(DataError, match=r"data.source.label 'breed' is a column of a table"):
        lay_out(tmp_path, label="breed")


# ---- parts


def test_parts_have_about_the_same_work_and_fit_a_task() -> None:
    spec = TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")
    sizes = np.random.default_rng(0).integers(200, 400, 70_000).tolist()
    files = [
        PictureFile(path="", key=str(i), label=0, split=None, size=n) for i, n in enumerate(sizes)
    ]
    parts = cut_evenly(files, spec, 2)
    assert [file for part in parts for file in part] == files
    lengths = [len(part) for part in parts]
    assert max(lengths) <= 4000 and min(lengths) > 0.9 * max(lengths)
    assert max(lengths) * spec.num_bytes <= 16 * 2**20
    few = [PictureFile(path="", key=str(i), label=0, split=None, size=50 * 2**20) for i in range(6)]
    assert all(len(part) <= 2 for part in cut_evenly(few, spec, 2))


def test_a_listing_of_many_files_is_quick(tmp_path: Path) -> None:
    write(tmp_path, "a/{1..300}.png", "b/c/{1..200}.png")
    folder, ignored = list_folder(tmp_path)
    assert sum(1 for _ in folder.walk()) == 500 and not ignored


def test_folders_that_differ_in_a_number_hold_the_classes(tmp_path: Path) -> None:
    write(tmp_path, *(f"fold{i}/{kind}/{{1..2}}.png" for i in range(1, 4) for kind in BOTH))
    layout = lay_out(tmp_path)
    assert layout.labels == BOTH and len(layout.pictures) == 12
    assert "Classes are the folders in fold1, fold2, fold3" in layout.decided[0]
    assert lay_out(tmp_path, class_level=0).labels == ("fold1", "fold2", "fold3")


@pytest.mark.parametrize("above", ["", "train/"])
def test_pictures_and_their_masks_are_no_classes(tmp_path: Path, above: str) -> None:
    write(tmp_path, f"{above}images/{{1..3}}.png", f"{above}masks/{{1..3}}.png")
    with pytest.raises(DataError, match=r"images, masks look like pictures and their masks"):
        lay_out(tmp_path)
    assert lay_out(tmp_path, class_level=above.count("/")).labels == ("images", "masks")


def test_a_split_that_has_one_folder_of_pictures_has_no_classes(tmp_path: Path) -> None:
    write(tmp_path, *(f"train/{kind}/images/{{1..2}}.JPEG" for kind in BOTH), "val/images/1.JPEG")
    layout = lay_out(tmp_path)  # Tiny ImageNet
    assert count(layout) == {(kind, "train"): 2 for kind in BOTH}
    assert "Left out: val/ holds 1 pictures without classes" in layout.decided


def test_folders_within_a_class_are_said(tmp_path: Path) -> None:
    write(tmp_path, "animals/cat/1.png", "animals/dog/1.png", "cars/1.png")
    layout = lay_out(tmp_path)
    assert layout.labels == ("animals", "cars")
    assert "Folders within classes belong to them: those in animals." in layout.decided[0]


def test_the_names_of_files_are_offered_as_classes_and_test_pictures_left_out(
    tmp_path: Path,
) -> None:
    write(tmp_path, *(f"train/{kind}.{{1..4}}.jpg" for kind in BOTH), "test1/{1..5}.jpg")
    with pytest.raises(DataError, match="begin with cat, dog") as raised:
        lay_out(tmp_path)
    pattern = str(raised.value).split("class_pattern=")[1].strip("'")
    layout = lay_out(tmp_path, class_pattern=pattern)
    assert count(layout) == {(kind, "train"): 4 for kind in BOTH}
    assert "Left out: test1/ holds 5 pictures without classes" in layout.decided
