"""Nets in PyTorch: activations, convolutional, recurrent and residual nets, autoencoders, the
training loop, and ways to look inside. Knows no cluster and no tracking store.

Importing it loads no torch, which a Spark task would wait for without using it: what needs torch is
loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nets.errors import ConfigError, DivergedError, ModelFileError
from nets.spec import TensorSpec
from nets.statistics import Statistics, Sums

if TYPE_CHECKING:
    from nets.autoencoder import Autoencoder, AutoencoderConfig
    from nets.batches import Batch
    from nets.cnn import CNN, BlockConfig, CNNConfig, lenet
    from nets.files import load, save, to_onnx
    from nets.fit import Evaluation, Fit, TrainingConfig
    from nets.net import Layer, Net, NetConfig, build
    from nets.prepare import PreparationConfig, Prepare
    from nets.resnet import ResNet, ResNetConfig, fast_resnet
    from nets.rnn import RNN, RNNConfig

__all__ = [
    "CNN",
    "RNN",
    "Autoencoder",
    "AutoencoderConfig",
    "Batch",
    "BlockConfig",
    "CNNConfig",
    "ConfigError",
    "DivergedError",
    "Evaluation",
    "Fit",
    "Layer",
    "ModelFileError",
    "Net",
    "NetConfig",
    "PreparationConfig",
    "Prepare",
    "RNNConfig",
    "ResNet",
    "ResNetConfig",
    "Statistics",
    "Sums",
    "TensorSpec",
    "TrainingConfig",
    "build",
    "fast_resnet",
    "lenet",
    "load",
    "save",
    "to_onnx",
]

_LAZY = {
    "Autoencoder": "autoencoder",
    "AutoencoderConfig": "autoencoder",
    "Batch": "batches",
    "BlockConfig": "cnn",
    "CNN": "cnn",
    "CNNConfig": "cnn",
    "Evaluation": "fit",
    "Fit": "fit",
    "Layer": "net",
    "Net": "net",
    "NetConfig": "net",
    "PreparationConfig": "prepare",
    "Prepare": "prepare",
    "RNN": "rnn",
    "RNNConfig": "rnn",
    "ResNet": "resnet",
    "ResNetConfig": "resnet",
    "TrainingConfig": "fit",
    "build": "net",
    "fast_resnet": "resnet",
    "lenet": "cnn",
    "load": "files",
    "save": "files",
    "to_onnx": "files",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
