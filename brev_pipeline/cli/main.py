"""The subcommands of ``brev-pipeline``: what they take, and what their exit status means.

Exit status: 0 all is well; 1 a run did not publish, or a check of the store found something; 2 the command or a
configuration cannot be used.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from brev_pipeline.cli.ending import clean_ending
from brev_pipeline.cli.output import AS_JSON, FLAG, print_error, print_json
from brev_pipeline.errors import BrevPipelineError, ConfigError

if TYPE_CHECKING:
    from brev_pipeline.config import PipelineConfig
    from brev_pipeline.store import PipelineStore

CONFIG = click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
STORE = click.option("--store", metavar="URL", help="Use this store instead of the configured one.")


class _Group(click.Group):
    """Turns our errors into a message and an exit status; anything else is a bug and keeps its traceback."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the program does it; tests call ``main`` without ending their process."""
        with clean_ending():
            return super().__call__(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        as_json = FLAG in ctx.args
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


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="brev-pipeline")
def main() -> None:
    """From a bucket of inspection photos to audited, byte-reproducible training shards."""


@main.command()
@CONFIG
@STORE
@click.option("--workers", type=click.IntRange(min=1), help="Processes; default: what the configuration says.")
@AS_JSON
def run(config: Path, store: str | None, workers: int | None, as_json: bool) -> None:
    """Run a pipeline: list, check, prepare, split, weigh, write, publish.

    Exit status 0 only when a version stands published and all blocking checks passed.
    """
    from brev_pipeline.cli.run import run_pipeline
    from brev_pipeline.orchestration.automation import check_cron

    pipeline = _load(config, store, workers, for_run=True, check_cron=check_cron)
    sys.exit(0 if run_pipeline(pipeline, as_json=as_json) else 1)


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--bucket", metavar="PLACE", help="Folder, or s3://bucket/prefix, that holds the class folders.")
@click.option(
    "--pattern",
    metavar="REGEX",
    help="Finds the physical item in a photo's path; its group is the item. photo: each is one; folder: its folder is.",
)
@click.option(
    "--category",
    metavar="RULE",
    help="What says the class: level of a folder (-1 holds the photo, 0 lies in the root), a regular expression with a "
    "group (?P<category>…), or none: all photos are one class.",
)
@click.option(
    "--given",
    metavar="RULE",
    help="What says a split that is there: level of a folder, a regular expression with (?P<purpose>…), or none.",
)
@click.option(
    "--scope",
    type=click.Choice(["global", "stratum"]),
    help="The same item number in two classes: one item (global, the default), or two (stratum).",
)
@click.option(
    "--sample-filter",
    metavar="REGEX",
    help="Searched in file names, in any case: which are photos. Or all, or proposed.",
)
@click.option("--name", help="Of the pipeline.")
@click.option("--store", metavar="URL", help="Where the results go.")
@click.option("--anon", is_flag=True, help="Read the bucket without credentials.")
@click.option("--endpoint-url", metavar="URL", help="S3 endpoint, for a store that is not AWS.")
@click.option("--profile", help="Profile of the AWS configuration files.")
@click.option("--region", help="AWS region of the bucket.")
@click.option("--yes", is_flag=True, help="Ask nothing: take what is sure, and stop where something is not.")
@click.option("--force", is_flag=True, help="Replace FILE.")
def init(
    file: Path | None,
    bucket: str | None,
    name: str | None,
    store: str | None,
    anon: bool,
    endpoint_url: str | None,
    profile: str | None,
    region: str | None,
    yes: bool,
    force: bool,
    **choices: str | None,
) -> None:
    """Write a configuration for your photos: a few questions, answered while looking at their paths.

    All paths are looked at: what are photos and what masks, what says the class, whether a split is there, what names
    the physical item. It shows the classes, items and sides that come of it before it writes. With --yes nothing is
    asked, and nothing is guessed: where something is not sure, the command ends with exit status 2 and names the
    options that settle it.

    FILE is configs/NAME.yaml if it is not given. Credentials are never asked for: they come from the standard AWS
    chain (environment, profile, role).
    """
    from brev_pipeline.cli.init import write_configuration
    from brev_pipeline.config import StorageSettings, build_settings
    from brev_pipeline.init_wizard import Choices

    reach = {"anon": anon, "endpoint_url": endpoint_url, "profile": profile, "region": region}
    write_configuration(
        file,
        bucket=bucket,
        choices=Choices(**choices),
        name=name,
        store=store,
        storage=build_settings(StorageSettings, reach),
        ask=not yes,
        overwrite=force,
    )


