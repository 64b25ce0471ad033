"""What runs in Spark's workers, without Spark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

import nets
from nets.pyfunc import Predictor
from workbench.errors import WorkbenchError
from workbench.scoring import Outputs, read_model
from workbench.scoring.outputs import class_numbers
from workbench.scoring.tasks import ScoringSettings, score_batches


class Counted:
    """Stands where Spark's broadcast does, and counts how often it is asked."""

    def __init__(self, files: Any) -> None:
        self.files, self.asked = files, 0

    @property
    def value(self) -> Any:
        self.asked += 1
        return self.files


def job(folder: Path, encoding: Any = "raw", **changed: Any) -> ScoringSettings:
    model = read_model(folder)
    settings: dict[str, Any] = {
        "key": model.key + str(id(changed)),
        "files": Counted(model.files),
        "encoding": encoding,
        "features": "features",
        "kept": ("id",),
        "columns": Outputs().of(model),
        "length": None,
        "vectors": False,
        "batch_size": 64,
        "threads": torch.get_num_threads(),
    }
    return ScoringSettings(**(settings | changed))


def batches(values: list[Any], kind: pa.DataType, size: int = 100) -> list[pa.RecordBatch]:
    table = pa.table({"id": list(range(len(values))), "features": pa.array(values, kind)})
    return table.to_batches(max_chunksize=size)


def test_a_net_is_loaded_once_for_all_batches_and_partitions(
    picture_net: Path, pictures: np.ndarray
) -> None:
    asked = job(picture_net)
    rows = [picture.tobytes() for picture in pictures]
    for _ in range(3):
        out = pa.Table.from_batches(score_batches(iter(batches(rows, pa.binary())), asked))
    assert asked.files.asked == 1
    assert out["id"].to_pylist() == list(range(300))


def test_answers_are_those_of_the_net(picture_net: Path, pictures: np.ndarray) -> None:
    rows = [picture.tobytes() for picture in pictures]
    out = pa.Table.from_batches(score_batches(iter(batches(rows, pa.binary())), job(picture_net)))
    net = nets.load(picture_net)
    with torch.inference_mode():
        logits = net(torch.from_numpy(pictures.copy()))
    assert np.allclose(out["rawPrediction"].to_pylist(), logits, atol=1e-5)
    assert np.allclose(out["probability"].to_pylist(), logits.softmax(1), atol=1e-5)
    assert out["prediction"].to_pylist() == logits.argmax(1).tolist()
    assert out["predictedLabel"].to_pylist() == [str(i) for i in logits.argmax(1).tolist()]
    assert out["reason"].null_count == 300


def test_rows_that_cannot_be_read_stay_and_say_why(picture_net: Path, pictures: np.ndarray) -> None:
    rows = [pictures[0].tobytes(), None, b"short", pictures[1].tobytes(), b"\x89PNG and no more"]
    out = pa.Table.from_batches(
        score_batches(iter(batches(rows, pa.binary(), 2)), job(picture_net, "pictures"))
    )
    assert [value is None for value in out["prediction"].to_pylist()] == [0, 1, 1, 0, 1]
    assert [value is None for value in out["probability"].to_pylist()] == [0, 1, 1, 0, 1]
    reasons = out["reason"].to_pylist()
    assert reasons[0] is None and reasons[3] is None
    assert reasons[1] == "the picture is null" and all(reasons[i] for i in (2, 4))


def test_batches_without_a_good_row(picture_net: Path) -> None:
    out = pa.Table.from_batches(
        score_batches(iter(batches([None, b"x"], pa.binary())), job(picture_net, vectors=True))
    )
    assert out["probability"].null_count == out["prediction"].null_count == 2
    assert out["predictedLabel"].null_count == 2 and out["reason"].null_count == 0


def test_text_and_tokens_are_read_as_in_training(text_net: Path) -> None:
    texts = ["A good film", "a BAD film unheard of before", " ", None]
    said = pa.Table.from_batches(
        score_batches(iter(batches(texts, pa.string())), job(text_net, "text"))
    )
    expected = Predictor(nets.load(text_net)).predict(
        __import__("pandas").DataFrame({"text": texts})
    )
    assert said["predictedLabel"].to_pylist()[:2] == expected["label"].tolist()[:2]
    assert np.allclose(
        said["probability"].to_pylist()[:2], expected["probabilities"].tolist()[:2], atol=1e-5
    )
    assert said["reason"].to_pylist()[2:] == ["the text is blank", "the text is null"]
    tokens = [["a", "good", "film"], ["never", None], [], None]
    cut = pa.Table.from_batches(
        score_batches(iter(batches(tokens, pa.list_(pa.string()))), job(text_net, "words"))
    )
    assert np.allclose(cut["probability"][0].as_py(), said["probability"][0].as_py())
    assert cut["reason"].to_pylist() == [None, None, "there are no tokens", "the tokens are null"]


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        (("0", "1", "2"), [0, 1, 2]),
        (("1", "2", "5"), [1, 2, 5]),
        (("cat", "dog"), [0, 1]),
        (("1", "1.0"), [0, 1]),
        (("nan", "1"), [0, 1]),
    ],
)
def test_classes_that_are_numbers_stay_these(labels: tuple[str, ...], numbers: list[float]) -> None:
    assert class_numbers(labels) == numbers


def test_a_folder_without_a_net_is_refused(tmp_path: Path) -> None:
    with pytest.raises(nets.ModelFileError, match="holds no saved net"):
        read_model(tmp_path)
    with pytest.raises(nets.ModelFileError, match="does not describe a net"):
        read_model({"model.json": b"{}", "model.safetensors": b""})
    assert not issubclass(nets.ModelFileError, WorkbenchError)


def test_a_worker_loads_neither_ray_nor_mlflow() -> None:
    code = (
        "import sys; import workbench.scoring.tasks, nets.files; "
        "print(sorted({'ray', 'raydp', 'mlflow', 'streamlit'} & set(sys.modules)))"
    )
    reply = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert reply.stdout.strip() == "[]"
