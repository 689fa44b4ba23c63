"""The subcommands of the auditor: verify, trace, gc. Each shows what a function of `brev_pipeline.audit` found."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from rich.console import Console

from brev_pipeline.audit import (
    GarbageRules,
    Remade,
    Removal,
    StoreVerification,
    Verification,
    find_garbage,
    remake,
    remove_garbage,
    remove_version,
    trace_image,
    trace_record,
    verify_folder,
    verify_store,
)
from brev_pipeline.audit.verification import EXCUSED
from brev_pipeline.cli.output import make_console, make_visible
from brev_pipeline.config import PipelineConfig
from brev_pipeline.engine import Engine
from brev_pipeline.errors import ConfigError, ReadError, SplitError
from brev_pipeline.readers.find_version import find_version, open_version_folder
from brev_pipeline.store import PipelineStore
from brev_pipeline.store.versions import DERIVED

# Bytes of a version from which starting worker processes is sooner done than hashing in this one.
_MIN_BYTES_FOR_WORKERS: Final = 400_000_000
_OBJECT_FACTS: Final = ("content_id", "content_source", "category", "label_conflict", "duplicate_of")
_MIN_RECORDS_FOR_WORKERS: Final = 200  # the same, of records that are made again
OK, BROKEN, NOT_REMADE = 0, 1, 3  # exit status of ``verify``
# Before a line: what is wrong, what to know, what was not looked at, what is well.
_WRONG, _NOTE, _OPEN, _WELL = "[red]✗[/]", "[yellow]![/]", "[yellow]◌[/]", "[green]✓[/]"
_SKIPPED: Final = "not made again, because of the problems above"


def verify_versions(
    config: PipelineConfig,
    version: str | None,
    *,
    every: bool = False,
    deep: int | None = 0,
    seed: int = 0,
    head: str | None = None,
) -> tuple[StoreVerification, list[Remade]]:
    """Verify as the command does; look at ``deep`` images of each verified version and make as many records again.

    None: all. A version with problems is not made again, and its `Remade` says so.
    """
    store = PipelineStore.from_config(config)
    engine = _make_engine(config, store, version, deep)
    with Console(stderr=True).status("verifying"):
        found = verify_store(
            store, version, every=every, engine=engine, head=head, config=config, assignments=_known_assignments(config)
        )
        made = [
            Remade(one.version.id, 0, 0, [], [], skipped=_SKIPPED)
            if one.problems
            else remake(config, one.version, records=deep, seed=seed, engine=engine)
            for one in found.versions
            if deep != 0 and not one.removed
        ]
        return found, made


def verify_version_folder(place: str) -> Verification:
    """Verify a version's folder as the command does.

    Raises:
        ConfigError: it is no version's folder.
        StoreError: it cannot be read.
    """
    try:
        version = open_version_folder(place)
    except ReadError as error:
        raise ConfigError(f"{error}; to verify a pipeline's store, name its configuration") from error
    with Console(stderr=True).status("verifying"):
        return verify_folder(version)


def choose_exit_status(found: StoreVerification, remade: Sequence[Remade]) -> int:
    """The exit status that says what `verify_versions` found."""
    if not found.is_well or any(again.problems for again in remade):
        return BROKEN
    return OK if all(again.is_whole for again in remade) else NOT_REMADE


def show_verification(found: StoreVerification, remade: Sequence[Remade]) -> None:
    """Print what `verify_versions` found."""
    console = make_console()
    _print_lines(console, _WRONG, *found.problems, *(line for one in found.versions for line in one.problems))
    notes = (f"{one.version.id}: {line}" for one in found.versions for line in one.notes)
    _print_lines(console, _NOTE, *found.notes, *notes)
    for one in found.versions:
        _show_unchecked(console, one)
        if not (one.problems or found.problems or one.removed):
            _print_lines(console, _WELL, _describe_success(one))
    for again in remade:
        _show_remade(console, again)
    if not found.problems and found.head:
        console.print(f"publication {found.publications} has the hash {found.head}", style="dim")


def show_folder_verification(found: Verification) -> None:
    """Print what `verify_version_folder` found."""
    console = make_console()
    _print_lines(console, _WRONG, *found.problems)
    _print_lines(console, _NOTE, *found.notes)
    _show_unchecked(console, found)
    if not found.problems:
        said = f"{found.files} files, {found.records:,} records: every hash, checksum and count is right, and no leak"
        _print_lines(console, _WELL, f"version {found.version.id}: {said}{_describe_claims(found)}")
    console.print(f"its manifest gives the id {found.version.id}: compare it with the one that you were told")


def show_trace(facts: Mapping[str, Any]) -> None:
    """Print where a record or an image comes from."""
    console = make_console()
    for title, part in _list_sections(facts):
        console.print(f"[bold]{title}[/]")
        for name, value in part:
            console.print(f"  {name}: ", end="", style="dim")
            console.print(make_visible(_format_value(value), line=True), markup=False)


def trace_origin(
    config: PipelineConfig,
    version: str | None,
    *,
    record: tuple[str, int, int] | None = None,
    path: str | None = None,
    content: str | None = None,
) -> dict[str, Any]:
    """Trace a record (purpose, shard, position), or an image by its path or content, in a published version."""
    store = PipelineStore.from_config(config)
    own = find_version(store, version)
    if record is not None:
        purpose, shard, position = record
        return trace_record(store, own, purpose=purpose, shard=shard, position=position, base=config.base_folder)
    return trace_image(store, own, path=path, content=content, base=config.base_folder)


def collect_garbage(config: PipelineConfig, rules: GarbageRules, *, remove: bool) -> dict[str, Any]:
    """List what nothing needs, and remove it if asked; JSON-safe."""
    store = PipelineStore.from_config(config)
    survey = find_garbage(config, store, rules)
    removed = remove_garbage(store, survey.garbage) if remove else []
    return {**survey.to_dict(), "removed": [one.contents() for one in removed], "store": store.folder.url}


def show_garbage(found: Mapping[str, Any], *, remove: bool) -> None:
    """Print what `collect_garbage` found and did."""
    console = make_console()
    shown = found["removed"] if remove else found["garbage"]
    for one in shown:
        console.print(f"{one['kind']}: {one['place']}: {_describe_size(one)}; {one['why']}", markup=False)
    for one in found["kept"]:
        why = (
            f"a run may be under way: {found['running']}"
            if found["running"]
            else f"too young: changed {one['changed']}"
        )
        kept = f"kept: {one['kind']}: {one['place']}: {_describe_size(one)}; {why}"
        console.print(kept, style="dim", markup=False)
    if found["mixed"]:
        size = _format_bytes(found["mixed"])
        said = f"{size} of prepared pixels that nothing needs lie in files with others, and stay"
        console.print(said, style="dim")
    if not shown:
        console.print("nothing to remove")
        return
    freed = _format_bytes(sum(one["freed"] for one in shown))
    verb = "removed" if remove else "would be removed (run again with --remove)"
    console.print(f"{len(shown)} thing(s), {sum(one['files'] for one in shown):,} files, {freed}: {verb}")


def remove_for_good(config: PipelineConfig, version: str, why: str) -> Removal:
    """Remove a published version for good, on record."""
    store = PipelineStore.from_config(config)
    return remove_version(store, find_version(store, version).id, why)


def show_removal(removal: Removal) -> None:
    """Print what `remove_for_good` did."""
    make_console().print(
        f"removed version {removal.version}: {removal.files:,} files, {_format_bytes(removal.bytes)}; "
        f"its manifest stays, and removal {removal.number} is on record: {make_visible(removal.why)}",
        markup=False,
    )


def _known_assignments(config: PipelineConfig) -> dict[str, Any]:
    """Key of the configuration → the file of known or given assignments, where it can be read."""
    from brev_pipeline.release.assignments import load_given_files, load_known_assignments

    files: dict[str, Any] = {}
    with suppress(SplitError):  # what a version lacks for that is named with it
        files["split.ledger_csv"] = load_known_assignments(config)
    with suppress(SplitError):
        files |= {f"split.given.{key}": table for key, table in load_given_files(config).items()}
    return {key: table for key, table in files.items() if table is not None}


def _make_engine(config: PipelineConfig, store: PipelineStore, version: str | None, deep: int | None) -> Engine:
    """Worker processes where they are worth their start."""
    from brev_pipeline.engine import SerialEngine, create_engine

    if deep is None or deep > _MIN_RECORDS_FOR_WORKERS or _is_large(store, version):
        return create_engine(config.engine)
    return SerialEngine()


def _is_large(store: PipelineStore, version: str | None) -> bool:
    try:
        files = find_version(store, version).read_manifest()["files"].values()
        return sum(int(facts["bytes"]) for facts in files) > _MIN_BYTES_FOR_WORKERS
    except Exception:  # noqa: BLE001 - whatever is wrong is the verification's to name
        return False


def _describe_success(one: Verification) -> str:
    return (
        f"version {one.version.id}: {one.files} files, {one.records:,} records, {one.publications} publication(s): "
        f"every hash, checksum and count is right, and no leak{_describe_claims(one)}"
    )


def _describe_claims(one: Verification) -> str:
    if one.version.read_manifest().get("format", 0) < DERIVED:
        return ""
    # Claims that older code may have made otherwise are no problems, and not borne out either.
    apart = one.unchecked or any(EXCUSED in note for note in one.notes)
    return f"; every claim{' but what is named above' if apart else ''} follows from what it holds"


def _show_unchecked(console: Console, one: Verification) -> None:
    _print_lines(console, _OPEN, *(f"{one.version.id}: not checked: {line}" for line in one.unchecked))


def _show_remade(console: Console, again: Remade) -> None:
    if again.skipped:
        _print_lines(console, _OPEN, f"version {again.version}: {again.skipped}")
        return
    _print_lines(console, _WRONG, *again.problems)
    if again.problems and again.packages:
        said = ", ".join(f"{name} {then} → {now}" for name, (then, now) in again.packages.items())
        _print_lines(console, _NOTE, f"other packages than those that made the version: {said}")
    _print_lines(console, _NOTE, *again.explained)
    for title, lines in (
        ("not looked at", again.gone),
        ("changed since", again.changed),
        ("other bytes", again.other_bytes),
        ("its own object was not read", again.by_copy),
    ):
        _print_lines(console, _OPEN, *(f"{title}: {line}" for line in lines))
    if again.same:
        said = f"{again.same} of {again.asked} records made again from the raw images: same bytes"
        _print_lines(console, _WELL, f"version {again.version}: {said}")
    if again.images_same:
        said = f"{again.images_same} of {again.images_asked} images are what it says of them"
        _print_lines(console, _WELL, f"version {again.version}: {said}")
    for count, said in (
        (len(again.gone) + len(again.by_copy), "have gone, or cannot be read"),
        (len(again.changed), "were changed since"),
        (len(again.other_bytes), "have other bytes, changed since or forged: compare them with a copy that was kept"),
        (len(again.explained), "are told otherwise in images.parquet, which other decoders may explain"),
    ):
        if count:
            _print_lines(console, _OPEN, f"{count} of {again.images_asked} images {said}")
    if again.asked < again.records or again.drawn < again.images:
        said = f"{again.asked} of {again.records:,} records, {again.drawn} of {again.images:,} images drawn"
        missed = f"a single forged record would be missed with probability {_format_percent(again.chance_to_miss_one)}"
        images = f"what is said of a single image with {_format_percent(again.chance_to_miss_one_image)}"
        console.print(f"{said}: {missed}, {images}", style="dim")


def _format_percent(share: float) -> str:
    # Never "100 %" of what is less.
    return f"{min(share * 100, 99.99):.2f} %" if share > 0.99 else f"{share:.0%}".replace("%", " %")


def _list_sections(facts: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, Any]]]]:
    """The facts by chapter, as pairs of name and value."""
    loose = {name: facts[name] for name in _OBJECT_FACTS}
    place = {name: value for name, value in facts["place"].items() if value is not None}
    chapters = [("record", facts.get("record")), ("place", place)]
    chapters += [("object", {**(facts.get("object") or {}), **loose})]
    chapters += [(name, facts.get(name)) for name in ("split", "sampling", "exclusion", "image", "version")]
    sections = [(name, list(part.items())) for name, part in chapters if part]
    if facts.get("copies"):
        sections.insert(3, ("copies", [("path", path) for path in facts["copies"]]))
    if facts.get("augmentation"):
        sections.append(("augmentation", _list_applied_parameters(facts["augmentation"])))
    return sections + [
        (f"{one['purpose']}, shard {one['shard']}, record {one['position']}", [*one.items()])
        for one in facts.get("records", [])
    ]


def _list_applied_parameters(parameters: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What the augmentation did; parts that were not applied are left out."""
    found = []
    for part, drawn in parameters.items():
        if not isinstance(drawn, dict):
            continue
        for name, value in drawn.items():
            if isinstance(value, dict) and value["applied"]:
                found.append((f"{part}.{name}", value["value"]))
        if "matrix" in drawn:
            found.append((f"{part}.matrix", drawn["matrix"]))
    return found


def _format_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_format_value(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "; ".join(_format_value(item) for item in value)
    return "–" if value is None else str(value)


def _describe_size(one: Mapping[str, Any]) -> str:
    said = f"{one['files']:,} files, {_format_bytes(one['bytes'])}"
    if one["freed"] == one["bytes"]:
        return said
    return f"{said}, {_format_bytes(one['freed'])} of them under no other name"


def _format_bytes(count: int) -> str:
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):  # noqa: B007 - the last one is kept
        if size < 1000:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _print_lines(console: Console, mark: str, *texts: str) -> None:
    for text in texts:
        console.print(f"{mark} ", end="")
        console.print(make_visible(text), markup=False)
