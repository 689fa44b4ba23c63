"""The operating system's limits on decoding, behind those that are counted before it.

What an image may cost is decided by its format, from what can be counted (pixels, strips, scans, inflated bytes), so
that a verdict does not depend on the machine. These limits stop what was not foreseen, and judge nothing by themselves:

* *Memory*: what a process takes of its address space while it decodes a chunk, beyond what it has. No image that was
  let through needs as much, so an error for want of memory tells of a decoder gone wild, or of the machine: nobody can
  say of which, and it is held against no image.
* *CPU time*: a worker whose clock ran out is ended by SIGPROF in the middle of the decoder, where no thread of Python
  could. What a worker fetches meanwhile may run its clock out too early, for all threads of the process count; that
  costs a second try, alone (see `prepare_task`), and decides nothing.

What is said of an image that came to no end, and whether that is remembered, stands here too: who stopped it tells.
"""

import mmap
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from brev_pipeline.config import ImageSettings
from brev_pipeline.engine import LostTask
from brev_pipeline.engine.worker import is_worker
from brev_pipeline.images.formats.base import ImageHeader

_SLACK = 2 << 30  # bytes that libraries may reserve without using them (arenas, thread stacks)
OPENCV_NO_MEMORY = -4  # cv2.Error.StsNoMem
_LITTLE = 32 << 20  # bytes that are not worth asking for
_BYTES_PER_PIXEL = 64  # eight times four channels of 16 bits


@contextmanager
def decoding_limits(max_pixels: int) -> Iterator[None]:
    """Limit this process's address space and OpenCV's threads while the body runs.

    Where the system has no such limit (Windows, macOS), only the header check bounds the memory.
    """
    import cv2

    # A chunk's limit, not each image's: an address space holds gigabytes more than what is used of it, so that for a
    # small image would be no narrower.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with _address_space(_SLACK + _BYTES_PER_PIXEL * max_pixels):
            yield
    finally:
        cv2.setNumThreads(threads)


def extend_time_limit(settings: ImageSettings) -> ImageSettings:
    """The same settings with twenty times the time: for an image that came to its end before, on a faster machine."""
    return settings.model_copy(update={"max_seconds": 20 * settings.max_seconds})


def check_memory(header: ImageHeader, settings: ImageSettings) -> None:
    """Ask for as much memory as decoding may take, and give it back; `MemoryError` where it is not to be had."""
    # Decoders call a want of memory damage.
    pixels = header.height * header.width
    size = 8 * pixels * header.channels * (2 if header.bit_depth > 8 else 1)
    # What is larger than it may be is refused by what its header says.
    if size < _LITTLE or pixels > settings.max_pixels or size > _BYTES_PER_PIXEL * settings.max_pixels:
        return
    try:
        mmap.mmap(-1, size).close()
    except (OSError, OverflowError, ValueError) as error:
        raise MemoryError(f"{size >> 20} MiB for {header.width}×{header.height} px") from error


@contextmanager
def cpu_time_limit(seconds: float) -> Iterator[None]:
    """End this process by SIGPROF if the body takes more CPU time, in an engine's worker; elsewhere there is no clock.

    It costs a microsecond, and looks up at the system's ticks, some milliseconds apart.
    """
    if not is_worker():  # the death of the user's own process would be the run's, or the notebook's
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def _address_space(more: int) -> Iterator[None]:
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([taken + more, *bounds]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


UNREAD_STATUSES: Final = ("missing", "changed")  # statuses of images that were not had as they were listed
# Of these nobody knows whether they are good: decoding them did not end by itself.
UNDECIDED_STATUSES: Final = ("stopped", "interrupted")
RETRIED_STATUSES: Final = (*UNREAD_STATUSES, "interrupted")  # say nothing of the bytes; the next run tries again
TIMEOUT_REASON: Final = "its decoding was stopped after"  # how the reason of what the clock stopped begins
_CRASHES: Final = (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)
_CRASHED: Final = "the decoder crashed on it"


def timeout_reason(settings: ImageSettings) -> str:
    """The reason of what the clock stopped; another limit gives another one."""
    return f"{TIMEOUT_REASON} {settings.max_seconds:g} s of CPU time (image.max_seconds)"


def classify_loss(death: LostTask, settings: ImageSettings) -> tuple[str, str]:
    """Status and reason of an image on which a process died that did nothing else."""
    if death.signal == signal.SIGPROF:
        return "stopped", timeout_reason(settings)
    if death.signal in _CRASHES:
        return "stopped", f"{_CRASHED} ({signal.Signals(death.signal).name})"
    # SIGXCPU too: a batch system's limit stands for that one's patience, not for ours.
    return "interrupted", f"its decoding was cut off, by no fault that could be told to be its own: {death.reason}"


def is_possible_reason(reason: str | None, settings: ImageSettings) -> bool:
    """Whether a status ``stopped`` may have this reason."""
    return reason in (timeout_reason(settings), *(f"{_CRASHED} ({crash.name})" for crash in _CRASHES))
