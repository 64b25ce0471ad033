"""Builds the manual: `python docs/manual/build.py [TARGET]`; `make docs` does it in the right environment.

The pages are copied in the folders they have in the repository, so that their links hold. The
reference is written from the code. A warning is an error.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")
"""A link, no image: text, target, anchor."""

INDEX = """# Ray-on-Spark workbench

Deep-learning experiments on data that lives in Spark: train, sweep, compare, look inside.

- **New here?** [Start in five minutes](docs/start.md), or look at the [notebook](docs/notebook.md).
- **You know another tool?** [Coming from](docs/coming-from.md) Ray Train, Lightning, fastai or RayDP.
- **Something failed?** [Errors](docs/errors.md) and [questions](docs/faq.md).

```{toctree}
:caption: Start
:maxdepth: 1

Overview <README>
docs/start
docs/notebook
docs/coming-from
docs/compared
docs/faq
```

```{toctree}
:caption: Tutorials
:maxdepth: 1
:glob:

docs/cnn-in-the-ui
docs/tutorials/*
```

```{toctree}
:caption: How to
:maxdepth: 1
:glob:

%HOWTO%
docs/clusters/*
```

```{toctree}
:caption: Reference
:maxdepth: 1

reference/settings
reference/commands
reference/api
docs/runs
docs/files
docs/environment
docs/errors
reference/messages
```

```{toctree}
:caption: The project
:maxdepth: 1

docs/PERFORMANCE
docs/RELIABILITY
ARCHITECTURE
CONTRIBUTING
SECURITY
CHANGELOG
```
"""
_ELSEWHERE = {
    "start",
    "notebook",
    "coming-from",
    "compared",
    "faq",
    "cnn-in-the-ui",
    "environment",
    "errors",
}
_ELSEWHERE |= {"PERFORMANCE", "RELIABILITY", "runs", "files"}


def collect(source: Path) -> None:
    """Copy the pages, and write the index and the reference beside them."""
    import reference

    shutil.copytree(ROOT / "docs", source / "docs", ignore=shutil.ignore_patterns("manual"))
    for name in PAGES:
        shutil.copy(ROOT / name, source / name)
    pictures = source / "benchmarks" / "results"
    pictures.mkdir(parents=True)
    for picture in (ROOT / "benchmarks" / "results").glob("*.svg"):
        shutil.copy(picture, pictures)
    for page in source.rglob("*.md"):
        page.write_text(point_to_code(page.read_text(), page.parent, source))
    howto = sorted(page.stem for page in (ROOT / "docs").glob("*.md"))
    listed = "\n".join(f"docs/{name}" for name in howto if name not in _ELSEWHERE)
    (source / "index.md").write_text(INDEX.replace("%HOWTO%", listed))
    (source / "reference").mkdir()
    for name, text in reference.pages().items():
        (source / "reference" / f"{name}.md").write_text(text)


def point_to_code(text: str, folder: Path, source: Path) -> str:
    """Links to files of the repository that are no pages become their names."""

    def replace(match: re.Match[str]) -> str:
        name, target = match[1], match[2]
        if "://" in target or target.startswith("mailto:") or (folder / target).is_file():
            return match[0]
        in_repository = ROOT / folder.relative_to(source) / target
        if not in_repository.exists():
            raise SystemExit(
                f"{folder.relative_to(source)}: {target} is linked and does not exist."
            )
        return f"{name} (`{in_repository.resolve().relative_to(ROOT)}`)"

    return LINK.sub(replace, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", type=Path, default=ROOT / "build" / "docs")
    arguments = parser.parse_args()
    target = arguments.target.resolve()
    shutil.rmtree(target, ignore_errors=True)
    collect(target / "source")
    sphinx = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    folders = [str(Path(__file__).parent), str(target / "source"), str(target / "html")]
    done = subprocess.run([*sphinx, "-c", *folders], check=False)
    if done.returncode == 0:
        print(f"The manual: {target / 'html' / 'index.html'}")
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
