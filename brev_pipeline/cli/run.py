"""``brev-pipeline run``: the pipeline's own job, in this process, with a display for people."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from brev_pipeline.cli import output
from brev_pipeline.cli.changes import SHOWN, first_few, row_text
from brev_pipeline.cli.document import run_document
from brev_pipeline.cli.output import visible
from brev_pipeline.config import PipelineConfig
from brev_pipeline.orchestration.automation import PIPELINE_TAG
from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.orchestration.launcher import PROCESS_TAG, identify_process
from brev_pipeline.stages import SPECS, VERSION

_DISPLAY = "display"


def run_pipeline(config: PipelineConfig, *, as_json: bool = False) -> bool:
    """Run the whole chain; print what happens and a closing table, or one JSON document (see `run_document`).

    The run is recorded in Dagster's instance when ``DAGSTER_HOME`` is set, and forgotten otherwise.

    Returns:
        Whether a version stands published and all blocking checks passed.
    """
    console = output.console(as_json=as_json)
    began = time.perf_counter()
    display = RunDisplay(console)
    definitions = build_pipeline_definitions(config, loggers={_DISPLAY: _logger(display)})
    job = definitions.resolve_job_def(config.name)
    with display.live(), _instance() as instance:
        _warn_of_others(console, instance, config.name)
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {_DISPLAY: {}}},
            tags={PROCESS_TAG: identify_process()},
        )
    total, events = time.perf_counter() - began, result.all_events
    if as_json:
        document = run_document(config.name, events, display.seconds, success=bool(result.success), total=total)
        output.print_json(document)
    else:
        RunReport(config.name, events, display.seconds).show(console, total)
    return bool(result.success)


@contextmanager
def _instance() -> Iterator[dg.DagsterInstance]:
    if os.environ.get("DAGSTER_HOME"):
        yield dg.DagsterInstance.get()
        return
    instance = dg.DagsterInstance.ephemeral().__enter__()
    try:
        yield instance
    finally:
        # It removes a temporary folder, which may have become read-only: no fault of the run.
        with suppress(OSError):
            instance.__exit__(None, None, None)


def _warn_of_others(console: Console, instance: dg.DagsterInstance, pipeline: str) -> None:
    """Say it where the daemon, or another terminal, works on the same pipeline: only one of them will publish."""
    under_way = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    others = instance.get_runs(dg.RunsFilter(tags={PIPELINE_TAG: pipeline}, statuses=under_way), limit=1)
    for other in others:
        console.print(f"[yellow]run {other.run_id} of {pipeline} is under way; of two runs at once, one publishes[/]")


class RunDisplay(logging.Handler):
    """Shows which step runs, and the progress that it logs; on a terminal in one line that is drawn anew."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.DEBUG)
        self._status = console.status("starting") if console.is_terminal else None
        self._console = console
        self._step = ""
        self._began = 0.0
        self.seconds: dict[str, float] = {}
        """Step → wall seconds, of the steps that have ended."""

    def live(self) -> AbstractContextManager[Any]:
        """While this is open, the line is drawn."""
        return self._status or nullcontext()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record of the run's log: Dagster's events carry their event, the stages' messages do not."""
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            # Errors come again, for people, at the end.
            if logging.INFO <= record.levelno < logging.ERROR:
                self._say(f"{self._step}: {meta.get('orig_message', record.getMessage())}")
        elif event.event_type_value == "STEP_START":
            self._step, self._began = _title(event.step_key), time.perf_counter()
            self._say(self._step)
        elif event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE"):
            self.seconds[_title(event.step_key)] = time.perf_counter() - self._began

    def _say(self, text: str) -> None:
        shown = Text(visible(text))
        if self._status:
            self._status.update(shown)
        else:
            self._console.print(shown)


