"""The engine without an engine: every task in this process, in order. For notebooks, tests and small work."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeVar

from brev_pipeline.engine.failures import name
from brev_pipeline.engine.ticker import Listener, Ticker
from brev_pipeline.errors import BrevPipelineError, EngineError

T = TypeVar("T")
R = TypeVar("R")


class SerialEngine:
    """Runs one task after the other in this process, taking each just before it is run.

    The function need not be importable nor the tasks picklable. No task can be lost: what would end a worker ends
    this process, and ``task_timeout`` is not watched.

    Args:
        on_progress: called now and then during `map`, and once at its end.
        progress_seconds: seconds between those calls.
    """

    workers = 1

    def __init__(self, on_progress: Listener | None = None, progress_seconds: float = 2.0) -> None:
        self._on_progress = on_progress
        self._progress_seconds = progress_seconds

    def map(
        self,
        function: Callable[[T], R],
        tasks: Iterable[T],
        *,
        label: str = "",
        lost: Literal["raise", "yield"] = "raise",  # noqa: ARG002 (the protocol's)
        task_timeout: float | None = None,  # noqa: ARG002 (the protocol's)
        tries: int = 2,  # noqa: ARG002 (the protocol's)
    ) -> Iterator[tuple[T, R]]:
        """Run ``function`` on every task; yield ``(task, result)`` in the order of the tasks. See `Engine.map`.

        Raises:
            BrevPipelineError: ``function`` raised it.
            EngineError: ``function`` raised anything else.
        """
        ticker = Ticker(label, tasks, self._on_progress, self._progress_seconds)
        for task in tasks:
            try:
                result = function(task)
            except BrevPipelineError as error:
                error.add_note(f"in {name(label, task)}")
                raise
            except Exception as error:
                raise EngineError(f"{name(label, task)} failed: {type(error).__name__}: {error}") from error
            ticker.finish(task)
            ticker.tick()
            yield task, result
        ticker.end()
