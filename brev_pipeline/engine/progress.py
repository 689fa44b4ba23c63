"""Progress: counts what a call of `Engine.map`, or any other long work, has done, and says so now and then."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

LOG_SECONDS: Final = 5.0
"""Seconds between two reports of a long work in a log."""


@dataclass(frozen=True)
class Counted(Generic[T]):
    """Tasks of different sizes, for `Engine.map`: progress then counts what they hold, for example images."""

    tasks: Iterable[T]
    size: Callable[[T], int]
    """How much one task holds."""
    total: int | None = None
    """How much all tasks hold, where that is known."""
    unit: str = "tasks"
    """What is counted, for example ``"images"``."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.tasks)


@dataclass(frozen=True)
class Progress:
    """How far a call of `Engine.map` is."""

    label: str
    """What is being done, for example ``"prepare images"``."""
    done: int
    """Tasks finished, or what they held (see `Counted`)."""
    total: int | None
    """In all, where that is known."""
    seconds: float
    """Seconds since the call began."""
    unit: str = "tasks"
    """What is counted."""
    ended: bool = False
    """Whether this is the call's last report."""


ProgressListener = Callable[[Progress], None]


class ProgressReporter:
    """Counts what is finished; reports every ``seconds`` while the work goes on, and once when it has ended well.

    Args:
        label: what is being done.
        tasks: their number is reported where they have one; what they hold where they are `Counted`.
        listener: receives the reports; None: nobody does.
        seconds: between reports; 0: at every occasion.
    """

    def __init__(self, label: str, tasks: Iterable[Any], listener: ProgressListener | None, seconds: float) -> None:
        self.done = 0
        self._label = label
        total = len(tasks) if isinstance(tasks, Sized) else None
        self._counted = tasks if isinstance(tasks, Counted) else Counted(tasks, lambda _: 1, total)
        self._listener = listener
        self._interval = seconds
        self._began = self._last = time.monotonic()

    def count_task(self, task: Any) -> None:
        """Count a task that is done."""
        self.done += self._counted.size(task)

    def add_count(self, count: int) -> None:
        """Count ``count`` more, and report if it is time."""
        self.done += count
        self.report_if_due()

    def report_if_due(self) -> None:
        """Report if it is time."""
        if self._listener and time.monotonic() - self._last >= self._interval:
            self.report_now()

    def report_now(self, *, ended: bool = False) -> None:
        """Report; for the last time where the work has ended."""
        if self._listener:
            self._last = time.monotonic()
            counted = self._counted
            seconds = self._last - self._began
            self._listener(Progress(self._label, self.done, counted.total, seconds, counted.unit, ended))


def describe_progress(progress: Progress) -> str:
    """One line, for example ``prepare images: 12,300 of 40,000 images, 812/s, 34 s left``."""
    rate = progress.done / progress.seconds if progress.seconds > 0 else 0.0
    per_second = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
    counted = f"{progress.done:,} {progress.unit}"
    if progress.ended:
        took = f"{counted} in {_format_time(progress.seconds)}"
        took += f", {per_second}" if progress.seconds >= 0.1 else ""
        return f"{progress.label}: " + (took if progress.done else "nothing left to do")
    if progress.total is None:
        return f"{progress.label}: {counted} so far, {per_second}"
    left = f", {_format_time((progress.total - progress.done) / rate)} left" if rate else ""
    return f"{progress.label}: {progress.done:,} of {progress.total:,} {progress.unit}, {per_second}{left}"


def create_log_reporter(
    logger: logging.Logger, label: str, unit: str, total: int | None = None, tasks: Iterable[Any] = ()
) -> ProgressReporter:
    """A reporter that writes to a log every few seconds while the work goes on.

    Args:
        logger: of the module that does the work; the orchestration shows it in the run's log.
        label: what is being done.
        unit: what is counted.
        total: how many there will be, where that is known.
        tasks: what `ProgressReporter.count_task` is called with, if it is.
    """
    counted = Counted(tasks, lambda _: 1, total, unit)
    return ProgressReporter(
        label, counted, lambda progress: logger.info("%s", describe_progress(progress)), LOG_SECONDS
    )


def _format_time(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
