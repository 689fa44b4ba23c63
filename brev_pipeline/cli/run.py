"""``brev-pipeline run``: the pipeline's own job, in this process, with a display for people."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Final

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from brev_pipeline.cli import output
from brev_pipeline.cli.change_report import MAX_SHOWN, format_row, list_first_few
from brev_pipeline.cli.output import make_visible
from brev_pipeline.config import PipelineConfig
from brev_pipeline.orchestration.automation import PIPELINE_TAG
from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.orchestration.launcher import PROCESS_TAG, identify_process
from brev_pipeline.stages import SPECS, VERSION

_DISPLAY: Final = "display"
_ROW_COUNT: Final = "dagster/row_count"


def run_pipeline(config: PipelineConfig, *, as_json: bool = False) -> bool:
    """Run the whole chain; print what happens and a closing table, or one JSON document (see `RunReport.to_dict`).

    The run is recorded in Dagster's instance when ``DAGSTER_HOME`` is set, and forgotten otherwise.

    Returns:
        Whether a version stands published and all blocking checks passed.
    """
    console = output.make_console(as_json=as_json)
    began = time.perf_counter()
    display = RunDisplay(console)
    definitions = build_pipeline_definitions(config, loggers={_DISPLAY: _make_logger(display)})
    job = definitions.resolve_job_def(config.name)
    with display.show_live(), _open_instance() as instance:
        _warn_of_other_runs(console, instance, config.name)
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {_DISPLAY: {}}},
            # By this tag Dagster's monitoring knows whether the process still lives.
            tags={PROCESS_TAG: identify_process()},
        )
    report, total = RunReport(config.name, result.all_events, display.seconds), time.perf_counter() - began
    if as_json:
        output.print_json(report.to_dict(success=bool(result.success), total=total))
    else:
        report.print_report(console, total)
    return bool(result.success)


@contextmanager
def _open_instance() -> Iterator[dg.DagsterInstance]:
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


def _warn_of_other_runs(console: Console, instance: dg.DagsterInstance, pipeline: str) -> None:
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

    def show_live(self) -> AbstractContextManager[Any]:
        """While this is open, the line is drawn."""
        return self._status or nullcontext()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record of the run's log: Dagster's events carry their event, the stages' messages do not."""
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            # Errors come again, for people, at the end.
            if logging.INFO <= record.levelno < logging.ERROR:
                self._show_line(f"{self._step}: {meta.get('orig_message', record.getMessage())}")
        elif event.event_type_value == "STEP_START":
            self._step, self._began = _format_step(event.step_key), time.perf_counter()
            self._show_line(self._step)
        elif event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE"):
            self.seconds[_format_step(event.step_key)] = time.perf_counter() - self._began

    def _show_line(self, text: str) -> None:
        shown = Text(make_visible(text))
        if self._status:
            self._status.update(shown)
        else:
            self._console.print(shown)


