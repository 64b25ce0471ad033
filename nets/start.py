"""Weights that a training starts from: those of another net, as far as names and shapes fit.

Rows that stand for tokens, as those of an embedding, are taken by the token, since a vocabulary that is
fitted to other texts has other ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from nets.errors import ConfigError, ModelFileError
from nets.files import DESCRIPTION, WEIGHTS
from nets.net import Net
from nets.wide import NGrams

_PREFIXES = ("", "body.", "body.net.")
"""What the names of a file may lack: a file of another library knows only the net itself."""
_FITTED = ("prepare.", "restore.")
"""Parts of a net that are fitted on its own data."""
_WORD = "\u2581"
"""Before the first piece of a word, in vocabularies of SentencePiece."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights to start from, and what they are about."""

    tensors: Mapping[str, Tensor]
    """By name."""
    vocabulary: tuple[str, ...] | None = None
    """Tokens by id, where the net read texts."""
    labels: tuple[str, ...] | None = None
    """Classes by index, where they are known."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """What was taken of the weights that a training starts from."""

    taken: tuple[str, ...]
    """Names in the net."""
    by_token: tuple[str, ...]
    """Taken row by row, as `body.embedding.weight: 812 of 1,000 tokens`."""
    other_shape: tuple[str, ...]
    """In both, with another shape, as `body.output.weight (10, 64), not (5, 64)`."""
    other_tokens: tuple[str, ...]
    """In both, and one side does not say which tokens its rows stand for."""
    new: tuple[str, ...]
    """Only in the net."""
    unused: tuple[str, ...]
    """Only in the file."""

    def describe(self, where: str) -> str:
        """A sentence for a person.

        Args:
            where: what they started from.
        """
        new = (*self.other_shape, *self.other_tokens, *self.new)
        total = len(self.taken) + len(self.by_token) + len(new)
        text = f"Started from {where}: {total - len(new)} of {total} tensors are taken."
        for what, names in (
            ("Taken by the token, other tokens are new", self.by_token),
            ("Another shape, so new", self.other_shape),
            ("Rows of tokens, whose words are not known on both sides, so new", self.other_tokens),
            ("Not there, so new", self.new),
            ("Not in this net", self.unused),
        ):
            if names:
                more = f" and {len(names) - 8} more" if len(names) > 8 else ""
                text += f" {what}: {', '.join(names[:8])}{more}."
        return text


def read_weights(path: Path) -> Weights:
    """The weights of a safetensors file, or of the folder of a saved net.

    The vocabulary and the classes come from the description beside the file, where there is one.

    Raises:
        ModelFileError: there are none, or a file is damaged.
    """
    file = path / WEIGHTS if path.is_dir() else path
    beside = file.with_name(DESCRIPTION)
    try:
        tensors = load_file(file)
        # A description belongs to the file that `nets.save` wrote with it, not to any other.
        described = json.loads(beside.read_text()) if _is_saved(file, beside) else {}
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelFileError(
            f"{file} is no file of weights (safetensors) that can be read: {error}."
        ) from error
    text, labels = described.get("text"), described.get("labels")
    return Weights(
        tensors=tensors,
        vocabulary=tuple(text["vocabulary"]) if text else None,
        labels=tuple(labels) if labels else None,
    )


def _is_saved(file: Path, beside: Path) -> bool:
    return file.name == WEIGHTS and beside.is_file()


@torch.no_grad()
def take_weights(net: Net, weights: Weights) -> Start:
    """Copy the weights whose names and shapes fit into `net`.

    What is fitted on the data, the first and the last layer, stays as it is. Rows of tokens are copied by
    the token where the vocabularies differ, and stay new where one of them is not known.

    Raises:
        ConfigError: none of them fits.
    """
    own = {n: value for n, value in net.state_dict().items() if not n.startswith(_FITTED)}
    given = {n: value for n, value in weights.tensors.items() if not n.startswith(_FITTED)}
    prefix = max(_PREFIXES, key=lambda p: sum(f"{p}{name}" in own for name in given))
    named = {f"{prefix}{name}": value for name, value in given.items()}
    tables = dict(_tables_of_tokens(net)) if _has_other_tokens(net, weights) else {}
    taken, by_token, other_shape, other_tokens = [], [], [], []
    for name, value in own.items():
        if name not in named:
            continue
        if name in tables and None in (net.text, weights.vocabulary):
            other_tokens.append(name)
        elif name in tables and value.shape[1:] == named[name].shape[1:]:
            count = _take_rows(value, named[name], net, weights)
            by_token.append(f"{name} {count:,} of {tables[name]:,} tokens")
        elif value.shape == named[name].shape:
            value.copy_(named[name])
            taken.append(name)
        else:
            shapes = tuple(value.shape), tuple(named[name].shape)
            other_shape.append(f"{name} {shapes[0]}, not {shapes[1]}")
    if not by_token and not any(own[name].is_floating_point() for name in taken):
        raise ConfigError(
            f"training.start_from: no tensor fits this net in name and shape. The net has "
            f"{', '.join(list(own)[:5])}, ...; the file has {', '.join(list(given)[:5])}, ..."
            + (f" Another shape: {', '.join(other_shape[:3])}." if other_shape else "")
        )
    return Start(
        taken=tuple(taken),
        by_token=tuple(by_token),
        other_shape=tuple(other_shape),
        other_tokens=tuple(other_tokens),
        new=tuple(name for name in own if name not in named),
        unused=tuple(name.removeprefix(prefix) for name in named if name not in own),
    )


def _has_other_tokens(net: Net, weights: Weights) -> bool:
    """Whether an id may stand for another token in the file. Ids of a person's own are the person's."""
    own = None if net.text is None else net.text.vocabulary
    return net.spec.kind == "tokens" and own != weights.vocabulary


def _tables_of_tokens(net: Net) -> Iterator[tuple[str, int]]:
    """Name of each parameter with a row for each token, and the number of these rows."""
    size = net.spec.vocabulary_size
    for name, module in net.named_modules():
        if isinstance(module, nn.Embedding) and module.num_embeddings == size:
            yield f"{name}.weight", module.num_embeddings
        elif isinstance(module, NGrams):
            # Behind these rows are those of hashed n-grams of ids, which mean nothing here.
            yield f"{name}.weight", module.vocabulary


def _take_rows(value: Tensor, theirs: Tensor, net: Net, weights: Weights) -> int:
    """Copy the rows of tokens that both vocabularies have; how many."""
    if net.text is None or weights.vocabulary is None:
        return 0
    row_of = {token: row for row, token in enumerate(weights.vocabulary)}
    if net.text.tokenizer != "file":
        # Whole words, which begin with a mark in vocabularies of pieces.
        row_of |= {t[1:]: row for t, row in row_of.items() if t.startswith(_WORD) and len(t) > 1}
    pairs = [(i, row_of[t]) for i, t in enumerate(net.text.vocabulary) if t in row_of]
    if pairs:
        places, rows = (
            torch.tensor(each, device=value.device) for each in zip(*pairs, strict=True)
        )
        value[places] = theirs[rows.to(theirs.device)].to(value)
    return len(pairs)
