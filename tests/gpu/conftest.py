"""Each test on the CPU, and on a GPU where there is one. Needs torch and `nets` alone."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> torch.device:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device (torch.cuda.is_available() is False)")
    return torch.device(request.param)


@pytest.fixture
def gpu() -> torch.device:
    """For what has no meaning on a CPU."""
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device (torch.cuda.is_available() is False)")
    return torch.device("cuda")


@pytest.fixture(autouse=True)
def exact_products() -> None:
    """Products in whole float32, so that a GPU and a CPU can be compared."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
