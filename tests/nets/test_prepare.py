"""Preparation against direct formulas in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nets import ConfigError, PreparationConfig, Sums, TensorSpec
from nets.prepare import make
from nets.statistics import Statistics

IMAGE = TensorSpec(kind="image", shape=(2, 3, 4))
VECTOR = TensorSpec(kind="vector", shape=(6,))
RNG = np.random.default_rng(0)
# Correlated features with large means, where naive sums of squares lose digits.
ROWS = RNG.normal(size=(500, 6)) @ RNG.normal(size=(6, 6)) + 1e4 * RNG.normal(size=6)


def statistics(rows: np.ndarray, *, outer: bool = False) -> Statistics:
    sums = Sums(rows.shape[1], outer=outer)
    sums.add(rows)
    return sums.statistics()


@given(cuts=st.lists(st.integers(0, 500), max_size=6), outer=st.booleans())
def test_partial_sums_merge_to_the_figures_of_the_whole(cuts: list[int], outer: bool) -> None:
    bounds = [0, *sorted(cuts), 500]
    total = Sums(6, outer=outer)
    for low, high in itertools.pairwise(bounds):
        part = Sums(6, outer=outer)
        part.add(ROWS[low:high])
        total.merge(Sums.from_bytes(part.to_bytes()))
    found = total.statistics()
    assert found.count == 500
    np.testing.assert_allclose(found.mean, ROWS.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, ROWS.var(axis=0), rtol=1e-9)
    np.testing.assert_array_equal(found.minimum, ROWS.min(axis=0))
    if outer:
        assert found.covariance is not None
        np.testing.assert_allclose(found.covariance, np.cov(ROWS.T, bias=True), rtol=1e-7)


def test_no_rows_give_no_figures() -> None:
    with pytest.raises(ConfigError, match="at least one training row, got none"):
        Sums(3).statistics()


def test_standardize_is_per_channel_over_all_positions() -> None:
    x = RNG.normal(size=(200, 2, 3, 4)) * np.array([1, 50]).reshape(2, 1, 1) + 7
    layer = make(PreparationConfig(), IMAGE, statistics(x.reshape(200, -1)))
    out = layer(torch.from_numpy(x)).double().numpy()
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=(0, 2, 3)), 1, atol=1e-4)
    assert layer.output.shape == IMAGE.shape


def test_center_subtracts_each_features_mean() -> None:
    layer = make(PreparationConfig(method="center"), VECTOR, statistics(ROWS - ROWS.mean(0) + 3))
    out = layer(torch.from_numpy(ROWS - ROWS.mean(0) + 3)).numpy()
    np.testing.assert_allclose(out, ROWS - ROWS.mean(0), atol=1e-4)


def test_scale_reaches_from_0_to_1() -> None:
    spec = TensorSpec(kind="vector", shape=(6,), dtype="uint8")
    plain = make(PreparationConfig(method="scale"), spec)
    assert plain(torch.tensor([[0, 51, 255, 0, 0, 0]], dtype=torch.uint8))[0, :3].tolist() == [
        0,
        pytest.approx(0.2),
        1,
    ]
    fitted = make(PreparationConfig(method="scale"), VECTOR, statistics(ROWS))
    out = fitted(torch.from_numpy(ROWS))
    assert out.min().item() == pytest.approx(0, abs=1e-3)
    assert out.max().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("method", ["pca", "zca"])
def test_whitened_features_are_uncorrelated_with_deviation_1(method: str) -> None:
    rows = ROWS - ROWS.mean(axis=0)
    config = PreparationConfig(method=method, epsilon=1e-12)  # type: ignore[arg-type]
    layer = make(config, VECTOR, statistics(rows, outer=True))
    out = layer(torch.from_numpy(rows)).double().numpy()
    np.testing.assert_allclose(np.cov(out.T, bias=True), np.eye(6), atol=1e-3)


def test_zca_is_the_symmetric_inverse_root_of_the_covariance() -> None:
    config = PreparationConfig(method="zca", epsilon=0.1)
    layer = make(config, VECTOR, statistics(ROWS, outer=True))
    values, vectors = np.linalg.eigh(np.cov(ROWS.T, bias=True))
    expected = vectors @ np.diag(1 / np.sqrt(values + 0.1)) @ vectors.T
    assert layer.matrix is not None
    np.testing.assert_allclose(layer.matrix.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert layer.output.shape == VECTOR.shape


def test_pca_keeps_the_main_axes_as_scikit_learn_does() -> None:
    from sklearn.decomposition import PCA

    rows = ROWS - ROWS.mean(axis=0)
    config = PreparationConfig(method="pca", num_components=3, whiten=False)
    layer = make(config, VECTOR, statistics(rows, outer=True))
    expected = PCA(3).fit_transform(rows)
    found = layer(torch.from_numpy(rows)).numpy()
    assert layer.output == TensorSpec(kind="vector", shape=(3,))
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-3, atol=1e-3)


def test_a_feature_that_never_varies_stays_finite() -> None:
    rows = np.ones((10, 6))
    for method in ("standardize", "scale", "zca"):
        config = PreparationConfig(method=method)  # type: ignore[arg-type]
        layer = make(config, VECTOR, statistics(rows, outer=True))
        assert torch.isfinite(layer(torch.ones(2, 6))).all()


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(ConfigError, match="'zca' needs statistics of the training split"):
        make(PreparationConfig(method="zca"), VECTOR, statistics(ROWS))
    with pytest.raises(ConfigError, match="at most the 6 features of a sample, got 7"):
        config = PreparationConfig(method="pca", num_components=7)
        make(config, VECTOR, statistics(ROWS, outer=True))


def test_token_ids_pass_unchanged() -> None:
    spec = TensorSpec(kind="tokens", shape=(3,), dtype="int32", vocabulary_size=9)
    out = make(PreparationConfig(), spec)(torch.tensor([[1, 8, 0]], dtype=torch.int32))
    assert out.dtype == torch.int64
    assert out.tolist() == [[1, 8, 0]]
