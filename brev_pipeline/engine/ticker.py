"""Tells the caller now and then how far a call of `Engine.map`, or any other long work, is."""

import time
from collections.abc import Callable, Iterable, Sized
from typing import Any

from brev_pipeline.engine.base import Counted, Progress

Listener = Callable[[Progress], None]


class Ticker:
    """Counts what is finished; reports every ``every`` seconds while the work goes on, and once when it has ended well.

    Args:
        label: what is being done.
        tasks: their number is reported where they have one; what they hold where they are `Counted`.
        listener: receives the reports; None: nobody does.
        every: seconds between reports; 0: at every occasion.
    """

    def __init__(self, label: str, tasks: Iterable[Any], listener: Listener | None, every: float) -> None:
        self.done = 0
        self._label = label
        self._counted = tasks if isinstance(tasks, Counted) else _ones(tasks)
        self._listener = listener
        self._every = every
        self._began = self._last = time.monotonic()

    def finish(self, task: Any) -> None:
        """Count a task that is done."""
        self.done += self._counted.size(task)

    def add(self, count: int) -> None:
        """Count ``count`` more, and report if it is time."""
        self.done += count
        self.tick()

    def tick(self) -> None:
        """Report if it is time."""
        if self._listener and time.monotonic() - self._last >= self._every:
            self.report()

    def end(self) -> None:
        """Report for the last time."""
        self.report(ended=True)

    def report(self, *, ended: bool = False) -> None:
        """Report now."""
        if self._listener:
            self._last = time.monotonic()
            counted = self._counted
            seconds = self._last - self._began
            self._listener(Progress(self._label, self.done, counted.total, seconds, counted.unit, ended))


def _ones(tasks: Iterable[Any]) -> Counted[Any]:
    return Counted(tasks, lambda _: 1, len(tasks) if isinstance(tasks, Sized) else None)
