"""``brev-pipeline init``: some questions, answered while looking at the bucket's own files, become a configuration.

What is not sure is asked. Where nobody is there to answer (``--yes``), it is not guessed: the command stops, and says
which options settle it.
"""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.text import Text

from brev_pipeline.cli.output import format_count, print_heading, print_paragraph
from brev_pipeline.cli.split_forecast import forecast_split, show_split_forecast
from brev_pipeline.config import (
    DatasetSettings,
    PipelineConfig,
    StorageSettings,
    build_settings,
    parse_config,
    schema_text,
)
from brev_pipeline.errors import BrevPipelineError, ConfigError, ListingError
from brev_pipeline.init_wizard import (
    Choices,
    ConfigurationAnswers,
    FileSurvey,
    Proposal,
    format_configuration,
    make_pipeline_name,
    match_items,
    measure_pattern,
    propose_settings,
    survey_files,
)
from brev_pipeline.init_wizard.annotations import separate_photos
from brev_pipeline.init_wizard.class_rules import UNLABELLED

_Way = TypeVar("_Way")
_MAX_SHOWN: Final = 6
_OPTIONS: Final = {
    "sample-filter": "--sample-filter REGEX, searched in the names of the files that are photos; all: all images are; "
    "proposed: those that are told to be",
    "category": "--category LEVEL (-1: the folder that holds the photo, 0: the first), a REGEX with a group "
    "(?P<category>…), or none: all photos are one class",
    "given": "--given LEVEL, a REGEX with a group (?P<purpose>…), or none: no split is given",
    "pattern": "--pattern REGEX whose group is the item; photo: each is an item of its own; folder: the folder is the "
    "item",
    "scope": "--scope global or stratum",
}


def write_configuration(
    target: Path | None,
    *,
    bucket: str | None,
    choices: Choices,
    name: str | None,
    store: str | None,
    storage: StorageSettings,
    ask: bool,
    overwrite: bool,
) -> Path:
    """Ask what is not given, show what the answers mean, write the file, and check it.

    Args:
        target: file to write; None: ``configs/<name>.yaml``.
        bucket: local folder, from the working directory, or s3://bucket/prefix; None: ask.
        choices: what is decided already; of the rest, the best proposal is taken or asked about.
        name: of the pipeline; None: ask, or made from the bucket.
        store: where results go, from the working directory; None: ask, or ``data/store``.
        storage: how to reach a bucket on S3.
        ask: whether somebody is there to answer.
        overwrite: replace a file that is there.

    Raises:
        ConfigError: the file is there already, an answer is missing that nobody is there to give, or the photos cannot
            be divided as asked.
        ListingError: the place cannot be listed, or holds no images.
    """
    console = Console(highlight=False)
    bucket = bucket or _ask_or_default(ask, "Where are the photos? A folder, or s3://bucket/prefix", None, "--bucket")
    found, storage = _survey_place(console, bucket, storage, ask)
    beside = separate_photos(found)
    proposal = propose_settings(found, choices, beside)
    _show_found(console, found, proposal)
    if ask:
        for question in (_ask_photos, _ask_category, _ask_given, _ask_pattern, _ask_scope):
            choices = question(console, found, proposal, choices)
            proposal = propose_settings(found, choices, beside)
    elif proposal.doubts:
        raise ConfigError(_describe_doubts(bucket, proposal))
    if not ask:
        _show_decided(console, proposal)
    name = name or _ask_or_default(ask, "Name of the pipeline", make_pipeline_name(bucket), "--name")
    target = target or Path("configs") / f"{name}.yaml"
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} is there already: give another name, or --force to replace it")
    where = "Where shall the results go? A folder, or s3://bucket/prefix"
    store = store or _ask_or_default(ask, where, "data/store", "--store")
    # Where editors find the schema: in the project's configs, or beside the file, where it is written if need be.
    schema = project if (project := Path("configs/schema.json")).exists() else target.parent / "schema.json"
    # That there is one class is written as meant only where somebody said so.
    is_meant = proposal.category.rule is None and (ask or choices.category == "none")
    answers = ConfigurationAnswers(
        name=name,
        bucket=_relative_to_file(target, f"{bucket.rstrip('/') or bucket}/{proposal.below}".rstrip("/") or bucket),
        uniqueness=proposal.pattern,
        scope=proposal.scope,
        listing=proposal.listing_settings | ({"classes": [UNLABELLED]} if is_meant else {}),
        given=_given_settings(proposal, bucket, target),
        purposes=proposal.purpose_shares,
        store=_relative_to_file(target, store),
        storage=storage,
        schema=Path(os.path.relpath(schema, target.parent)).as_posix(),
    )
    text = format_configuration(answers)
    # Before it is written: what is refused, a password in an address for instance, shall not be left in a file.
    config = parse_config(text, str(target), target.resolve().parent)
    _show_forecast(console, found, proposal, config, ask)
    if ask and not click.confirm(f"Write {target}?", default=True):
        raise ConfigError("nothing was written, as you said")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    if not schema.exists():
        schema.write_text(schema_text(), encoding="utf-8")
    _show_next_steps(console, target)
    return target


