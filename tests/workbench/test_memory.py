"""Free memory, read from control groups as Linux shows them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from workbench.memory import available_memory

MIB = 2**20


def write_group(folder: Path, limit: str, used: int, cached: int, *, v1: bool = False) -> None:
    folder.mkdir(parents=True)
    names = (
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        if v1
        else ("memory.max", "memory.current", "inactive_file")
    )
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"cache 5\n{names[2]} {cached}\n")


@pytest.mark.parametrize(
    ("v1", "line"), [(False, "0::/pod/app"), (True, "4:memory:/pod/app")], ids=["v2", "v1"]
)
def test_a_container_has_what_its_limit_leaves_and_what_the_system_can_take_back(
    tmp_path: Path, v1: bool, line: str
) -> None:
    groups = tmp_path / "cgroup"
    groups.write_text(f"9:cpu:/\n{line}\n")
    root = tmp_path / "memory" if v1 else tmp_path
    write_group(root / "pod", str(100 * MIB), 70 * MIB, 10 * MIB, v1=v1)
    write_group(root / "pod/app", "max", 60 * MIB, 0, v1=v1)
    assert available_memory(tmp_path, groups) == 40 * MIB


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    free = available_memory(tmp_path, tmp_path / "none")
    assert free == pytest.approx(psutil.virtual_memory().available, rel=0.2)
