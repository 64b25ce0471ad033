"""Hashed n-grams: the same codes for tensors and arrays, and none over padding."""

from __future__ import annotations

import numpy as np
import torch

from nets.ngrams import hash_ngrams


def test_tensors_and_arrays_have_the_same_codes() -> None:
    ids = np.random.default_rng(0).integers(1, 20_000, (50, 12))
    ids[:, 9:] = 0
    arrays = list(hash_ngrams(ids, 4, 2**18))
    tensors = list(hash_ngrams(torch.from_numpy(ids), 4, 2**18))
    assert [code.shape for code, _ in arrays] == [(50, 11), (50, 10), (50, 9)]
    for (code, there), (other, also) in zip(arrays, tensors, strict=True):
        assert np.array_equal(code, other.numpy()) and np.array_equal(there, also.numpy())
        assert code.min() >= 0 and code.max() < 2**18
    assert [int(there.sum(1)[0]) for _, there in arrays] == [8, 7, 6]


def test_order_matters_and_place_does_not() -> None:
    ((code, _),) = hash_ngrams(np.array([[5, 9, 5, 9]]), 2, 2**18)
    assert code[0, 0] == code[0, 2] != code[0, 1]


def test_codes_are_those_of_recorded_nets() -> None:
    """A net's weights belong to codes: other codes would change what a recorded net answers."""
    codes = [code.tolist() for code, _ in hash_ngrams(np.array([[3, 7, 11]]), 3, 2**17)]
    assert codes == [
        [[(3 * 31 + 7 * 1_000_003) % 2**17, (7 * 31 + 11 * 1_000_003) % 2**17]],
        [[((3 * 31 + 7 * 1_000_003) * 31 + 11 * 998_244_353) % 2**17]],
    ]


def test_one_token_has_no_pairs() -> None:
    assert list(hash_ngrams(np.array([[4]]), 2, 8)) == []
