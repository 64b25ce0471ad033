"""Scores a DataFrame with a trained net, in batch or as a stream: torch on the executors, no Ray, no MLflow."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
