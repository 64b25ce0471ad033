"""Many small files and a long table, described and prepared on a bench that is up, beside a plain loop.

    python -m benchmarks.describe --files 70000 --rows 1000000

The files are PNG pictures of 28x28 in ten class folders, the table is CSV and Parquet with eight columns of
numbers and a class. Times are those of whole commands. The loop opens each file by Pillow, or reads the
table by PyArrow, and keeps nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from PIL import Image

from benchmarks import report
from benchmarks.startup import run_command

_LIMITS = {"described": 60.0, "prepared": 90.0}
"""Aims in seconds for 70,000 files."""

_STAGES = ("Reading and splitting", "Measuring", "Writing the prepared")


def write_files(folder: Path, count: int) -> None:
    """Pictures of noise in ten class folders."""
    generator = np.random.default_rng(0)
    for number in range(10):
        (folder / f"class_{number}").mkdir(parents=True)
    for number in range(count):
        coarse = generator.integers(0, 256, (7, 7), np.uint8)
        picture = Image.fromarray(coarse.repeat(4, axis=0).repeat(4, axis=1))
        picture.save(folder / f"class_{number % 10}" / f"{number:06d}.png")


def write_tables(folder: Path, rows: int) -> list[Path]:
    """The same table as CSV and as Parquet."""
    generator = np.random.default_rng(0)
    columns = {f"x{number}": generator.normal(size=rows).round(4) for number in range(8)}
    table = pa.table(columns | {"label": generator.choice(["a", "b", "c"], rows)})
    paths = [folder / "table.csv", folder / "table.parquet"]
    pc.write_csv(table, paths[0])
    pq.write_table(table, paths[1])
    return paths


def _time(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _open_all(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        np.asarray(Image.open(path))


def main() -> None:
    parser = report.make_parser(__doc__, rounds=1)
    parser.add_argument("--files", type=int, default=70_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    results = report.Report("describe", "Data as people have it", options)
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name), f"{name}/home"
        write_files(folder / "pictures", options.files)
        tables = write_tables(folder, options.rows)
        run_command(["up"], home)
        try:
            for path in tables:
                case = f"{options.rows:,} rows, {path.suffix[1:]}, described"
                read = pc.read_csv if path.suffix == ".csv" else pq.read_table
                took = run_command(["data", "describe", str(path)], home)["done"]
                results.add(case, "workbench data describe", took)
                results.add(case, "loop: PyArrow", _time(lambda p=path, r=read: r(p)))
            pictures = folder / "pictures"
            case = f"{options.files:,} PNG files"
            limits = _LIMITS if options.files == 70_000 else {}
            took = run_command(["data", "describe", str(pictures)], home)["done"]
            results.add(
                f"{case}, described", "workbench data describe", took, limit=limits.get("described")
            )
            loop = _time(lambda: _open_all(pictures))
            results.add(f"{case}, described", "loop: Pillow", loop)
            train = ["train", str(pictures), "--epochs", "1", "--set", "training.limit_batches=2"]
            stages = run_command(train, home)
            took = sum(s for stage, s in stages.items() if stage.startswith(_STAGES))
            results.add(f"{case}, prepared", "workbench train", took, limit=limits.get("prepared"))
            results.add(f"{case}, prepared", "loop: Pillow", loop)
        finally:
            run_command(["down"], home)
    results.finish()


if __name__ == "__main__":
    main()
