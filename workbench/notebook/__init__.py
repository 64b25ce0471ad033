"""The workbench as objects, for a notebook: a session that stays, results that draw themselves."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
