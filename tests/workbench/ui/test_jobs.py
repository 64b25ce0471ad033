from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.errors import WorkbenchError
from workbench.jobs.folder import strip_terminal_codes
from workbench.ui.jobs import Job, Queue

PYTHON = sys.executable


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "jobs")


def wait(queue: Queue, job: Job, until: Callable[[Job], bool], seconds: float = 20) -> Job:
    end = time.monotonic() + seconds
    while not until(now := queue.read(job.id)):
        assert time.monotonic() < end, f"still {now.state}: {queue.read_log(job.id)}"
        time.sleep(0.05)
    return now


def ended(job: Job) -> bool:
    return not job.live


def test_a_command_runs_and_its_output_and_exit_code_are_kept(queue: Queue) -> None:
    job = queue.submit([PYTHON, "-c", "print('hello'); raise SystemExit(3)"], "greet")
    assert job.title == "greet" and job.live
    job = wait(queue, job, ended)
    assert (job.state, job.exit_code) == ("failed", 3)
    assert queue.read_log(job.id).strip() == "hello"
    again = Queue(queue.folder).read_all()  # as after a restart of the UI
    assert [j.id for j in again] == [job.id] and again[0].seconds > 0


def test_one_at_a_time_in_the_order_of_submission(queue: Queue, tmp_path: Path) -> None:
    note = "import sys, time; open(sys.argv[1], 'a').write('<'); time.sleep(0.2); open(sys.argv[1], 'a').write('>')"
    where = str(tmp_path / "trace")
    jobs = [queue.submit([PYTHON, "-c", note, where], str(i)) for i in range(3)]
    done = [wait(queue, job, ended) for job in jobs]
    assert Path(where).read_text() == "<><><>"
    starts = [job.started or 0.0 for job in done]
    assert starts == sorted(starts)


def test_stop_interrupts_a_running_job_as_ctrl_c_does(queue: Queue) -> None:
    code = (
        "import time\ntry:\n  print('up', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n  print('cleaned up')"
    )
    job = queue.submit([PYTHON, "-c", code], "long")
    wait(queue, job, lambda j: "up" in queue.read_log(j.id))
    queue.stop(job.id)
    assert wait(queue, job, ended).state == "stopped"
    assert "cleaned up" in queue.read_log(job.id)


def test_force_ends_a_job_that_ignores_ctrl_c(queue: Queue) -> None:
    code = "import signal, time; signal.signal(2, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    job = queue.submit([PYTHON, "-c", code], "stubborn")
    wait(queue, job, lambda j: "up" in queue.read_log(j.id))
    queue.stop(job.id, force=True)
    assert wait(queue, job, ended).state == "stopped"


def test_a_queued_job_can_be_stopped_before_it_runs(queue: Queue) -> None:
    first = queue.submit([PYTHON, "-c", "import time; time.sleep(60)"], "first")
    wait(queue, first, lambda j: j.state == "running")
    second = queue.submit([PYTHON, "-c", "print('ran')"], "second")
    wait(queue, second, lambda j: (j.folder / "alive").exists())
    time.sleep(0.3)
    queue.stop(second.id)
    assert wait(queue, second, ended).state == "stopped"
    assert "ran" not in queue.read_log(second.id) and queue.read(first.id).state == "running"
    queue.stop(first.id, force=True)
    wait(queue, first, ended)


def test_a_job_whose_process_died_is_lost_and_holds_nobody_up(queue: Queue) -> None:
    first = queue.submit([PYTHON, "-c", "import time; time.sleep(5)"], "victim")
    wait(queue, first, lambda j: j.state == "running")
    status = json.loads((first.folder / "status.json").read_text())
    os.kill(status["runner"], signal.SIGKILL)
    assert wait(queue, first, ended).state == "lost"
    second = queue.submit([PYTHON, "-c", "print('ran')"], "next")
    assert wait(queue, second, ended).state == "finished"
    queue.remove(first.id)
    assert [job.id for job in queue.read_all()] == [second.id]


def test_a_job_outlives_the_ui_that_was_killed(queue: Queue, tmp_path: Path) -> None:
    """The UI's process and all of its group end at once, as when its terminal or machine kills it."""
    go = tmp_path / "go"
    job = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)\nprint('done')"
    ui = (
        "import sys, time; from pathlib import Path; from workbench.ui.jobs import Queue; "
        f"queue = Queue(Path({str(queue.folder)!r})); "
        f"print(queue.submit([sys.executable, '-c', {job!r}], 'long').id, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [PYTHON, "-c", ui], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    started = queue.read(process.stdout.readline().strip())
    wait(queue, started, lambda j: j.state == "running")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert queue.read(started.id).state == "running"
    go.touch()
    assert wait(queue, started, ended).state == "finished"
    assert queue.read_log(started.id).strip() == "done"


def test_a_command_that_does_not_exist_fails_and_says_so(queue: Queue) -> None:
    job = wait(queue, queue.submit(["/no/such/program"], "typo"), ended)
    assert job.exit_code == 127 and "cannot be started" in queue.read_log(job.id)


@pytest.mark.parametrize("name", ["../../etc", "", "20260101-000000-000000"])
def test_an_id_that_is_no_job_is_refused(queue: Queue, name: str) -> None:
    with pytest.raises(WorkbenchError, match="No job"):
        queue.read(name)


def test_terminal_output_becomes_text() -> None:
    assert strip_terminal_codes("\x1b[31mred\x1b[0m\n10%\r50%\rdone\r\nend") == "red\ndone\nend"
