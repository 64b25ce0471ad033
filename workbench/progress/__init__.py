"""Progress of long jobs: the events, the terminal that shows them, the file that keeps them."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
