"""Recipes: from what is known of some data to an experiment that gives a good net.

One file per kind of sample; each choice names its source. None of them is fitted to a data set: they
follow from the kind of sample, the task, the shape and the number of rows.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
