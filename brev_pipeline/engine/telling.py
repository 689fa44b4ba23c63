"""Progress in words: how much is done, how fast, how long it will still take."""

import logging
from collections.abc import Iterable
from typing import Any, Final

from brev_pipeline.engine.base import Counted, Progress
from brev_pipeline.engine.ticker import Ticker

EVERY: Final = 5.0
"""Seconds between two reports of a long work in a log."""


def describe(progress: Progress) -> str:
    """One line, for example ``prepare images: 12,300 of 40,000 images, 812/s, 34 s left``."""
    rate = progress.done / progress.seconds if progress.seconds > 0 else 0.0
    counted = f"{progress.done:,} {progress.unit}"
    if progress.ended:
        took = f"{counted} in {_time(progress.seconds)}" + (f", {_rate(rate)}" if progress.seconds >= 0.1 else "")
        return f"{progress.label}: " + (took if progress.done else "nothing left to do")
    if progress.total is None:
        return f"{progress.label}: {counted} so far, {_rate(rate)}"
    left = f", {_time((progress.total - progress.done) / rate)} left" if rate else ""
    return f"{progress.label}: {progress.done:,} of {progress.total:,} {progress.unit}, {_rate(rate)}{left}"


def log_ticker(
    logger: logging.Logger, label: str, unit: str, total: int | None = None, tasks: Iterable[Any] = ()
) -> Ticker:
    """A ticker that writes to a log every few seconds while the work goes on; `Ticker.add` counts.

    Args:
        logger: of the module that does the work; the orchestration shows it in the run's log.
        label: what is being done.
        unit: what is counted.
        total: how many there will be, where that is known.
        tasks: what `Ticker.finish` is called with, if it is.
    """

    def tell(progress: Progress) -> None:
        logger.info("%s", describe(progress))

    return Ticker(label, Counted(tasks, lambda _: 1, total, unit), tell, EVERY)


def _rate(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


def _time(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
