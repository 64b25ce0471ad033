"""Convolutional and recurrent nets and autoencoders as estimators of Spark ML.

CNNClassifier(layers=[32, 64, 10], featuresCol="image").fit(train).transform(test)
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
