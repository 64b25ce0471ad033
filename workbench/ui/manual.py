"""The manual beside the pages: served by the UI itself where it was built, else named."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

ADDRESS = "/manual"
_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "manual", _PACKAGE.parent / "build" / "docs" / "html")
"""A release has it in the package; `make docs` of a checkout builds it beside."""


def find_folder() -> Path | None:
    """The folder of the built manual; None: it was not built."""
    return next((each for each in _FOLDERS if (each / "index.html").is_file()), None)


def routes(folder: Path | None) -> list[BaseRoute]:
    """What the server answers below `ADDRESS`: the manual's files."""
    if folder is None:
        return []
    return [Mount(ADDRESS, StaticFiles(directory=folder, html=True))]


def write_link(page: str, folder: Path | None) -> str:
    """Markdown that leads to a page of the manual, such as `docs/data` or `docs/data#bad-rows`."""
    name, _, anchor = page.partition("#")
    if folder is None or not (folder / f"{name}.html").is_file():
        return f"More in the manual: `{name}.md` (`workbench docs`)"
    return f"[More in the manual]({ADDRESS}/{name}.html{f'#{anchor}' if anchor else ''})"
