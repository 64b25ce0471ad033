"""Recurrent nets over token ids or real-valued series, of fixed or varying length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nets.activations import ActivationName
from nets.cnn import dense_layers, make_embedding, output_layer
from nets.config import config
from nets.dropout import Dropout
from nets.errors import ConfigError
from nets.idle import IdleSetting, without_maxout, without_tokens
from nets.spec import TensorSpec
from nets.wide import check_relative, relative_to_last
from nets.wide import make as make_wide


@config
class RNNConfig:
    """Embedding (token ids only), recurrent layers, a summary over time, dense layers."""

    sound_as: ClassVar[str] = "series"
    reconstructs: ClassVar[bool] = False
    kind: Literal["rnn"] = "rnn"
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    """rnn: Elman 1990; lstm: Hochreiter & Schmidhuber 1997; gru: Cho et al. 2014."""
    hidden: int = Field(default=64, ge=1)
    """Units of a recurrent layer, in each direction."""
    layers: int = Field(default=1, ge=1)
    """Recurrent layers on top of each other."""
    bidirectional: bool = False
    """Read the sequence from both ends."""
    summary: Literal["last", "mean", "max", "mean_max"] = "last"
    """What goes to the head: the state after the last valid step, the mean or maximum over all, or mean and maximum."""
    dense: tuple[int, ...] = ()
    """Widths of the hidden dense layers."""
    activation: ActivationName = "tanh"
    """After hidden dense layers; for cell rnn also the recurrence's own (tanh or relu only there)."""
    maxout_pieces: int = Field(default=2, ge=2)
    """Linear pieces of maxout."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of values set to zero in training: embeddings, between recurrent layers, before dense ones."""
    embedding: int = Field(default=64, ge=1)
    """Token ids only: numbers that stand for a token."""
    wide: int = Field(default=0, ge=0)
    """A linear model beside the net (wide and deep, Cheng 2016). Tokens: of n-grams of up to so many; series: 1, of all values, 2, of random convolutions too (MiniRocket, Dempster 2021); 0: none."""
    relative: bool = False
    """Series: the net sees each step's distance from the last one (NLinear, Zeng 2023), so that levels do not matter."""

    @property
    def nonlinearity(self) -> str:
        """What the plain recurrent cell computes: relu if `activation` is relu, else tanh."""
        return "relu" if self.activation == "relu" else "tanh"

    def with_layers(self, widths: tuple[int, ...]) -> RNNConfig:
        """The same with a recurrent layer for each width, all of which are the same."""
        return replace(self, hidden=widths[0], layers=len(widths))

    def idle(self, kind: str | None) -> Iterator[IdleSetting]:
        """Settings that change nothing beside the others, for rows of this kind."""
        if not self.dense:
            yield from self._idle_in_recurrence()
        yield from without_maxout(self.activation)
        yield from without_tokens(kind)

    def _idle_in_recurrence(self) -> Iterator[IdleSetting]:
        """Without dense layers only the plain cell has an activation to choose, relu or tanh."""
        if self.cell != "rnn":
            rule = f"cell {self.cell!r} has its own functions, and there are no dense layers"
            way_out = "Add a layer to net.dense, or set net.cell to rnn"
            yield IdleSetting("activation", rule, way_out)
        elif self.activation not in ("relu", "tanh"):
            rule = "cell 'rnn' computes tanh unless net.activation is relu, and there are no dense layers"
            yield IdleSetting("activation", rule, "Add a layer to net.dense")
        if self.activation == "maxout":
            rule = "maxout is for dense layers, and there are none"
            yield IdleSetting("maxout_pieces", rule, "Add a layer to net.dense")


