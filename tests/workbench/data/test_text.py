"""Text: from files and tables to token ids, with the vocabulary of the training rows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from nets.errors import ConfigError
from nets.text import PADDING, UNKNOWN, TextEncoder, TextEncoding, tokenizer
from workbench.data import CanonicalFrame, DataConfig, load, record
from workbench.data.config import SplitConfig
from workbench.data.sources import TextSource
from workbench.errors import DataError

NASTY = (
    "It's a 'test'.",
    "rock'n'roll -- don't!",
    "tabs\tand\u00a0no-break\u2003spaces",
    "ÜBER straße İstanbul ΣΊΣΥΦΟΣ",
    "日本語 と emoji 🙂🙂 x",
    "a_b [c]{d} \\e^f` ~g",
    "e\u0301 combining",
    "''quoted'' '",
)


def load_text(
    spark: SparkSession, split: SplitConfig | None = None, **source: Any
) -> CanonicalFrame:
    split = split or SplitConfig(validation=0.2, test=0.2)
    return load(DataConfig(source=TextSource(**source), split=split, max_bad_share=1), spark)


def rows_of(canonical: CanonicalFrame) -> list[dict[str, Any]]:
    return [row.asDict() for row in canonical.frame.collect()]


def read_again(canonical: CanonicalFrame, row: dict[str, Any]) -> list[str]:
    """The tokens that a row's ids stand for."""
    assert canonical.text is not None
    ids = np.frombuffer(row["features"], np.int32)
    assert len(ids) == canonical.spec.shape[0]
    assert not ids[row["length"] :].any()
    return [canonical.text.vocabulary[i] for i in ids[: row["length"]]]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes with awkward names, a line each; some lines are blank, one is no UTF-8."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "good [1] a%20b.txt").write_text("".join(f"good day number {i}\n" for i in range(20)))
    (folder / "Übel+x.txt").write_text("schlechter Tag\n\n  \n" + "bad day, bad night\n" * 19)
    (folder / "so-so.txt").write_bytes(b"h\xe9las\n" + b"so so, day\n" * 20)
    (folder / "LICENSE").write_text("not a class\n")
    return folder


@pytest.fixture(scope="module")
def canonical(spark: SparkSession, lines: Path) -> CanonicalFrame:
    return load_text(spark, path=str(lines), files="*.txt", max_length=4, vocabulary_size=12)


@pytest.mark.cluster
def test_a_file_is_a_class_and_a_line_a_text(canonical: CanonicalFrame) -> None:
    assert canonical.labels == ("good [1] a%20b", "so-so", "Übel+x")
    counts = Counter((row["label"], row["split"]) for row in rows_of(canonical))
    sizes = {"train": 12, "validation": 4, "test": 4}
    assert counts == {(i, split): size for i in range(3) for split, size in sizes.items()}


@pytest.mark.cluster
def test_bad_lines_are_set_aside_with_the_reason(canonical: CanonicalFrame) -> None:
    assert canonical.bad is not None
    bad = {row["reason"]: row["key"] for row in canonical.bad.collect()}
    assert len(bad) == 2 and canonical.bad.count() == 3
    assert bad["the text is blank"].startswith("Übel+x/")
    assert bad["not utf-8, see data.source.encoding: h\ufffdlas"].startswith("so-so/")


@pytest.mark.cluster
def test_the_vocabulary_is_of_the_most_frequent_training_words(canonical: CanonicalFrame) -> None:
    assert canonical.text is not None
    vocabulary = canonical.text.vocabulary
    assert vocabulary[:2] == (PADDING, UNKNOWN)
    assert len(vocabulary) == 12 == canonical.spec.vocabulary_size
    # 12 training rows each of "good day number i", "so so, day", "bad day, bad night" (one differs)
    assert vocabulary[2] == "day"
    assert set(vocabulary[3:6]) == {"bad", ",", "so"}
    assert {"good", "number", "night"} <= set(vocabulary)


@pytest.mark.cluster
def test_texts_are_cut_padded_and_counted(canonical: CanonicalFrame) -> None:
    rows = rows_of(canonical)
    bad = next(row for row in rows if row["label"] == 2)
    assert read_again(canonical, bad) == ["bad", "day", ",", "bad"]
    assert (bad["length"], bad["num_tokens"]) == (4, 5)
    canonical.frame.persist()
    config = DataConfig(
        source=TextSource(path="x"), split=SplitConfig(validation=0.2, test=0.2), max_bad_share=1
    )
    recorded = record(canonical, config)
    canonical.frame.unpersist()
    assert recorded["bad"]["rows"] == 3
    assert recorded["shortened_rows"] == 19
    assert recorded["tokens"] == sum(row["num_tokens"] for row in rows)


@pytest.mark.cluster
def test_a_word_of_the_test_rows_alone_is_unknown(spark: SparkSession, tmp_path: Path) -> None:
    for part, word in (("train", "seen"), ("test", "unseen")):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(5):
                (tmp_path / part / name / f"{i}.txt").write_text(f"{word}\n{name} {i}")
    canonical = load_text(spark, path=str(tmp_path), format="files", max_length=3)
    assert canonical.text is not None
    assert "seen" in canonical.text.vocabulary and "unseen" not in canonical.text.vocabulary
    for row in rows_of(canonical):
        if row["split"] == "test":
            assert read_again(canonical, row)[:2] == [UNKNOWN, "ab"[row["label"]]]


