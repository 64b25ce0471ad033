"""Convolutional nets: blocks of convolution, normalisation, activation and pooling, then a head."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from nets import activations
from nets.activations import ActivationName
from nets.config import config
from nets.dropout import Dropout
from nets.errors import ConfigError
from nets.idle import IdleSetting, without_hidden, without_maxout, without_tokens
from nets.spec import TensorSpec
from nets.wide import make as make_wide


@config
class BlockConfig:
    """Convolution, batch norm, activation, pooling, dropout, in this order."""

    channels: int = Field(default=32, ge=1)
    """Filters, and so feature maps."""
    kernel: int = Field(default=3, ge=1)
    """Side of the filters' window, in pixels or steps."""
    stride: int = Field(default=1, ge=1)
    """Step between windows."""
    padding: int | None = Field(default=None, ge=0)
    """Zeros around the map; None: kernel // 2, which keeps its size at stride 1."""
    pool: Literal["max", "average", "none"] = "max"
    """What a window of the feature map is reduced to."""
    pool_size: int = Field(default=2, ge=1)
    """Side of the pooling windows, which do not overlap."""


@config
class CNNConfig:
    """Blocks, then dense layers. Without blocks: a multilayer perceptron, for any input."""

    reconstructs: ClassVar[bool] = False
    kind: Literal["cnn"] = "cnn"
    blocks: tuple[BlockConfig, ...] = (BlockConfig(channels=16), BlockConfig(channels=32))
    """The convolutional part, first to last; () for none."""
    dense: tuple[int, ...] = (64,)
    """Widths of the hidden dense layers; () for none."""
    activation: ActivationName = "relu"
    """sigmoid, tanh, relu, leaky_relu, elu, maxout, gelu or silu, after every hidden layer."""
    batch_norm: bool = True
    """Normalise each channel over the batch, between convolution and activation."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of values set to zero in training, after each block and hidden dense layer."""
    global_pool: bool = False
    """Reduce each feature map to its mean before the head, whatever its size."""
    maxout_pieces: int = Field(default=2, ge=2)
    """Linear pieces of maxout."""
    embedding: int = Field(default=64, ge=1)
    """Token ids only: numbers that stand for a token."""
    wide: int = Field(default=0, ge=0)
    """A linear model beside the net (wide and deep, Cheng 2016). Tokens: of n-grams of up to so many; other samples: 1, of all values; series: 2, of random convolutions too (MiniRocket, Dempster 2021); 0: none."""

    def __post_init__(self) -> None:
        if self.wide and not self.blocks and not self.dense:
            raise ConfigError(
                f"wide is a linear model beside hidden layers, got {self.wide} without blocks or dense "
                "layers, which is a linear model already. Set wide to 0, or add a layer to dense."
            )

    def with_layers(self, widths: tuple[int, ...], dense: tuple[int, ...] = ()) -> CNNConfig:
        """The same with a block of convolutions for each width; without blocks, which need neighbours,
        with dense layers instead, before those of `dense`."""
        if not self.blocks:
            return replace(self, dense=(*widths, *dense))
        return replace(self, blocks=tuple(BlockConfig(channels=width) for width in widths))

    def idle(self, kind: str | None) -> Iterator[IdleSetting]:
        """Settings that change nothing beside the others, for rows of this kind."""
        yield from self._idle_in_blocks()
        if not self.blocks and not self.dense:
            yield from without_hidden("net.blocks or net.dense")
        yield from without_maxout(self.activation)
        yield from without_tokens(kind)

    def _idle_in_blocks(self) -> Iterator[IdleSetting]:
        if not self.blocks:
            for name in ("batch_norm", "global_pool"):
                rule = "it belongs to the convolutional part, got no blocks"
                yield IdleSetting(name, rule, "Add a block to net.blocks")
        for number, block in enumerate(self.blocks):
            path = f"blocks.{number}"
            if block.pool == "none":
                rule = "a block with pool 'none' has no windows to pool"
                yield IdleSetting(
                    f"{path}.pool_size", rule, f"Set net.{path}.pool to max or average"
                )
            elif block.pool_size == 1:
                rule = "pooling windows of pool_size 1 hold one value each"
                yield IdleSetting(f"{path}.pool", rule, f"Set net.{path}.pool_size above 1")


def lenet(activation: str = "relu") -> CNNConfig:
    """After LeNet-5 (LeCun et al. 1998), for pictures of 8x8 to 28x28: two blocks, two dense layers."""
    blocks = (BlockConfig(channels=16, kernel=5), BlockConfig(channels=32, kernel=3))
    return CNNConfig(blocks=blocks, dense=(120, 84), activation=activation, batch_norm=False)


class Block(nn.Module):
    """(B, C_in, *size) -> (B, channels, *smaller)."""

    def __init__(self, block: BlockConfig, net: CNNConfig, channels_in: int, dims: int) -> None:
        super().__init__()
        conv, norm = (nn.Conv1d, nn.BatchNorm1d) if dims == 1 else (nn.Conv2d, nn.BatchNorm2d)
        padding = block.kernel // 2 if block.padding is None else block.padding
        width = activations.widen(net.activation, block.channels, net.maxout_pieces)
        # Batch norm has a bias of its own.
        self.conv = conv(
            channels_in, width, block.kernel, block.stride, padding, bias=not net.batch_norm
        )
        activations.initialise(self.conv, net.activation)
        self.norm = norm(width) if net.batch_norm else nn.Identity()
        self.activation = activations.make(net.activation, pieces=net.maxout_pieces)
        self.pool = _pool(block, dims)
        self.dropout = Dropout(net.dropout) if net.dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.norm(self.conv(x)))
        pooled: Tensor = self.dropout(self.pool(x))
        return pooled


