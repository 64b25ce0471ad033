"""Hosts made on this machine: each with an address, a host name, and where asked disks of its own."""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

_OWN = ("/tmp", "/dev/shm", "/root", "/home")
"""Folders that a host with disks of its own has for itself, empty at first."""

_ALL = "/mnt"
"""Where a host reaches what its own folders hide, while it starts."""


class Hosts:
    """A network of this machine and some hosts on it.

    Args:
        folder: the hosts see `folder/shared`, whatever else they do not see.
        numbers: name of each host to the last number of its address. This machine has 1. None: all is
            on loopback.
        own_disks: whether each has `/tmp`, `/dev/shm` and homes of its own.
    """

    def __init__(self, folder: Path, numbers: Mapping[str, int], *, own_disks: bool) -> None:
        self.shared = folder / "shared"
        self.shared.mkdir()
        self._numbers, self._own_disks = numbers, own_disks
        # Two test runs on one machine use other addresses, and so do two networks of one.
        tag = (os.getpid() + 101 * next(_NETWORKS)) % 250
        self._name, self._subnet = f"wb{tag}", f"10.203.{tag}"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """`made` is False where this machine allows no network namespaces: all is on loopback then."""
        try:
            self.made = self._make()
        except BaseException:
            self._stack.close()
            raise
        self.here = f"{self._subnet}.1" if self.made else "127.0.0.1"
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def address(self, name: str) -> str:
        return f"{self._subnet}.{self._numbers[name]}" if self.made else "127.0.0.1"

    def command(self, name: str, run: str, *, hidden: Path | None = None) -> list[str]:
        """The command that runs a shell command on a host.

        Args:
            hidden: a folder that the host does not see.
        """
        if not self.made:
            return ["sh", "-c", f"exec {run}"]
        steps = [f"hostname {name}"]
        steps += [f"mount --bind {self.shared / file} /etc/{file}" for file in _FILES]
        if self._own_disks:
            kept = [self.shared, Path(__file__).parents[3], Path(sys.prefix), Path(sys.base_prefix)]
            steps.append(f"mount --rbind / {_ALL}")
            steps += [f"mount -t tmpfs none {own}" for own in _OWN if Path(own).is_dir()]
            for path in map(str, kept):
                if path.startswith(_OWN):
                    steps += [f"mkdir -p {path}", f"mount --rbind {_ALL}{path} {path}"]
            steps += [f"umount -l {_ALL}", f"mkdir -p {self.shared.parent}", "cd /"]
        if hidden is not None:
            steps.append(f"mount -t tmpfs none {hidden}")
        own = " && ".join([*steps, f"exec {run}"])
        inside = f"ip netns exec {self._name}-{name} unshare --uts --mount sh -c"
        return [*shlex.split(inside), own]

    def _make(self) -> bool:
        if not self._numbers or shutil.which("ip") is None or os.geteuid() != 0:
            return False
        steps = [
            f"link add {self._name} type bridge",
            f"addr add {self._subnet}.1/24 dev {self._name}",
            f"link set {self._name} up",
        ]
        self._stack.callback(_ip, f"link del {self._name}")
        for name, number in self._numbers.items():
            inside = f"netns exec {self._name}-{name} ip"
            steps += [
                f"netns add {self._name}-{name}",
                f"link add {self._name}v{number} type veth peer name eth0 netns {self._name}-{name}",
                f"link set {self._name}v{number} master {self._name} up",
                f"{inside} addr add {self._subnet}.{number}/24 dev eth0",
                f"{inside} link set eth0 up",
                f"{inside} link set lo up",
                f"{inside} route add default via {self._subnet}.1",
            ]
            self._stack.callback(_ip, f"netns del {self._name}-{name}")
        names = "".join(f"{self._subnet}.{n} {name}\n" for name, n in self._numbers.items())
        (self.shared / "hosts").write_text(f"127.0.0.1 localhost\n{self._subnet}.1 head\n{names}")
        # Java looks up its own host name, and would wait for a name server that it cannot reach.
        (self.shared / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        return all(_ip(step) for step in steps)


_FILES = ("hosts", "resolv.conf")
_NETWORKS = itertools.count()


def _ip(arguments: str) -> bool:
    return not subprocess.run(
        ["ip", *arguments.split()], capture_output=True, check=False
    ).returncode
