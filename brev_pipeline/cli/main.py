"""The command ``brev-pipeline``: what its subcommands take, and what their exit status means.

Exit status: 0 all is well; 1 a run did not publish, or a check of the store found something; 2 the command or a
configuration cannot be used.
"""

import sys
from pathlib import Path

import click

from brev_pipeline.cli.output import JSON_OPTION, print_json
from brev_pipeline.cli.program import CONFIG_ARGUMENT, STORE_OPTION, ErrorReportingGroup, load_configuration
from brev_pipeline.cli.store_commands import diff_command, gc_command, trace_command, verify_command, versions_command


@click.group(cls=ErrorReportingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="brev-pipeline")
def main() -> None:
    """From a bucket of inspection photos to audited, byte-reproducible training shards."""


for _command in (diff_command, gc_command, trace_command, verify_command, versions_command):
    main.add_command(_command)


@main.command("run")
@CONFIG_ARGUMENT
@STORE_OPTION
@click.option("--workers", type=click.IntRange(min=1), help="Processes; default: what the configuration says.")
@JSON_OPTION
def run_command(config: Path, store: str | None, workers: int | None, as_json: bool) -> None:
    """Run a pipeline: list, check, prepare, split, weigh, write, publish.

    Exit status 0 only when a version stands published and all blocking checks passed.
    """
    from brev_pipeline.cli.run import run_pipeline
    from brev_pipeline.orchestration.automation import check_cron

    # Dagster judges cron texts; commands that do without it leave them to this one and to its code location.
    pipeline = load_configuration(config, store, workers, for_run=True, check_cron=check_cron)
    sys.exit(0 if run_pipeline(pipeline, as_json=as_json) else 1)


@main.command("init")
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
def init_command(
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


@main.command("check")
@click.argument("files", type=click.Path(dir_okay=False, path_type=Path), nargs=-1, required=True)
@JSON_OPTION
def check_command(files: tuple[Path, ...], as_json: bool) -> None:
    """Check configuration files; print every problem with its line and YAML path.

    A file is good if, and only if, Dagster's code location would load it: the other files of its folder are looked at
    for their names.
    """
    from brev_pipeline.cli.show import check_files

    outcomes = check_files(files)
    if as_json:
        print_json({"files": [outcome.to_dict() for outcome in outcomes]})
    else:
        for outcome in outcomes:
            for warning in outcome.warnings:
                click.echo(f"{outcome.file}: warning: {warning}", err=True)
            click.echo("\n".join(outcome.problems) or f"{outcome.file}: good", err=bool(outcome.problems))
    sys.exit(2 if any(outcome.problems for outcome in outcomes) else 0)


@main.command("plan")
@CONFIG_ARGUMENT
@STORE_OPTION
@click.option(
    "--read",
    "most",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    metavar="MB",
    help="Read new images for their contents if they are no more than this.",
)
@JSON_OPTION
def plan_command(config: Path, store: str | None, most: int, as_json: bool) -> None:
    """Say what a run would do now, and write nothing.

    Lists the datasets and computes what a run computes, by its own functions: which images are new, gone, renamed or
    changed, which would be left out and why, groups that would join, sides and label numbers that would change, records
    to copy and to write, about how long that takes and how large it is, and every check that is known to fail.

    No image is decoded: what only the pixels can tell is said to be open. New images are read for their contents as far
    as --read allows, all or none; the MD5s that a bucket states are believed.

    Exit status: 0 a run would publish, or find nothing new, as far as is known; 1 it would stop.
    """
    from brev_pipeline.cli.plan import plan_with_progress, show_plan

    found = plan_with_progress(load_configuration(config, store, for_run=True), most * 1_000_000, as_json=as_json)
    print_json(found) if as_json else show_plan(found)
    sys.exit(1 if found["would"] == "stop" else 0)


@main.command("preview")
@CONFIG_ARGUMENT
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="PNG file to write.")
@click.option("--images", type=click.IntRange(1, 20), default=2, show_default=True, help="Photos of each class.")
@JSON_OPTION
def preview_command(config: Path, out: Path, images: int, as_json: bool) -> None:
    """Draw a sheet that shows what a configuration makes of some photos of each class: prepared, and augmented.

    Reads the datasets directly; no run is needed.
    """
    from brev_pipeline.cli.show import draw_preview, show_preview

    found = draw_preview(load_configuration(config), out, images, as_json=as_json)
    print_json(found) if as_json else show_preview(found)


@main.command("demo-data")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--flaws", is_flag=True, help="Add copies and a truncated file, so that a run has something to report.")
@click.option("--labels", is_flag=True, help="Add masks, a COCO file of boxes and outlines, and a table of numbers.")
@JSON_OPTION
def demo_data_command(folder: Path, seed: int, flaws: bool, labels: bool, as_json: bool) -> None:
    """Draw photographs of vials into FOLDER: good, bad_cap, missing_cap."""
    from brev_pipeline.cli.show import draw_demo_photos, show_demo

    found = draw_demo_photos(folder, seed=seed, flaws=flaws, labels=labels, as_json=as_json)
    print_json(found) if as_json else show_demo(found)


@main.command("schema")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("configs/schema.json"),
    show_default=True,
    help="File to write; - for standard output.",
)
def schema_command(out: Path) -> None:
    """Write the JSON schema of the configuration, by which editors complete and check it."""
    from brev_pipeline.config import schema_text

    text = schema_text()
    if str(out) == "-":
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"wrote {out}")


@main.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the script that lets SHELL complete commands, options and files; to be sourced by it.

    bash: brev-pipeline completion bash > ~/.local/share/bash-completion/completions/brev-pipeline
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "brev-pipeline", "_BREV_PIPELINE_COMPLETE").source())