def _survey_place(
    console: Console, bucket: str, storage: StorageSettings, ask: bool
) -> tuple[FileSurvey, StorageSettings]:
    """The files of the place; where a bucket cannot be reached, another way to reach it is asked for."""
    # What a configuration would refuse, an address with a password in it for instance, is refused before it is listed.
    build_settings(DatasetSettings, {"name": "photos", "id": "photos", "bucket": bucket})
    while True:
        try:
            with console.status(f"looking into {bucket}"):
                found = survey_files(bucket, storage)
            break
        except BrevPipelineError as error:
            if not (ask and bucket.startswith("s3://")):
                raise
            click.echo(str(error), err=True)
            endpoint = click.prompt("S3 endpoint (empty for AWS)", default=storage.endpoint_url or "")
            anon = click.confirm("Read without credentials (a public bucket)?", default=True)
            storage = storage.model_copy(update={"anon": anon, "endpoint_url": endpoint or None})
            storage = build_settings(StorageSettings, storage.model_dump())
    if not found.images:
        seen = f", though {len(found.others)} other files, such as {found.others[0]}" if found.others else ""
        seen += "".join(f"; {line}" for line in _list_refused(found))
        raise ListingError(f"no images were found in {bucket}{seen}; name the folder that holds the class folders")
    return found, storage


def _show_found(console: Console, found: FileSurvey, proposal: Proposal) -> None:
    others = f" and {format_count(len(found.others), 'other file')}" if found.others else ""
    part = "" if found.is_complete else "More files than are looked at all; of each folder the first ones: "
    print_heading(console, f"{part}{len(found.images)} images{others}, {len(proposal.photos)} of them photos")
    for line in [*_list_refused(found), *proposal.told]:
        print_paragraph(console, line, mark="-")


def _list_refused(found: FileSurvey) -> list[str]:
    return [f"not read: {format_count(count, 'file')}, {reason}" for reason, count in found.refused.most_common()]


def _ask_photos(console: Console, found: FileSurvey, proposal: Proposal, choices: Choices) -> Choices:
    beside, doubts = proposal.beside, proposal.doubts_about("sample-filter")
    if choices.sample_filter is not None or not (beside.masks or beside.strays or doubts):
        return choices
    _print_question(console, "Which images are photos?", doubts)
    example = proposal.photos[0] if proposal.photos else found.images[0]
    print_paragraph(console, f"{len(proposal.photos)} of {len(found.images)} are taken for photos, such as {example}")
    if click.confirm("Is that right?", default=True):
        return replace(choices, sample_filter="proposed")

    def use(pattern: str) -> Choices | None:
        chosen = replace(choices, sample_filter=pattern)
        photos = propose_settings(found, chosen, beside).photos
        print_paragraph(console, f"{len(photos)} photos" + (f", such as {photos[0]}" if photos else ""))
        return chosen if photos and click.confirm("Is that right?", default=True) else None

    return _ask_until_usable("A regular expression that the names of photos match, and no others", None, use)


def _ask_category(console: Console, found: FileSurvey, proposal: Proposal, choices: Choices) -> Choices:
    if choices.category is not None:
        return choices
    _print_question(console, "What says the class of a photo?", proposal.doubts_about("category"))
    for number, way in enumerate(proposal.class_ways, 1):
        print_paragraph(console, way.meaning, mark=str(number), indent=4)

    def use(answer: str) -> Choices | None:
        way = _find_way(proposal.class_ways, answer)
        rule = way.rule if way else answer
        choice = "none" if rule is None else str(rule["folder"] if isinstance(rule, Mapping) else rule)
        counts = propose_settings(found, replace(choices, category=choice), proposal.beside).category.counts
        for name, count in list(counts.items())[:_MAX_SHOWN]:
            print_paragraph(console, f"{name}: {count}", indent=4)
        if len(counts) > _MAX_SHOWN:
            print_paragraph(console, f"and {len(counts) - _MAX_SHOWN} more classes", indent=4)
        return replace(choices, category=choice) if click.confirm("Are those the classes?", default=True) else None

    return _ask_until_usable("Number, the level of a folder as in '-1', or a regular expression", "1", use)


