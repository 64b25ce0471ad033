"""A Ray that is gone is recognised by its port."""

from __future__ import annotations

import socket

import pytest

from workbench.cluster.lost_ray import answers, check_not_lost, name_lost_ray


def test_a_port_that_nobody_listens_at_does_not_answer() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert answers(address)
    assert not answers(address)


def test_a_ray_that_this_process_never_used_is_not_lost() -> None:
    check_not_lost("127.0.0.1:1")
    with pytest.raises(SystemExit), name_lost_ray("127.0.0.1:1"):
        raise SystemExit(3)
