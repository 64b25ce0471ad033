"""The command line. Loads neither Ray nor Spark, MLflow or torch until a command needs them."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