def _ask_given(console: Console, found: FileSurvey, proposal: Proposal, choices: Choices) -> Choices:
    given, doubts = proposal.given, proposal.doubts_about("given")
    if choices.given is None and given is None and doubts:
        _print_question(console, "Is a split there already?", doubts)

        def use(answer: str) -> Choices:
            chosen = replace(choices, given=answer)
            propose_settings(found, chosen, proposal.beside)
            return chosen

        return _ask_until_usable("none, or a regular expression with a group (?P<purpose>…)", "none", use)
    if choices.given is not None or given is None:
        return choices
    print_heading(console, "A split is there already")
    print_paragraph(console, f"{given.meaning}: {_describe_purposes(proposal)}")
    return choices if click.confirm("Keep it?", default=True) else replace(choices, given="none")


def _ask_pattern(console: Console, _: FileSurvey, proposal: Proposal, choices: Choices) -> Choices:
    """The regular expression of the item: as given, or chosen while its effect on the files is shown."""
    if choices.pattern is not None:
        _show_items(console, proposal.photos, proposal.pattern)
        return choices
    print_heading(console, "What names the physical item?")
    print_paragraph(console, "All photos of one item stay on one side of the split.")
    for text in proposal.doubts_about("pattern"):
        print_paragraph(console, text, "yellow")
    ways = proposal.items.ways
    for number, way in enumerate(ways, 1):
        photos = "one photo each" if way.most == 1 else f"at most {format_count(way.most, 'photo')} each"
        print_paragraph(console, f"{way.meaning} ({way.items} items, {photos})", mark=str(number), indent=4)
        print_paragraph(console, way.pattern, "dim", indent=4)

    def use(answer: str) -> Choices | None:
        way = _find_way(ways, answer)
        pattern = way.pattern if way else answer
        _show_items(console, proposal.photos, pattern)
        return replace(choices, pattern=pattern) if click.confirm("Is that right?", default=True) else None

    return _ask_until_usable("Number, or a regular expression with one group", "1", use)


def _ask_until_usable(question: str, default: str | None, use: Callable[[str], Choices | None]) -> Choices:
    """Ask until an answer can be used, and is not taken back while what comes of it is looked at."""
    while True:
        try:
            if (chosen := use(str(click.prompt(question, default=default)))) is not None:
                return chosen
        except BrevPipelineError as error:
            click.echo(str(error), err=True)


def _find_way(ways: Sequence[_Way], answer: str) -> _Way | None:
    """The way whose number is the answer."""
    return ways[int(answer) - 1] if answer.isdigit() and 1 <= int(answer) <= len(ways) else None


def _print_question(console: Console, question: str, doubts: Sequence[str]) -> None:
    print_heading(console, question)
    for text in doubts:
        print_paragraph(console, text, "yellow")


def _ask_scope(console: Console, _: FileSurvey, proposal: Proposal, choices: Choices) -> Choices:
    """Whether the same item id under two classes means two items."""
    if choices.scope is not None or not proposal.shared:
        return choices
    print_heading(console, "The same item under two classes")
    print_paragraph(console, _describe_shared_items(proposal))
    print_paragraph(
        console,
        f"If it is not (numbers begin anew in each class), photos of one number may be divided; if you say so and it "
        f"is, up to {len(proposal.shared)} items stand on two sides, and the test measures memory.",
    )
    same = click.confirm("Is it the same physical item?", default=True)
    return replace(choices, scope="global" if same else "stratum")


def _describe_shared_items(proposal: Proposal) -> str:
    others = f", as are {len(proposal.shared) - 1} others" if len(proposal.shared) > 1 else ""
    return f"item {proposal.shared[0]} is found under more than one class{others}"