def _pool(block: BlockConfig, dims: int) -> nn.Module:
    if block.pool == "none" or block.pool_size == 1:
        return nn.Identity()
    makers: dict[tuple[str, int], type[nn.Module]] = {
        ("max", 1): nn.MaxPool1d,
        ("max", 2): nn.MaxPool2d,
        ("average", 1): nn.AvgPool1d,
        ("average", 2): nn.AvgPool2d,
    }
    return makers[block.pool, dims](block.pool_size)


class Dense(nn.Module):
    """(B, features) -> (B, width): linear, activation, dropout."""

    def __init__(
        self, features: int, width: int, activation: str, pieces: int, dropout: float
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(features, activations.widen(activation, width, pieces))
        activations.initialise(self.linear, activation)
        self.activation = activations.make(activation, pieces=pieces)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.dropout(self.activation(self.linear(x)))
        return out


class _Head(Protocol):
    """The settings of hidden dense layers, as every net's configuration has them."""

    @property
    def dense(self) -> tuple[int, ...]: ...
    @property
    def activation(self) -> ActivationName: ...
    @property
    def maxout_pieces(self) -> int: ...
    @property
    def dropout(self) -> float: ...


def dense_layers(features: int, net: _Head) -> tuple[nn.Sequential, int]:
    """The hidden dense layers over so many features, and how many features leave them."""
    layers = []
    for width in net.dense:
        layers.append(Dense(features, width, net.activation, net.maxout_pieces, net.dropout))
        features = width
    return nn.Sequential(*layers), features


def output_layer(features: int, num_outputs: int) -> nn.Linear:
    """The last layer: logits or values, so nothing follows it."""
    layer = nn.Linear(features, num_outputs)
    activations.initialise(layer, None)
    return layer


def make_embedding(vocabulary: int, size: int) -> nn.Embedding:
    """A vector for each token, small at first; 0 for padding.

    PyTorch's own start, deviation 1, is larger than what a training moves a rare token by: the net
    then learns its texts by heart. On 8,500 sentences 0.65 became 0.76 (Kim 2014 starts within 0.25).
    """
    layer = nn.Embedding(vocabulary, size, padding_idx=0)
    with torch.no_grad():
        layer.weight.mul_(_EMBEDDING_DEVIATION)
    return layer


_EMBEDDING_DEVIATION = 0.1


class CNN(nn.Module):
    """Images (B, C, H, W), series (B, T, C), token ids (B, T) or vectors (B, F) -> (B, num_outputs).

    Raises:
        ConfigError: a block does not fit what the one before it leaves.
    """

    def __init__(self, net: CNNConfig, spec: TensorSpec, num_outputs: int) -> None:
        super().__init__()
        self.kind = spec.kind
        dims = 2 if spec.kind == "image" else 1
        channels, *size = _channels_first(net, spec)
        self.embedding = (
            make_embedding(spec.vocabulary_size or 0, net.embedding)
            if spec.kind == "tokens"
            else nn.Identity()
        )
        blocks = []
        for number, block in enumerate(net.blocks):
            size = _size_after(number, block, size)
            blocks.append(Block(block, net, channels, dims))
            channels = block.channels
        self.blocks = nn.Sequential(*blocks)
        average = nn.AdaptiveAvgPool2d(1) if dims == 2 else nn.AdaptiveAvgPool1d(1)
        self.global_pool = average if net.global_pool and net.blocks else nn.Identity()
        self.flatten = nn.Flatten()
        features = channels if net.global_pool and net.blocks else channels * math.prod(size)
        self.dense, features = dense_layers(features, net)
        self.output = output_layer(features, num_outputs)
        self.wide = make_wide(net.wide, spec, num_outputs, net.dropout)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        raw = x
        x = self.embedding(x)
        if self.kind in ("series", "tokens"):
            x = x.transpose(1, 2)  # (B, T, C) -> (B, C, T)
        x = self.flatten(self.global_pool(self.blocks(x)))
        logits: Tensor = self.output(self.dense(x))
        return logits if self.wide is None else logits + self.wide(raw, length)


def _channels_first(net: CNNConfig, spec: TensorSpec) -> tuple[int, ...]:
    """(channels, *size) of one sample, as the convolutions see it."""
    if spec.kind == "image":
        return spec.shape
    if spec.kind == "series":
        return spec.shape[1], spec.shape[0]
    if spec.kind == "tokens":
        return net.embedding, spec.shape[0]
    if net.blocks:
        raise ConfigError(
            f"a convolution needs neighbours, and a vector {spec.shape} has none, got "
            f"{len(net.blocks)} blocks. Set net.blocks to [] for dense layers only."
        )
    return (*spec.shape, 1)


def _size_after(number: int, block: BlockConfig, size: list[int]) -> list[int]:
    """Sides of the feature map behind a block.

    Raises:
        ConfigError: kernel or pooling window are larger than the map.
    """
    padding = block.kernel // 2 if block.padding is None else block.padding
    shown = "x".join(map(str, size))
    if block.kernel > min(size) + 2 * padding:
        raise ConfigError(
            f"net.blocks.{number}: kernel {block.kernel} with padding {padding} does not fit a "
            f"{shown} map. Use a smaller kernel, more padding, or fewer blocks that pool."
        )
    size = [activations.num_after_conv(n, block.kernel, block.stride, padding) for n in size]
    if block.pool == "none":
        return size
    if block.pool_size > min(size):
        shown = "x".join(map(str, size))
        raise ConfigError(
            f"net.blocks.{number}: pool_size {block.pool_size} does not fit a {shown} map. Set "
            "its pool to none, or use fewer blocks or strides."
        )
    return [n // block.pool_size for n in size]
