"""A window of threads over a sequence: several tasks wait for the network at once, few results lie in memory."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter, thread_time
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")
# Seconds that a task waits from which on threads pay: to hand a task to one and its result back costs half of it.
_WAIT: Final = 0.0005


def prefetch_map(function: Callable[[T], R], tasks: Sequence[T], width: int) -> Iterator[tuple[T, R]]:
    """Yield ``(task, function(task))`` in the order of ``tasks``, at most ``width`` of them begun and not yet yielded.

    An exception of ``function`` is raised at its task's turn; the tasks after it are not begun.
    """
    if width < 2 or len(tasks) < 2:
        yield from ((task, function(task)) for task in tasks)
        return
    pool = ThreadPoolExecutor(min(width, len(tasks)), thread_name_prefix="source")
    try:
        pending: deque[tuple[T, Future[R]]] = deque()
        for task in tasks:
            if len(pending) == width:
                first, future = pending.popleft()
                yield first, future.result()
            pending.append((task, pool.submit(function, task)))
        while pending:
            first, future = pending.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def prefetch_map_if_slow(function: Callable[[T], R], tasks: Sequence[T], width: int) -> Iterator[tuple[T, R]]:
    """As `prefetch_map`, but in the caller's own thread until two tasks in a row have waited.

    A file that lies in the memory of the machine is read in less time than a thread is told to read it; one on a
    disk or another machine is waited for. One wait alone may be that of a busy machine.
    """
    in_a_row = 0
    for done, task in enumerate(tasks, 1):
        began = perf_counter() - thread_time()
        result = function(task)
        in_a_row = in_a_row + 1 if perf_counter() - thread_time() - began > _WAIT else 0
        yield task, result
        if in_a_row == 2:
            yield from prefetch_map(function, tasks[done:], width)
            return
