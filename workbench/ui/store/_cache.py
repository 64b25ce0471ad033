"""The store's address, and caches that are emptied when the store has changed."""

from __future__ import annotations

from typing import Protocol, TypeVar

from tracking import hide_passwords, store_uri


class _Cached(Protocol):
    def clear(self) -> None: ...


C = TypeVar("C", bound=_Cached)
_caches: list[_Cached] = []
_generation = 0


def uri() -> str:
    """The tracking store's address."""
    return store_uri()


def printable_uri() -> str:
    """The tracking store's address for people, without its password."""
    return hide_passwords(uri())


def forgettable(cached: C) -> C:
    """A cached function whose answers can change: `forget` empties its cache."""
    _caches.append(cached)
    return cached


def generation() -> int:
    """How often the caches were emptied. It is a part of their keys: a read that began before, in the
    thread of another window, must not be found as an answer afterwards."""
    return _generation


def forget() -> None:
    """Empty the caches of what can change."""
    global _generation
    _generation += 1
    for cached in _caches:
        cached.clear()
