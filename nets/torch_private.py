"""PyTorch's private parts that `nets` uses, each with its reason; all seen in PyTorch 2.13.0.

tests/nets/test_torch_private.py fails where one of them is gone or does something else.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor


def differences(tensors: list[Tensor], others: list[Tensor]) -> list[Tensor]:
    """Each tensor minus its counterpart. `_foreach_sub`: one kernel on a GPU, not one per layer."""
    return list(torch._foreach_sub(tensors, others))


def norms(tensors: list[Tensor]) -> Tensor:
    """(len(tensors),) Euclidean norms. `_foreach_norm`: one kernel too; the public function gives a
    single norm over all tensors."""
    return torch.stack(torch._foreach_norm(tensors))


def make_step(optimizer: torch.optim.Optimizer) -> Callable[[], object]:
    """`optimizer.step`, step hooks included, without the wrapper that loads torch.compile.

    Two wrappers lie around the step, one in the other's `__wrapped__`: `profile_hook_step` calls the
    hooks; `_use_grad_for_differentiable` imports all of torch.compile, a second of every process.
    """
    plain = torch.no_grad()(inspect.unwrap(type(optimizer).step))
    return partial(optimizer.profile_hook_step(plain), optimizer)


def leave_out_compiler() -> None:
    """Spare this process a second of imports, where nothing was compiled in it so far.

    The first optimizer of a process loads all of torch.compile, only to keep some of its methods
    from being compiled. PyTorch looks for the result in the attribute `__dynamo_disable` first.
    """
    if "torch._dynamo" not in sys.modules:
        for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
            plain = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
            if plain is not None:
                setattr(plain, "__dynamo_disable", plain)
