"""Every benchmark in turn, or some: python -m bench [training] [sweep] [startup] [inside] [recording] [runs] [data] [scoring]"""

from __future__ import annotations

import runpy
import sys

NAMES = ("training", "sweep", "startup", "inside", "recording", "runs", "data", "scoring")


def main() -> None:
    chosen = sys.argv[1:] or list(NAMES)
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        sys.exit(f"Unknown benchmark {unknown[0]!r}. Known: {', '.join(NAMES)}.")
    for name in chosen:
        sys.argv = [name]
        runpy.run_module(f"bench.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
