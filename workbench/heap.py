"""Settings for memory that the C library frees.

By default glibc returns large blocks to the system at once, and every step of a training has to get
the same pages again: half of the time in which a CNN scores pictures (docs/PERFORMANCE.md). Other C
libraries are not changed.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)


def keep_freed_memory(at_most: int = 2**31 - 1) -> None:
    """Make this process keep memory that it frees, for its next step.

    Args:
        at_most: bytes at the end of the heap, and of a block that comes from it.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, at_most)
        libc.mallopt(_TRIM_THRESHOLD, at_most)


def release_freed_memory() -> None:
    """Return all freed memory to the system."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
