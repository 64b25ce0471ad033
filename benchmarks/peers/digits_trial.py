"""One trial on the digits as users of other tools write it, and Optuna in processes.

    python benchmarks/peers/digits_trial.py --storage journal.log --trials 32 --epochs 5 --loader

The net is that of `digits_cnn`. The loop is that of PyTorch's tutorials, over a DataLoader as in Optuna's
own example, or over whole tensors.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRID: dict[str, list[Any]] = {
    "training.learning_rate": [3e-4, 1e-3, 3e-3, 1e-2],
    "training.batch_size": [32, 64, 128, 256],
    "net.activation": ["relu", "elu", "gelu", "tanh"],
}


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and validation rows, as many as in the workbench's split."""
    from sklearn.datasets import load_digits

    dataset = load_digits()
    features = torch.from_numpy(dataset.images).to(torch.uint8)[:, None]
    label = torch.from_numpy(dataset.target).long()
    order = torch.randperm(len(label), generator=torch.Generator().manual_seed(0))
    train, validation = order[:1258], order[1258:1438]
    return features[train], label[train], features[validation], label[validation]


def digits_net(activation: str) -> nn.Module:
    """`digits_cnn` in plain PyTorch."""
    make = {"relu": nn.ReLU, "elu": nn.ELU, "gelu": nn.GELU, "tanh": nn.Tanh}[activation]
    layers: list[nn.Module] = []
    for channels_in, channels in ((1, 32), (32, 64)):
        layers += [
            nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            make(),
            nn.MaxPool2d(2),
            nn.Dropout(0.2),
        ]
    layers += [nn.Flatten(), nn.Linear(256, 128), make(), nn.Dropout(0.2), nn.Linear(128, 10)]
    return nn.Sequential(*layers)


def train(settings: Mapping[str, Any], epochs: int, loader: bool) -> Iterator[float]:
    """Validation accuracy of each epoch."""
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)
    x, y, vx, vy = digits()
    size = settings["training.batch_size"]
    model = digits_net(settings["net.activation"])
    rate = settings["training.learning_rate"]
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-2)
    steps = -(-len(y) // size) * epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    rows = DataLoader(TensorDataset(x, y), size, shuffle=True)

    def shuffle() -> Iterator[tuple[Tensor, Tensor]]:
        for part in torch.randperm(len(y)).split(size):
            yield x[part], y[part]

    for _ in range(epochs):
        model.train()
        for features, label in rows if loader else shuffle():
            loss = F.cross_entropy(model(features.float()), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.inference_mode():
            yield float((model(vx.float()).argmax(1) == vy).float().mean())


def main() -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    parser = argparse.ArgumentParser()
    parser.add_argument("--storage", required=True)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--loader", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        chosen = {name: trial.suggest_categorical(name, values) for name, values in GRID.items()}
        best = 0.0
        for epoch, accuracy in enumerate(train(chosen, options.epochs, options.loader)):
            trial.report(accuracy, epoch)
            best = max(best, accuracy)
        return best

    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(options.storage)),
        sampler=optuna.samplers.RandomSampler(),
        study_name="digits",
        direction="maximize",
        load_if_exists=True,
    )
    study.optimize(objective, n_trials=options.trials)


if __name__ == "__main__":
    main()
