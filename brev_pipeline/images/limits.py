"""Limits of a worker while it decodes: how much memory it may take more than it has, and one thread for OpenCV.

A decoder that is led to ask for too much then fails with an error of its own, which costs one image; without
the limit, the machine's memory could end first, and take other processes with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

_SLACK = 2 << 30  # bytes that libraries may reserve without using them (arenas, thread stacks)
_BYTES_PER_PIXEL = 24  # the widest intermediate form: four channels of 16 bits beside 8-bit and turned copies


@contextmanager
def decoding_limits(max_pixels: int) -> Iterator[None]:
    """Limit this process's address space and OpenCV's threads while the body runs.

    Where the system has no such limit (Windows, macOS), only the header check bounds the memory.
    """
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with _address_space(_SLACK + _BYTES_PER_PIXEL * max_pixels):
            yield
    finally:
        cv2.setNumThreads(threads)


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
