"""What is loaded is left out of garbage collection.

Streamlit collects garbage after each run of a page's script (`runner.postScriptGC`), a look for new runs
included, and meanwhile no other thread runs: the last elements of a page wait. Among the half a million
objects of PyTorch, MLflow and the others one collection takes 0.2 s, without them a millisecond.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_EVERY_S = 2


@asynccontextmanager
async def leave_out_modules(_app: object) -> AsyncIterator[None]:
    """While the server runs: whenever pages have loaded modules, what is there now is left out."""
    task = asyncio.create_task(_follow())
    try:
        yield
    finally:
        task.cancel()


async def _follow() -> None:
    num_modules = 0
    while True:
        if len(sys.modules) != num_modules:
            num_modules = len(sys.modules)
            gc.freeze()
        await asyncio.sleep(_EVERY_S)
