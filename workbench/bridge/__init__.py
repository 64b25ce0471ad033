"""From the canonical DataFrame to data that a net trains on.

`prepare` has Spark read, split and measure a source, and writes the rows to the prepared store, where
the next command finds them. `prepare_table` does the same for a DataFrame of the calling program.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
