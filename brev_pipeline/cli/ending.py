"""The end of the program: with the status that it earned.

Arrow's threads can still be at work when the interpreter takes itself down, and then abort a process that has done
everything it should (apache/arrow issue 34314; seen here once in some hundreds of commands on a busy machine). So the
process leaves at once, after all that Python and its packages do at their end, before anything native is taken down.
"""

import atexit
import contextlib
import logging
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def clean_ending() -> Iterator[None]:
    """While this is open, note how the program ends; the process then ends with that status, whatever else happens."""
    status = [1]
    # What is registered first is called last.
    atexit.register(lambda: _leave(status[0]))
    try:
        yield
        status[0] = 0
    except SystemExit as end:
        status[0] = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


def _leave(status: int) -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            # The reader is gone, or there never was one; Python itself exits with 120 then.
            status = status or 120
    os._exit(status)
