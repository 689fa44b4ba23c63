"""What is said of an image whose decoding came to no end: who stopped it, and whether that is remembered."""

import signal
from typing import Final

from brev_pipeline.config import ImageSettings
from brev_pipeline.engine import LostTask

UNTRIED: Final = ("missing", "changed")
"""Statuses of images that were not had as they were listed."""
UNJUDGED: Final = ("stopped", "interrupted")
"""Statuses of images of which nobody knows whether they are good: decoding them did not end by itself."""
PASSING: Final = (*UNTRIED, "interrupted")
"""Statuses that say nothing of the bytes; the next run tries again."""

OUT_OF_TIME: Final = "its decoding was stopped after"
"""How the reason of what the clock stopped begins."""
_CRASHES: Final = (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)
_CRASHED: Final = "the decoder crashed on it"


def out_of_time(settings: ImageSettings) -> str:
    """The reason of what the clock stopped; another limit gives another one."""
    return f"{OUT_OF_TIME} {settings.max_seconds:g} s of CPU time (image.max_seconds)"


def classify_loss(death: LostTask, settings: ImageSettings) -> tuple[str, str]:
    """Status and reason of an image on which a process died that did nothing else.

    A clock of somebody else's (SIGXCPU, a batch system's limit) stands for that one's patience, not for ours.
    """
    if death.signal == signal.SIGPROF:
        return "stopped", out_of_time(settings)
    if crash := next((one.name for one in _CRASHES if one == death.signal), None):
        return "stopped", f"{_CRASHED} ({crash})"
    return "interrupted", f"its decoding was cut off, by no fault that could be told to be its own: {death.reason}"


def can_be(reason: str | None, settings: ImageSettings) -> bool:
    """Whether a status ``stopped`` may have this reason."""
    return reason in (out_of_time(settings), *(f"{_CRASHED} ({crash.name})" for crash in _CRASHES))
