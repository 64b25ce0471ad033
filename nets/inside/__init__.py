"""Look inside a trained net: filters, feature maps, health, attribution, states over time.

Torch only. Every function works on a private copy of the module tree (the tensors are shared), so
one cached net can be looked at by many threads at once. `features` are raw encoded samples, as the
net takes them; pictures come out as numpy arrays.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
