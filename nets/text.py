"""Raw text as token ids: the tokenizer and the vocabulary that a net of text was trained with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nets.config import config
from nets.errors import ConfigError

PADDING, UNKNOWN = "<pad>", "<unk>"
"""Names of the ids 0 and 1; no tokenizer gives them."""

SEPARATOR = "\x1f"
"""Between the tokens of a text that is split already (ASCII's unit separator)."""

_SPACE = r" \t\n\x0b\f\r"
_MARKS = r"!-/:-@\[-`{-~"
WORD = f"[^{_SPACE}{_MARKS}]+(?:'[^{_SPACE}{_MARKS}]+)*|[{_MARKS}]"
"""A word, apostrophes within it included, or a single ASCII punctuation mark.

Only ASCII ranges, no `\\w`: Java's and Python's classes differ, and this pattern is read by both.
"""


def find_problem(text: object) -> str | None:
    """Why a net can say nothing of a text, as `the text is blank`; None: it can be encoded."""
    if not isinstance(text, str):
        return "the text is null"
    return None if text.strip() else "the text is blank"


@config
class TextEncoding:
    """A tokenizer and the vocabulary fitted on the training split; travels in `model.json`."""

    tokenizer: Literal["characters", "words", "file", "tokens"]
    """characters: code points; words: as `WORD`; file: a HuggingFace tokenizer, in `definition`; tokens: split already, joined by SEPARATOR."""
    lowercase: bool
    """Texts are put in lower case first; a tokenizer file decides for itself."""
    max_length: int = Field(ge=1)
    """Tokens kept of a text, its first ones."""
    vocabulary: tuple[str, ...] = Field(min_length=2)
    """Tokens by id: 0 padding, 1 unknown, then the most frequent first."""
    definition: str | None = None
    """tokenizer file: its content (JSON)."""


class TextEncoder:
    """Encodes text as a `TextEncoding` says; needs neither Spark nor the data it was fitted on.

    Raises:
        ConfigError: the encoding needs the package `tokenizers`, which is not installed.
    """

    def __init__(self, encoding: TextEncoding) -> None:
        self.encoding = encoding
        self.tokenize = tokenizer(encoding)
        self._ids: dict[str | None, int] = {
            token: i for i, token in enumerate(encoding.vocabulary) if i > 1
        }

    def encode(
        self, texts: Sequence[str | None]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """Ids of each text's first tokens, then padding; unknown tokens are 1.

        A text that is None or has no tokens has length 0 and is all padding.

        Returns:
            ids (n, max_length) int32; length (n,) int64, the tokens kept; num_tokens (n,) int64, the
            tokens there were before the rest was cut off.
        """
        return self.encode_tokens(self.tokenize([text or "" for text in texts]))

    def encode_tokens(
        self, texts: Sequence[Sequence[str | None]]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """`encode` of texts that are lists of tokens already; as they are, in upper or lower case."""
        size = self.encoding.max_length
        ids = np.zeros((len(texts), size), np.int32)
        num_tokens = np.zeros(len(texts), np.int64)
        for row, tokens in enumerate(texts):
            row_ids = [self._ids.get(token, 1) for token in tokens[:size]]
            ids[row, : len(row_ids)] = row_ids
            num_tokens[row] = len(tokens)
        return ids, np.minimum(num_tokens, size), num_tokens


def tokenizer(encoding: TextEncoding) -> Callable[[Sequence[str]], list[list[str]]]:
    """The function that splits texts into tokens.

    Raises:
        ConfigError: the package `tokenizers` is missing, or cannot read the definition.
    """
    if encoding.tokenizer == "file":
        return _from_definition(encoding.definition or "")
    case = str.lower if encoding.lowercase else str
    if encoding.tokenizer == "characters":
        return lambda texts: [list(case(text)) for text in texts]
    if encoding.tokenizer == "tokens":
        return lambda texts: [case(text).split(SEPARATOR) if text else [] for text in texts]
    words = re.compile(WORD)
    return lambda texts: [words.findall(case(text)) for text in texts]


def _from_definition(definition: str) -> Callable[[Sequence[str]], list[list[str]]]:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ConfigError(
            "a HuggingFace tokenizer file needs the package `tokenizers`, which is not installed. "
            "Install it (pip install tokenizers), or set tokenizer to words or characters."
        ) from None
    try:
        encoder: Any = Tokenizer.from_str(definition)
    except Exception as error:  # what the package raises has no type of its own
        raise ConfigError(
            f"the tokenizer file must be a tokenizer.json of HuggingFace tokenizers, got one that "
            f"cannot be read: {error}."
        ) from error
    encoder.no_truncation()
    encoder.no_padding()
    return lambda texts: [
        encoding.tokens for encoding in encoder.encode_batch(list(texts), add_special_tokens=False)
    ]
