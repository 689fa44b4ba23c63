"""A window of threads over a sequence: several tasks wait for the network at once, few results lie in memory."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def windowed(function: Callable[[T], R], tasks: Sequence[T], width: int) -> Iterator[tuple[T, R]]:
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
