"""Runs all benchmarks, or those named, each in its own process: python -m benchmarks [training] [sweep]

One benchmark with its own options: python -m benchmarks.training --help
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SHARED = {"cases", "machine", "noise", "report", "table"}
_NOT_BENCHMARKS = {"__main__", "development_sets", "quality_sets"} | _SHARED
NAMES = sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - _NOT_BENCHMARKS)


def main() -> None:
    chosen = sys.argv[1:] or NAMES
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        sys.exit(f"Unknown benchmark {unknown[0]!r}. Known: {', '.join(NAMES)}.")
    failed = []
    for name in chosen:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
