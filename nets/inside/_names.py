"""What there may be to look at in a net, by name. Loads no torch."""

from __future__ import annotations

OF_PICTURES = ("convolutions", "attention over patches")
"""What a net for pictures may have."""
OF_SEQUENCES = ("states", "attention over steps")
"""What a net for texts and series may have."""
