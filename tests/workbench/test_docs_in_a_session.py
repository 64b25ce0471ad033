"""Blocks of the pages and a tutorial that need Ray and Spark, on the session that all tests share."""

from __future__ import annotations

import ast
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

import workbench
from nets.config import override
from tests.test_docs import IN_A_SESSION, ROOT, python_blocks
from tests.test_tutorials import ON_THE_SHARED_SESSION, draws

if TYPE_CHECKING:
    from workbench.cluster import Session

PICTURES = """
import io
from PIL import Image
from sklearn.datasets import load_digits

def to_png(pixels):
    file = io.BytesIO()
    Image.fromarray((pixels * 16).clip(0, 255).astype("uint8")).save(file, "png")
    return file.getvalue()

digits = load_digits()
rows = [(to_png(p), str(t)) for p, t in zip(digits.images[:120], digits.target)]
train, test = spark.createDataFrame(rows, "image binary, label string").randomSplit([0.8, 0.2], 1)
"""
AROUND = {
    ("README.md", 1): (PICTURES, "assert model.transform(test).count() == test.count()"),
    ("docs/data.md", 0): (
        PICTURES + "experiment = workbench.load_experiment('digits_cnn')\n"
        "experiment = override(experiment, {'training.epochs': 1})\n"
        "frame = train.selectExpr('monotonically_increasing_id() as id', 'image as features',"
        " 'label')\n"
        "frame.write.parquet('rows.parquet')",
        "assert result.epochs == 1",
    ),
    ("docs/large-data.md", 0): ("", "assert 0 < bright.mean('mean') < 16"),
    ("docs/notebook.md", 1): (
        "df = spark.createDataFrame([(i % 7 + 0.1 * i, i % 3 + 0.5, str(i % 3)) for i in range(240)],"
        " 'petal double, sepal double, species string')",
        "assert train_on(spark, df).experiment.data.source.features == ('petal', 'sepal')",
    ),
    ("docs/spark-ml.md", 0): ("", "assert scored.where('prediction = label').count() > 300"),
    ("docs/spark-ml.md", 2): (
        "import nets\n"
        "spec = nets.TensorSpec(kind='image', shape=(1, 8, 8), dtype='uint8')\n"
        "nets.save(nets.build(nets.CNNConfig(), spec, 2, seed=3), 'exported', labels=['a', 'b'])\n"
        "df = spark.createDataFrame([(bytearray(64),)], 'image binary')",
        "assert scored.head()['predictedLabel'] in 'ab'",
    ),
}
"""What stands before a block, and what must hold after it."""


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize(("page", "number"), sorted(IN_A_SESSION))
def test_blocks_that_need_ray_and_spark_run(
    page: str, number: int, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the session that all tests share: a block that opens one gets it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workbench, "open_session", lambda *_: nullcontext(session))
    names: dict[str, Any] = {"__name__": "example", "spark": session.spark}
    names |= {"workbench": workbench, "override": override}
    before, after = AROUND[page, number]
    exec(before, names)
    exec(compile(python_blocks(ROOT / page)[number], page, "exec"), names)
    exec(after, names)


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize("path", ON_THE_SHARED_SESSION, ids=lambda path: path.stem)
def test_the_cells_of_a_tutorial_run(
    path: Path, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, where Ray and Spark run already; a kernel would start its own."""
    monkeypatch.chdir(tmp_path)
    opened = workbench.Workbench(show=False)
    opened._session, opened._config = session, session.config
    monkeypatch.setattr(workbench, "open", lambda: opened)
    names: dict[str, Any] = {"__name__": "tutorial"}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            shown = run_cell(cell.source, names)
            drawn = getattr(shown, "_repr_mimebundle_", dict)()
            assert ("image/png" in drawn) == draws(cell), cell.source


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """The value of the last line, which a notebook shows."""
    if source.startswith("%%writefile "):
        first, _, content = source.partition("\n")
        Path(first.split()[1]).write_text(content)
        return None
    *lines, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        lines.append(last)
    exec(compile(ast.Module(lines, []), "cell", "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)
