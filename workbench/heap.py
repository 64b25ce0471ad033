"""What the C library does with memory that is freed.

As it comes, glibc gives large blocks back to the system at once, and every step of a training faults
the same pages in again: half of the time in which a CNN scores pictures (docs/PERFORMANCE.md).
Other C libraries are left alone.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)


def keep_freed_memory(at_most: int = 2**31 - 1) -> None:
    """Have this process keep what it frees, for its next step.

    Args:
        at_most: bytes at the end of the heap, and of a block that comes from it.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, at_most)
        libc.mallopt(_TRIM_THRESHOLD, at_most)


def release_freed_memory() -> None:
    """Give all that is freed back to the system."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
