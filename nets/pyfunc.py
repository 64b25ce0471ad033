"""Nets as MLflow serves models: a loader module that MLflow imports by name. Imports no MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nets.errors import ConfigError
from nets.files import load
from nets.net import Net
from nets.text import TextEncoder, find_problem

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
                instead.

        Returns:
            For classes: prediction (index, int64), label (name), probabilities (list of float).
            For values: prediction, a float or a list of floats. From `text`, prediction is a float:
            text that is null or blank has no prediction, which is NaN for a number and None for the
            rest.
        """
        import pandas as pd

        if "features" not in model_input and "text" in model_input:
            return self._predict_texts(list(model_input["text"]), model_input.index)
        scores = self.scores(list(model_input["features"]), model_input.get("length"))
        return pd.DataFrame(self._answers(scores), index=model_input.index)

    def _predict_texts(self, texts: list[Any], index: pd.Index[Any]) -> pd.DataFrame:
        import pandas as pd

        readable = np.array([find_problem(text) is None for text in texts], bool)
        some = [text for text, good in zip(texts, readable, strict=True) if good]
        columns: dict[str, Any] = {}
        for name, values in self._answers(self.scores(*self._encode(some))).items():
            numbers = isinstance(values, np.ndarray)
            column = pd.Series(
                [np.nan if numbers else None] * len(texts), dtype=float if numbers else object
            )
            for row, value in zip(np.flatnonzero(readable), values, strict=True):
                column.iat[int(row)] = value
            columns[name] = column.to_numpy()
        objects = {k: pd.Series(v, index, v.dtype) for k, v in columns.items()}
        return pd.DataFrame(objects)

    def _answers(self, scores: np.ndarray[Any, Any]) -> dict[str, Any]:
        if self.net.labels is None:
            return {"prediction": scores[:, 0] if scores.shape[1] == 1 else list(scores)}
        probabilities = torch.softmax(torch.from_numpy(scores), dim=1).numpy()
        best = probabilities.argmax(axis=1)
        return {
            "prediction": best,
            "label": [self.net.labels[i] for i in best],
            "probabilities": probabilities.tolist(),
        }

    def _encode(self, texts: list[Any]) -> tuple[list[bytes], list[int]]:
        if self.net.text is None:
            raise ConfigError(
                f"this net reads {self.net.spec.kind} {self.net.spec.shape}, not text. Give it a "
                "column `features`."
            )
        ids, length, _ = TextEncoder(self.net.text).encode(texts)
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
    """MLflow's entry point: the folder that `nets.save` wrote, or the one around it.

    MLflow runs the code of a model that it is asked to load: its own flavours do so too, and so does
    this one with the code of a person's own net.
    """
    folder = Path(path)
    folder = folder if (folder / "model.json").exists() else folder / "data"
    return Predictor(load(folder, trust_code=True))
