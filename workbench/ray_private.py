"""Every use of what Ray keeps to itself, except Ray Train's (`training/ray_train_private.py`).

Each function says why the public interface is not enough. All were seen in ray 2.60.0;
`tests/workbench/test_ray_private.py` fails when a later version lacks one. Safety rests on the first.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ray
    from ray.util.placement_group import PlacementGroup


def listen_on_loopback(only: bool) -> None:
    """Have a Ray that is started from now on listen on the loopback address only, or on all.

    `ray_constants.ENABLE_RAY_CLUSTER` and its variable RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER: Ray binds
    to loopback by itself on macOS and Windows only; `ray.init(_node_ip_address=...)` does not do it.
    The variable reaches the processes that Ray starts; this one may have read it at import.
    """
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0" if only else "1"
    from ray._private import ray_constants

    ray_constants.ENABLE_RAY_CLUSTER = not only


def read_token_again() -> None:
    """Make this process read RAY_AUTH_MODE and the token again.

    `ray._raylet.Config` and `AuthenticationTokenLoader`: Ray reads both once, at import.
    """
    raylet = _raylet()
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


def connect_once(address: str) -> None:
    """Connect to Ray's control service and forget the connection.

    `ray._raylet.GcsClient`: `ray.init` tries a wrong token for 20 s and does not name the cause.

    Raises:
        ray.exceptions.AuthenticationError: the token is not that cluster's.
    """
    _raylet().GcsClient(address=address)


def forbid_automatic_start() -> None:
    """Have Ray's functions fail in this process while no Ray is connected; see `allow_automatic_start`.

    `ray._private.auto_init_hook.enable_auto_connect`: `ray.get` and others start a Ray by themselves,
    with default settings. The public RAY_ENABLE_AUTO_CONNECT is read once, at import.
    """
    _automatic_start().enable_auto_connect = False


def allow_automatic_start() -> None:
    """Let Ray's functions start a Ray again, unless RAY_ENABLE_AUTO_CONNECT is 0."""
    allowed = os.environ.get("RAY_ENABLE_AUTO_CONNECT", "") != "0"
    _automatic_start().enable_auto_connect = allowed


def get_most_resources() -> dict[str, float]:
    """What the cluster can grow to, by resource; empty where nobody has told Ray.

    `ray._private.state.state`: Ray knows it of KubeRay clusters and of those that its own launcher
    started, and has no public function for it.
    """
    from ray._private.state import state

    limits = state.get_max_resources_from_cluster_config() or {}
    return {name: float(value) for name, value in limits.items()}


def list_block_refs(dataset: ray.data.Dataset) -> list[Any]:
    """References to the blocks of a materialised dataset.

    `Dataset.get_internal_block_refs`: marked as internal; the public `to_arrow_refs` and others
    convert, or are deprecated.
    """
    return list(dataset.get_internal_block_refs())


def store_value(key: str, value: bytes) -> None:
    """Write to Ray's key-value store, which outlives the process.

    `ray.experimental.internal_kv`: there is no public key-value store.
    """
    _kv()._internal_kv_put(key, value, overwrite=True)


def get_value(key: str | bytes) -> bytes | None:
    """Read from Ray's key-value store; see `store_value`."""
    value: bytes | None = _kv()._internal_kv_get(key)
    return value


def delete_value(key: str | bytes) -> None:
    """Delete from Ray's key-value store; see `store_value`."""
    _kv()._internal_kv_del(key)


def list_keys(prefix: str) -> list[bytes]:
    """The keys that begin with `prefix`; see `store_value`."""
    return list(_kv()._internal_kv_list(prefix))


def get_placement_group(group_id: bytes) -> PlacementGroup:
    """A placement group by its id.

    `ray._raylet.PlacementGroupID`: the public `get_placement_group` finds groups by name, and Ray
    Train gives its groups none.
    """
    from ray.util.placement_group import PlacementGroup

    return PlacementGroup(_raylet().PlacementGroupID(group_id))


def _raylet() -> Any:
    return importlib.import_module("ray._raylet")  # it has no types


def _automatic_start() -> Any:
    return importlib.import_module("ray._private.auto_init_hook")


def _kv() -> Any:
    return importlib.import_module("ray.experimental.internal_kv")
