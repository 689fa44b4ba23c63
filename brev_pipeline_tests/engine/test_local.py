"""The engines of one machine when nothing goes wrong, and what ``auto`` means."""

import os
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from brev_pipeline.engine import Engine, LocalEngine, Progress, SerialEngine
from brev_pipeline.engine.process_pool import usable_cores
from brev_pipeline.errors import DecodeError, EngineError
from brev_pipeline_tests.engine import tasks
from brev_pipeline_tests.engine.processes import children


@pytest.mark.parametrize("workers", [1, 3])
def test_every_task_comes_back_once_with_its_own_result(workers):
    results = list(LocalEngine(workers).map(tasks.square, range(100)))
    assert sorted(results) == [(number, number * number) for number in range(100)]


def test_the_task_that_comes_back_is_the_very_object_that_was_given():
    given = [[1], [2]]
    for task, _ in LocalEngine(1).map(len, given):
        assert any(task is one for one in given)


def test_results_come_in_order_of_completion(tmp_path):
    # The first task cannot end before the second one's result has been seen.
    blocked = str(tmp_path / "go")
    seen = []
    for task, _ in LocalEngine(2).map(tasks.wait_for, [blocked, ""]):
        seen.append(task)
        Path(blocked).touch()
    assert seen == ["", blocked]


@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_are_taken_at_most_workers_plus_one_ahead_of_the_results(workers):
    taken = 0

    def source():
        nonlocal taken
        for number in range(50):
            taken += 1
            yield number

    results = LocalEngine(workers).map(tasks.square, source())
    assert taken == 0
    for received, _ in enumerate(results, start=1):
        assert taken <= min(50, received + workers + 1)
    assert taken == 50


def test_workers_go_on_while_the_caller_holds_a_result(tmp_path):
    # The second and third task are under way although nobody asks for the next result.
    files = [(str(tmp_path / f"told{number}"), "") for number in range(3)]
    results = LocalEngine(1).map(tasks.wait_and_tell, files)
    next(results)
    while not Path(files[1][0]).exists():
        pass
    assert len(list(results)) == 2


def test_an_error_of_the_task_iterable_reaches_the_caller():
    def source():
        yield 1
        raise LookupError("the listing broke off")

    with pytest.raises(LookupError, match="broke off"):
        list(LocalEngine(2).map(tasks.square, source()))


