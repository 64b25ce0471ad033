"""The process that supervises a bench: it starts Ray and the server on it, and ends with them.

    python -m workbench.jobs.supervisor '{"cluster": {...}, "dashboards": false}'

It outlives the command that started it. When the server or this process ends, in order or killed, no
process of the bench is left: Ray's processes are children of this one, and Ray's workers, the server
and Spark end with Ray.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from workbench.errors import WorkbenchError
from workbench.home import home_folder, logs_folder
from workbench.jobs import statefile
from workbench.jobs.statefile import ACTOR, NAMESPACE, State
from workbench.progress.events import Events

_POLL_S = 0.2


def main() -> int:
    """Start a bench, wait for its end, clean up."""
    base = home_folder()
    lock = statefile.lock(base)  # first, before anything that takes time
    if lock is None:
        print("A bench is up or starting here; `workbench down` stops it.", file=sys.stderr)
        return WorkbenchError.exit_code
    events = Events(statefile.make_folder(base) / "start.jsonl")
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reported = False
    try:
        with ExitStack() as stack:
            state, server = _start(stack, json.loads(sys.argv[1]), base, events)
            statefile.write(state, base)
            events.write("end", error=None)
            reported = True
            try:
                ended = _wait(server)
            finally:
                statefile.write(replace(state, ended="it is being stopped"), base)
        if (statefile.make_folder(base) / "down").exists():
            statefile.remove(base)
        else:
            statefile.write(replace(state, ended=ended), base)
        return 0
    except SystemExit:
        statefile.remove(base)
        raise
    except Exception as error:
        if not reported:
            cause = getattr(error, "cause", None) or error  # Ray wraps it
            events.write("end", error=str(cause) or type(cause).__name__)
        raise
    finally:
        (statefile.make_folder(base) / "down").unlink(missing_ok=True)


def _start(
    stack: ExitStack, settings: dict[str, Any], base: Path, events: Events
) -> tuple[State, psutil.Process]:
    events.stage("Loading the libraries")
    from nets.config import from_dict, to_dict
    from workbench.cluster import (
        ClusterConfig,
        find_java,
        find_token_file,
        new_log_path,
        send_logs_to,
        start_ray,
        terminate,
    )

    config, dashboards = from_dict(ClusterConfig, settings["cluster"]), bool(settings["dashboards"])
    find_java().use()  # Ray's processes start RayDP's with the Java on their PATH
    log_path = new_log_path(logs_folder(base))
    stack.enter_context(send_logs_to(log_path))
    me = psutil.Process()
    started: set[psutil.Process] = set()
    stack.callback(terminate, started)
    ray_pages = stack.enter_context(
        start_ray(config, log_path, namespace=NAMESPACE, dashboard=dashboards, stage=events.stage)
    )
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from workbench.jobs.server import BenchServer

    context, since_ns = ray.get_runtime_context(), time.time_ns()
    here = NodeAffinitySchedulingStrategy(context.get_node_id(), soft=False)
    actor: Any = ray.remote(BenchServer).options(
        name=ACTOR, lifetime="detached", num_cpus=0, max_restarts=0, scheduling_strategy=here
    )
    handle = actor.remote(str(base), to_dict(config), str(log_path), dashboards, since_ns)
    stack.callback(_kill, handle)
    stack.callback(lambda: started.update(me.children(recursive=True)))
    actor_pid, spark_pages = ray.get(handle.start.remote())
    server = psutil.Process(actor_pid)
    # Now: when the server dies first, its JVM is nobody's child.
    started.update(me.children(recursive=True))
    state = State(
        address=context.gcs_address,
        pid=me.pid,
        actor_pid=server.pid,
        started=time.time(),
        log=str(log_path),
        token_path=str(token) if (token := find_token_file()) and token.is_file() else None,
        cluster=to_dict(config),
        pages={n: url for n, url in {"Ray": ray_pages, "Spark": spark_pages}.items() if url}
        if dashboards
        else {},
    )
    return state, server


def _kill(handle: Any) -> None:
    import ray

    with suppress(ray.exceptions.RayError, ValueError):
        ray.kill(handle)


def _wait(server: psutil.Process) -> str:
    """Wait until the server ends; return why it ended."""
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
        time.sleep(_POLL_S)
    return f"its process {server.pid} ended unexpectedly (killed, or out of memory)"


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
