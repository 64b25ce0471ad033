"""Sends metrics and tags to the store in batches: each once, and in order for each run."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag

from tracking.errors import TrackingError
from tracking.retry import FIRST_PAUSE_S, LONGEST_PAUSE_S, call_patiently, is_away, outage, refusal
from tracking.store import hide_passwords

log = logging.getLogger("tracking")

# MLflow takes 1,000 entries, 100 tags and a megabyte in a call; a tag may have 8,000 characters.
_METRICS, _TAGS = 900, 50
_AT_EXIT_S = 5.0


@dataclass
class _Waiting:
    metrics: list[Metric] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


class Outbox:
    """Collects entries for `interval_s`, then sends them from its own thread.

    While the store does not answer, entries wait and are sent later. A batch whose answer was lost
    is sent again unchanged, and MLflow drops values that it has: same metric, step and time.
    """

    def __init__(
        self, client: MlflowClient, uri: str, *, interval_s: float, patience_s: float
    ) -> None:
        """
        Args:
            patience_s: how long the store may fail to answer before that is an error.
        """
        self._client, self._uri = client, uri
        self._interval_s, self._patience_s = interval_s, patience_s
        self._waiting: dict[str, _Waiting] = {}
        self._refused: dict[str, TrackingError] = {}
        self._gone: TrackingError | None = None
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(
        self, run_id: str, metrics: Sequence[Metric] = (), tags: Mapping[str, str] | None = None
    ) -> None:
        """Add metrics and tags to send.

        Raises:
            TrackingError: the store refused earlier values of this run, or has not answered for too
                long.
        """
        with self._changed:
            self._raise(run_id)
            waiting = self._waiting.setdefault(run_id, _Waiting())
            waiting.metrics += metrics
            waiting.tags |= tags or {}
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
                self._thread.start()
                atexit.register(self._at_exit)
            self._changed.notify()

    def flush(self, run_id: str | None = None) -> None:
        """Return when everything (of a run) is stored; wait for the store if it does not answer.

        Raises:
            TrackingError: the store refused, or did not answer for `patience_s`.
        """
        call_patiently(lambda: self._send(run_id), self._uri, self._patience_s)
        with self._changed:
            self._raise(run_id)

    def close(self) -> None:
        """Send what is left and end the thread."""
        self._end()
        atexit.unregister(self._at_exit)
        self.flush()

    def _raise(self, run_id: str | None) -> None:
        """Raise errors from the background thread, each once."""
        if run_id is None and self._refused:
            run_id = next(iter(self._refused))
        if run_id in self._refused:
            raise self._refused.pop(run_id)
        if self._gone is not None:
            raise self._gone

    def _run(self) -> None:
        pause, since = 0.0, 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                self._changed.wait_for(lambda: self._closed, pause or self._interval_s)
                if self._closed:
                    return
            try:
                self._send()
            except Exception as error:
                since = since or time.monotonic()
                if not pause:
                    log.warning(
                        "%s does not answer; metrics wait for it.", hide_passwords(self._uri)
                    )
                pause = min(2 * pause or FIRST_PAUSE_S, LONGEST_PAUSE_S)
                if time.monotonic() - since > self._patience_s:
                    self._gone = outage(error, self._uri, self._patience_s)
            else:
                pause, since = 0.0, 0.0

    def _send(self, run_id: str | None = None) -> None:
        """Send everything (of a run). Raises MLflow's own error when the store does not answer."""
        with self._sending:
            while batch := self._next(run_id):
                sent, metrics, tags = batch
                try:
                    self._client.log_batch(
                        sent, metrics=metrics, tags=[RunTag(*tag) for tag in tags.items()]
                    )
                except Exception as error:
                    if is_away(error):
                        raise
                    with self._changed:
                        self._gone = None
                        self._waiting.pop(sent, None)
                        self._refused[sent] = refusal(error, self._uri)
                else:
                    self._done(sent, metrics, tags)

    def _next(self, run_id: str | None) -> tuple[str, list[Metric], dict[str, str]] | None:
        with self._changed:
            chosen = run_id if run_id is not None else next(iter(self._waiting), None)
            if chosen is None or chosen not in self._waiting:
                return None
            waiting = self._waiting[chosen]
            return chosen, waiting.metrics[:_METRICS], dict(list(waiting.tags.items())[:_TAGS])

    def _done(self, run_id: str, metrics: list[Metric], tags: dict[str, str]) -> None:
        with self._changed:
            self._gone = None
            waiting = self._waiting[run_id]
            del waiting.metrics[: len(metrics)]
            for name, value in tags.items():
                if waiting.tags.get(name) == value:  # else it was set again meanwhile
                    del waiting.tags[name]
            if not waiting.metrics and not waiting.tags:
                del self._waiting[run_id]

    def _end(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _at_exit(self) -> None:
        self._end()
        try:
            call_patiently(self._send, self._uri, _AT_EXIT_S)
        except Exception as error:
            log.error("Metrics are lost: %s", error)
