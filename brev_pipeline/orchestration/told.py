"""What the stages log reaches the log of the run: Dagster's UI and the terminal of ``brev-pipeline run``."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

LOGGER: Final = "brev_pipeline"
"""The logger above those of all rooms."""


@contextmanager
def told(context: Any) -> Iterator[None]:
    """While this is open, what this thread logs at INFO and above below `LOGGER` goes to ``context.log`` too."""
    logger, handler = logging.getLogger(LOGGER), _RunLog(context)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(level, logging.INFO) if level else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _RunLog(logging.Handler):
    def __init__(self, context: Any) -> None:
        super().__init__(logging.INFO)
        self._context = context
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        # Another thread may belong to another run; and not every store of events takes writes of many threads.
        if record.thread == self._thread:
            self._context.log.log(record.levelno, record.getMessage())
