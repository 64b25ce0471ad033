"""Every leaf of a tree of configurations, with other values for it."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from nets import Custom
from nets.activations import ActivationName
from tests.workbench.own_callback import Halve
from workbench.experiments.space import Choice

OTHERS: dict[str, tuple[Any, ...]] = {
    "training.metrics": ((Custom(torch.nn.functional.l1_loss),),),
    "training.callbacks": ((Custom(Halve),),),
    "training.augment.own": (Custom(torch.nn.Softsign),),
    "training.augment.rotate": (30.0,),
    "training.optimizer.eps": (0.1,),
    # Values that a number of the same size could not show the effect of, and names.
    "training.monitor": ("train/accuracy", "validation/macro_f1", "train/loss"),
    "sweep.metric": ("train/accuracy", "train/loss"),
    "training.batch_size": (5,),
    "training.clip_norm": (1e-3,),
    "training.warmup": (0.0, 0.5),
    "training.resample": ("over", "under"),
    "preparation.epsilon": (1e4,),
    "preparation.num_components": (3,),
    "sweep.space": ({"training.seed": Choice(values=(1, 2, 3))},),
    "sweep.max_concurrent": (2,),
    "sweep.objectives": ({"parameters": "min"}, {"samples_per_s": "max"}),
    "cluster.executor_memory": ("4g",),
    "cluster.spark.memory_per_node": ("4g",),
    "cluster.spark.master": ("yarn",),
    "cluster.spark.settings": ({"spark.a": "b"},),
    "cluster.spark.max_nodes": (3,),
    "cluster.address": ("10.0.0.5:6379",),
    "cluster.max_executors": (3,),
    "cluster.num_workers": (2,),
}
_ACTIVATIONS = ("elu", "maxout", "relu", "tanh")


class Leaf(NamedTuple):
    path: str
    value: Any
    others: tuple[Any, ...]


def leaves(node: Any, prefix: str = "") -> Iterator[Leaf]:
    """Each leaf below a configuration; what `kind` chooses is the caller's."""
    for field in dataclasses.fields(node):
        path, value = prefix + field.name, getattr(node, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{path}.")
            continue
        if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            for number, item in enumerate(value):
                yield from leaves(item, f"{path}.{number}.")
            continue
        if field.name == "kind" or (isinstance(node, Custom) and field.name in ("source", "code")):
            continue
        annotation = type(node).__pydantic_fields__[field.name].annotation
        others = OTHERS.get(path)
        if others is None and annotation == typing.get_args(ActivationName)[0]:
            others = _ACTIVATIONS if field.name == "activation" else None
        others = others or tuple(_other_values(annotation, value))
        assert others, f"no other value for {path} ({annotation}): give one in OTHERS"
        yield Leaf(path, value, tuple(other for other in others if other != value))


def _other_values(annotation: Any, value: Any) -> Iterator[Any]:
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        yield from _other_values(parts[0], value)
    elif origin is typing.Literal:
        yield from (part for part in parts if part != value)
    elif origin in (types.UnionType, typing.Union):
        if value is not None and type(None) in parts:
            yield None
        for part in parts:
            if part is not type(None):
                yield from _other_values(part, value)
    elif annotation is bool:
        yield not value
    elif annotation is int:
        yield 2 if value is None else value + 1
    elif annotation is float:
        yield 0.25 if not value else value / 2
    elif annotation is str:
        yield f"{value or ''}other"
    elif origin is tuple:
        first = "other" if parts[0] is str else True if parts[0] is bool else 4
        yield (*(value or ()), first)
        if value and parts[0] is bool:
            yield (not value[0], *value[1:])
        if value and parts[0] is int:
            yield (*value[:-1], value[-1] * 2)
    elif origin is dict:
        yield {**(value or {}), "a": "other" if parts[1] is str else 1}
