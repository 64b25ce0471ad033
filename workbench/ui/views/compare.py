"""Compare runs: curves, settings, the maps of one sample, results by class, different answers."""

from __future__ import annotations

import streamlit as st

from workbench.ui import page_parts, reports, run_choice, widgets
from workbench.ui.comparing import metrics, predictions, same_picture, settings
from workbench.ui.comparing.names import MOST_RUNS

_DRAW = (
    metrics.draw_curves,
    settings.draw_settings,
    same_picture.draw_same_picture,
    predictions.draw_by_class,
    predictions.draw_disagreements,
)
_PARTS = dict(zip(page_parts.COMPARE, _DRAW, strict=True))


def main() -> None:
    widgets.title(
        "Compare",
        "Up to 100 runs: where their settings differ, and which curves and values are the best. The "
        "other parts put one picture through their nets, and list the rows they disagree on.",
        "docs/browser#compare",
    )
    runs = run_choice.pick_runs(MOST_RUNS)
    if len(runs) < 2:
        st.info("Choose two or more runs.", icon=":material/compare_arrows:")
        return
    chosen = widgets.choose("Show", list(_PARTS), "compare_part", label_visibility="collapsed")
    with widgets.part():
        _PARTS[chosen](runs)
    widgets.download(
        "Report as one HTML file",
        lambda: reports.write_comparison(runs),
        "comparison.html",
        "text/html",
    )


main()
