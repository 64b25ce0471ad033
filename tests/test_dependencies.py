"""What the project needs is pinned in `constraints.txt`, and installed in just that version."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def pins() -> dict[str, SpecifierSet]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    assert len({canonicalize_name(r.name) for r in found}) == len(found), (
        "a package is pinned twice"
    )
    return {canonicalize_name(r.name): r.specifier for r in found}


def asked() -> list[Requirement]:
    """What `make setup` installs by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [Requirement(r) for r in (*project["dependencies"], *extras["ui"], *extras["dev"])]


def needed() -> dict[str, str]:
    """Everything those need, and what that needs in turn; name to installed version."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(r, extra) for r in asked() for extra in ("", *r.extras)]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found[name] = importlib.metadata.version(name)
        for text in importlib.metadata.requires(name) or []:
            more = Requirement(text)
            if more.marker is None or more.marker.evaluate({"extra": extra}):
                waiting += [(more, e) for e in ("", *more.extras)]
    return found


def test_every_pin_is_one_exact_release() -> None:
    for name, specifier in pins().items():
        assert re.fullmatch(r"==[^*,]+", str(specifier)), f"{name}{specifier} is no exact version"
        [pin] = specifier
        version = Version(pin.version)
        assert not version.is_devrelease, f"{name}{specifier} is a development version"


def test_what_is_needed_is_installed_as_pinned() -> None:
    known = pins()
    for name, version in needed().items():
        assert name in known, f"{name} {version} is needed and constraints.txt does not name it"
        # A build for one kind of machine (+cpu) is the same release
        release = Version(version).public
        assert known[name].contains(release, prereleases=True), f"{name} {version}, {known[name]}"


def test_what_the_project_asks_for_is_pinned_within_its_range() -> None:
    known = pins()
    for requirement in asked():
        [pin] = known[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin.version), f"{requirement} and {pin}"
