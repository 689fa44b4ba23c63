"""What all commands share: common arguments, the way from errors to an exit status, and the end of the program."""

import atexit
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from brev_pipeline.cli.output import JSON_FLAG, print_error
from brev_pipeline.errors import BrevPipelineError, ConfigError

if TYPE_CHECKING:
    from brev_pipeline.config import PipelineConfig

CONFIG_ARGUMENT = click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
STORE_OPTION = click.option("--store", metavar="URL", help="Use this store instead of the configured one.")


@contextlib.contextmanager
def exit_cleanly() -> Iterator[None]:
    """While this is open, note how the program ends; the process then ends with that status, whatever else happens.

    Arrow's threads can still be at work when the interpreter takes itself down, and then abort a process that has done
    everything it should (apache/arrow issue 34314; seen here once in some hundreds of commands on a busy machine). So
    the process leaves at once, after all that Python and its packages do at their end, before anything native is taken
    down.
    """
    status = [1]
    # What is registered first is called last.
    atexit.register(lambda: _exit_now(status[0]))
    try:
        yield
        status[0] = 0
    except SystemExit as end:
        status[0] = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


def _exit_now(status: int) -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            # The reader is gone, or there never was one; Python itself exits with 120 then.
            status = status or 120
    os._exit(status)


class ErrorReportingGroup(click.Group):
    """Turns our errors into a message and an exit status; anything else is a bug and keeps its traceback."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the program does it; tests call ``main`` without ending their process."""
        with exit_cleanly():
            return super().__call__(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; exit status 2 where a configuration cannot be used, 1 for other errors of ours."""
        as_json = JSON_FLAG in ctx.args
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if not as_json:
                raise
            print_error(error, as_json=True)
            ctx.exit(error.exit_code)
        except BrevPipelineError as error:
            print_error(error, as_json=as_json)
            ctx.exit(2 if isinstance(error, ConfigError) else 1)


def load_configuration(
    file: Path,
    store: str | None = None,
    workers: int | None = None,
    *,
    for_run: bool = False,
    check_cron: Callable[[str], str] | None = None,
) -> "PipelineConfig":
    """A configuration, with another store or number of workers where the command line names one.

    Raises:
        ConfigError: the file or ``--store`` cannot be used.
    """
    from brev_pipeline.config import load_config

    config = load_config(file, for_run=for_run, check_cron=check_cron)
    update: dict[str, Any] = {}
    if store is not None:
        update["store"] = _check_store(store)
    if workers is not None:
        update["engine"] = config.engine.model_copy(update={"workers": workers})
    return config.model_copy(update=update).with_base(config.base_folder)


def _check_store(store: str) -> str:
    from brev_pipeline.config.base import check_location, is_local
    from brev_pipeline.config.credentials import find_credentials

    if said := find_credentials(store):
        raise ConfigError(f"--store: {said}")
    try:
        check_location(store)
    except ValueError as error:
        raise ConfigError(f"--store: {error}") from error
    return str(Path(store).resolve()) if is_local(store) else store