@main.command()
@click.argument("files", type=click.Path(dir_okay=False, path_type=Path), nargs=-1, required=True)
@AS_JSON
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Check configuration files; print every problem with its line and YAML path.

    A file is good if, and only if, Dagster's code location would load it: the other files of its folder are looked at
    for their names.
    """
    from brev_pipeline.cli.check import check_files

    outcomes = check_files(files)
    if as_json:
        print_json({"files": [outcome.document() for outcome in outcomes]})
    else:
        for outcome in outcomes:
            for warning in outcome.warnings:
                click.echo(f"{outcome.file}: warning: {warning}", err=True)
            click.echo("\n".join(outcome.problems) or f"{outcome.file}: good", err=bool(outcome.problems))
    sys.exit(2 if any(outcome.problems for outcome in outcomes) else 0)


@main.command()
@CONFIG
@STORE
@click.option(
    "--read",
    "most",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    metavar="MB",
    help="Read new images for their contents if they are no more than this.",
)
@AS_JSON
def plan(config: Path, store: str | None, most: int, as_json: bool) -> None:
    """Say what a run would do now, and write nothing.

    Lists the datasets and computes what a run computes, by its own functions: which images are new, gone, renamed or
    changed, which would be left out and why, groups that would join, sides and label numbers that would change, records
    to copy and to write, about how long that takes and how large it is, and every check that is known to fail.

    No image is decoded: what only the pixels can tell is said to be open. New images are read for their contents as far
    as --read allows, all or none; the MD5s that a bucket states are believed.

    Exit status: 0 a run would publish, or find nothing new, as far as is known; 1 it would stop.
    """
    from brev_pipeline.cli.plan import plan as planned
    from brev_pipeline.cli.plan import show_plan

    found = planned(_load(config, store, for_run=True), most * 1_000_000, as_json=as_json)
    print_json(found) if as_json else show_plan(found)
    sys.exit(1 if found["would"] == "stop" else 0)


@main.command()
@click.argument("place", metavar="CONFIG|FOLDER")
@click.argument("versions", metavar="[VERSION] [VERSION]", nargs=-1)
@STORE
@AS_JSON
def diff(place: str, versions: tuple[str, ...], store: str | None, as_json: bool) -> None:
    """Compare two published versions: images, labels, sides, weights, records, settings, packages, checks.

    CONFIG names the store. VERSION is an id or the beginning of one: two are compared in this order; one with the
    newest; none: the newest with the one before it.

    Or name two folders of versions, wherever they lie.

    Exit status 0, whether they differ or not.
    """
    from brev_pipeline.cli import diff as differ

    folder = differ.is_folder(place)
    if len(versions) > 2 or (folder and (len(versions) != 1 or store is not None)):
        raise click.UsageError("name a configuration and up to two versions, or two folders of versions")
    if folder:
        found = differ.folders(place, versions[0])
    else:
        found = differ.in_store(_store(_load(Path(place), store)), versions)
    print_json(found) if as_json else differ.show_diff(found)


@main.command()
@CONFIG
@STORE
@AS_JSON
def versions(config: Path, store: str | None, as_json: bool) -> None:
    """List the published versions of a pipeline, oldest first."""
    from brev_pipeline.cli.show import show_versions, versions_of

    found = versions_of(_store(_load(config, store)))
    print_json(found) if as_json else show_versions(found)


class _Records(click.ParamType):  # type: ignore[type-arg]
    """How many records: a number from 1, or ``all``."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "all" else click.IntRange(min=1).convert(value, param, ctx)


