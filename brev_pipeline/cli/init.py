"""``brev-pipeline init``: some questions, answered while looking at the bucket's own files, become a configuration.

What is not sure is asked. Where nobody is there to answer (``--yes``), it is not guessed: the command stops, and says
which options settle it.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from brev_pipeline.cli.outcome import divide, show_outcome
from brev_pipeline.cli.paragraphs import counted, heading, say
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
    Answers,
    Choices,
    Proposal,
    Survey,
    configuration,
    items_of,
    name_from,
    propose,
    survey,
    way_of,
)
from brev_pipeline.init_wizard.beside import look_beside
from brev_pipeline.init_wizard.classes import UNLABELLED

_SHOWN: Final = 6
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
    bucket = bucket or _asked(ask, "Where are the photos? A folder, or s3://bucket/prefix", None, "--bucket")
    found, storage = _looked(console, bucket, storage, ask)
    beside = look_beside(found)
    proposal = propose(found, choices, beside)
    _show_found(console, found, proposal)
    if ask:
        for question in (_ask_photos, _ask_category, _ask_given, _ask_pattern, _ask_scope):
            choices = question(console, found, proposal, choices)
            proposal = propose(found, choices, beside)
    elif proposal.doubts:
        raise ConfigError(_undecided(bucket, proposal))
    if not ask:
        _show_decided(console, proposal)
    name = name or _asked(ask, "Name of the pipeline", name_from(bucket), "--name")
    target = target or Path("configs") / f"{name}.yaml"
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} is there already: give another name, or --force to replace it")
    store = store or _asked(ask, "Where shall the results go? A folder, or s3://bucket/prefix", "data/store", "--store")
    schema = _schema(target)
    answers = Answers(
        name=name,
        bucket=_from(target, f"{bucket.rstrip('/') or bucket}/{proposal.below}".rstrip("/") or bucket),
        uniqueness=proposal.pattern,
        scope=proposal.scope,
        listing=_listing(proposal, ask or choices.category == "none"),
        given=_given_settings(proposal, bucket, target),
        purposes=proposal.purposes,
        store=_from(target, store),
        storage=storage,
        schema=Path(os.path.relpath(schema, target.parent)).as_posix(),
    )
    text = configuration(answers)
    # Before it is written: what is refused, a password in an address for instance, shall not be left in a file.
    config = parse_config(text, str(target), target.resolve().parent)
    _foresee(console, found, proposal, config, ask)
    if ask and not click.confirm(f"Write {target}?", default=True):
        raise ConfigError("nothing was written, as you said")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    if not schema.exists():
        schema.write_text(schema_text(), encoding="utf-8")
    _show_next(console, target)
    return target


def _looked(console: Console, bucket: str, storage: StorageSettings, ask: bool) -> tuple[Survey, StorageSettings]:
    """The files of the place; where a bucket cannot be reached, another way to reach it is asked for."""
    build_settings(DatasetSettings, {"name": "photos", "id": "photos", "bucket": bucket})
    while True:
        try:
            with console.status(f"looking into {bucket}"):
                found = survey(bucket, storage)
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
        seen += "".join(f"; {line}" for line in _refused(found))
        raise ListingError(f"no images were found in {bucket}{seen}; name the folder that holds the class folders")
    return found, storage


def _show_found(console: Console, found: Survey, proposal: Proposal) -> None:
    others = f" and {counted(len(found.others), 'other file')}" if found.others else ""
    part = "" if found.is_complete else "More files than are looked at all; of each folder the first ones: "
    heading(console, f"{part}{len(found.images)} images{others}, {len(proposal.photos)} of them photos")
    for line in [*_refused(found), *proposal.told]:
        say(console, line, mark="-")


def _refused(found: Survey) -> list[str]:
    return [f"not read: {counted(count, 'file')}, {reason}" for reason, count in found.refused.most_common()]


def _ask_photos(console: Console, found: Survey, proposal: Proposal, choices: Choices) -> Choices:
    beside = proposal.beside
    doubts = [doubt.text for doubt in proposal.doubts if doubt.topic == "sample-filter"]
    if choices.sample_filter is not None or not (beside.masks or beside.strays or doubts):
        return choices
    heading(console, "Which images are photos?")
    for text in doubts:
        say(console, text, "yellow")
    example = proposal.photos[0] if proposal.photos else found.images[0]
    say(console, f"{len(proposal.photos)} of {len(found.images)} are taken for photos, such as {example}")
    if click.confirm("Is that right?", default=True):
        return replace(choices, sample_filter="proposed")
    while True:
        pattern = click.prompt("A regular expression that the names of photos match, and no others")
        try:
            chosen = replace(choices, sample_filter=pattern)
            photos = propose(found, chosen, beside).photos
        except BrevPipelineError as error:
            click.echo(str(error), err=True)
            continue
        say(console, f"{len(photos)} photos" + (f", such as {photos[0]}" if photos else ""))
        if photos and click.confirm("Is that right?", default=True):
            return chosen


def _ask_category(console: Console, found: Survey, proposal: Proposal, choices: Choices) -> Choices:
    if choices.category is not None:
        return choices
    heading(console, "What says the class of a photo?")
    for text in (doubt.text for doubt in proposal.doubts if doubt.topic == "category"):
        say(console, text, "yellow")
    for number, way in enumerate(proposal.class_ways, 1):
        say(console, way.meaning, mark=str(number), indent=4)
    while True:
        answer = click.prompt("Number, the level of a folder as in '-1', or a regular expression", default="1")
        known = answer.isdigit() and 1 <= int(answer) <= len(proposal.class_ways)
        rule = proposal.class_ways[int(answer) - 1].rule if known else answer
        choice = "none" if rule is None else str(rule["folder"] if isinstance(rule, Mapping) else rule)
        try:
            counts = propose(found, replace(choices, category=choice), proposal.beside).category.counts
        except BrevPipelineError as error:
            click.echo(str(error), err=True)
            continue
        for name, count in list(counts.items())[:_SHOWN]:
            say(console, f"{name}: {count}", indent=4)
        if len(counts) > _SHOWN:
            say(console, f"and {len(counts) - _SHOWN} more classes", indent=4)
        if click.confirm("Are those the classes?", default=True):
            return replace(choices, category=choice)


def _ask_given(console: Console, found: Survey, proposal: Proposal, choices: Choices) -> Choices:
    given = proposal.given
    doubts = [doubt.text for doubt in proposal.doubts if doubt.topic == "given"]
    if choices.given is None and given is None and doubts:
        heading(console, "Is a split there already?")
        for text in doubts:
            say(console, text, "yellow")
        while True:
            answer = click.prompt("none, or a regular expression with a group (?P<purpose>…)", default="none")
            try:
                propose(found, replace(choices, given=answer), proposal.beside)
            except BrevPipelineError as error:
                click.echo(str(error), err=True)
                continue
            return replace(choices, given=answer)
    if choices.given is not None or given is None:
        return choices
    heading(console, "A split is there already")
    say(console, f"{given.meaning}: {_meant(proposal)}")
    if click.confirm("Keep it?", default=True):
        return choices
    return replace(choices, given="none")


def _ask_pattern(console: Console, _: Survey, proposal: Proposal, choices: Choices) -> Choices:
    """The regular expression of the item: as given, or chosen while its effect on the files is shown."""
    if choices.pattern is not None:
        _show_items(console, proposal.photos, proposal.pattern)
        return choices
    heading(console, "What names the physical item?")
    say(console, "All photos of one item stay on one side of the split.")
    for text in (doubt.text for doubt in proposal.doubts if doubt.topic == "pattern"):
        say(console, text, "yellow")
    ways = proposal.items.ways
    for number, way in enumerate(ways, 1):
        photos = "one photo each" if way.most == 1 else f"at most {counted(way.most, 'photo')} each"
        say(console, f"{way.meaning} ({way.items} items, {photos})", mark=str(number), indent=4)
        say(console, way.pattern, "dim", indent=4)
    while True:
        answer = click.prompt("Number, or a regular expression with one group", default="1")
        known = answer.isdigit() and 1 <= int(answer) <= len(ways)
        pattern = ways[int(answer) - 1].pattern if known else str(answer)
        try:
            _show_items(console, proposal.photos, pattern)
        except BrevPipelineError as error:
            click.echo(str(error), err=True)
            continue
        if click.confirm("Is that right?", default=True):
            return replace(choices, pattern=pattern)


def _ask_scope(console: Console, _: Survey, proposal: Proposal, choices: Choices) -> Choices:
    """Whether the same item id under two classes means two items."""
    if choices.scope is not None or not proposal.shared:
        return choices
    heading(console, "The same item under two classes")
    say(console, _shared_said(proposal))
    say(
        console,
        f"If it is not (numbers begin anew in each class), photos of one number may be divided; if you say so and it "
        f"is, up to {len(proposal.shared)} items stand on two sides, and the test measures memory.",
    )
    same = click.confirm("Is it the same physical item?", default=True)
    return replace(choices, scope="global" if same else "stratum")


def _shared_said(proposal: Proposal) -> str:
    others = f", as are {len(proposal.shared) - 1} others" if len(proposal.shared) > 1 else ""
    return f"item {proposal.shared[0]} is found under more than one class{others}"


def _show_items(console: Console, paths: Sequence[str], pattern: str) -> None:
    items = items_of(paths, pattern)
    step = max(1, len(paths) // _SHOWN)
    for path, item in list(zip(paths, items, strict=True))[::step][:_SHOWN]:
        say(console, f"{path} → {item or 'none'}", "" if item else "red", indent=4)
    missed = [path for path, item in zip(paths, items, strict=True) if item is None]
    if missed:
        said = f"{len(missed)} of {len(paths)} paths have no item, such as {missed[0]}: a run would stop there"
        say(console, said, "yellow")
    else:
        way = way_of(paths, pattern)
        say(console, f"{way.items} items in {len(paths)} photos, at most {counted(way.most, 'photo')} of one")


def _meant(proposal: Proposal) -> str:
    given = proposal.given
    assert given is not None
    shares = "divided into train and devel"
    return "; ".join(
        f"{word} ({given.counts[word]} photos) is {shares if purpose is None else purpose}"
        for word, purpose in given.purposes.items()
    )


def _show_decided(console: Console, proposal: Proposal) -> None:
    """What is taken where nobody was asked."""
    say(console, f"class: {proposal.category.meaning}", mark="-")
    if proposal.given:
        say(console, f"split: {proposal.given.meaning}: {_meant(proposal)}", mark="-")
    meaning = next((way.meaning for way in proposal.items.ways if way.pattern == proposal.pattern), "as you said")
    say(console, f"item: {meaning}", mark="-")
    _show_items(console, proposal.photos, proposal.pattern)
    if proposal.shared:
        taken = "taken for the same one" if proposal.scope == "global" else "taken for different ones, as you said"
        say(console, f"{_shared_said(proposal)}: {taken}", mark="-")


def _undecided(bucket: str, proposal: Proposal) -> str:
    lines = [f"--{doubt.topic}: {doubt.text}" for doubt in proposal.doubts]
    helped = [_OPTIONS[topic] for topic in dict.fromkeys(doubt.topic for doubt in proposal.doubts)]
    return "\n".join(
        [
            f"{bucket}: not all is sure, and nobody is here to answer:",
            *(f"  {line}" for line in lines),
            "answer by running without --yes, or give",
            *(f"  {line}" for line in helped),
        ]
    )


def _foresee(console: Console, found: Survey, proposal: Proposal, config: PipelineConfig, ask: bool) -> None:
    """Show what a run would make of the answers, or why it would stop."""
    if not found.is_complete:
        say(console, "too many photos to foresee the split; a run tells, or stops before it reads a pixel", "yellow")
        return
    inside = [proposal.below + path for path in proposal.photos]
    with console.status("looking for copies"):
        contents = found.contents(inside)
    known = None if contents is None else {path.removeprefix(proposal.below): md5 for path, md5 in contents.items()}
    try:
        outcome = divide(config, known)
    except ListingError as error:
        raise ConfigError(str(error)) from error
    except BrevPipelineError as error:
        if not ask:
            raise ConfigError(f"the photos cannot be divided so: {error}") from error
        say(console, f"a run would stop: {error}", "yellow")
        return
    show_outcome(console, outcome, config)
    if outcome.empty and not ask and any(config.split.shares[side] > 0 for side in outcome.empty):
        raise ConfigError(
            f"no photo would stand in {', '.join(outcome.empty)}: there are {outcome.groups} groups of photos that may "
            "not be divided; give a --pattern that tells more items apart, if they are different items"
        )


def _listing(proposal: Proposal, is_said: bool) -> dict[str, Any]:
    """Section ``listing``; that there is one class is written as meant only where somebody said so."""
    is_meant = is_said and proposal.category.rule is None
    return proposal.listing | ({"classes": [UNLABELLED]} if is_meant else {})


def _given_settings(proposal: Proposal, bucket: str, target: Path) -> dict[str, Any] | None:
    if proposal.given is None:
        return None
    out = dict(proposal.given.settings)
    if "lists" in out:
        out["lists"] = {word: _from(target, f"{bucket.rstrip('/')}/{path}") for word, path in out["lists"].items()}
    return {**out, "words": proposal.given.purposes}


def _show_next(console: Console, target: Path) -> None:
    console.print()
    say(console, f"wrote {target}, and it loads. Next:", indent=0)
    file = shlex.quote(str(target))
    commands = [
        (f"brev-pipeline preview {file} --out sheet.png", "what training will see"),
        (f"brev-pipeline run {file}", "the whole chain; publishes a version"),
    ]
    if Path("workspace.yaml").exists() and Path("Makefile").exists() and target.parent == Path("configs"):
        commands.append(("make ui", "the same in Dagster's UI, on a schedule if you add one"))
    else:
        folder = shlex.quote(str(target.parent.resolve()))
        commands.append(
            (f"BREV_PIPELINE_CONFIGS={folder} dagster dev -m brev_pipeline.definitions", "the same in Dagster's UI")
        )
    for command, what in commands:
        console.print(Text(f"  # {what}", style="dim"), soft_wrap=True)
        console.print(Text(f"  {command}"), soft_wrap=True)


def _asked(ask: bool, question: str, default: str | None, option: str) -> str:
    if ask:
        return str(click.prompt(question, default=default))
    if default is None:
        raise ConfigError(f"nobody is here to answer: give {option}")
    return default


def _from(target: Path, place: str) -> str:
    """A place as it stands in the file: relative folders are meant from there."""
    if "://" in place or os.path.isabs(place):
        return place
    return Path(os.path.relpath(place, target.parent)).as_posix()


def _schema(target: Path) -> Path:
    """Where editors find the schema: in the project's configs, or beside the file, where it is written if need be."""
    project = Path("configs/schema.json")
    return project if project.exists() else target.parent / "schema.json"