def _make_logger(display: RunDisplay) -> dg.LoggerDefinition:
    @dg.logger
    def make(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger(_DISPLAY, logging.DEBUG)
        logger.addHandler(display)
        return logger

    return make


def _format_step(step_key: str) -> str:
    """``demo__raw_listing_suite`` → ``raw_listing: checks``; ``demo__raw_listing`` → ``raw_listing``."""
    stage = step_key.partition("__")[2]
    return f"{stage.removesuffix('_suite')}: checks" if stage.endswith("_suite") else stage


class RunReport:
    """What a run did, out of its events: for people, or for programs.

    Args:
        pipeline: its name.
        events: Dagster's events of the run.
        seconds: step → wall seconds; ``<stage>: checks`` for a stage's checks.
    """

    def __init__(self, pipeline: str, events: Sequence[dg.DagsterEvent], seconds: Mapping[str, float]) -> None:
        self._pipeline = pipeline
        self._seconds = seconds
        self._metadata: dict[str, dict[str, Any]] = {
            event.asset_key.path[-1]: {name: entry.value for name, entry in event.materialization.metadata.items()}
            for event in events
            if event.event_type_value == "ASSET_MATERIALIZATION" and event.asset_key
        }
        self._checks = [
            event.asset_check_evaluation_data for event in events if event.event_type_value == "ASSET_CHECK_EVALUATION"
        ]
        self._failures = [event for event in events if event.event_type_value == "STEP_FAILURE"]

    def to_dict(self, *, success: bool, total: float) -> dict[str, Any]:
        """What a run did, JSON-safe.

        Args:
            success: whether all steps and blocking checks passed.
            total: wall seconds of the whole run.

        Returns:
            ``pipeline``, ``published`` (whether a version stands published and all blocking checks passed),
            ``version`` (None where nothing was published), ``stages``, ``checks`` (those that did not pass),
            ``failures``, ``seconds``.
        """
        version = self._metadata.get(VERSION)
        return {
            "pipeline": self._pipeline,
            "published": success and version is not None,
            "version": version
            and {"id": version["version"], "path": version["path"], "is_new": version["published"] == "new"},
            "stages": [self._describe_stage(stage) for stage in SPECS],
            "checks": [_describe_check(check) for check in self._checks if not check.passed],
            "failures": [_describe_failure(event) for event in self._failures],
            "seconds": round(total, 3),
        }

    def _describe_stage(self, stage: str) -> dict[str, Any]:
        metadata = self._metadata.get(stage, {})
        failed = [check for check in self._checks if check.asset_key.path[-1] == stage and not check.passed]
        warned = sum(check.severity == dg.AssetCheckSeverity.WARN for check in failed)
        return {
            "stage": stage,
            "done": stage in self._metadata,
            "rows": metadata.get(_ROW_COUNT),
            "counts": {key: value for key, value in metadata.items() if isinstance(value, int) and key != _ROW_COUNT},
            "passed": sum(check.passed and check.asset_key.path[-1] == stage for check in self._checks),
            "failed": len(failed) - warned,
            "warned": warned,
            "seconds": _round_seconds(self._seconds.get(stage)),
            "seconds_of_checks": _round_seconds(self._seconds.get(f"{stage}: checks")),
        }

    def print_report(self, console: Console, total: float) -> None:
        """Print the closing table, what went wrong, and which version stands published."""
        console.print(self._make_table())
        console.print(self._format_times(total), style="dim")
        for check in self._checks:
            if not check.passed:
                self._print_check(console, check)
        self._print_failures(console)
        version = self._metadata.get(VERSION)
        if version:
            console.print(
                f"\n[bold green]Published[/] version {version['version']} ({version['published']})\n"
                f"{escape(str(version['path']))}"
            )
        else:
            console.print("\n[bold red]Nothing was published.[/]")

    def _make_table(self) -> Table:
        table = Table(title=self._pipeline, title_justify="left")
        for name in ("stage", "rows", "passed", "failed", "seconds", "found"):
            table.add_column(name, justify="left" if name in ("stage", "found") else "right", no_wrap=name == "stage")
        for stage, spec in SPECS.items():
            told, metadata = self._describe_stage(stage), self._metadata.get(stage, {})
            rows = "" if told["rows"] is None else f"{told['rows']:,}"
            counts = (f"{name} {metadata[name]:,}" for name in spec.shown if metadata.get(name))
            table.add_row(
                stage,
                rows if told["done"] else "–",
                *_format_checks(told["passed"], told["failed"], told["warned"]),
                self._format_seconds(stage),
                ", ".join(counts),
            )
        return table

    def _format_seconds(self, stage: str) -> str:
        if stage not in self._seconds:
            return "–"
        checks = self._seconds.get(f"{stage}: checks")
        return f"{self._seconds[stage]:.1f}" + (f" + {checks:.1f}" if checks is not None else "")

    def _format_times(self, total: float) -> str:
        checks = sum(seconds for title, seconds in self._seconds.items() if title.endswith(": checks"))
        stages = sum(self._seconds.values()) - checks
        return (
            f"{total:.1f} s: stages {stages:.1f}, checks {checks:.1f} (the first imports Great Expectations), "
            f"Dagster {total - stages - checks:.1f}"
        )

    def _print_check(self, console: Console, check: Any) -> None:
        blocks = check.severity == dg.AssetCheckSeverity.ERROR
        mark = "[bold red]failed[/]" if blocks else "[yellow]warning[/]"
        name = f"{check.asset_key.path[-1]}.{check.check_name}"
        console.print(f"{mark} {name}: {escape(make_visible(check.description or ''))}")
        if examples := check.metadata.get("examples"):
            rows = [format_row(record.data) for record in examples.records]
            offending = check.metadata.get("offending rows")
            count = offending.value if offending else len(rows)
            for text in list_first_few(rows, count, 5 if blocks else MAX_SHOWN):
                console.print(f"    {make_visible(text, line=True)}", markup=False)
        if blocks and (page := check.metadata.get("data docs")):
            console.print(f"    all of it: {page.value}", markup=False)

    def _print_failures(self, console: Console) -> None:
        for event in self._failures:
            data, reason = event.step_failure_data, _find_reason(event)
            # A failed check was shown above; anything else that is no failure of ours is a bug and shows its trace.
            if reason is None and data.error and data.error.cls_name != "DagsterAssetCheckFailedError":
                reason = data.error.to_string()
            if reason:
                console.print(f"[bold red]{_format_step(event.step_key or '')}[/]: ", end="")
                console.print(make_visible(reason), markup=False)


def _format_checks(passed: int, failed: int, warned: int) -> tuple[str, str]:
    if not (passed or failed or warned):
        return "", ""
    more = f" [yellow](+{warned} warned)[/]" if warned else ""
    return str(passed), (f"[red]{failed}[/]" if failed else "0") + more


def _describe_check(check: Any) -> dict[str, Any]:
    examples = check.metadata.get("examples")
    observed, offending = (check.metadata.get(name) for name in ("observed", "offending rows"))
    return {
        "stage": check.asset_key.path[-1],
        "check": check.check_name,
        "severity": check.severity.value.lower(),
        "says": check.description,
        "observed": observed.value if observed else None,
        "offending": offending.value if offending else 0,
        "examples": [dict(record.data) for record in examples.records] if examples else [],
    }


def _describe_failure(event: dg.DagsterEvent) -> dict[str, Any]:
    error = event.step_failure_data.error
    return {"step": event.step_key, "reason": _find_reason(event) or (error.to_string() if error else "")}


def _find_reason(event: dg.DagsterEvent) -> str | None:
    """What a step that failed says of it to people; None where the failure is a bug, or a check's."""
    failure = event.step_failure_data.user_failure_data
    return failure.description if failure else None


def _round_seconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
