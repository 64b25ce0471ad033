"""The files of a run: listed with their sizes, looked into, and downloaded."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import streamlit as st
from safetensors import SafetensorError, safe_open

from workbench.preflight.capacity import in_words
from workbench.ui import store, widgets
from workbench.ui.errors import Missing

_CODE = "model/code/"
"""Below it lies the code of a net, some hundred files that are the same in most runs."""
_ROWS, _CHARACTERS = 100, 50_000
_FETCHED = 100 * 2**20
"""A larger file is not copied from the store to be looked at, or into this server's memory."""


def draw(run: store.Run) -> None:
    """A list to choose from; the chosen file below it."""
    sizes = store.artifact_sizes(run.id)
    code = [name for name in sizes if name.startswith(_CODE)]
    if code and not st.toggle(f"With the net's code ({len(code)} files)", key="code_files"):
        sizes = {name: size for name, size in sizes.items() if name not in code}
    if not sizes:
        st.caption("This run has no files.")
        return
    chosen = st.selectbox(
        f"File (of {len(sizes)})",
        list(sizes),
        index=None,
        format_func=lambda name: f"{name}  ·  {_size(sizes[name])}",
        placeholder="Choose one to see it",
        key="file",
    )
    if chosen is not None:
        _draw_one(run.id, chosen, sizes[chosen])


def _size(num_bytes: int | None) -> str:
    return "size unknown" if num_bytes is None else in_words(num_bytes)


def _draw_one(run_id: str, name: str, size: int | None) -> None:
    if (size or 0) > _FETCHED:
        st.info(f"A file of {_size(size)} is too large for this page. To a folder of yours:")
        command = f"mlflow artifacts download -r {run_id} -a {shlex.quote(name)} -d ."
        st.code(f"MLFLOW_TRACKING_URI={store.printable_uri()} {command}", language="bash")
        return
    file = store.artifact(run_id, name)
    if file is None:
        raise Missing(f"{name} cannot be read from the store.")
    try:
        _VIEWS.get(PurePosixPath(name).suffix.lower(), _as_text)(file)
    except (OSError, ValueError, pa.ArrowException, SafetensorError) as error:
        st.warning(f"{name} cannot be shown: {error}.", icon=":material/error:")
    widgets.download(
        "Download", file.read_bytes, PurePosixPath(name).name, "application/octet-stream"
    )


def _as_text(file: Path) -> None:
    with file.open("rb") as source:
        content = source.read(_CHARACTERS + 1)
    if b"\0" in content:
        st.caption("Not a text, and of no kind that is shown here.")
        return
    language = {".py": "python", ".pyi": "python", ".yaml": "yaml", ".yml": "yaml"}
    st.code(content[:_CHARACTERS].decode(errors="replace"), language=language.get(file.suffix))
    if len(content) > _CHARACTERS:
        st.caption(f"The first {_CHARACTERS:,} characters.")


def _as_json(file: Path) -> None:
    st.json(json.loads(file.read_text()), expanded=1)


def _as_table(file: Path) -> None:
    with pq.ParquetFile(file) as table:
        first = next(table.iter_batches(_ROWS), None)
        rows = table.metadata.num_rows
    frame = pd.DataFrame() if first is None else first.to_pandas()
    widgets.show_table(frame, "file_rows", f"Rows of {file.name}")
    st.caption(f"The first {len(frame):,} of {rows:,} rows.")


def _as_tensors(file: Path) -> None:
    with safe_open(file, "pt") as tensors:
        parts = [(name, tensors.get_slice(name)) for name in sorted(tensors.keys())]
        frame = pd.DataFrame(
            {
                "tensor": name,
                "shape": " × ".join(map(str, part.get_shape())) or "one number",
                "type": part.get_dtype(),
            }
            for name, part in parts
        )
    widgets.show_table(frame, "file_tensors", f"Tensors of {file.name}")


_VIEWS: dict[str, Callable[[Path], object]] = {
    ".json": _as_json,
    ".parquet": _as_table,
    ".safetensors": _as_tensors,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".svg"), lambda file: st.image(str(file))),
}