@pytest.mark.cluster
def test_what_spark_counts_is_what_the_encoder_reads(spark: SparkSession) -> None:
    """Java's tokenizer and Python's, on what they could disagree about."""
    from workbench.data.vocabulary import _split_tokens

    frame = spark.createDataFrame([(text,) for text in NASTY], "text string")
    for kind in ("words", "characters"):
        for lowercase in (True, False):
            encoding = TextEncoding(
                tokenizer=kind, lowercase=lowercase, max_length=9, vocabulary=(PADDING, UNKNOWN)
            )
            ours = Counter(t for tokens in tokenizer(encoding)(NASTY) for t in tokens)
            theirs = Counter(row["token"] for row in _split_tokens(frame, encoding).collect())
            assert theirs == ours, kind


@pytest.mark.cluster
@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_table_with_nulls_and_groups(spark: SparkSession, tmp_path: Path, form: str) -> None:
    data: list[tuple[Any, ...]] = [
        (f'he said "no, {i}"\nand left', str(i % 2), f"g{i // 4}") for i in range(40)
    ]
    data += [(None, "1", "g0"), ("no class", None, "g1"), ("no group", "0", None)]
    path = tmp_path / f"table.{form}"
    if form == "csv":
        import pandas as pd

        pd.DataFrame(data, columns=["review text", "stars", "who"]).to_csv(path, index=False)
    elif form == "json":
        names = ("review text", "stars", "who")
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in data]
        path.write_text("\n".join([*lines, "{not json"]))
    else:
        frame = spark.createDataFrame(data, "`review text` string, stars string, who string")
        frame.write.parquet(str(path))
    canonical = load_text(
        spark,
        SplitConfig(by="group", validation=0.2, test=0.2),
        path=str(path),
        format=form,
        text_column="review text",
        label_column="stars",
        group_column="who",
    )
    rows = rows_of(canonical)
    assert len(rows) == 40 and canonical.labels == ("0", "1")
    assert Counter(row["split"] for row in rows) == {"train": 24, "validation": 8, "test": 8}
    assert len({(row["group"], row["split"]) for row in rows}) == 10
    assert len({row["key"] for row in rows}) == 40
    assert canonical.bad is not None
    reasons = sorted(row["reason"].split(":")[0] for row in canonical.bad.collect())
    broken = ["cannot be parsed"] if form == "json" else []
    assert reasons == [*broken, "no class", "no group", "the text is null"]


@pytest.mark.cluster
def test_keys_do_not_depend_on_how_files_are_read(spark: SparkSession, lines: Path) -> None:
    def keys() -> list[str]:
        canonical = load_text(spark, path=str(lines), files="*.txt")
        return sorted(f"{row['key']} {row['split']}" for row in rows_of(canonical))

    first = keys()
    spark.conf.set("spark.sql.files.maxPartitionBytes", 64)
    try:
        assert keys() == first
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")


@pytest.mark.cluster
def test_a_missing_column_and_a_folder_without_classes_are_explained(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("txt,label\na,b\n")
    with pytest.raises(DataError, match=r"has no column 'text'.*'txt'.*data.source.text_column"):
        load_text(spark, path=str(tmp_path / "t.csv"), format="csv")
    with pytest.raises(DataError, match=r"at least two classes.*got 1"):
        load_text(spark, path=str(tmp_path))


def test_settings_that_would_be_ignored_are_refused() -> None:
    with pytest.raises(ConfigError, match="group_column needs a table"):
        TextSource(path="x", group_column="who")
    with pytest.raises(ConfigError, match="always utf-8"):
        TextSource(path="x", format="json", encoding="latin-1")


def test_nothing_known_and_nothing_there_have_ids_too() -> None:
    encoding = TextEncoding(
        tokenizer="words", lowercase=True, max_length=3, vocabulary=(PADDING, UNKNOWN, "a", "b")
    )
    ids, length, num_tokens = TextEncoder(encoding).encode(["B a a b", "zebra", "", None])
    assert ids.tolist() == [[3, 2, 2], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert length.tolist() == [3, 1, 0, 0]
    assert num_tokens.tolist() == [4, 1, 0, 0]


def test_a_tokenizer_file(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="the package tokenizers is optional")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "un": 1}, "[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    encoding = TextEncoding(
        tokenizer="file",
        lowercase=False,
        max_length=3,
        vocabulary=(PADDING, UNKNOWN, "un"),
        definition=made.to_str(),
    )
    ids, _, _ = TextEncoder(encoding).encode(["un deux un"])
    assert ids.tolist() == [[2, 1, 2]]


def test_a_tokenizer_file_that_is_none(tmp_path: Path) -> None:
    encoding = TextEncoding(
        tokenizer="file", lowercase=False, max_length=3, vocabulary=(PADDING, UNKNOWN)
    )
    with pytest.raises(ConfigError, match=r"package `tokenizers`|must be a tokenizer.json"):
        TextEncoder(encoding)
