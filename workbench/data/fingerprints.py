"""Fingerprints of prepared data: two runs with the same one trained on the same tensors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets.config import to_dict
from workbench.data.config import DataConfig

if TYPE_CHECKING:
    from nets.prepare import PreparationConfig
    from workbench.data.canonical import CanonicalFrame

_VERSION = 2
"""Raised when the same configuration comes to mean other bytes."""


def fingerprint(config: DataConfig, preparation: PreparationConfig) -> str:
    """Hash of the source's settings and files, the split and the preparation; 16 hex digits.

    A file counts by its path below the source, size and time of change. Reading gigabytes to hash
    them would cost more than preparing them again.
    """
    facts = {
        "version": _VERSION,
        "source": to_dict(config.source),
        "files": [
            _list_files(getattr(config.source, name, None))
            for name in ("path", "test_path", "tokenizer")
        ],
        "split": to_dict(config.split),
        "preparation": to_dict(preparation),
    }
    return _hash(facts)


def content_fingerprint(
    content: str, canonical: CanonicalFrame, preparation: PreparationConfig
) -> str:
    """The same for rows without a source: from the hash of their content."""
    facts = {
        "version": _VERSION,
        "content": content,
        "spec": to_dict(canonical.spec),
        "labels": canonical.labels,
        "preparation": to_dict(preparation),
    }
    return _hash(facts)


def _hash(facts: dict[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _list_files(path: str | None) -> list[tuple[str, int, int]]:
    if path is None or "://" in path:
        return []
    root = Path(path)
    files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
    return [(str(p.relative_to(root)), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
