"""Interactive deep-learning experiments on data that lives in Spark.

Importing this package loads neither Ray nor Spark, MLflow or torch: each name is resolved when
it is first used.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.2.0"
