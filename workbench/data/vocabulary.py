"""Text as token ids: a vocabulary is fitted on the training rows, then every row is encoded.

Spark's own tokenizers count the tokens. `nets.text.TextEncoder` gives the ids, here and in scoring.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from nets.text import PADDING, SEPARATOR, UNKNOWN, WORD, TextEncoder, TextEncoding, tokenizer
from workbench.data.canonical import CanonicalFrame
from workbench.data.rows import binary

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_COLUMNS = ("label", "key", "split", "group", "weight")


def encode_text(canonical: CanonicalFrame, encoding: TextEncoding, size: int) -> CanonicalFrame:
    """Fit the vocabulary on the training rows, then encode every row.

    The run's record gets tokens (before texts are cut to the maximum length), unknown_tokens and
    shortened_rows, over all splits.

    Args:
        table: a frame with text (string, not null) in place of features, and its split filled.
        encoding: the tokenizer; its vocabulary is replaced.
        size: largest size of the vocabulary, padding and unknown included.
    """
    from pyspark.sql import functions as F

    rows = canonical.frame.persist()  # read for the vocabulary, and again for the ids
    tokens = _split_tokens(rows.where("split = 'train'").select("text"), encoding)
    common = (
        tokens.where(~F.col("token").isin(PADDING, UNKNOWN))
        .groupBy("token")
        .count()
        .orderBy(F.desc("count"), "token")
        .limit(size - 2)
    )
    vocabulary = (PADDING, UNKNOWN, *(row["token"] for row in common.collect()))
    encoding = replace(encoding, vocabulary=vocabulary)
    columns = [name for name in _COLUMNS if name in rows.columns]
    kinds = {name: rows.schema[name].dataType.simpleString() for name in columns}
    frame = rows.select("text", *columns).mapInArrow(
        lambda batches: _encode_batches(batches, encoding, columns),
        "features binary, length int, num_tokens int, unknown int, "
        + ", ".join(f"`{name}` {kind}" for name, kind in kinds.items()),
    )
    return replace(
        canonical,
        frame=frame,
        spec=replace(canonical.spec, vocabulary_size=len(vocabulary)),
        text=encoding,
        decoded=rows,
        measures={
            "tokens": F.sum("num_tokens"),
            "unknown_tokens": F.sum("unknown"),
            "shortened_rows": F.sum((F.col("num_tokens") > F.col("length")).cast("long")),
        },
    )


def _split_tokens(rows: DataFrame, encoding: TextEncoding) -> DataFrame:
    """One row per token of the column `text`."""
    from pyspark.ml.feature import RegexTokenizer
    from pyspark.sql import functions as F

    if encoding.tokenizer == "words":
        words = RegexTokenizer(
            inputCol="text",
            outputCol="tokens",
            pattern=WORD,
            gaps=False,
            toLowercase=encoding.lowercase,
        )
        return words.transform(rows).select(F.explode("tokens").alias("token"))
    if encoding.tokenizer in ("characters", "tokens"):
        text = F.lower("text") if encoding.lowercase else F.col("text")
        between = "" if encoding.tokenizer == "characters" else SEPARATOR
        return rows.select(F.explode(F.split(text, between)).alias("token"))
    return rows.mapInArrow(lambda batches: _tokenize(batches, encoding), "token string")


def _tokenize(
    batches: Iterator[pa.RecordBatch], encoding: TextEncoding
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    tokenize = tokenizer(encoding)
    for batch in batches:
        all_tokens = [
            token for tokens in tokenize(batch.column("text").to_pylist()) for token in tokens
        ]
        yield pa.RecordBatch.from_pydict({"token": pa.array(all_tokens, pa.string())})


def _encode_batches(
    batches: Iterator[pa.RecordBatch], encoding: TextEncoding, columns: list[str]
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    encoder = TextEncoder(encoding)
    for batch in batches:
        ids, length, num_tokens = encoder.encode(batch.column("text").to_pylist())
        yield pa.RecordBatch.from_pydict(
            {
                "features": binary(ids),
                "length": pa.array(length, pa.int32()),
                "num_tokens": pa.array(num_tokens, pa.int32()),
                "unknown": pa.array((ids == 1).sum(axis=1), pa.int32()),
                **{name: batch.column(name) for name in columns},
            }
        )
