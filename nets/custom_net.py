"""A net of a person's own: made, and tried on two rows before anything is trained with it."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from nets.custom import Custom
from nets.custom_errors import line_of, signature_of
from nets.custom_signature import given_to
from nets.errors import ConfigError
from nets.prepare import Prepare
from nets.spec import TensorSpec

_ROWS = 2


class WithoutLength(nn.Module):
    """A net that takes pictures or rows and no lengths, called as others are."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, length: Tensor | None = None) -> Any:
        return self.net(x)


def make_custom(config: Custom, prepare: Prepare, num_outputs: int) -> nn.Module:
    """The net of `config`, with weights of the current random state.

    Raises:
        UntrustedCodeError: its code is not loaded here.
        ConfigError: its signature does not fit, it fails on two rows, or what comes out has another
            shape than (B, num_outputs), of a net that reconstructs than the samples, or no gradient.
    """
    name, part = config.source.partition(":")[2], config.part
    if len(given_to(part)) != 2:
        raise ConfigError(
            f"a net takes `spec` and `num_outputs` first, then its settings by name: "
            f"__init__(self, spec, num_outputs, *, width=64). {name} takes "
            f"{signature_of(part)}."
        )
    try:
        net = part(prepare.output, num_outputs, **config.arguments)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{name} cannot be made for samples of {_describe(prepare.output)} and {num_outputs} "
            f"outputs: {type(error).__name__}: {error}{line_of(config, error)}."
        ) from error
    if not isinstance(net, nn.Module):
        raise ConfigError(
            f"{name} must be, or return, a torch.nn.Module, got {type(net).__name__}."
        )
    if config.reconstructs and prepare.output.kind == "tokens":
        raise ConfigError(
            f"{name} reconstructs, which needs measured values, got token ids. Learn classes from texts."
        )
    net = _taking_length(net, name, prepare.output)
    was_training = net.training
    net.eval()
    try:
        _try(config, net, prepare, num_outputs)
    finally:
        net.train(was_training)
    return net


def check_preparation(config: Custom, method: str) -> None:
    """Refuse samples that are prepared in another way than the net is made for.

    Raises:
        ConfigError: they are.
    """
    if config.wants_preparation not in (None, method):
        raise ConfigError(
            f"{config.source.partition(':')[2]} is made for preparation.method "
            f"{config.wants_preparation!r}, and does the rest by itself, got {method!r}. Set "
            f"preparation.method to {config.wants_preparation}."
        )


def _taking_length(net: nn.Module, name: str, spec: TensorSpec) -> nn.Module:
    try:
        inspect.signature(net.forward).bind(None, None)
    except TypeError:
        pass
    else:
        return net
    try:
        inspect.signature(net.forward).bind(None)
    except TypeError as error:
        raise ConfigError(
            f"the forward of {name} must be forward(self, x, length=None), got "
            f"forward{inspect.signature(net.forward)}: {error}."
        ) from None
    if spec.kind in ("tokens", "series"):
        raise ConfigError(
            f"rows of {_describe(spec)} may be shorter than that, so the forward of {name} must be "
            f"forward(self, x, length=None), got forward{inspect.signature(net.forward)}. `length` is "
            "(B,) or None; steps from it on are padding."
        )
    return WithoutLength(net)


def _try(config: Custom, net: nn.Module, prepare: Prepare, num_outputs: int) -> None:
    """Two rows of zeros through the net; also what a lazy layer needs to know its size."""
    name = config.source.partition(":")[2]
    spec = prepare.spec
    expected = prepare.output.shape if config.reconstructs else (num_outputs,)
    what = "(rows, *spec.shape)" if config.reconstructs else "(rows, num_outputs)"
    rows = torch.zeros(_ROWS, *spec.shape, dtype=getattr(torch, spec.dtype))
    try:
        with torch.enable_grad():
            x = prepare(rows, None)
            out = net(x, None)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the forward of {name} fails on {_ROWS} rows of {_describe(prepare.output)}: "
            f"{type(error).__name__}: {error}{line_of(config, error)}."
        ) from error
    if not isinstance(out, Tensor):
        raise ConfigError(
            f"the forward of {name} must return a tensor {(_ROWS, *expected)} for {_ROWS} rows, "
            f"got {type(out).__name__}."
        )
    if out.shape != (_ROWS, *expected):
        raise ConfigError(
            f"the forward of {name} must return {what}, {(_ROWS, *expected)} for "
            f"{_ROWS} rows of {_describe(prepare.output)}, got {tuple(out.shape)}."
        )
    if config.reconstructs:
        _try_code(config, net, x, out)
    if not out.is_floating_point() or not out.requires_grad:
        raise ConfigError(
            f"the output of {name} has no gradient ({out.dtype}), so nothing can be learned. Return "
            "floating-point scores that depend on parameters, without detach, no_grad or argmax."
        )


def coder_of(net: nn.Module) -> Any | None:
    """The module with `encode` and `decode` of a net that reconstructs from a code; None: it has none."""
    net = net.net if isinstance(net, WithoutLength) else net
    has_code = all(callable(getattr(net, name, None)) for name in ("encode", "decode"))
    return net if has_code else None


def _try_code(config: Custom, net: nn.Module, x: Tensor, out: Tensor) -> None:
    """Scoring gives the code beside the reconstruction: both must come from the same computation."""
    coder, name = coder_of(net), config.source.partition(":")[2]
    if coder is None:
        return
    try:
        code = coder.encode(x)
        drawn = coder.decode(code)
    except Exception as error:
        raise ConfigError(
            f"encode and decode of {name} fail on {_ROWS} rows of {tuple(x.shape[1:])}: "
            f"{type(error).__name__}: {error}{line_of(config, error)}."
        ) from error
    if code.ndim != 2 or len(code) != len(x):
        raise ConfigError(
            f"the encode of {name} must return (rows, numbers of the code), got {tuple(code.shape)}."
        )
    if not torch.equal(drawn, out):
        raise ConfigError(
            f"the forward of {name} must be decode(encode(x)), and gives something else. Call both in "
            "forward, or leave out encode and decode: the net has no code then."
        )


def _describe(spec: TensorSpec) -> str:
    return f"{spec.kind} {tuple(spec.shape)}"