def _show_items(console: Console, paths: Sequence[str], pattern: str) -> None:
    items = match_items(paths, pattern)
    step = max(1, len(paths) // _MAX_SHOWN)
    for path, item in list(zip(paths, items, strict=True))[::step][:_MAX_SHOWN]:
        print_paragraph(console, f"{path} → {item or 'none'}", "" if item else "red", indent=4)
    if missed := [path for path, item in zip(paths, items, strict=True) if item is None]:
        said = f"{len(missed)} of {len(paths)} paths have no item, such as {missed[0]}: a run would stop there"
        print_paragraph(console, said, "yellow")
    else:
        way = measure_pattern(paths, pattern)
        said = f"{way.items} items in {len(paths)} photos, at most {format_count(way.most, 'photo')} of one"
        print_paragraph(console, said)


def _describe_purposes(proposal: Proposal) -> str:
    given = proposal.given
    assert given is not None
    counts = given.photo_counts
    meant = {word: purpose or "divided into train and devel" for word, purpose in given.purposes.items()}
    return "; ".join(f"{word} ({counts[word]} photos) is {purpose}" for word, purpose in meant.items())


def _show_decided(console: Console, proposal: Proposal) -> None:
    """What is taken where nobody was asked."""
    print_paragraph(console, f"class: {proposal.category.meaning}", mark="-")
    if proposal.given:
        print_paragraph(console, f"split: {proposal.given.meaning}: {_describe_purposes(proposal)}", mark="-")
    meaning = next((way.meaning for way in proposal.items.ways if way.pattern == proposal.pattern), "as you said")
    print_paragraph(console, f"item: {meaning}", mark="-")
    _show_items(console, proposal.photos, proposal.pattern)
    if proposal.shared:
        taken = "taken for the same one" if proposal.scope == "global" else "taken for different ones, as you said"
        print_paragraph(console, f"{_describe_shared_items(proposal)}: {taken}", mark="-")


def _describe_doubts(bucket: str, proposal: Proposal) -> str:
    return "\n".join(
        [
            f"{bucket}: not all is sure, and nobody is here to answer:",
            *(f"  --{doubt.topic}: {doubt.text}" for doubt in proposal.doubts),
            "answer by running without --yes, or give",
            *(f"  {_OPTIONS[topic]}" for topic in dict.fromkeys(doubt.topic for doubt in proposal.doubts)),
        ]
    )


def _show_forecast(console: Console, found: FileSurvey, proposal: Proposal, config: PipelineConfig, ask: bool) -> None:
    """Show what a run would make of the answers, or why it would stop."""
    if not found.is_complete:
        said = "too many photos to foresee the split; a run tells, or stops before it reads a pixel"
        print_paragraph(console, said, "yellow")
        return
    # Paths are proposed from the folder that becomes the bucket, and hashed from the place that was named.
    inside = [proposal.below + path for path in proposal.photos]
    with console.status("looking for copies"):
        contents = found.hash_images(inside)
    known = None if contents is None else {path.removeprefix(proposal.below): md5 for path, md5 in contents.items()}
    try:
        outcome = forecast_split(config, known)
    except ListingError as error:
        raise ConfigError(str(error)) from error
    except BrevPipelineError as error:
        if not ask:
            raise ConfigError(f"the photos cannot be divided so: {error}") from error
        print_paragraph(console, f"a run would stop: {error}", "yellow")
        return
    show_split_forecast(console, outcome, config)
    if outcome.empty_purposes and not ask and any(config.split.shares[side] > 0 for side in outcome.empty_purposes):
        raise ConfigError(
            f"no photo would stand in {', '.join(outcome.empty_purposes)}: there are {outcome.groups} groups of photos "
            "that may not be divided; give a --pattern that tells more items apart, if they are different items"
        )


def _given_settings(proposal: Proposal, bucket: str, target: Path) -> dict[str, Any] | None:
    if proposal.given is None:
        return None
    out = {**proposal.given.settings, "words": proposal.given.purposes}
    if "lists" in out:
        places = {word: f"{bucket.rstrip('/')}/{path}" for word, path in out["lists"].items()}
        out["lists"] = {word: _relative_to_file(target, place) for word, place in places.items()}
    return out


def _show_next_steps(console: Console, target: Path) -> None:
    console.print()
    print_paragraph(console, f"wrote {target}, and it loads. Next:", indent=0)
    file = shlex.quote(str(target))
    commands = [
        (f"brev-pipeline preview {file} --out sheet.png", "what training will see"),
        (f"brev-pipeline run {file}", "the whole chain; publishes a version"),
    ]
    if Path("workspace.yaml").exists() and Path("Makefile").exists() and target.parent == Path("configs"):
        commands.append(("make ui", "the same in Dagster's UI, on a schedule if you add one"))
    else:
        folder = shlex.quote(str(target.parent.resolve()))
        dagster = f"BREV_PIPELINE_CONFIGS={folder} dagster dev -m brev_pipeline.definitions"
        commands.append((dagster, "the same in Dagster's UI"))
    for command, what in commands:
        console.print(Text(f"  # {what}", style="dim"), soft_wrap=True)
        console.print(Text(f"  {command}"), soft_wrap=True)


def _ask_or_default(ask: bool, question: str, default: str | None, option: str) -> str:
    if ask:
        return str(click.prompt(question, default=default))
    if default is None:
        raise ConfigError(f"nobody is here to answer: give {option}")
    return default


def _relative_to_file(target: Path, place: str) -> str:
    """A place as it stands in the file: relative folders are meant from there."""
    if "://" in place or os.path.isabs(place):
        return place
    return Path(os.path.relpath(place, target.parent)).as_posix()
