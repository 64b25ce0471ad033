"""Which of the two pages shows the inside of a run's net. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence

from nets.inside import OF_PICTURES, OF_SEQUENCES
from workbench.ui import store

TAG = "workbench.inside"
"""What there is to look at, as `nets.inside.contents` gives it. Runs of older versions have none."""


def find_page(run: store.Run) -> str:
    """The page for the run's net; where the run does not say it, the one that links to the other."""
    has = run.tags.get(TAG, "")
    only_sequences = has and not any(name in has for name in OF_PICTURES)
    return "views/rnn.py" if only_sequences else "views/cnn.py"


def _suits(names: Sequence[str]) -> str:
    """A filter of runs that kept a net with one of these."""
    has = " or ".join(f"tags.`{TAG}` LIKE '%{name}%'" for name in names)
    return (
        f"finished and ({has} or tags.`{TAG}` IS NULL) "
        "and (tags.`workbench.kind` = 'train' or metrics.`test/loss` IS NOT NULL)"
    )


SUIT_PICTURES, SUIT_SEQUENCES = _suits(OF_PICTURES), _suits(OF_SEQUENCES)
"""Filters of the runs that each page can show."""
