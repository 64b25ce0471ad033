"""What `nets` uses of PyTorch's private parts is still there, and nothing else is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import nets
from nets.torch_private import differences, make_step, norms

SOURCES = sorted(Path(nets.__file__).parent.rglob("*.py"))


def test_differences_and_norms_of_many_tensors() -> None:
    tensors, others = [torch.ones(2, 3), torch.full((4,), 3.0)], [torch.zeros(2, 3), torch.ones(4)]
    assert [float(each.sum()) for each in differences(tensors, others)] == [6.0, 8.0]
    assert norms(tensors).tolist() == pytest.approx([6**0.5, 6.0])


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop"])
def test_a_step_is_wrapped_as_we_unwrap_it(name: str) -> None:
    made = getattr(torch.optim, name)([nn.Parameter(torch.ones(2))], 0.1)
    assert hasattr(type(made).step, "__wrapped__")
    made.param_groups[0]["params"][0].grad = torch.ones(2)
    calls: list[str] = []
    made.register_step_pre_hook(lambda *_: calls.append("before"))
    made.register_step_post_hook(lambda *_: calls.append("after"))
    make_step(made)()
    assert calls == ["before", "after"]
    assert (made.param_groups[0]["params"][0] < 1).all()


@pytest.mark.parametrize("name", ["add_param_group", "zero_grad", "state_dict", "load_state_dict"])
def test_a_method_that_is_not_compiled_keeps_the_plain_one(name: str) -> None:
    assert hasattr(getattr(torch.optim.Optimizer, name), "__wrapped__")


def test_a_training_does_not_load_the_compiler() -> None:
    """It takes a second of every process that trains."""
    program = """
import sys, torch
from nets import CNNConfig, TensorSpec, TrainingConfig, build
from nets.fit import Batch, Fit
config = TrainingConfig()
fit = Fit(build(CNNConfig(), TensorSpec(kind="image", shape=(1, 8, 8)), 3), config, steps_per_epoch=1)
fit.train_epoch([Batch(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 0]))])
fit.load_state_dict(fit.state_dict())
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_private_parts_are_used_in_one_module(source: Path) -> None:
    if source.name == "torch_private.py":
        return
    uses = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(source.read_text()))
        if (isinstance(node, ast.Attribute) and _is_private(node))
        or (isinstance(node, ast.Constant) and str(node.value).startswith("torch._"))
        or (isinstance(node, ast.ImportFrom) and "torch._" in (node.module or ""))
    ]
    assert not uses, "Move the use into nets/torch_private.py, with its reason and a test."


def _is_private(node: ast.Attribute) -> bool:
    own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
    public = node.attr in ("_replace", "_asdict")  # of named tuples, and documented
    return node.attr.startswith("_") and not node.attr.endswith("__") and not own and not public
