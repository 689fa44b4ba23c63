"""The subcommands of ``brev-pipeline``: what they take, and what their exit status means.

Exit status: 0 all is well; 1 a run did not publish, or a check of the store found something; 2 the command or a
configuration cannot be used.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from brev_pipeline.errors import BrevPipelineError, ConfigError

if TYPE_CHECKING:
    from brev_pipeline.config import PipelineConfig
    from brev_pipeline.store import PipelineStore

CONFIG = click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
STORE = click.option("--store", metavar="URL", help="Use this store instead of the configured one.")


class _Group(click.Group):
    """Turns our errors into a message and an exit status; anything else is a bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            click.echo(str(error), err=True)
            ctx.exit(2)
        except BrevPipelineError as error:
            click.echo(f"{type(error).__name__}: {error}", err=True)
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="brev-pipeline")
def main() -> None:
    """From a bucket of inspection photos to audited, byte-reproducible training shards."""


@main.command()
@CONFIG
@STORE
@click.option("--workers", type=click.IntRange(min=1), help="Processes; default: what the configuration says.")
def run(config: Path, store: str | None, workers: int | None) -> None:
    """Run a pipeline: list, check, prepare, split, weigh, write, publish.

    Exit status 0 only when a version stands published and all blocking checks passed.
    """
    from brev_pipeline.cli.run import run_pipeline

    sys.exit(0 if run_pipeline(_load(config, store, workers)) else 1)


@main.command()
@click.argument("files", type=click.Path(dir_okay=False, path_type=Path), nargs=-1, required=True)
def check(files: tuple[Path, ...]) -> None:
    """Check configuration files; print every problem with its line and YAML path."""
    from brev_pipeline.config import load_config

    bad = 0
    for file in files:
        try:
            load_config(file)
        except ConfigError as error:
            bad += 1
            click.echo(str(error), err=True)
        else:
            click.echo(f"{file}: good")
    sys.exit(2 if bad else 0)


@main.command()
@CONFIG
@STORE
def versions(config: Path, store: str | None) -> None:
    """List the published versions of a pipeline, oldest first."""
    from brev_pipeline.cli.show import show_versions

    show_versions(_store(_load(config, store)))


@main.command()
@CONFIG
@click.argument("version", required=False)
@STORE
def verify(config: Path, version: str | None, store: str | None) -> None:
    """Recompute every hash, checksum and count of a published version, and look for leaks.

    VERSION is an id or the beginning of one; without it, the newest published version.
    """
    from brev_pipeline.cli.show import show_verification

    sys.exit(0 if show_verification(_store(_load(config, store)), version) else 1)


@main.command()
@CONFIG
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="PNG file to write.")
@click.option("--images", type=click.IntRange(1, 20), default=2, show_default=True, help="Photos of each class.")
def preview(config: Path, out: Path, images: int) -> None:
    """Draw a sheet that shows what a configuration makes of some photos of each class: prepared, and augmented.

    Reads the datasets directly; no run is needed.
    """
    from brev_pipeline.cli.show import show_preview

    show_preview(_load(config), out, images)


@main.command("demo-data")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--flaws", is_flag=True, help="Add copies and a truncated file, so that a run has something to report.")
def demo_data(folder: Path, seed: int, flaws: bool) -> None:
    """Draw photographs of vials into FOLDER: good, bad_cap, missing_cap."""
    from brev_pipeline.cli.show import show_demo

    show_demo(folder, seed=seed, flaws=flaws)


@main.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("configs/schema.json"),
    show_default=True,
    help="File to write; - for standard output.",
)
def schema(out: Path) -> None:
    """Write the JSON schema of the configuration, by which editors complete and check it."""
    import json

    from brev_pipeline.config import PipelineConfig

    text = json.dumps(PipelineConfig.model_json_schema(), indent=1, ensure_ascii=False) + "\n"
    if str(out) == "-":
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"wrote {out}")


def _load(file: Path, store: str | None = None, workers: int | None = None) -> "PipelineConfig":
    from brev_pipeline.config import load_config

    config = load_config(file)
    update: dict[str, Any] = {}
    if store is not None:
        update["store"] = store if "://" in store else str(Path(store).resolve())
    if workers is not None:
        update["engine"] = config.engine.model_copy(update={"workers": workers})
    return config.model_copy(update=update).at(config.base)


def _store(config: "PipelineConfig") -> "PipelineStore":
    from brev_pipeline.store import PipelineStore

    return PipelineStore.of(config)
