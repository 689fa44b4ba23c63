"""The subcommands that look at what was published: diff, versions, verify, trace; and gc, which clears the store up."""

import sys
from pathlib import Path
from typing import Any, Literal

import click

from brev_pipeline.cli.output import JSON_OPTION, print_json
from brev_pipeline.cli.program import CONFIG_ARGUMENT, STORE_OPTION, load_configuration


@click.command("diff")
@click.argument("place", metavar="CONFIG|FOLDER")
@click.argument("versions", metavar="[VERSION] [VERSION]", nargs=-1)
@STORE_OPTION
@JSON_OPTION
def diff_command(place: str, versions: tuple[str, ...], store: str | None, as_json: bool) -> None:
    """Compare two published versions: images, labels, sides, weights, records, settings, packages, checks.

    CONFIG names the store. VERSION is an id or the beginning of one: two are compared in this order; one with the
    newest; none: the newest with the one before it.

    Or name two folders of versions, wherever they lie.

    Exit status 0, whether they differ or not.
    """
    from brev_pipeline.cli import diff as differ

    folder = differ.is_folder(place)
    # Folders stand for themselves: there is no store to look ids up in.
    if len(versions) > 2 or (folder and (len(versions) != 1 or store is not None)):
        raise click.UsageError("name a configuration and up to two versions, or two folders of versions")
    if folder:
        found = differ.compare_folders(place, versions[0])
    else:
        found = differ.compare_in_store(load_configuration(Path(place), store), versions)
    print_json(found) if as_json else differ.show_diff(found)


@click.command("versions")
@CONFIG_ARGUMENT
@STORE_OPTION
@JSON_OPTION
def versions_command(config: Path, store: str | None, as_json: bool) -> None:
    """List the published versions of a pipeline, oldest first."""
    from brev_pipeline.cli.show import list_versions, show_versions

    found = list_versions(load_configuration(config, store))
    print_json(found) if as_json else show_versions(found)


class _RecordCount(click.ParamType):  # type: ignore[type-arg]
    """How many records: a number from 1, or ``all``."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "all" else click.IntRange(min=1).convert(value, param, ctx)


@click.command("verify")
@click.argument("config", metavar="CONFIG|FOLDER")
@click.argument("version", required=False)
@STORE_OPTION
@click.option("--all", "every", is_flag=True, help="Every published version, oldest first.")
@click.option(
    "--deep", type=_RecordCount(), metavar="N|all", help="Make N records and images, or all, again; see above."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Chooses for --deep.")
@click.option("--head", metavar="SHA256", help="Hash of a publication that was kept elsewhere: the log must hold it.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; default: what the configuration says.")
@JSON_OPTION
@click.pass_context
def verify_command(
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
        # A folder is verified by what it holds: options about a store or the raw images mean nothing to it.
        given = [
            name for name in ctx.params if ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        ]
        if other := sorted({*given} - {"config", "as_json"}):
            raise click.UsageError(f"{config} is a folder: it is verified by itself, without {', '.join(other)}")
        alone = audit.verify_version_folder(config)
        if as_json:
            print_json({"is_well": not alone.problems, **alone.contents()})
        else:
            audit.show_folder_verification(alone)
        sys.exit(audit.BROKEN if alone.problems else audit.OK)
    configured = load_configuration(Path(config), store, workers)
    records = None if deep == "all" else deep or 0
    found, remade = audit.verify_versions(configured, version, every=every, deep=records, seed=seed, head=head)
    if as_json:
        print_json({**found.contents(), "remade": [one.contents() for one in remade]})
    else:
        audit.show_verification(found, remade)
    sys.exit(audit.choose_exit_status(found, remade))


@click.command("trace")
@CONFIG_ARGUMENT
@click.argument("version", required=False)
@STORE_OPTION
@click.option("--purpose", help="Of the record: train, devel, test, …")
@click.option("--shard", type=click.IntRange(min=0), help="Number of its shard within the purpose, from 0.")
@click.option("--record", type=click.IntRange(min=0), help="Its place in the shard, from 0.")
@click.option("--path", help="In place of a record: an image, as it was listed.")
@click.option("--content", help="In place of a record: an image's content id (MD5).")
@JSON_OPTION
def trace_command(
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
    from brev_pipeline.cli.audit import show_trace, trace_origin

    place = (purpose, shard, record)
    is_part = None in place and place != (None, None, None)
    if is_part or sum((None not in place, path is not None, content is not None)) != 1:
        raise click.UsageError("name a record by --purpose, --shard and --record, or an image by --path or --content")
    own = None if purpose is None or shard is None or record is None else (purpose, shard, record)
    facts = trace_origin(load_configuration(config, store), version, record=own, path=path, content=content)
    print_json(facts) if as_json else show_trace(facts)


@click.command("gc")
@CONFIG_ARGUMENT
@STORE_OPTION
@click.option("--remove", is_flag=True, help="Remove what is listed; without it nothing is changed.")
@click.option("--min-age", type=click.FloatRange(min=0), default=24, show_default=True, metavar="HOURS")
@click.option("--older-than", type=click.FloatRange(min=0), default=30, show_default=True, metavar="DAYS")
@click.option("--keep-runs", type=click.IntRange(min=0), default=10, show_default=True, metavar="N")
@click.option("--force", "forced", metavar="VERSION", help="Remove this published version for good, on record.")
@click.option("--why", help="With --force: the reason, which goes on record.")
@JSON_OPTION
def gc_command(
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
    configured = load_configuration(config, store)
    if forced is not None and why is not None:
        if not remove:
            raise click.UsageError(f"nothing was changed: give --remove too to remove version {forced} for good")
        removal = audit.remove_for_good(configured, forced, why)
        print_json(vars(removal)) if as_json else audit.show_removal(removal)
        return
    rules = GarbageRules(timedelta(hours=min_age), timedelta(days=older_than), keep_runs)
    found = audit.collect_garbage(configured, rules, remove=remove)
    print_json(found) if as_json else audit.show_garbage(found, remove=remove)
