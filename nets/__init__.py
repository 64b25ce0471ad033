"""Nets in PyTorch: activations, convolutional, recurrent and residual nets, autoencoders, the
training loop, and ways to look inside. Knows no cluster and no tracking store.

Importing it loads no torch, which a Spark task would wait for without using it: what needs torch is
loaded when it is first asked for.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
