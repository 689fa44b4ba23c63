import threading
import time
from collections.abc import Iterator

import pytest

from brev_pipeline.storage import sources
from brev_pipeline.storage.sources import prefetch_map, prefetch_map_if_slow


def test_results_come_in_the_order_of_the_tasks() -> None:
    def slow_first(task: int) -> int:
        time.sleep(0.03 if task == 0 else 0)
        return task * task

    assert list(prefetch_map(slow_first, range(20), 4)) == [(task, task * task) for task in range(20)]


def test_no_more_tasks_are_begun_than_the_window_holds() -> None:
    begun: list[int] = []
    results = prefetch_map(lambda task: begun.append(task), range(100), 8)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 9
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 17


def test_several_tasks_are_under_way_at_once() -> None:
    together = threading.Barrier(4, timeout=5)
    assert [task for task, _ in prefetch_map(lambda _: together.wait(), range(8), 4)] == list(range(8))


def test_a_failure_is_raised_at_its_turn_and_ends_the_rest() -> None:
    begun: list[int] = []

    def fail_at_five(task: int) -> int:
        begun.append(task)
        if task == 5:
            raise ValueError("five")
        return task

    def seen(results: Iterator[tuple[int, int]]) -> Iterator[int]:
        for task, _ in results:
            yield task

    reached = []
    with pytest.raises(ValueError, match="five"):
        reached.extend(seen(prefetch_map(fail_at_five, range(1000), 3)))
    assert len(begun) < 20


@pytest.mark.parametrize("tasks", [[], [7]])
def test_nothing_and_one_task_need_no_threads(tasks: list[int]) -> None:
    before = threading.active_count()
    assert list(prefetch_map(str, tasks, 8)) == [(task, str(task)) for task in tasks]
    assert threading.active_count() == before


def test_tasks_that_do_not_wait_need_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_WAIT", 60)  # a busy machine makes them wait
    threads: set[int] = set()
    done = list(prefetch_map_if_slow(lambda task: threads.add(threading.get_ident()), range(50), 8))
    assert [task for task, _ in done] == list(range(50))
    assert threads == {threading.get_ident()}


def test_tasks_after_two_that_wait_are_under_way_at_once() -> None:
    together = threading.Barrier(4, timeout=5)

    def wait(task: int) -> int:
        if task < 2:
            time.sleep(0.02)
        else:
            together.wait()
        return task * task

    assert list(prefetch_map_if_slow(wait, range(10), 4)) == [(task, task * task) for task in range(10)]
