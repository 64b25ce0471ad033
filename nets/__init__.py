"""Nets in PyTorch: activations, convolutional, recurrent and residual nets, autoencoders, the
training loop, and ways to look inside. Knows no cluster and no tracking store."""

from __future__ import annotations

from nets.autoencoder import Autoencoder, AutoencoderConfig
from nets.build import Layer, Net, NetConfig, build
from nets.cnn import CNN, BlockConfig, CNNConfig, lenet
from nets.errors import ConfigError, DivergedError, ModelFileError
from nets.files import load, save, to_onnx
from nets.fit import Batch, Evaluation, Fit, TrainingConfig, batches
from nets.prepare import PreparationConfig, Prepare, Statistics, Sums
from nets.resnet import ResNet, ResNetConfig, fast_resnet
from nets.rnn import RNN, RNNConfig
from nets.spec import TensorSpec

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
    "batches",
    "build",
    "fast_resnet",
    "lenet",
    "load",
    "save",
    "to_onnx",
]
