"""Notices that this process's Ray is gone, and leaves it in time.

Ray ends the whole program 60 s after its control service has ended, even a program that does not use
Ray at that time. A program that has left Ray by then lives on, and can start another one. Where only
the raylet of this machine has ended, every task fails from then on, and a new Ray is needed as well.
"""

from __future__ import annotations

import errno
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from workbench import ray_private
from workbench.errors import ClusterError

LOOK_S = 2.0
"""How often the control service is asked."""
LOCAL_S, JOINED_S = 3.0, 40.0
"""Ray is gone after this time without an answer. The control service of a cluster may be started again
elsewhere; one that was started here never is."""

_lock = threading.RLock()
_lost: set[str] = set()
_patience: dict[str, float] = {}
_raylets: dict[str, str] = {}
"""Address of this machine's raylet, by the address of its Ray."""
_news: list[str] = []
"""Addresses of which the user has not heard yet."""


@contextmanager
def watch_ray(address: str, *, joined: bool) -> Iterator[None]:
    """Leave the Ray at `address` when it is gone, until the block ends.

    Args:
        joined: whether the Ray runs without this process.
    """
    over = threading.Event()
    _patience[address] = JOINED_S if joined else LOCAL_S
    _raylets[address] = _find_raylet()
    thread = threading.Thread(target=_watch, args=(address, over), name="ray watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def leave_lost_ray() -> None:
    """Leave this process's Ray if it is gone, and warn of one that is gone since the last call."""
    address = get_address()
    if address is not None:
        _leave_if_gone(address)
    with _lock:  # another thread may be about to leave it
        news, _news[:] = list(_news), []
    for lost in news:
        warnings.warn(f"{_describe(lost)} Ray is started again.", RuntimeWarning, stacklevel=3)


def check_not_lost(address: str) -> None:
    """Refuse a session whose Ray is gone.

    Raises:
        ClusterError: it is.
    """
    if is_lost(address):
        raise ClusterError(
            f"{_describe(address)} Start the training again. A session of `open_session` cannot go on, "
            "as its Spark ran on that Ray: leave it (the end of its `with` block) and open another one."
        )


def is_lost(address: str) -> bool:
    """Whether the Ray at `address` was this process's and is gone."""
    if get_address() == address:
        _leave_if_gone(address)
    return address in _lost


@contextmanager
def name_lost_ray(address: str) -> Iterator[None]:
    """Turn whatever Ray raises in this block once it is gone into a ClusterError that says so.

    Ray's own are many, and among them is SystemExit, which would end the program.
    """
    try:
        yield
    except (ClusterError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if not is_lost(address):
            raise
        raise ClusterError(f"{_describe(address)} Start the training again.") from error


def get_address() -> str | None:
    """The address of the Ray that this process uses; None: it uses none."""
    import ray

    with _lock:
        return str(ray.get_runtime_context().gcs_address) if ray.is_initialized() else None


def _find_raylet() -> str:
    import ray

    own = ray.get_runtime_context().get_node_id()
    node = next(node for node in ray.nodes() if node["NodeID"] == own)
    return f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"


def _is_there(address: str) -> bool:
    """Whether the control service answers, and this machine's raylet where it is known."""
    return answers(address) and (address not in _raylets or answers(_raylets[address]))


def answers(address: str, timeout_s: float = 5.0) -> bool:
    """Whether something listens at `host:port`.

    Ray's own client does not serve: it waits, and ends the program in the end.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s).close()
    except OSError as error:
        # No free file descriptor here says nothing of Ray.
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return True


def _watch(address: str, over: threading.Event) -> None:
    while not over.wait(LOOK_S):
        if not _is_there(address) and _leave_if_gone(address, over):
            return


def _leave_if_gone(address: str, over: threading.Event | None = None) -> bool:
    """Wait for an answer as long as this Ray may take; leave it if there is none."""
    over = over or threading.Event()
    # Of a Ray that somebody else started, only one on loopback is surely on this machine alone.
    usual = LOCAL_S if address.startswith("127.") else JOINED_S
    deadline = time.monotonic() + _patience.get(address, usual)
    while not _is_there(address):
        if time.monotonic() > deadline:
            _leave(address)
            return True
        if over.wait(0.5):
            return False
    return False


def _leave(address: str) -> None:
    import ray

    with _lock:
        if get_address() != address:
            return  # the program has left it by itself
        _lost.add(address)
        _news.append(address)
        # A call in another thread must fail from now on, not start a Ray with default settings.
        ray_private.forbid_automatic_start()
        ray.shutdown()


def _describe(address: str) -> str:
    return f"Ray at {address} has ended unexpectedly (killed, or out of memory)."
