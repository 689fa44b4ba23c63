"""No worker outlives the call, however it ends, nor the parent, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brev_pipeline.engine import LocalEngine
from brev_pipeline_tests.engine import tasks
from brev_pipeline_tests.engine.processes import alive, children, read_number, wait_until

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


class Interrupted(BaseException):
    """Like Dagster's own: no Exception."""


def start_two(folder):
    """A call that has given one result, with a second task that would never end."""
    plan = [(str(folder / "first"), ""), (str(folder / "second"), str(folder / "never"))]
    results = LocalEngine(2).map(tasks.wait_and_tell, plan)
    next(results)
    return results, read_number(folder / "second")


def test_closing_early_ends_all_workers_within_a_second(tmp_path):
    results, busy = start_two(tmp_path)
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 1
    assert not alive(busy)
    assert children() == []


@pytest.mark.parametrize("error", [Interrupted, KeyboardInterrupt, ValueError])
def test_an_interrupt_while_waiting_for_a_result_ends_all_workers(tmp_path, error):
    def interrupt(*_):
        raise error("stop")

    results, busy = start_two(tmp_path)
    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(error, match="stop"):
            next(results)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert not alive(busy)
    assert children() == []


def test_abandoning_the_results_ends_all_workers(tmp_path):
    results, busy = start_two(tmp_path)
    del results
    assert not alive(busy)


def test_closing_while_the_workers_still_start():
    results = LocalEngine(2).map(tasks.square, _stop_after(2))
    with pytest.raises(Interrupted):
        next(results)
    assert children() == []


def _stop_after(count):
    yield from range(count)
    raise Interrupted


def test_a_task_that_is_cut_off_removes_its_temporary_files(tmp_path):
    temporary, started = tmp_path / "temporary", tmp_path / "started"
    results = LocalEngine(2).map(tasks.clean_up, _after((str(temporary), str(started)), started))
    with pytest.raises(Interrupted):
        next(results)
    assert not temporary.exists()


def _after(task, started):
    yield task
    wait_until(started.exists)
    raise Interrupted


def test_a_task_that_will_not_stop_is_killed(tmp_path):
    started = tmp_path / "started"

    class StopError(Exception):
        pass

    def listen(_):
        if started.exists():
            raise StopError

    results = LocalEngine(1, listen, progress_seconds=0).map(tasks.stubborn, [str(started)])
    with pytest.raises(StopError):
        next(results)
    assert not alive(read_number(started))


# What a shell starts in the background ignores Ctrl-C, and so would all that is started from there.
PARENT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from brev_pipeline.engine import LocalEngine
from brev_pipeline_tests.engine import tasks
folder = sys.argv[1]
plan = [(f"{folder}/first", ""), (f"{folder}/second", f"{folder}/never")]
for _ in LocalEngine(2).map(tasks.wait_and_tell, plan):
    pass
"""


@pytest.fixture
def parent(tmp_path):
    """A process that runs the engine: one worker idle, one busy for ever. Yields it and its workers."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process, [read_number(tmp_path / "first"), read_number(tmp_path / "second")]
    finally:
        process.kill()
        process.communicate()


def test_when_the_parent_is_killed_its_workers_end_themselves(parent):
    process, workers = parent
    process.kill()
    process.wait()
    wait_until(lambda: not any(alive(worker) for worker in workers), 3)


BACKTRACKING = """
import sys
from brev_pipeline.engine import LocalEngine
from brev_pipeline_tests.engine import tasks
list(LocalEngine(1).map(tasks.backtrack, [sys.argv[1]]))
"""


def test_when_the_parent_is_killed_a_worker_stuck_in_c_code_ends_too(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", BACKTRACKING, str(tmp_path / "told")], env=ENVIRONMENT)
    worker = read_number(tmp_path / "told")
    time.sleep(0.1)
    process.kill()
    process.wait()
    wait_until(lambda: not alive(worker), 3)


def test_ctrl_c_in_a_terminal_ends_all_and_only_the_parent_complains(parent):
    process, workers = parent
    os.killpg(process.pid, signal.SIGINT)
    _, complaints = process.communicate(timeout=20)
    assert complaints.count("Traceback") == 1
    assert process.returncode == -signal.SIGINT
    assert not any(alive(worker) for worker in workers)


def test_ctrl_c_reaching_only_the_workers_is_ignored(parent, tmp_path):
    process, workers = parent
    for worker in workers:
        os.kill(worker, signal.SIGINT)
    (tmp_path / "never").touch()
    assert process.wait(20) == 0
