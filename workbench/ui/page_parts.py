"""The parts of the pages that have some, in their order: the pages show them, the search finds them."""

from __future__ import annotations

RUN = ("Curves", "Evaluation", "Mistakes", "Samples", "Net", "Settings", "Reproduce", "Log")
COMPARE = ("Curves", "Settings", "Same picture", "By class", "Disagreements")
CNN = (
    "Feature maps",
    "Filters",
    "See it form",
    "What excites it",
    "Attribution",
    "Step by step",
    "Made to excite",
)
