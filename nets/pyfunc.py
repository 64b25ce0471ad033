"""Nets as MLflow serves models: a loader module that MLflow imports by name. Imports no MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nets.errors import ConfigError
from nets.files import load
from nets.net import Net
from nets.text import TextEncoder

if TYPE_CHECKING:
    import pandas as pd

BATCH = 1024
"""Rows through the net at once."""


class Predictor:
    """A saved net over rows of a table."""

    def __init__(self, net: Net) -> None:
        self.net = net

    def predict(
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """
        Args:
            model_input: column `features`: the sample's raw bytes, as `net.spec` says; optional
                column `length`: valid steps of each row. A net of text takes a column `text`
                instead; null or empty text is a sample of padding alone.

        Returns:
            For classes: prediction (index, int64), label (name), probabilities (list of float).
            For values: prediction, a float or a list of floats.
        """
        import pandas as pd

        if "features" not in model_input and "text" in model_input:
            samples, lengths = self._encode(list(model_input["text"]))
        else:
            samples, lengths = list(model_input["features"]), model_input.get("length")
        scores = self.scores(samples, lengths)
        if self.net.labels is None:
            values = scores[:, 0] if scores.shape[1] == 1 else list(scores)
            return pd.DataFrame({"prediction": values}, index=model_input.index)
        probabilities = torch.softmax(torch.from_numpy(scores), dim=1).numpy()
        best = probabilities.argmax(axis=1)
        return pd.DataFrame(
            {
                "prediction": best,
                "label": [self.net.labels[i] for i in best],
                "probabilities": probabilities.tolist(),
            },
            index=model_input.index,
        )

    def _encode(self, texts: list[Any]) -> tuple[list[bytes], list[int]]:
        if self.net.text is None:
            raise ConfigError(
                f"this net reads {self.net.spec.kind} {self.net.spec.shape}, not text. Give it a "
                "column `features`."
            )
        readable = [text if isinstance(text, str) else None for text in texts]
        ids, length, _ = TextEncoder(self.net.text).encode(readable)
        return [row.tobytes() for row in ids], length.tolist()

    def scores(self, samples: list[bytes], lengths: Any = None) -> np.ndarray[Any, Any]:
        """Logits or values, (n, num_outputs) float32, of encoded samples.

        Raises:
            ConfigError: a sample has not the size that the net's spec states.
        """
        spec = self.net.spec
        wrong = next((len(sample) for sample in samples if len(sample) != spec.num_bytes), None)
        if wrong is not None:
            raise ConfigError(
                f"features must be {spec.num_bytes} bytes ({spec.shape} {spec.dtype}), got {wrong}."
            )
        parts = []
        for start in range(0, len(samples), BATCH):
            raw = bytearray(b"".join(samples[start : start + BATCH]))
            features = torch.from_numpy(np.frombuffer(raw, spec.dtype).reshape(-1, *spec.shape))
            length = None
            if lengths is not None:
                length = torch.tensor(list(lengths[start : start + BATCH]), dtype=torch.int64)
            with torch.inference_mode():
                parts.append(self.net(features, length).flatten(1).float().numpy())
        return np.concatenate(parts) if parts else np.empty((0, self.net.num_outputs), np.float32)


def _load_pyfunc(path: str) -> Predictor:
    """MLflow's entry point: the folder that `nets.save` wrote, or the one around it."""
    folder = Path(path)
    return Predictor(load(folder if (folder / "model.json").exists() else folder / "data"))
