"""Small nets whose answers can be checked by hand, in two parts as ours: prepare and body."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Scale(nn.Module):
    """uint8 to [0, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float() / 255


class Whole(nn.Module):
    """`prepare` then `body`, as every net of ours."""

    def __init__(self, prepare: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.prepare, self.body = prepare, body

    def forward(self, features: Tensor, length: Tensor | None = None) -> Tensor:
        x = self.prepare(features)
        y: Tensor = self.body(x) if length is None else self.body(x, length)
        return y


def convolutional(activation: type[nn.Module] = nn.ReLU, inplace: bool = True) -> Whole:
    torch.manual_seed(0)
    act = nn.ReLU(inplace=inplace) if activation is nn.ReLU else activation()
    body = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        act,
        nn.MaxPool2d(2),
        nn.Conv2d(6, 4, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(16, 5),
    )
    return Whole(Scale(), body)


class Recurrent(nn.Module):
    """Any recurrent cell over a packed sequence; the answer is a linear map of the last state."""

    def __init__(self, cell: str, width: int = 7, layers: int = 2, both: bool = True) -> None:
        super().__init__()
        kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.cell = kind(3, width, layers, batch_first=True, bidirectional=both)
        self.head = nn.Linear(width * (2 if both else 1), 4)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        sizes = torch.full((len(x),), x.shape[1]) if length is None else length
        packed = pack_padded_sequence(x, sizes, batch_first=True, enforce_sorted=False)
        out, _ = pad_packed_sequence(self.cell(packed)[0], batch_first=True)
        last = out[torch.arange(len(x)), sizes - 1]
        y: Tensor = self.head(last)
        return y


def recurrent(cell: str, layers: int = 2, both: bool = True) -> Whole:
    torch.manual_seed(0)
    return Whole(nn.Identity(), Recurrent(cell, layers=layers, both=both))


class Tokens(nn.Module):
    """Mean of embeddings, then a linear map: its attribution is known exactly."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(11, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        embedded = self.embedding(x)
        if length is not None:
            real = torch.arange(x.shape[1]) < length[:, None]
            embedded = embedded * real[..., None]
        y: Tensor = self.head(embedded.sum(dim=1))
        return y


def images(n: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=generator)
