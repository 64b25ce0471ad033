"""Ray still has the private interfaces that `workbench.ray_private` uses."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_RAY = """
from workbench import ray_private
ray_private.listen_on_loopback(only=True)
from workbench.cluster.ray_token import use_token
use_token()
import ray

ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
address = ray.get_runtime_context().gcs_address
assert address.startswith("127.0.0.1:"), address
ray_private.read_token_again()
ray_private.connect_once(address)
assert ray_private.get_most_resources() == {}

ray_private.store_value("workbench.test.one", b"1")
assert ray_private.list_keys("workbench.test.") == [b"workbench.test.one"]
assert ray_private.get_value(b"workbench.test.one") == b"1"
ray_private.delete_value("workbench.test.one")
assert ray_private.get_value("workbench.test.one") is None

from ray.util.placement_group import placement_group_table
group = ray.util.placement_group([{"CPU": 1}])
ray.get(group.ready())
same = ray_private.get_placement_group(group.id.binary())
assert placement_group_table(same)["state"] == "CREATED"
ray.util.remove_placement_group(same)
assert placement_group_table(group)["state"] == "REMOVED"

dataset = ray.data.range(10, override_num_blocks=2).materialize()
refs = ray_private.list_block_refs(dataset)
assert sum(len(block) for block in ray.get(refs)) == 10

ray.shutdown()
ray_private.forbid_automatic_start()
try:
    ray.put(1)
except ray.exceptions.RaySystemError:
    assert not ray.is_initialized()
ray_private.allow_automatic_start()
from ray._private import auto_init_hook
assert auto_init_hook.enable_auto_connect
print("everything is there")
"""


@pytest.mark.cluster
def test_every_private_interface_is_there_and_does_what_is_said() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    reply = subprocess.run(
        [sys.executable, "-c", _RAY], capture_output=True, text=True, env=environment, timeout=120
    )
    assert reply.stdout.endswith("everything is there\n"), reply.stderr[-3000:]


def test_importing_it_loads_no_ray() -> None:
    code = "import sys, workbench.ray_private; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
