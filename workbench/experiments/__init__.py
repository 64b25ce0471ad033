"""What an experiment is, those that ship, and how one is found by name or in a person's own file."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