@main.command()
@click.argument("config", metavar="CONFIG|FOLDER")
@click.argument("version", required=False)
@STORE
@click.option("--all", "every", is_flag=True, help="Every published version, oldest first.")
@click.option("--deep", type=_Records(), metavar="N|all", help="Make N records and images, or all, again; see above.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Chooses for --deep.")
@click.option("--head", metavar="SHA256", help="Hash of a publication that was kept elsewhere: the log must hold it.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; default: what the configuration says.")
@AS_JSON
@click.pass_context
def verify(
    ctx: click.Context,
    config: str,
    version: str | None,
    store: str | None,
    every: bool,
    deep: int | Literal["all"] | None,
    seed: int,
    head: str | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Recompute every hash, checksum, count, draw and seed of a published version, and derive its claims anew.

    VERSION is an id or the beginning of one; without it, the newest published version. The logs of publications,
    removals and readings are verified each time. Where the configuration is another one than the version was made
    with, a note says so.

    FOLDER is a version's folder, copied anywhere: it is verified with neither configuration nor store, and what cannot
    be checked there is named.

    --deep makes N records (or all) again from the raw images and compares their bytes, the object at each record's own
    path first; and it looks at N images of the listing (or all), those that were left out included: their bytes, what
    decoding them gives, and whether what was not read may not be read. Images that have gone or changed since are
    named apart from what is wrong with the version. A version with problems is not made again.

    Exit status: 0 all is well; 1 something was changed, lost or added, or does not follow, and is named; 3 nothing of
    that kind was found, but not all that --deep asked for could be compared: raw images have gone or changed since.
    """
    from brev_pipeline.cli import audit

    if "://" in config or Path(config).is_dir():
        given = [
            name for name in ctx.params if ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        ]
        if other := sorted({*given} - {"config", "as_json"}):
            raise click.UsageError(f"{config} is a folder: it is verified by itself, without {', '.join(other)}")
        alone = audit.verify_place(config)
        if as_json:
            print_json({"is_well": not alone.problems, **alone.contents()})
        else:
            audit.show_folder(alone)
        sys.exit(audit.BROKEN if alone.problems else audit.OK)
    configured = _load(Path(config), store, workers)
    records = None if deep == "all" else deep or 0
    found, remade = audit.verify(configured, version, every=every, deep=records, seed=seed, head=head)
    if as_json:
        print_json({**found.contents(), "remade": [one.contents() for one in remade]})
    else:
        audit.show_verify(found, remade)
    sys.exit(audit.verify_status(found, remade))


@main.command()
@CONFIG
@click.argument("version", required=False)
@STORE
@click.option("--purpose", help="Of the record: train, devel, test, …")
@click.option("--shard", type=click.IntRange(min=0), help="Number of its shard within the purpose, from 0.")
@click.option("--record", type=click.IntRange(min=0), help="Its place in the shard, from 0.")
@click.option("--path", help="In place of a record: an image, as it was listed.")
@click.option("--content", help="In place of a record: an image's content id (MD5).")
@AS_JSON
def trace(
    config: Path,
    version: str | None,
    store: str | None,
    purpose: str | None,
    shard: int | None,
    record: int | None,
    path: str | None,
    content: str | None,
    as_json: bool,
) -> None:
    """Tell where a record comes from: object, etag, listing, copies, split, weight, seed, and what the seed did.

    Name a record by --purpose, --shard and --record, or an image by --path or --content: then all of its records are
    told, or the rule that left it out.

    VERSION is an id or the beginning of one; without it, the newest published version.
    """
    from brev_pipeline.cli.audit import show_trace
    from brev_pipeline.cli.audit import trace as traced

    place = (purpose, shard, record)
    if sum((None not in place, path is not None, content is not None)) != 1 or (
        None in place and any(part is not None for part in place)
    ):
        raise click.UsageError("name a record by --purpose, --shard and --record, or an image by --path or --content")
    own = None if purpose is None or shard is None or record is None else (purpose, shard, record)
    facts = traced(_load(config, store), version, record=own, path=path, content=content)
    print_json(facts) if as_json else show_trace(facts)


@main.command()
@CONFIG
@STORE
@click.option("--remove", is_flag=True, help="Remove what is listed; without it nothing is changed.")
@click.option("--min-age", type=click.FloatRange(min=0), default=24, show_default=True, metavar="HOURS")
@click.option("--older-than", type=click.FloatRange(min=0), default=30, show_default=True, metavar="DAYS")
@click.option("--keep-runs", type=click.IntRange(min=0), default=10, show_default=True, metavar="N")
@click.option("--force", "forced", metavar="VERSION", help="Remove this published version for good, on record.")
@click.option("--why", help="With --force: the reason, which goes on record.")
@AS_JSON
def gc(
    config: Path,
    store: str | None,
    remove: bool,
    min_age: float,
    older_than: float,
    keep_runs: int,
    forced: str | None,
    why: str | None,
    as_json: bool,
) -> None:
    """List what runs left in the store and nothing needs any more; with --remove, remove it.

    That is: staged shards and unfinished versions of runs that were stopped, temporary files, old memories of
    identities; tables of runs older than --older-than but for the newest --keep-runs; and prepared pixels older than
    --older-than that no published version and not the newest listing refers to. Nothing younger than --min-age goes,
    and while something in the store was written within the last hour, nothing that a run may be working with.

    Published versions and the logs stay. --force VERSION --why REASON --remove removes one published version, but for
    the newest: its manifest stays, and who removed it, when and why goes on record, where verify finds it.
    """
    from datetime import timedelta

    from brev_pipeline.audit import GarbageRules
    from brev_pipeline.cli import audit

    if (forced is None) != (why is None):
        raise click.UsageError("--force and --why go together: the reason goes on record")
    configured = _load(config, store)
    if forced is not None and why is not None:
        if not remove:
            raise click.UsageError(f"nothing was changed: give --remove too to remove version {forced} for good")
        removal = audit.force(configured, forced, why)
        print_json(vars(removal)) if as_json else audit.show_force(removal)
        return
    rules = GarbageRules(timedelta(hours=min_age), timedelta(days=older_than), keep_runs)
    found = audit.gc(configured, rules, remove=remove)
    print_json(found) if as_json else audit.show_gc(found, remove=remove)


@main.command()
@CONFIG
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="PNG file to write.")
@click.option("--images", type=click.IntRange(1, 20), default=2, show_default=True, help="Photos of each class.")
@AS_JSON
def preview(config: Path, out: Path, images: int, as_json: bool) -> None:
    """Draw a sheet that shows what a configuration makes of some photos of each class: prepared, and augmented.

    Reads the datasets directly; no run is needed.
    """
    from brev_pipeline.cli.show import draw_preview, show_preview

    found = draw_preview(_load(config), out, images, as_json=as_json)
    print_json(found) if as_json else show_preview(found)


@main.command("demo-data")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--flaws", is_flag=True, help="Add copies and a truncated file, so that a run has something to report.")
@AS_JSON
def demo_data(folder: Path, seed: int, flaws: bool, as_json: bool) -> None:
    """Draw photographs of vials into FOLDER: good, bad_cap, missing_cap."""
    from brev_pipeline.cli.show import draw_demo_photos, show_demo

    found = draw_demo_photos(folder, seed=seed, flaws=flaws, as_json=as_json)
    print_json(found) if as_json else show_demo(found)


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
    from brev_pipeline.config import schema_text

    text = schema_text()
    if str(out) == "-":
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"wrote {out}")


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete commands, options and files; to be sourced by it.

    bash: brev-pipeline completion bash > ~/.local/share/bash-completion/completions/brev-pipeline
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "brev-pipeline", "_BREV_PIPELINE_COMPLETE").source())


def _load(
    file: Path,
    store: str | None = None,
    workers: int | None = None,
    *,
    for_run: bool = False,
    check_cron: Callable[[str], str] | None = None,
) -> "PipelineConfig":
    from brev_pipeline.config import load_config

    config = load_config(file, for_run=for_run, check_cron=check_cron)
    update: dict[str, Any] = {}
    if store is not None:
        update["store"] = _checked_store(store)
    if workers is not None:
        update["engine"] = config.engine.model_copy(update={"workers": workers})
    return config.model_copy(update=update).with_base(config.base_folder)


def _checked_store(store: str) -> str:
    from brev_pipeline.config.base import check_location, is_local
    from brev_pipeline.config.credentials import find_credentials

    if said := find_credentials(store):
        raise ConfigError(f"--store: {said}")
    try:
        check_location(store)
    except ValueError as error:
        raise ConfigError(f"--store: {error}") from error
    return str(Path(store).resolve()) if is_local(store) else store


def _store(config: "PipelineConfig") -> "PipelineStore":
    from brev_pipeline.store import PipelineStore

    return PipelineStore.from_config(config)
