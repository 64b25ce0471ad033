"""Machines with other packages are refused; the message has both versions and says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.cluster.package_check import PACKAGES, check_same_packages, describe_python
from workbench.errors import ClusterError


def machine(**changes: Any) -> dict[str, Any]:
    there = describe_python() | {"host": "node-7", "executable": "/opt/python"}
    packages = there["packages"] | changes.pop("packages", {})
    return there | {"packages": packages} | changes


def test_it_lists_what_is_installed_here() -> None:
    here = describe_python()
    assert set(here["packages"]) == set(PACKAGES)
    assert all(here["packages"].values())
    check_same_packages(here, [here, machine()], "Nodes")


def test_a_patch_release_of_python_makes_no_difference() -> None:
    check_same_packages(
        describe_python() | {"python": "3.11.2"}, [machine(python="3.11.9")], "Nodes"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"python": "3.10.4"}, r"Python 3\.10\.4 \(here 3\.11"),
        ({"packages": {"torch": "1.2.3"}}, r"torch 1\.2\.3 \(here 2\."),
        ({"packages": {"raydp": None}}, r"raydp is missing \(here 1\."),
        ({"prefix": "/usr"}, r"installed in /usr \(here /"),
    ],
)
def test_a_difference_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(
        ClusterError, match=rf"(?s)node-7 \(/opt/python\): .*{message}.*pip install"
    ):
        check_same_packages(describe_python(), [machine(), machine(**changes)], "Nodes")
