"""Rows of a source and their size, as far as they are known without Spark."""

from __future__ import annotations

from dataclasses import dataclass, field

from nets.spec import TensorSpec

ROWS_UNKNOWN = "The rows of this source are not known before it is read: `workbench data describe` counts them."


@dataclass(frozen=True, kw_only=True)
class Size:
    """Rows of a source and the spec of a sample; None where only Spark can find out."""

    rows: int | None = None
    spec: TensorSpec | None = None
    num_outputs: int = 2
    """Classes; 2, the fewest, where they are not known."""
    notes: list[str] = field(default_factory=list)

    @property
    def num_bytes(self) -> int:
        """Of all rows, encoded."""
        assert self.rows is not None and self.spec is not None
        return self.rows * self.spec.num_bytes
