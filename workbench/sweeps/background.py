"""Calls one after another in a thread of their own; the caller does not wait."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any


class OrderedCalls:
    """A queue of calls. After one has failed no other is made; the next `do`, or the end of the
    block, raises its error."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._failed: BaseException | None = None

    def do(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Make this call when those before it are done."""
        self._raise()
        self._pool.submit(self._call, call, *args, **kwargs)

    def _call(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self._failed is None:
            try:
                call(*args, **kwargs)
            except BaseException as error:
                self._failed = error

    def _raise(self) -> None:
        if self._failed is not None:
            raise self._failed

    def __enter__(self) -> OrderedCalls:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        if error is None:
            self._raise()