class RNN(nn.Module):
    """Token ids (B, T) or a series (B, T, C), with lengths (B,) -> (B, num_outputs).

    Steps from a row's length on are padding and change nothing.

    Raises:
        ConfigError: the input has no time axis.
    """

    def __init__(self, net: RNNConfig, spec: TensorSpec, num_outputs: int) -> None:
        super().__init__()
        if spec.kind not in ("tokens", "series"):
            raise ConfigError(
                f"a recurrent net reads tokens or series, got {spec.kind} {spec.shape}. Use "
                "net.kind cnn, or encode the data as a series (steps, channels)."
            )
        check_relative(net.relative, spec)
        self.summary, self.relative = net.summary, net.relative
        self.steps = spec.shape[0]
        tokens = spec.kind == "tokens"
        self.embedding = (
            make_embedding(spec.vocabulary_size or 0, net.embedding) if tokens else nn.Identity()
        )
        self.embedding_dropout = Dropout(net.dropout) if tokens else nn.Identity()
        self.recurrent = _recurrent(net, net.embedding if tokens else spec.shape[1])
        features = net.hidden * (2 if net.bidirectional else 1)
        features *= 2 if net.summary == "mean_max" else 1
        self.dropout = Dropout(net.dropout) if net.dropout else nn.Identity()
        self.dense, features = dense_layers(features, net)
        self.output = output_layer(features, num_outputs)
        self.wide = make_wide(net.wide, spec, num_outputs, net.dropout)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        if self.relative:
            x = relative_to_last(x, length)
        raw = x
        x = self.embedding_dropout(self.embedding(x))  # (B, T, C)
        states, last = self._run(x, length)
        summary = last if self.summary == "last" else summarize(self.summary, states, length)
        out: Tensor = self.output(self.dense(self.dropout(summary)))
        return out if self.wide is None else out + self.wide(raw, length)

    def _run(self, x: Tensor, length: Tensor | None) -> tuple[Tensor, Tensor]:
        """States (B, T, H) and the last state (B, H), of each direction after its last step."""
        if length is None:
            states, final = self.recurrent(x)
        else:
            # cuDNN wants the lengths on the host; a row without steps reads one of padding.
            host = length.clamp(1, x.shape[1]).cpu()
            packed = pack_padded_sequence(x, host, batch_first=True, enforce_sorted=False)
            states, final = self.recurrent(packed)
            states, _ = pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])
            if torch.onnx.is_in_onnx_export():  # which cannot put the last states back into order
                return states, self._last(states, host)
        hidden = final[0] if isinstance(final, tuple) else final  # (layers * directions, B, H)
        if self.recurrent.bidirectional:
            return states, torch.cat([hidden[-2], hidden[-1]], dim=1)
        return states, hidden[-1]

    def _last(self, states: Tensor, length: Tensor) -> Tensor:
        """(B, H) of the states (B, T, H): each direction after its last step."""
        at = (length - 1)[:, None, None].expand(-1, 1, states.shape[2])
        last = states.gather(1, at)[:, 0]
        if not self.recurrent.bidirectional:
            return last
        hidden = self.recurrent.hidden_size
        return torch.cat([last[:, :hidden], states[:, 0, hidden:]], dim=1)


def _recurrent(net: RNNConfig, features: int) -> nn.RNN | nn.LSTM | nn.GRU:
    settings = {
        "num_layers": net.layers,
        "bidirectional": net.bidirectional,
        "dropout": net.dropout if net.layers > 1 else 0.0,
        "batch_first": True,
    }
    recurrent: nn.RNN | nn.LSTM | nn.GRU
    if net.cell == "rnn":
        recurrent = nn.RNN(features, net.hidden, nonlinearity=net.nonlinearity, **settings)
    else:
        recurrent = (nn.LSTM if net.cell == "lstm" else nn.GRU)(features, net.hidden, **settings)
    _initialise(recurrent)
    return recurrent


def _initialise(recurrent: nn.RNNBase) -> None:
    """Glorot for the input, orthogonal for the recurrence (Saxe et al. 2014), biases 0, but 1 for
    the LSTM's forget gate (Jozefowicz et al. 2015): nothing is forgotten before that is learnt."""
    for name, weight in recurrent.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight)
        elif name.startswith("weight_hh"):
            nn.init.orthogonal_(weight)
        else:
            nn.init.zeros_(weight)
            if isinstance(recurrent, nn.LSTM) and name.startswith("bias_ih"):
                with torch.no_grad():
                    weight[recurrent.hidden_size : 2 * recurrent.hidden_size] = 1.0


def summarize(summary: str, states: Tensor, length: Tensor | None) -> Tensor:
    """(B, T, H) -> (B, H), or (B, 2 H) for mean_max: over the steps before each row's length."""
    if summary == "mean_max":  # concat pooling (Howard and Ruder 2018)
        return torch.cat([_mean(states, length), _max(states, length)], dim=1)
    return _mean(states, length) if summary == "mean" else _max(states, length)


def valid_steps(length: Tensor, steps: int) -> Tensor:
    """(B, steps): True before each row's length, and for the first step of a row without any."""
    return torch.arange(steps, device=length.device)[None, :] < length.clamp(min=1)[:, None]


def _mean(states: Tensor, length: Tensor | None) -> Tensor:
    if length is None:
        return states.mean(dim=1)
    valid = valid_steps(length, states.shape[1])[..., None]
    return (states * valid).sum(dim=1) / valid.sum(dim=1)


def _max(states: Tensor, length: Tensor | None) -> Tensor:
    if length is None:
        return states.amax(dim=1)
    return states.masked_fill(~valid_steps(length, states.shape[1])[..., None], -torch.inf).amax(
        dim=1
    )
