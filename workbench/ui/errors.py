"""What a page shows in place of something that is not there."""

from __future__ import annotations


class Missing(Exception):
    """Something that a page shows is not in the run. The message says what and why."""
