"""Experiments: the class, those that ship, and how one is loaded by name or from a person's file."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
