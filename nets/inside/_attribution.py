"""Which part of an input decides the answer: Grad-CAM, integrated gradients, occlusion.

By Captum, loaded when first used. Everything runs on a private copy of the net, on the prepared
input, so that integer pixels can have gradients too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nets.errors import ConfigError
from nets.inside._capture import copy_modules, find, run
from nets.inside._feature_maps import body, prepare_features
from nets.inside._filters import convolutions

Array = NDArray[np.float32]
Method = Literal["grad_cam", "integrated_gradients", "occlusion"]
METHODS: tuple[Method, ...] = ("grad_cam", "integrated_gradients", "occlusion")


def attribute(
    net: nn.Module,
    features: Tensor,
    target: int,
    method: Method,
    *,
    layer: str | None = None,
) -> Array:
    """What each pixel of one picture (1, C, H, W) adds to output `target`: (H, W) float32.

    grad_cam: >= 0, at the resolution of `layer`'s maps (default: the last convolution);
    integrated_gradients, occlusion: signed, at the input's resolution, summed over channels.
    """
    if features.ndim != 4 or len(features) != 1:
        raise ConfigError(
            f"attribute explains one picture (1, C, H, W), got {tuple(features.shape)}."
        )
    return {
        "grad_cam": lambda: grad_cam(net, features, target, layer),
        "integrated_gradients": lambda: integrated_gradients(net, features, target),
        "occlusion": lambda: occlusion(net, features, target),
    }[method]()


def grad_cam(net: nn.Module, features: Tensor, target: int, layer: str | None = None) -> Array:
    """Where `layer`'s maps speak for `target` (Selvaraju et al. 2017): (h, w), >= 0."""
    from captum.attr import LayerGradCam

    twin = copy_modules(net)
    names = convolutions(twin)
    if not names:
        raise ConfigError("Grad-CAM needs a convolution, and this net has none.")
    method = LayerGradCam(body(twin), find(twin, layer or names[-1]))
    heat = method.attribute(prepare_features(twin, features), target=target, relu_attributions=True)
    return _array(heat[0].mean(dim=0))


def integrated_gradients(net: nn.Module, features: Tensor, target: int, steps: int = 32) -> Array:
    """Gradients summed on the way from zeros to the input (Sundararajan et al. 2017): (H, W).

    Zeros in the prepared scale: the mean picture where the preparation centres.
    """
    from captum.attr import IntegratedGradients

    twin = copy_modules(net)
    heat = IntegratedGradients(body(twin)).attribute(
        prepare_features(twin, features), target=target, n_steps=steps
    )
    return _array(heat[0].sum(dim=0))


def occlusion(net: nn.Module, features: Tensor, target: int, window: int | None = None) -> Array:
    """How much `target` falls when a square is blanked (Zeiler & Fergus 2014): (H, W).

    `window`: side in pixels; default an eighth of the picture, at least 2.
    """
    from captum.attr import Occlusion

    twin = copy_modules(net)
    x = prepare_features(twin, features)
    side = window or max(2, min(x.shape[2:]) // 8)
    with torch.no_grad():
        heat = Occlusion(body(twin)).attribute(
            x,
            target=target,
            sliding_window_shapes=(x.shape[1], side, side),
            strides=(x.shape[1], max(1, side // 2), max(1, side // 2)),
            perturbations_per_eval=32,
        )
    return _array(heat[0].mean(dim=0))


def step_attribution(
    net: nn.Module, features: Tensor, target: int, length: int | None = None, steps: int = 32
) -> Array:
    """What each step of one sequence adds to output `target`, by integrated gradients: (steps,).

    Of a series the input itself varies, of tokens the output of the first embedding, from zeros.
    Signed; steps past `length` are 0.
    """
    twin = copy_modules(net)
    size = int(features.shape[1]) if length is None else length
    sizes = None if length is None else torch.tensor([length])
    embedding = next((m for m in twin.modules() if isinstance(m, nn.Embedding)), None)
    with torch.backends.cudnn.flags(enabled=False):  # its RNN has no backward in eval mode
        if embedding is None:
            heat = _integrate(
                lambda x: run(body(twin), x, _expand(sizes, x)),
                prepare_features(twin, features),
                target,
                steps,
            )
        else:
            heat = _integrate_tokens(twin, embedding, features, sizes, target, steps)
    values = _array(heat[0].reshape(heat.shape[1], -1).sum(dim=1))
    values[size:] = 0
    return values


def _expand(sizes: Tensor | None, x: Tensor) -> Tensor | None:
    return None if sizes is None else sizes.expand(len(x))


def _integrate(forward: Callable[[Tensor], Tensor], x: Tensor, target: int, steps: int) -> Tensor:
    """Integrated gradients from zeros by the midpoint rule, all points in one batch."""
    at = ((torch.arange(steps) + 0.5) / steps).to(x).reshape(-1, *[1] * (x.ndim - 1))
    points = (at * x).requires_grad_()
    (gradient,) = torch.autograd.grad(forward(points)[:, target].sum(), points)
    return gradient.mean(dim=0, keepdim=True) * x


def _integrate_tokens(
    twin: nn.Module,
    embedding: nn.Embedding,
    features: Tensor,
    sizes: Tensor | None,
    target: int,
    steps: int,
) -> Tensor:
    """The same path, but in the embedding's output."""
    embedded: list[Tensor] = []

    def forward(points: Tensor) -> Tensor:
        handle = embedding.register_forward_hook(lambda *_: points)
        try:
            return run(twin, features.expand(len(points), -1), _expand(sizes, points))
        finally:
            handle.remove()

    def keep(_module: Any, _inputs: Any, output: Tensor) -> None:
        embedded.append(output.detach().clone())

    handle = embedding.register_forward_hook(keep)
    with torch.no_grad():
        run(twin, features, sizes)
    handle.remove()
    return _integrate(forward, embedded[0], target, steps)


def _array(tensor: Tensor) -> Array:
    result: Array = tensor.detach().float().cpu().numpy().copy()
    return result
