"""Tells the caller now and then how far a call of `Engine.map` is."""

import time
from collections.abc import Callable, Iterable, Sized
from typing import Any

from brev_pipeline.engine.base import Progress

Listener = Callable[[Progress], None]


class Ticker:
    """Counts finished tasks; reports every ``every`` seconds while the call goes on, and once when it has ended well.

    Args:
        label: what is being done.
        tasks: their number is reported where they have one.
        listener: receives the reports; None: nobody does.
        every: seconds between reports; 0: at every occasion.
    """

    def __init__(self, label: str, tasks: Iterable[Any], listener: Listener | None, every: float) -> None:
        self.done = 0
        self._label = label
        self._total = len(tasks) if isinstance(tasks, Sized) else None
        self._listener = listener
        self._every = every
        self._began = self._last = time.monotonic()

    def tick(self) -> None:
        """Report if it is time."""
        if self._listener and time.monotonic() - self._last >= self._every:
            self.report()

    def report(self) -> None:
        """Report now."""
        if self._listener:
            self._last = time.monotonic()
            self._listener(Progress(self._label, self.done, self._total, self._last - self._began))