def _logger(display: RunDisplay) -> dg.LoggerDefinition:
    @dg.logger
    def make(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger(_DISPLAY, logging.DEBUG)
        logger.addHandler(display)
        return logger

    return make


def _title(step_key: str) -> str:
    """``demo__raw_listing_suite`` → ``raw_listing: checks``; ``demo__raw_listing`` → ``raw_listing``."""
    stage = step_key.partition("__")[2]
    return f"{stage.removesuffix('_suite')}: checks" if stage.endswith("_suite") else stage


class RunReport:
    """What a run did, out of its events.

    Args:
        pipeline: its name.
        events: Dagster's events of the run.
        seconds: step → wall seconds.
    """

    def __init__(self, pipeline: str, events: Sequence[dg.DagsterEvent], seconds: Mapping[str, float]) -> None:
        self._pipeline = pipeline
        self._events = events
        self._seconds = seconds
        self._metadata = {
            event.asset_key.path[-1]: event.materialization.metadata
            for event in events
            if event.event_type_value == "ASSET_MATERIALIZATION" and event.asset_key
        }
        self._checks = [
            event.asset_check_evaluation_data for event in events if event.event_type_value == "ASSET_CHECK_EVALUATION"
        ]

    def show(self, console: Console, total: float) -> None:
        """Print the closing table, what went wrong, and which version stands published."""
        console.print(self._table())
        console.print(self._time(total), style="dim")
        self._show_checks(console)
        self._show_failures(console)
        version = self._metadata.get(VERSION)
        if version:
            console.print(
                f"\n[bold green]Published[/] version {version['version'].value} ({version['published'].value})\n"
                f"{escape(str(version['path'].value))}"
            )
        else:
            console.print("\n[bold red]Nothing was published.[/]")

    def _table(self) -> Table:
        table = Table(title=self._pipeline, title_justify="left")
        for name in ("stage", "rows", "passed", "failed", "seconds", "found"):
            table.add_column(name, justify="left" if name in ("stage", "found") else "right", no_wrap=name == "stage")
        for stage in SPECS:
            table.add_row(stage, self._rows(stage), *self._tally(stage), self._time_of(stage), self._found(stage))
        return table

    def _found(self, stage: str) -> str:
        """The counts that a stage tells of itself, as far as there is something to tell."""
        metadata = self._metadata.get(stage, {})
        counts = {name: metadata[name].value for name in SPECS[stage].shown if name in metadata}
        return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)

    def _rows(self, stage: str) -> str:
        count = self._metadata.get(stage, {}).get("dagster/row_count")
        return f"{count.value:,}" if count else ("" if stage in self._metadata else "–")

    def _tally(self, stage: str) -> tuple[str, str]:
        own = [check for check in self._checks if check.asset_key.path[-1] == stage]
        failed = [check for check in own if not check.passed]
        warned = sum(check.severity == dg.AssetCheckSeverity.WARN for check in failed)
        wrong = f"[red]{len(failed) - warned}[/]" if len(failed) > warned else "0"
        warning = f" [yellow](+{warned} warned)[/]" if warned else ""
        return (str(len(own) - len(failed)), wrong + warning) if own else ("", "")

    def _time_of(self, stage: str) -> str:
        own = self._seconds.get(stage)
        checks = self._seconds.get(f"{stage}: checks")
        if own is None:
            return "–"
        return f"{own:.1f}" + (f" + {checks:.1f}" if checks is not None else "")

    def _time(self, total: float) -> str:
        checks = sum(seconds for title, seconds in self._seconds.items() if title.endswith(": checks"))
        stages = sum(self._seconds.values()) - checks
        rest = total - stages - checks
        return (
            f"{total:.1f} s: stages {stages:.1f}, checks {checks:.1f} (the first imports Great Expectations), "
            f"Dagster {rest:.1f}"
        )

    def _show_checks(self, console: Console) -> None:
        for check in self._checks:
            if not check.passed:
                mark = "[yellow]warning[/]" if check.severity == dg.AssetCheckSeverity.WARN else "[bold red]failed[/]"
                console.print(
                    f"{mark} {check.asset_key.path[-1]}.{check.check_name}: {escape(visible(check.description or ''))}"
                )
                self._show_examples(console, check)

    def _show_examples(self, console: Console, check: Any) -> None:
        blocks = check.severity == dg.AssetCheckSeverity.ERROR
        if examples := check.metadata.get("examples"):
            rows = [row_text(record.data) for record in examples.records]
            offending = check.metadata.get("offending rows")
            for text in first_few(rows, offending.value if offending else len(rows), 5 if blocks else SHOWN):
                console.print(f"    {visible(text, line=True)}", markup=False)
        if blocks and (page := check.metadata.get("data docs")):
            console.print(f"    all of it: {page.value}", markup=False)

    def _show_failures(self, console: Console) -> None:
        for event in self._events:
            if event.event_type_value != "STEP_FAILURE":
                continue
            data = event.step_failure_data
            reason = data.user_failure_data.description if data.user_failure_data else None
            # A failed check was shown above; anything else that is no failure of ours is a bug and shows its trace.
            if reason is None and data.error and data.error.cls_name != "DagsterAssetCheckFailedError":
                reason = data.error.to_string()
            if reason:
                console.print(f"[bold red]{_title(event.step_key or '')}[/]: ", end="")
                console.print(visible(reason), markup=False)
