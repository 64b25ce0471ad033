from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nets.augment import Augment, AugmentConfig
from nets.errors import ConfigError
from nets.spec import TensorSpec


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    shape = (count, 3, height, width)
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=seeded(seed))


def varied(features: Tensor, kind: Any, seed: int = 0, length: Any = None, **config: Any) -> Tensor:
    dtype: Any = str(features.dtype).removeprefix("torch.")
    spec = TensorSpec(kind=kind, shape=tuple(features.shape[1:]), dtype=dtype)
    return Augment(AugmentConfig(**config), spec)(features, length, seeded(seed))


def crops(picture: Tensor, reach: int, padding: str, flip: bool) -> list[Tensor]:
    """Every picture a random crop may give, by padding and slicing."""
    height, width = picture.shape[1:]
    mode = "reflect" if padding == "reflect" else "constant"
    wide = torch.nn.functional.pad(picture.float()[None], (reach,) * 4, mode=mode)[0]
    found = [
        wide[:, y : y + height, x : x + width]
        for y in range(2 * reach + 1)
        for x in range(2 * reach + 1)
    ]
    return found + ([one.flip(2) for one in found] if flip else [])


@given(
    height=st.integers(4, 9),
    width=st.integers(4, 9),
    reach=st.integers(0, 3),
    padding=st.sampled_from(["reflect", "zero"]),
    flip=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_picture_is_a_crop_of_itself(
    height: int, width: int, reach: int, padding: str, flip: bool, seed: int
) -> None:
    before = pictures(3, height, width, seed)
    after = varied(before, "image", seed, crop=reach, padding=padding, flip=flip)
    assert after.dtype == before.dtype and after.shape == before.shape
    for old, new in zip(before, after, strict=True):
        assert any(torch.equal(new.float(), one) for one in crops(old, reach, padding, flip))


def test_every_shift_and_both_sides_come_up() -> None:
    before = pictures(1, 4, 5).expand(600, -1, -1, -1)
    after = varied(before, "image", crop=1, flip=True)
    assert len({tuple(picture.flatten().tolist()) for picture in after}) == 2 * 3 * 3


def test_flip_mirrors_about_half_and_shifts_none() -> None:
    before = pictures(1000, 4, 4)
    after = varied(before, "image", flip=True)
    mirrored = (after == before.flip(3)).flatten(1).all(1)
    same = (after == before).flatten(1).all(1)
    assert bool((mirrored | same).all())
    assert 430 < int(mirrored.sum()) < 570


@given(size=st.integers(1, 7), seed=st.integers(0, 1000))
def test_cutout_hides_one_square_and_keeps_the_rest(size: int, seed: int) -> None:
    before = pictures(4, 8, 9, seed)
    after = varied(before, "image", seed, cutout=size)
    mean = before.float().mean((2, 3), keepdim=True).round()
    for old, new, fill in zip(before, after, mean, strict=True):
        changed = (old != new).any(0)
        rows, columns = changed.any(1).nonzero(), changed.any(0).nonzero()
        if len(rows) == 0:
            continue
        y, x = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        assert y.stop - y.start <= size and x.stop - x.start <= size
        assert torch.equal(new[:, y, x].float(), fill.expand_as(new[:, y, x]))


def test_cutout_covers_its_full_area_away_from_the_border() -> None:
    after = varied(
        torch.zeros(200, 1, 9, 9).index_fill_(2, torch.tensor([0]), 9.0), "image", cutout=4
    )
    assert int((after == 1.0).sum((1, 2, 3)).max()) == 16  # the mean of 9 nines among 81


def test_float_pictures_and_uint8_pictures_vary_alike() -> None:
    whole = pictures(5, 6, 6)
    config = {"crop": 2, "flip": True}
    assert torch.equal(
        varied(whole, "image", **config).float(), varied(whole.float(), "image", **config)
    )


def test_channels_last_pictures_vary_alike() -> None:
    before = pictures(5, 6, 6)
    last = before.contiguous(memory_format=torch.channels_last)
    config = {"crop": 2, "flip": True, "cutout": 2}
    assert torch.equal(varied(last, "image", **config), varied(before, "image", **config))


def sequences(count: int = 400, steps: int = 12) -> tuple[Tensor, Tensor]:
    """Two channels far from 0 and of very different scale; zeros after each length."""
    x = torch.randn(count, steps, 2, generator=seeded(1)) * torch.tensor([1.0, 100.0])
    length = torch.randint(1, steps + 1, (count,), generator=seeded(2))
    valid = (torch.arange(steps) < length[:, None])[:, :, None]
    return (x + torch.tensor([500.0, -1000.0])) * valid, length


@pytest.mark.parametrize("config", [{"jitter": 0.1}, {"scaling": 0.1}, {"time_mask": 4}])
def test_padding_steps_stay_as_they_are(config: dict[str, Any]) -> None:
    x, length = sequences()
    after = varied(x, "series", length=length, **config)
    padding = torch.arange(12) >= length[:, None]
    assert torch.equal(after[padding], x[padding])
    assert not torch.equal(after[~padding], x[~padding])


def test_jitter_is_relative_to_each_channels_spread() -> None:
    x, length = sequences()
    valid = torch.arange(12) < length[:, None]
    noise = (varied(x, "series", length=length, jitter=0.1) - x)[valid]
    assert noise.std(0).tolist() == pytest.approx([0.1, 10.0], rel=0.08)
    assert (noise.mean(0) / noise.std(0)).abs().max() < 0.1


def test_scaling_is_one_factor_per_row_and_channel_around_the_mean() -> None:
    x, _ = sequences()
    x = torch.randn(400, 12, 2, generator=seeded(3)) * torch.tensor([1.0, 50.0]) + 300
    mean = x.mean((0, 1))
    factor = (varied(x, "series", scaling=0.2) - mean) / (x - mean)
    steady = (x - mean).abs() > x.std((0, 1)) / 10  # close to the mean the quotient is rounding
    for channel in range(2):
        for row in range(20):
            found = factor[row, :, channel][steady[row, :, channel]]
            assert torch.allclose(found, found[0], rtol=1e-2)
    assert float(factor[:, :, 0][steady[:, :, 0]].std()) == pytest.approx(0.2, rel=0.15)


def test_time_mask_hides_one_run_by_the_mean_and_never_every_step() -> None:
    x, length = sequences()
    after = varied(x, "series", length=length, time_mask=4)
    longest = 0
    for old, new, steps in zip(x, after, length.tolist(), strict=True):
        changed = (old != new).any(1).nonzero().flatten().tolist()
        assert changed == list(range(changed[0], changed[-1] + 1)) if changed else True
        assert len(changed) < max(steps, 2)
        if changed:
            hidden = old[:steps].mean(0).expand(len(changed), 2)
            assert torch.allclose(new[changed], hidden, rtol=1e-4)
        longest = max(longest, len(changed))
    assert longest == 4


def test_whole_number_series_stay_within_their_type() -> None:
    x = torch.randint(0, 256, (50, 8, 1), dtype=torch.uint8, generator=seeded(0))
    after = varied(x, "series", jitter=2.0)
    assert after.dtype == torch.uint8
    assert int(after.min()) == 0 and int(after.max()) == 255  # held at the ends, not wrapped


def test_same_generator_same_variation_and_nothing_to_do_is_free() -> None:
    before = pictures(8, 6, 6)
    config = {"crop": 2, "flip": True, "cutout": 2}
    one, two = varied(before, "image", 5, **config), varied(before, "image", 5, **config)
    assert torch.equal(one, two)
    assert not torch.equal(one, varied(before, "image", 6, **config))
    assert varied(before, "image") is before


@pytest.mark.parametrize(
    ("kind", "shape", "config", "message"),
    [
        ("series", (8, 2), {"flip": True}, "augment.flip works on image rows, got series"),
        ("vector", (8,), {"jitter": 0.1}, "augment.jitter works on series rows, got vector"),
        ("image", (1, 8, 8), {"crop": 8}, "at most 7 for 8x8"),
        ("image", (1, 8, 8), {"cutout": 8}, "at most 7 for 8x8"),
        ("series", (8, 2), {"time_mask": 8}, "below 8 here, got 8"),
    ],
)
def test_settings_that_do_not_fit_the_rows_are_refused(
    kind: Any, shape: tuple[int, ...], config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Augment(AugmentConfig(**config), TensorSpec(kind=kind, shape=shape))
