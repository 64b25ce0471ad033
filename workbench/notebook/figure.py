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
INK = "#767c85"
"""Text and lines that nothing else colours: a grey with a contrast above 4 on white and on #111111, as
JupyterLab's themes have them. A picture cannot follow a theme."""
_STYLE = {
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "legend.facecolor"), "none"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "grid.color", "legend.edgecolor"), INK),
}


@dataclass(frozen=True)
class Figure:
    """Draws itself as a picture (PNG), so that it is seen wherever a notebook's output is.

    It has no background, and its colours can be read on a light and on a dark page.
    """

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
        from matplotlib import rc_context
        from matplotlib.figure import Figure as Canvas

        with rc_context(_STYLE):
            canvas = Canvas(figsize=self.size, layout="constrained")
            self.draw(canvas)
            canvas.suptitle(textwrap.fill(self.title, int(self.size[0] * 13)), fontsize=10)
        return canvas

    def png(self) -> bytes:
        """The picture."""
        file = io.BytesIO()
        self.canvas.savefig(file, format="png", dpi=_DPI, facecolor="none")
        return file.getvalue()

    def save(self, path: Path | str) -> None:
        """Write the picture, on white; the name's end (.png, .svg, .pdf) says as what."""
        self.canvas.savefig(path, dpi=_DPI, facecolor="white")

    def __str__(self) -> str:
        return f"{self.title}\n{self.frame}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"image/png": base64.b64encode(self.png()).decode(), "text/plain": str(self)}
