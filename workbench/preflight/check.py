"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GIB = 2**30

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of one check of the machine or its software."""

    name: str
    verdict: Verdict
    """warn: it will work, more slowly or not in full; fail: an experiment cannot run."""
    seen: str
    """What the check saw."""
    advice: str = ""
    """What to do; empty where nothing has to be done."""


def show_size(num_bytes: float) -> str:
    """1.5 GiB, 12 MiB."""
    return f"{num_bytes / GIB:.1f} GiB" if num_bytes >= GIB else f"{num_bytes / 2**20:.0f} MiB"
