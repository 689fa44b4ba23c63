"""A worker that dies costs the one task that it held."""

import os
import signal
import time
from pathlib import Path

import pytest

from brev_pipeline.engine import LocalEngine, LostTask
from brev_pipeline.engine.process_pool import explain_exit
from brev_pipeline.engine.scheduler import WorkerLost
from brev_pipeline.errors import EngineError
from brev_pipeline_tests.engine import tasks
from brev_pipeline_tests.engine.processes import alive, children, read_number, wait_until


def test_a_task_whose_worker_is_killed_once_succeeds_on_a_fresh_worker(tmp_path):
    marker = tmp_path / "died"
    ((_, survivor),) = LocalEngine(1).map(tasks.die_once, [str(marker)])
    assert survivor != read_number(marker)


def test_the_other_tasks_do_not_notice(tmp_path):
    markers = [str(tmp_path / f"died{number}") for number in range(6)]
    for marker in markers[1::2]:
        Path(marker).write_text("0")
    results = dict(LocalEngine(2).map(tasks.die_once, markers))
    assert sorted(results) == markers


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (signal.SIGKILL, r"signal 9 \(SIGKILL\); perhaps the system ran out of memory, twice"),
        (signal.SIGSEGV, r"signal 11 \(SIGSEGV\), twice"),
        (signal.SIGTERM, r"signal 15 \(SIGTERM\), twice"),
        (-3, "exited with status 3, twice"),
    ],
)
def test_a_task_whose_workers_always_die_is_lost_with_its_name_and_the_reason(how, reason):
    with pytest.raises(EngineError, match=rf"^decode: task {int(how)} was lost: the worker .*{reason}$"):
        list(LocalEngine(2).map(tasks.die, [0, int(how), 0], label="decode"))


def test_lost_tasks_can_be_had_in_place_of_results():
    results = dict(LocalEngine(2).map(tasks.die, [0, -1, -2], lost="yield"))
    assert results == {
        0: 0,
        -1: LostTask("the worker exited with status 1, twice"),
        -2: LostTask("the worker exited with status 2, twice"),
    }


def test_a_crash_in_c_code_is_a_death_like_any_other():
    ((_, result),) = LocalEngine(1).map(tasks.crash, [None], lost="yield")
    assert isinstance(result, LostTask)
    assert "SIGSEGV" in result.reason


def test_a_death_is_noticed_although_a_process_that_the_task_started_lives_on(tmp_path):
    file = tmp_path / "heirs"
    ((_, result),) = LocalEngine(1).map(tasks.die_and_leave_a_heir, [str(file)], lost="yield")
    assert isinstance(result, LostTask)
    heirs = [int(line) for line in file.read_text().splitlines()]
    assert len(heirs) == 2
    for heir in heirs:
        assert alive(heir)
        os.kill(heir, signal.SIGKILL)


def test_a_worker_killed_between_tasks_costs_nothing():
    results = LocalEngine(1).map(tasks.process_of, iter(_one_then_kill_idle()))
    assert len(list(results)) == 3


def _one_then_kill_idle():
    yield 1
    yield 2
    # Both are under way or done: wait for a moment in which killing hits a worker, whatever it does.
    time.sleep(0.3)
    for process in children():
        os.kill(process, signal.SIGKILL)
    yield 3


def test_a_task_that_hangs_is_ended_and_tried_again(tmp_path):
    engine = LocalEngine(1, task_timeout=0.2)
    ((_, result),) = engine.map(tasks.hang_once, [str(tmp_path / "hung")])
    assert result == "second run"


def test_a_task_that_always_takes_too_long_is_lost_and_the_others_are_not():
    results = dict(LocalEngine(2).map(tasks.sleep, [0, 60, 0.01], lost="yield", task_timeout=0.5))
    assert results == {
        0: 0,
        0.01: 0.01,
        60: LostTask("the task took longer than 0.5 s (task_timeout), and its worker was ended, twice"),
    }


def test_a_calls_own_timeout_overrides_the_engines():
    engine = LocalEngine(1, task_timeout=0.05)
    assert list(engine.map(tasks.sleep, [0.3], task_timeout=60)) == [(0.3, 0.3)]
    with pytest.raises(EngineError, match="task_timeout is 0"):
        engine.map(tasks.sleep, [0.3], task_timeout=0)


def test_workers_that_cannot_start_are_an_error_and_no_task_is_blamed():
    with pytest.raises(EngineError, match=r"no worker process could be started in 3 tries: .*status 7"):
        list(LocalEngine(2).map(tasks.DiesWhenLoaded(), [1, 2, 3], lost="yield"))


def test_a_worker_killed_while_starting_is_replaced():
    killed = []

    def source():
        yield 1
        yield 2
        killed.extend(children())
        for process in killed:
            os.kill(process, signal.SIGKILL)

    assert sorted(LocalEngine(2).map(tasks.square, source())) == [(1, 1), (2, 4)]


def test_the_death_of_an_idle_worker_does_no_harm(tmp_path):
    go = tmp_path / "go"
    results = LocalEngine(2).map(tasks.wait_and_tell, [(str(tmp_path / "a"), ""), (str(tmp_path / "b"), str(go))])
    next(results)
    idle = read_number(tmp_path / "a")
    os.kill(idle, signal.SIGKILL)
    wait_until(lambda: not alive(idle))
    go.touch()
    assert len(list(results)) == 1


def test_an_unknown_signal_has_a_name_too():
    assert explain_exit(-63) == WorkerLost("the worker was ended by signal 63 (unknown)", signal=63)
