"""Nets to score with, and the Spark of the shared session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import nets
from nets.text import TextEncoding

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from workbench.cluster import Session


@pytest.fixture(scope="session")
def spark(session: Session) -> SparkSession:
    return session.spark


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """(300, 1, 8, 8) uint8: real digits."""
    from sklearn.datasets import load_digits

    return load_digits().images[:300].astype(np.uint8)[:, None]


@pytest.fixture(scope="session")
def picture_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net of ten classes for the digits, as it was drawn."""
    spec = nets.TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    net = nets.build(nets.CNNConfig(blocks=(nets.BlockConfig(channels=8),)), spec, 10, seed=3)
    folder = tmp_path_factory.mktemp("pictures")
    nets.save(net, folder, labels=list("0123456789"))
    return folder


@pytest.fixture(scope="session")
def text_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recurrent net that reads words."""
    words = ("<pad>", "<unk>", "a", "good", "bad", "film")
    spec = nets.TensorSpec(kind="tokens", shape=(5,), dtype="int32", vocabulary_size=len(words))
    net = nets.build(nets.RNNConfig(hidden=8, embedding=4), spec, 2, seed=1)
    net.text = TextEncoding(tokenizer="words", lowercase=True, max_length=5, vocabulary=words)
    folder = tmp_path_factory.mktemp("text")
    nets.save(net, folder, labels=["neg", "pos"])
    return folder
