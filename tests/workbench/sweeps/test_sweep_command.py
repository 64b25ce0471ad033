"""`workbench sweep` as a person meets it: stopped, killed, continued; a real store, a real cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tracking import MlflowRecorder, Reader, Run

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

COMMAND = (
    *(sys.executable, "-m", "workbench", "sweep", "digits_cnn"),
    *("--trials", "10", "--search", "random", "--scheduler", "none", "--epochs", "8"),
)
SERVING = ("java", "raylet", "gcs_server")


class Sweep:
    """A sweep in a process of its own, below a home of its own."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.said = home.parent / f"said-{time.monotonic_ns()}.txt"
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                [*COMMAND, *options],
                env={
                    **os.environ,
                    "WORKBENCH_HOME": str(home),
                    "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
                },
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                cwd=home.parent,
            )

    def wait_for(self, text: str) -> None:
        """Until the command has said `text`.

        Raises:
            AssertionError: it ended before.
        """
        while text not in self.said.read_text():
            assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.1)

    def end(self) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        out, _ = self.process.communicate(timeout=400)
        return self.process.returncode, out, self.said.read_text()


def trials(home: Path) -> list[Run]:
    return Reader(f"sqlite:///{home / 'mlflow.db'}").runs(kinds=("trial",), limit=100)


def test_a_sweep_is_killed_continued_and_stopped(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = Reader(f"sqlite:///{home / 'mlflow.db'}")
    # kill -9: nothing is left running in the machine.
    first = Sweep(home)
    first.wait_for("FINISHED")
    children = psutil.Process(first.process.pid).children(recursive=True)
    # Ray's agents look for their parent every so often, and leave then.
    serving = [c for c in children if c.name() in SERVING]
    first.process.kill()
    first.end()
    assert serving
    _, alive = psutil.wait_procs(serving, timeout=60)
    assert not alive
    (sweep,) = store.runs(kinds=("sweep",))
    assert sweep.status == "RUNNING"
    done = {run.run_id for run in trials(home) if run.status == "FINISHED"}
    assert done

    # It goes on where it was; Ctrl-C keeps what is done and marks what is not.
    second = Sweep(home, "--resume", sweep.run_id)
    second.wait_for("FINISHED")
    second.process.send_signal(signal.SIGINT)
    code, out, err = second.end()
    assert code == 130, err
    assert "validation/accuracy" in out and "Best configuration" in out
    assert "--resume" in err
    finished = [run for run in trials(home) if run.status == "FINISHED"]
    assert done < {run.run_id for run in finished}
    settings = [run.tags["workbench.settings"] for run in finished]
    assert len(settings) == len(set(settings)) <= 10
    assert Counter(run.status for run in trials(home))["RUNNING"] == 0
    (sweep,) = store.runs(kinds=("sweep",))
    assert sweep.status == "KILLED"


@pytest.mark.long
def test_ctrl_c_twice_ends_a_sweep_at_once(tmp_path: Path) -> None:
    """Nothing is left running; what was done is kept, and the next start closes what was cut off."""
    home = tmp_path / "home"
    sweep = Sweep(home)
    sweep.wait_for("FINISHED")
    children = psutil.Process(sweep.process.pid).children(recursive=True)
    serving = [child for child in children if child.name() in SERVING]
    assert serving
    sweep.process.send_signal(signal.SIGINT)
    sweep.wait_for("Ctrl-C again")  # two signals at the same moment are one
    began = time.monotonic()
    sweep.process.send_signal(signal.SIGINT)
    code, _, err = sweep.end()
    print(f"\n{time.monotonic() - began:.1f} s from the second Ctrl-C to the prompt")
    assert code == 130, err
    assert "Interrupted" in err and "Traceback" not in err
    _, alive = psutil.wait_procs(serving, timeout=30)
    assert not alive
    MlflowRecorder(f"sqlite:///{home / 'mlflow.db'}").close()
    statuses = Counter(run.status for run in trials(home))
    assert statuses["FINISHED"] and not statuses["RUNNING"]
