"""Errors of the tracking store."""

from __future__ import annotations


class TrackingError(Exception):
    """The store cannot be reached or refuses. The message names the store (passwords hidden), the
    reason and the way out."""


class QueryError(TrackingError, ValueError):
    """A filter, an order or a name that the store does not understand."""


class RunNotFoundError(TrackingError, LookupError):
    """No run with this id."""


class ArtifactError(TrackingError, LookupError):
    """An artifact that the run does not list, or that cannot be read."""
