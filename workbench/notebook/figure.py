"""A figure and the numbers in it."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

_DPI = 100


@dataclass(frozen=True)
class Figure:
    """Draws itself as a picture (PNG), so that it is seen wherever a notebook's output is."""

    title: str
    frame: pd.DataFrame
    """The numbers in it."""
    draw: Callable[[Canvas], None] = field(repr=False)
    """Draws on an empty Matplotlib figure."""
    size: tuple[float, float] = (7.0, 3.6)
    """Width and height in inches."""

    @cached_property
    def canvas(self) -> Canvas:
        """The Matplotlib figure, to change or add to."""
        # Not pyplot: it keeps every figure, and a notebook's own state would change.
        from matplotlib.figure import Figure as Canvas

        canvas = Canvas(figsize=self.size, layout="constrained")
        self.draw(canvas)
        canvas.suptitle(textwrap.fill(self.title, int(self.size[0] * 13)), fontsize=10)
        return canvas

    def png(self) -> bytes:
        """The picture."""
        file = io.BytesIO()
        self.canvas.savefig(file, format="png", dpi=_DPI)
        return file.getvalue()

    def save(self, path: Path | str) -> None:
        """Write the picture; the name's end (.png, .svg, .pdf) says as what."""
        self.canvas.savefig(path, dpi=_DPI)

    def __str__(self) -> str:
        return f"{self.title}\n{self.frame}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"image/png": base64.b64encode(self.png()).decode(), "text/plain": str(self)}