def test_no_tasks_no_process(monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    assert list(LocalEngine(2).map(tasks.square, [])) == []


def test_no_more_workers_are_started_than_there_are_tasks(tmp_path):
    blocked = str(tmp_path / "go")
    results = LocalEngine(8).map(tasks.wait_for, ["", blocked])
    next(results)
    assert len(children()) <= 2
    Path(blocked).touch()
    list(results)


def test_workers_live_for_the_whole_call_and_get_the_function_once():
    results = [result for _, result in LocalEngine(2).map(tasks.CountsLoads(), range(30))]
    assert 1 <= len({process for process, _ in results}) <= 2
    assert {loads for _, loads in results} == {1}
    assert os.getpid() not in {process for process, _ in results}


def test_a_partial_function_takes_its_arguments_along():
    results = LocalEngine(1).map(partial(tasks.add, np.arange(100_000)), [5])
    assert next(results)[1][-1] == 100_004
    results.close()


def test_large_arrays_travel_both_ways_and_come_back_writable():
    images = [np.arange(3_000_000, dtype=np.uint8).reshape(1000, 1000, 3), np.asfortranarray(np.ones((500, 400)))]
    for image, doubled in LocalEngine(2).map(tasks.double, images):
        np.testing.assert_array_equal(doubled, image * 2)
        assert doubled.dtype == image.dtype
        doubled[0] = 1


def test_tasks_larger_than_the_sockets_buffer_do_not_deadlock():
    sizes = [length for _, length in LocalEngine(2).map(len, [bytes(5_000_000)] * 4)]
    assert sizes == [5_000_000] * 4


def test_several_calls_at_once_in_one_thread_and_in_several():
    engine = LocalEngine(1)
    first, second = engine.map(tasks.square, range(5)), engine.map(tasks.square, range(5, 10))
    assert [number for pair in zip(first, second, strict=True) for number, _ in pair] == [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]
    found = []
    threads = [threading.Thread(target=lambda: found.extend(engine.map(tasks.square, range(5)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted([(number, number * number) for number in range(5)] * 3)


def test_a_worker_outlives_the_thread_that_started_it():
    results = LocalEngine(1).map(tasks.process_of, range(10))
    first = []
    thread = threading.Thread(target=lambda: first.append(next(results)[1]))
    thread.start()
    thread.join()
    assert {process for _, process in results} == set(first)


def test_progress_is_told_during_the_call_and_at_its_end():
    heard: list[Progress] = []
    engine = LocalEngine(2, heard.append, progress_seconds=0)
    list(engine.map(tasks.square, [1, 2, 3], label="squares"))
    assert {(one.label, one.total) for one in heard} == {("squares", 3)}
    done = [one.done for one in heard]
    assert done == sorted(done)
    assert done[-1] == 3
    seconds = [one.seconds for one in heard]
    assert seconds == sorted(seconds)


def test_progress_is_told_during_a_long_task_too(tmp_path):
    go = tmp_path / "go"
    heard = []

    def listen(progress):
        heard.append(progress.done)
        if len(heard) == 3:
            go.touch()

    list(LocalEngine(1, listen, progress_seconds=0).map(tasks.wait_for, [str(go)]))
    assert heard[:3] == [0, 0, 0]
    assert heard[-1] == 1


def test_progress_without_a_known_number_of_tasks():
    heard: list[Progress] = []
    list(LocalEngine(1, heard.append, progress_seconds=3600).map(tasks.square, iter([1, 2])))
    assert [(one.done, one.total) for one in heard] == [(2, None)]


def test_an_error_of_the_progress_listener_ends_the_call():
    def listen(_):
        raise LookupError("nobody is listening")

    with pytest.raises(LookupError):
        list(LocalEngine(1, listen, progress_seconds=0).map(tasks.sleep, [60]))


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"workers": -1}, {"task_timeout": 0}, {"task_timeout": -1.0}, {"progress_seconds": -1}]
)
def test_nonsense_is_refused_at_once(wrong):
    with pytest.raises(EngineError, match=next(iter(wrong))):
        LocalEngine(**{"workers": 1} | wrong)


def test_it_is_an_engine():
    engine: Engine = LocalEngine("auto")
    assert engine.workers >= 1


# `auto` is what the process may use, not what the machine has


def test_auto_follows_the_cpu_affinity():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert LocalEngine("auto").workers == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert 1 <= usable_cores() <= len(allowed)


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000\n", 3),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("5000 100000\n", 1),
        ("900000 100000\n", 3),
        ("", 3),
        (None, 3),
    ],
)
def test_a_containers_cpu_limit_is_rounded_up_and_the_tighter_limit_wins(tmp_path, monkeypatch, text, cores):
    file = tmp_path / "cpu.max"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr("brev_pipeline.engine.process_pool._CGROUP_LIMIT", file)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert usable_cores() == cores


# The serial engine


def test_results_come_in_the_order_of_the_tasks_each_taken_just_before_it_is_run():
    taken = []

    def source():
        for number in range(5):
            taken.append(number)
            yield number

    for received, (task, result) in enumerate(SerialEngine().map(lambda number: number * 2, source()), start=1):
        assert result == task * 2
        assert len(taken) == received


def test_our_errors_arrive_as_themselves_and_name_the_task():
    with pytest.raises(DecodeError) as caught:
        list(SerialEngine().map(tasks.fail, ["ours"], label="decode"))
    assert caught.value.status == "corrupt"
    assert caught.value.__notes__ == ["in decode: task 'ours'"]


def test_foreign_errors_become_engine_errors_that_name_the_task():
    with pytest.raises(EngineError, match="decode: task 'nested' failed: ValueError: outer") as caught:
        list(SerialEngine().map(tasks.fail, ["nested"], label="decode"))
    assert isinstance(caught.value.__cause__, ValueError)


def test_ctrl_c_is_not_an_error_of_the_task():
    with pytest.raises(KeyboardInterrupt):
        list(SerialEngine().map(tasks.fail, ["interrupt"]))


def test_progress_of_the_serial_engine():
    heard: list[Progress] = []
    engine: Engine = SerialEngine(heard.append, progress_seconds=0)
    list(engine.map(tasks.square, [1, 2], label="squares"))
    assert [(one.label, one.done, one.total) for one in heard] == [
        ("squares", 1, 2),
        ("squares", 2, 2),
        ("squares", 2, 2),
    ]
    assert engine.workers == 1


def test_progress_only_at_the_end_when_the_work_is_short():
    heard: list[Progress] = []
    list(SerialEngine(heard.append).map(tasks.square, [1, 2]))
    assert [one.done for one in heard] == [2]


def test_no_tasks_for_the_serial_engine():
    assert list(SerialEngine().map(tasks.square, [])) == []
