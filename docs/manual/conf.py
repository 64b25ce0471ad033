"""How Sphinx builds the manual: Markdown pages and notebooks, Furo's theme, nothing from the network."""

from __future__ import annotations

import workbench

project = "Ray-on-Spark workbench"
author = "the authors of the workbench"
version = release = workbench.__version__
extensions = ["myst_nb"]
html_theme = "furo"
html_title = f"{project} {release}"
html_static_path: list[str] = []
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "off"  # they are kept with outputs: tutorials.py runs them
smartquotes = False  # an option is --set, and a message is found by its own letters
# Code is shown as it is where a lexer does not know it, such as a terminal's table.
suppress_warnings = ["misc.highlighting_failure"]
