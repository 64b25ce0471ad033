"""A thread that lives as long as the program.

Ray's processes end with the thread that started them: Ray asks Linux for it (PR_SET_PDEATHSIG), which
counts threads, not processes. A cross-validation, a notebook or a web server starts trainings from
threads that end before the program does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Calls = SimpleQueue[tuple[Callable[[], Any], Future[Any]]]
_calls: _Calls | None = None
_lock = threading.Lock()


def call_in_lasting_thread(function: Callable[[], T]) -> T:
    """Call a function in a thread that ends with the program; return or raise what it does.

    The main thread calls it by itself: it lasts as well, and only there can Ray set its handler of
    SIGTERM. A caller that is interrupted goes on once the function has ended.
    """
    if threading.current_thread() is threading.main_thread():
        return function()
    future: Future[T] = Future()
    _get_calls().put((function, future))
    try:
        return future.result()
    except BaseException:
        wait([future])
        raise


def _get_calls() -> _Calls:
    global _calls
    with _lock:
        if _calls is None:
            _calls = SimpleQueue()
            # A daemon: the interpreter would wait for another thread, and end it before Ray's own end.
            threading.Thread(target=_serve, args=(_calls,), name="ray owner", daemon=True).start()
        return _calls


def _serve(calls: _Calls) -> None:
    while True:
        function, future = calls.get()
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)
        del function, future  # else they live until the next call


def _forget() -> None:
    """A forked process has a copy of the queue, and no thread that reads it."""
    global _calls, _lock
    _calls, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
