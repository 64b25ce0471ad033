"""A net of a person's own that learns its own input is treated as the autoencoder that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn

import nets
from nets import AutoencoderConfig, ConfigError, Custom, Fit, TensorSpec, TrainingConfig
from nets.batches import Batch
from workbench.scoring import Outputs, read_model
from workbench.scoring.tasks import Scorer

PICTURES = TensorSpec(kind="image", shape=(1, 4, 4), dtype="uint8")
TEXTS = TensorSpec(kind="tokens", shape=(5,), dtype="int32", vocabulary_size=9)
LEARN: dict[str, Any] = {"loss": "mse", "monitor": "validation/loss", "mode": "min"}


class Blurs(nn.Module):
    """Gives pictures back by convolutions; it has no code."""

    reconstructs = True

    def __init__(self, spec: TensorSpec, num_outputs: int, *, width: int = 4) -> None:
        super().__init__()
        self.down = nn.Conv2d(spec.shape[0], width, 3, padding=1)
        self.up = nn.Conv2d(width, spec.shape[0], 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.up(self.down(x).relu())
        return out


class Squeezes(nn.Module):
    """Gives pictures back from a code."""

    reconstructs = True

    def __init__(self, spec: TensorSpec, num_outputs: int, *, size: int = 3, bad: str = "") -> None:
        super().__init__()
        self.shape, self.bad = spec.shape, bad
        features = torch.Size(spec.shape).numel()
        self.encoder, self.decoder = nn.Linear(features, size), nn.Linear(size, features)

    def encode(self, x: Tensor) -> Tensor:
        code: Tensor = self.encoder(x.flatten(1))
        return code[:, None] if self.bad == "code" else code

    def decode(self, code: Tensor) -> Tensor:
        return self.decoder(code.flatten(1)).unflatten(1, self.shape)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        if self.bad == "shape":
            return self.encode(x)
        out = self.decode(self.encode(x))
        return out * 2 if self.bad == "other" else out


class Says(Blurs):
    reconstructs = "yes"  # type: ignore[assignment]


def rows(count: int) -> Batch:
    features = torch.randint(0, 256, (count, 1, 4, 4), dtype=torch.uint8)
    return Batch(features=features, label=torch.zeros(count, dtype=torch.int64))


@pytest.mark.parametrize("part", [Blurs, Squeezes])
def test_it_learns_its_input_and_is_scored_as_one(part: type[nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(0)
    prepare = nets.prepare.make(nets.PreparationConfig(method="scale"), PICTURES)
    net = nets.build(Custom(part), PICTURES, 10, prepare=prepare)
    fit = Fit(net, TrainingConfig(learning_rate=0.01, **LEARN), steps_per_epoch=1)
    assert fit.task is nets.Task.RECONSTRUCTION
    batch = rows(64)
    before = fit.evaluate([batch]).loss
    for _ in range(30):
        fit.train_epoch([batch])
    assert fit.evaluate([batch]).loss < before / 2

    nets.save(net, tmp_path)
    model = read_model(tmp_path)
    with_code = part is Squeezes
    assert (model.task, model.has_code) == (nets.Task.RECONSTRUCTION, with_code)
    columns = Outputs(code="code", error="error").of(model)
    assert set(columns) == {"prediction", "error", "reason"} | ({"code"} if with_code else set())
    samples = batch.features.numpy().reshape(64, -1)
    answers = Scorer(nets.load(tmp_path)).forward(samples, None, 32)
    prepared = batch.features.float() / 255
    expected = net.eval()(batch.features)
    assert torch.allclose(torch.from_numpy(answers["prediction"]), expected.flatten(1), atol=1e-6)
    error = (expected - prepared).square().flatten(1).mean(1)
    assert torch.allclose(torch.from_numpy(answers["error"]), error, atol=1e-6)
    assert ("code" in answers) == with_code
    assert pa.array(answers["error"]).type == pa.float32()


def test_what_an_older_version_saved_is_read(tmp_path: Path) -> None:
    import json

    nets.save(nets.build(AutoencoderConfig(code_size=2), PICTURES, 1), tmp_path)
    file = tmp_path / "model.json"
    described = json.loads(file.read_text())
    assert described.pop("reconstructs") and described.pop("has_code")
    file.write_text(json.dumps(described))
    model = read_model(tmp_path)
    assert model.task.reconstructs and model.has_code


@pytest.mark.parametrize(
    ("net", "spec", "message"),
    [
        (Custom(Says), PICTURES, "reconstructs of Says must be True or False, got 'yes'"),
        (Custom(Blurs), TEXTS, "needs measured values, got token ids"),
        (
            Custom(Squeezes, bad="shape"),
            PICTURES,
            r"must return \(rows, \*spec.shape\), \(2, 1, 4, 4\)",
        ),
        (
            Custom(Squeezes, bad="code"),
            PICTURES,
            r"encode of Squeezes must return .*got \(2, 1, 3\)",
        ),
        (Custom(Squeezes, bad="other"), PICTURES, r"must be decode\(encode\(x\)\)"),
    ],
)
def test_what_does_not_fit_is_refused(net: Custom, spec: TensorSpec, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        nets.build(net, spec, 10)
