"""``brev-pipeline init``: some questions, answered while looking at the bucket's own files, become a configuration."""

import os
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from brev_pipeline.config import DatasetSettings, StorageSettings, build_settings, parse_config
from brev_pipeline.errors import BrevPipelineError, ConfigError, ListingError
from brev_pipeline.starter import (
    Answers,
    Suggestion,
    Survey,
    configuration,
    items_of,
    name_from,
    shared_between_folders,
    suggestions,
    survey,
)

_SHOWN = 8


def write_configuration(
    target: Path | None,
    *,
    bucket: str | None,
    pattern: str | None,
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
        pattern: regular expression that finds the item; None: ask, or take the best suggestion.
        name: of the pipeline; None: ask, or made from the bucket.
        store: where results go, from the working directory; None: ask, or ``data/store``.
        storage: how to reach a bucket on S3.
        ask: whether somebody is there to answer.
        overwrite: replace a file that is there.

    Raises:
        ConfigError: the file is there already, or an answer is missing that nobody is there to give.
        ListingError: the place cannot be listed, or holds no images.
    """
    console = Console(highlight=False, soft_wrap=True)
    bucket = bucket or _asked(ask, "Where are the photos? A folder, or s3://bucket/prefix", None, "--bucket")
    found, storage = _looked(console, bucket, storage, ask)
    _show_folders(console, found)
    pattern = _pattern(console, found, pattern, ask)
    per_folder = _per_folder(console, found, pattern, ask)
    name = name or _asked(ask, "Name of the pipeline", name_from(bucket), "--name")
    target = target or Path("configs") / f"{name}.yaml"
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} is there already: give another name, or --force to replace it")
    store = store or _asked(ask, "Where shall the results go? A folder, or s3://bucket/prefix", "data/store", "--store")
    answers = Answers(
        name=name,
        bucket=_from(target, bucket),
        uniqueness=pattern,
        per_folder=per_folder,
        store=_from(target, store),
        storage=storage,
        schema=_schema(target),
    )
    text = configuration(answers)
    # Before it is written: what is refused, a password in an address for instance, shall not be left in a file.
    parse_config(text, str(target), target.resolve().parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    _show_next(console, target)
    return target


def _looked(console: Console, bucket: str, storage: StorageSettings, ask: bool) -> tuple[Survey, StorageSettings]:
    """Some files of the place; where a bucket cannot be reached, another way to reach it is asked for."""
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
        raise ListingError(f"no images were found in {bucket}{seen}; name the folder that holds the class folders")
    return found, storage


def _show_folders(console: Console, found: Survey) -> None:
    folders = found.folders
    about = "" if found.is_complete else "the first "
    console.print(f"\n{about}{len(found.images)} images in {len(folders)} class folder(s):", markup=False)
    for folder, images in list(folders.items())[:_SHOWN]:
        console.print(f"  {folder or '(the folder itself)'}: {images}", markup=False)
    if len(folders) > _SHOWN:
        console.print(f"  and {len(folders) - _SHOWN} more")


def _pattern(console: Console, found: Survey, given: str | None, ask: bool) -> str:
    """The regular expression of the item: as given, or chosen while its effect on the files is shown."""
    ways = suggestions(found.images)
    if given is not None:
        _show_items(console, found.images, given)
        return given
    if not ask:
        _show_items(console, found.images, ways[0].pattern)
        return ways[0].pattern
    console.print("\nAll photos of one physical item stay on one side of the split. What names the item in the path?")
    for number, way in enumerate(ways, 1):
        console.print(f"  {number}  {_meaning(way)}", markup=False)
        console.print(f"     {way.pattern}", style="dim", markup=False)
    while True:
        answer = click.prompt("Number, or a regular expression with one group", default="1")
        known = answer.isdigit() and 1 <= int(answer) <= len(ways)
        pattern = ways[int(answer) - 1].pattern if known else answer
        try:
            _show_items(console, found.images, pattern)
        except BrevPipelineError as error:
            click.echo(str(error), err=True)
            continue
        if click.confirm("Is that right?", default=True):
            return str(pattern)


def _show_items(console: Console, paths: Sequence[str], pattern: str) -> None:
    items = items_of(paths, pattern)
    step = max(1, len(paths) // _SHOWN)
    for path, item in list(zip(paths, items, strict=True))[::step][:_SHOWN]:
        line = Text(f"  {path} → ").append(item or "none", style="bold green" if item else "red")
        console.print(line)
    missed = [path for path, item in zip(paths, items, strict=True) if item is None]
    if missed:
        said = f"{len(missed)} of {len(paths)} paths have no item, such as {missed[0]}: a run would stop there"
        console.print(said, style="yellow", markup=False)
    else:
        console.print(f"{len(set(items))} items in {len(paths)} photos")


def _per_folder(console: Console, found: Survey, pattern: str, ask: bool) -> bool:
    """Whether the same item id in two folders means two items."""
    shared = shared_between_folders(found.images, pattern)
    if not shared:
        return False
    # Numbers that begin anew recur in great part; an id that recurs now and then is most likely the same item, and
    # to take two items for one costs nothing but evenness, while the other error is a leak.
    same = 2 * len(shared) < len(set(items_of(found.images, pattern)))
    others = f", as are {len(shared) - 1} others" if len(shared) > 1 else ""
    told = f"item {shared[0]} is found in more than one folder{others}"
    if ask:
        return not click.confirm(f"{told}. Is it the same physical item?", default=same)
    scope = "one item; set split.uniqueness_scope to stratum if it is not" if same else "different items"
    console.print(f"{told}: taken for {scope}", markup=False)
    return not same


def _show_next(console: Console, target: Path) -> None:
    console.print(f"\nwrote {target}, and it loads. Next:", markup=False)
    for command, what in (
        (f"brev-pipeline preview {target} --out sheet.png", "what training will see"),
        (f"brev-pipeline run {target}", "the whole chain; publishes a version"),
        ("make ui", "the same in Dagster's UI, on a schedule if you add one"),
    ):
        console.print(f"  {command}  ", end="", markup=False)
        console.print(f"# {what}", style="dim")


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


def _schema(target: Path) -> str:
    """Where editors find the schema: in the project's configs, from this file."""
    beside = Path("configs/schema.json")
    return Path(os.path.relpath(beside, target.parent)).as_posix() if beside.exists() else "schema.json"


def _meaning(way: Suggestion) -> str:
    photos = "one photo each" if way.most == 1 else f"at most {way.most} photos each"
    return f"{way.meaning} ({way.items} items, {photos})"
