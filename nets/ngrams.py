"""Hashed n-grams of token ids (Weinberger et al. 2009), for the nets and for the linear baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from torch import Tensor

Ids = TypeVar("Ids", Tensor, np.ndarray)

LONGEST = 5
"""Tokens of the longest n-gram that is told from others."""
_FACTORS = (1, 1_000_003, 998_244_353, 754_974_721, 167_772_161)
"""Odd multipliers, one for each place in an n-gram."""


def hash_ngrams(ids: Ids, longest: int, rows: int) -> Iterator[tuple[Ids, Ids]]:
    """For each length from 2 to `longest`: the n-grams' codes, and which of them are there.

    Args:
        ids: (B, T) int64; 0 is padding, which follows the tokens and ends every n-gram.
        longest: tokens, at most `LONGEST`.
        rows: codes are below it.

    Yields:
        Codes and booleans, both (B, T - length + 1).
    """
    code = ids * _FACTORS[0]
    for more in range(1, min(longest, ids.shape[1])):
        # The tokens so far, and the next one.
        code = code[:, :-1] * 31 + ids[:, more:] * _FACTORS[more]
        yield code % rows, ids[:, more:] > 0
