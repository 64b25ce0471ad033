from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from nets import inside
from nets.errors import ConfigError
from tests.nets.inside_nets import convolutional, images


def test_filters_are_the_weights_and_a_copy() -> None:
    net = convolutional()
    weights = inside.filters(net, "body.3")
    assert weights.shape == (4, 6, 3, 3)
    conv = net.body[3]  # type: ignore[index]
    np.testing.assert_array_equal(weights, conv.weight.detach().numpy())
    weights[:] = 0
    assert bool(conv.weight.any())
    assert inside.convolutions(net) == ["body.0", "body.3"]
    with pytest.raises(ConfigError, match=r"'body\.8' is a Linear.*body\.0, body\.3"):
        inside.filters(net, "body.8")


def test_views_that_suit_a_layer() -> None:
    net = convolutional()
    first, second = inside.filters(net, "body.0"), inside.filters(net, "body.3")
    assert inside.views(first)[0] == "rgb" and inside.views(second)[0] == "norm"
    assert inside.views(first[:, :1]) == ["channels", "norm"]
    np.testing.assert_array_equal(inside.pictures(first, "rgb")[2, 1, 0], first[2, :, 1, 0])
    np.testing.assert_allclose(
        inside.pictures(second, "norm")[1, 2, 2], np.linalg.norm(second[1, :, 2, 2]), rtol=1e-6
    )
    with pytest.raises(ConfigError, match="3 input channels, this layer has 6"):
        inside.pictures(second, "rgb")


def test_distance_from_the_start_and_near_duplicates() -> None:
    start = np.random.default_rng(0).normal(size=(4, 2, 3, 3)).astype(np.float32)
    now = start.copy()
    now[1] *= 3
    now[3] = 2 * now[0]
    np.testing.assert_allclose(inside.distances(now, start)[:3], [0, 2, 0], atol=1e-6)
    ((i, j, similarity),) = inside.near_duplicates(now)
    assert (i, j) == (0, 3) and similarity == pytest.approx(1)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(3, 4, (5, 3), padding="same"),
        nn.Conv2d(3, 4, 3, stride=2, padding=2, dilation=2, bias=False),
        nn.Conv2d(3, 3, 3, groups=3, padding=1, padding_mode="reflect"),
    ],
    ids=["padded", "same", "strided-dilated", "grouped-reflect"],
)
@pytest.mark.parametrize("at", [(0, 0), (1, 2)])
def test_a_value_is_its_window_times_the_filter(conv: nn.Conv2d, at: tuple[int, int]) -> None:
    net = nn.Sequential(nn.Identity(), conv)
    shown = inside.response(net, "1", images(1).float(), 1, *at)
    by_hand = float((shown.window * shown.weights).sum()) + shown.bias
    assert by_hand == pytest.approx(shown.value, rel=1e-4, abs=1e-3)
    assert shown.feature_map[at] == shown.value


def test_the_window_is_cut_from_the_layers_input() -> None:
    net = convolutional()
    shown = inside.response(net, "body.0", images(1), 0, 3, 5)
    assert (shown.row, shown.column) == (2, 4)
    np.testing.assert_array_equal(shown.source[:, 2:5, 4:7], shown.window)
    with pytest.raises(ConfigError, match=r"row of body\.0 must be 0 to 7, got 8"):
        inside.response(net, "body.0", images(1), 0, 8, 0)


def test_montage_lays_tiles_out_row_by_row() -> None:
    maps = np.zeros((5, 2, 2), dtype=np.float32)
    maps[3] = 1
    board = inside.montage(maps, palette="grey", columns=2, tile=4, gap=1)
    assert board.shape == (3 * 4 + 2, 2 * 4 + 1, 3) and board.dtype == np.uint8
    assert (board[5:9, 5:9] == 255).all(), "the fourth map stands in the second row, second column"
    assert (board[0:4, 0:9] != 255).all()
    assert (board[10:, 5:] == 128).all(), "where there is no map the background shows"
    clear = inside.montage(maps, columns=2, tile=4, gap=1, opaque=False)
    assert clear.shape[2] == 4 and not clear[10:, 5:, 3].any() and clear[5:9, 5:9, 3].all()


def test_scales() -> None:
    maps = np.stack([np.full((1, 2), [0.0, 1.0]), np.full((1, 2), [0.0, 10.0])])
    common, each = (inside.unit_range(maps, scale) for scale in ("common", "each"))
    assert common[0].max() == pytest.approx(0.1) and each[0].max() == 1
    signed = inside.unit_range(np.array([[-1.0, 0.0, 4.0]]), symmetric=True)
    assert signed[0, 1] == pytest.approx(0.5), "zero stays in the middle"
    assert inside.unit_range(np.array([[5.0, 5.0]])).max() == 0
    assert inside.unit_range(np.array([[0.0, np.nan, 2.0]])).tolist() == [[0, 0, 1]]
    shared = inside.unit_range(np.array([[0.0, 1.0]]), bounds=(0, 4))
    assert shared.max() == pytest.approx(0.25)


def test_pictures_of_samples() -> None:
    sample = images(1)[0].numpy()
    np.testing.assert_array_equal(inside.picture(sample), sample.transpose(1, 2, 0))
    grey = inside.picture(sample[:1])
    assert grey.shape == (8, 8, 3) and (grey[..., 0] == grey[..., 2]).all()
    digits = (sample[:1] // 16).astype(np.uint8)  # 0 to 15: would be nearly black as it is
    assert inside.picture(digits).max() > 200
    heated = inside.overlay(inside.picture(sample), np.eye(4, dtype=np.float32))
    assert heated.shape == (8, 8, 3)
    assert (heated[7, 0] == inside.picture(sample)[7, 0]).all(), "no heat, no colour"
