"""Nets of sounds, looked at from their spectrograms on: these are pictures or series, waveforms are neither."""

from __future__ import annotations

import torch

from nets import Net, Prepare

_SLICE = 64


def from_spectrograms(net: Net) -> Net:
    """The same net, which takes what its first layer makes of a sound; other nets as they are."""
    if net.spec.kind != "sound":
        return net
    spec = net.prepare.output
    prepare = Prepare("none", spec, torch.zeros(()), torch.ones(()), None)
    heard = Net(net.config, spec, net.num_outputs, prepare, net.body, net.restore)
    heard.labels = net.labels
    return heard.train(net.training)


def spectrograms(net: Net, features: torch.Tensor) -> torch.Tensor:
    """Waveforms (n, samples) as the net's first layer prepares them."""
    with torch.inference_mode():
        parts = [net.prepare(part) for part in features.split(_SLICE)]
    return torch.cat(parts).clone()
