"""Does the store still hold what was published, and is it what it says? Everything is computed anew and compared.

The logs and their seals; each version's manifest against its id and its publication, every file against the
manifest, every record against the record table, the tables against each other, weights, draws and seeds against the
assignments, the lock on the test set, and that no leak group, content or pixels stand on two sides. From format 2 of
the manifest on, all that a version claims is derived anew as well (see `derivation`). A version's folder, copied
anywhere, is verified in the same way, but for what needs the store.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from brev_pipeline.audit import tables as accounts
from brev_pipeline.audit.claims import Known, made_with
from brev_pipeline.audit.derivation import contradictions, unchecked
from brev_pipeline.audit.files import file_problems, unlisted_shards, with_features
from brev_pipeline.audit.lock import lock_changes
from brev_pipeline.audit.logs import LogReport, inspect_log, versions_in_order
from brev_pipeline.audit.outcome import StoreVerification, Verification
from brev_pipeline.audit.removals import LOG as REMOVALS
from brev_pipeline.audit.removals import Removal, is_removed
from brev_pipeline.audit.replan import plan_problems
from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.differences import list_differences
from brev_pipeline.engine import Engine, SerialEngine
from brev_pipeline.errors import BrevPipelineError, StoreError
from brev_pipeline.reading.access import Access
from brev_pipeline.stages import SPECS
from brev_pipeline.store import PipelineStore, Publication, Version
from brev_pipeline.store.parquet import from_parquet
from brev_pipeline.store.publish import package_versions
from brev_pipeline.store.versions import DERIVED, FORMATS, MANIFEST, file_facts, version_id

_CHECKS: Final[Sequence[Callable[[Mapping[str, Any], accounts.Tables], Iterator[str]]]] = (
    accounts.count_problems,
    accounts.fingerprint_problems,
    accounts.class_problems,
    accounts.side_problems,
    accounts.leak_problems,
    accounts.draw_problems,
    accounts.lock_problems,
    accounts.verdict_problems,
)
_NEED_A_STORE: Final = (
    "the publication: that this version was published, when, by whom, and that the log was not cut",
    "the report: its hashes stand in the publication",
    "the raw images: `verify CONFIG --deep N` reads them",
)
"""What a folder that was copied out of its store cannot show."""
_OLD: Final = ("class, item, stratum and leak group of each image: versions of format 1 are held to hashes and counts",)
_ID: Final = re.compile(r"[0-9a-f]{16}")


def verify_store(
    store: PipelineStore,
    version_id: str | None = None,
    *,
    every: bool = False,
    engine: Engine | None = None,
    head: str | None = None,
    config: PipelineConfig | None = None,
    assignments: Mapping[str, pa.Table] | None = None,
) -> StoreVerification:
    """Verify a store's logs, and one published version, or all of them.

    Args:
        store: the pipeline's store.
        version_id: an id or the beginning of one; None: the newest published version.
        every: all published versions, oldest first, in place of one.
        engine: reads the files, one task each; None: one after the other in this process.
        head: SHA-256 of a publication, as an earlier verification gave it and somebody kept: the log must still
            hold it.
        config: the present configuration: where a version was made with another one, a note says so.
        assignments: SHA-256 of a file of known assignments (``split.ledger_csv``) → its table, as
            `read_known_assignments` gives it: a version that was made with one can be derived anew with it only.

    Raises:
        StoreError: nothing was published, there is no such version, or the store cannot be read.
    """
    logs = _inspect(store)
    if not (logs.publications.entries or logs.problems):
        raise StoreError(f"{store.folder.url}: nothing was published yet: run the pipeline first")
    problems, notes = list(logs.problems), list(logs.notes)
    if head is not None and head not in {entry.sha256 for entry in logs.publications.entries.values()}:
        problems.append(f"{store.folder.url}/publications: no entry has the hash {head}: the log was cut or rewritten")
    ids = _chosen(store, logs.publications, version_id, every)
    if every:
        strangers = sorted(set(store.versions.names()) - set(ids))
        notes += [f"versions/{name} was never published: a run that was stopped left it (see gc)" for name in strangers]
    own = engine or SerialEngine()
    found = [_version(store, Version(store.versions / name, name), logs, own, assignments or {}) for name in ids]
    if config is not None:
        found = [replace(one, notes=[*one.notes, *_other_configuration(one, config)]) for one in found]
    newest = logs.publications.head
    return StoreVerification(len(logs.publications.entries), newest[1] if newest else None, problems, notes, found)


def verify_version(
    store: PipelineStore, version_id: str | None = None, *, engine: Engine | None = None
) -> Verification:
    """Verify the logs and one version; what is wrong with the logs stands among its problems. See `verify_store`.

    Raises:
        StoreError: nothing was published, there is no such version, or the store cannot be read.
    """
    found = verify_store(store, version_id, engine=engine)
    if not found.versions:
        raise StoreError("; ".join(found.problems))
    (version,) = found.versions
    return replace(version, problems=[*found.problems, *version.problems], notes=[*found.notes, *version.notes])


def verify_folder(version: Version, *, engine: Engine | None = None) -> Verification:
    """Verify a version's folder by itself, wherever it lies: all but what needs the store, which is named.

    Args:
        version: the folder, and the id that its manifest gives: compare it with the one that you were told.
        engine: reads the files, one task each; None: one after the other in this process.

    Raises:
        StoreError: the folder cannot be read.
    """
    problems: list[str] = []
    notes: list[str] = []
    name = version.folder.url.rstrip("/").rpartition("/")[2]
    if _ID.fullmatch(name) and name != version.id:
        problems.append(f"{MANIFEST}: altered: the folder is named {name}, and its manifest gives {version.id}")
    manifest = _manifest(version, [], problems)
    if manifest is None:
        return Verification(version, 0, 0, 0, problems, notes, unchecked=list(_NEED_A_STORE))
    known = Known()
    files, records = _contents(version, manifest, None, engine or SerialEngine(), problems, notes, known)
    open_ = [*_NEED_A_STORE, *(unchecked(manifest, known) if _is_derived(manifest) else _OLD)]
    return Verification(version, files, records, 0, problems, notes, unchecked=open_)


@dataclass(frozen=True)
class _Logs:
    """The store's logs."""

    publications: LogReport[Publication]
    removals: LogReport[Removal]
    problems: list[str]
    notes: list[str]

    def of(self, version: str) -> list[Publication]:
        """A version's publications, oldest first."""
        entries = self.publications.entries
        return [entries[number] for number in sorted(entries) if entries[number].version == version]

    def removal(self, version: str) -> Removal | None:
        """A version's newest removal."""
        found = [entry for _, entry in sorted(self.removals.entries.items()) if entry.version == version]
        return found[-1] if found else None

    def before(self, version: str) -> str | None:
        """The version that was published before this one was for the first time."""
        order = [entry.version for _, entry in sorted(self.publications.entries.items())]
        place = order.index(version) if version in order else 0
        return order[place - 1] if place else None


def _inspect(store: PipelineStore) -> _Logs:
    publications = inspect_log(store.folder / "publications", store.seals("publications"), "publication", Publication)
    removals = inspect_log(store.folder / REMOVALS, store.seals(REMOVALS), "removal", Removal)
    readings = inspect_log(store.folder / "access", store.seals("access"), "reading", Access)
    problems = [*publications.problems, *removals.problems, *readings.problems]
    known = {number: entry.sha256 for number, entry in publications.entries.items()}
    problems += [
        f"{REMOVALS}/{number:08d}.json: it names a publication {entry.publication} that the log does not have"
        for number, entry in sorted(removals.entries.items())
        if known.get(entry.publication) != entry.publication_sha256
    ]
    return _Logs(publications, removals, problems, [*publications.notes, *removals.notes, *readings.notes])


def _chosen(store: PipelineStore, log: LogReport[Publication], wanted: str | None, every: bool) -> list[str]:
    ids = versions_in_order(log.entries)
    if every:
        return ids
    if wanted is None:
        return [log.entries[max(log.entries)].version] if log.entries else []
    found = [name for name in ids if name.startswith(wanted)]
    return found if len(found) == 1 else [store.version(wanted).id]


def _version(
    store: PipelineStore, version: Version, logs: _Logs, engine: Engine, assignments: Mapping[str, pa.Table]
) -> Verification:
    published, count = logs.of(version.id), len(logs.publications.entries)
    removal = logs.removal(version.id) if published else None
    if removal is not None and is_removed(removal, published[-1].number):
        return _removed(version, published, removal, count)
    problems = [] if published else [f"{version.id} was never published: a run that was stopped left it"]
    notes: list[str] = []
    manifest = _manifest(version, published, problems)
    if manifest is None:
        return Verification(version, 0, 0, count, problems, notes)
    report = next((entry.report for entry in published if entry.report), {})
    before = logs.before(version.id)
    known = _known(store, before, bool(published), assignments)
    files, records = _contents(version, manifest, report, engine, problems, notes, known)
    open_ = list(unchecked(manifest, known)) if _is_derived(manifest) else list(_OLD)
    if known.is_derived and not _is_derived(manifest):
        # Who may write the store could else escape the derivations by calling a forgery old.
        problems.append(
            f"{MANIFEST}: format {manifest['format']}, and version {before}, the one before, is of a newer one: it "
            "was written by an older package since, or is no version of a run"
        )
    if before and not problems:
        broken, changed = lock_changes(version, manifest, Version(store.versions / before, before))
        problems += broken
        notes += changed
    return Verification(version, files, records, count, problems, notes, unchecked=open_)


def _known(store: PipelineStore, before: str | None, is_published: bool, assignments: Mapping[str, pa.Table]) -> Known:
    """What the store has of the version before, if that is as it was published."""
    if before is None:
        return Known(is_first=is_published, assignments=assignments)
    parent = Version(store.versions / before, before)
    known = Known(before, assignments=assignments)
    try:
        raw = parent.folder.read(MANIFEST)
        if version_id(raw) == before:
            manifest = json.loads(raw)
            known = replace(known, is_derived=_is_derived(manifest))
            known = replace(known, ledger=_whole_table(parent, manifest, "assignments"))
    except (BrevPipelineError, ValueError, KeyError, TypeError, AttributeError):
        pass  # what is missing of it is named with what could not be checked for that
    return known


def _other_configuration(one: Verification, config: PipelineConfig) -> Iterator[str]:
    """Where a version was made with another configuration than the present one."""
    try:
        manifest = one.version.manifest()
        try:
            # Settings that are newer than the version have their defaults there.
            made = made_with(manifest)
            apart = list_differences(made.contents(), config.contents())
            if not any(line.startswith("split.") for line in apart) and made.split.names != config.split.names:
                order = "split.purposes (their order)"
                apart += list_differences({order: made.split.names}, {order: config.split.names})
        except ValueError:
            apart = list_differences(manifest["configuration"], config.contents())
    except (BrevPipelineError, ValueError, KeyError, TypeError, AttributeError):
        return
    if apart:
        yield (
            "made with another configuration than the present one (its value → the present one): " + "; ".join(apart)
        )


def _is_derived(manifest: Mapping[str, Any]) -> bool:
    return bool(manifest.get("format", 0) >= DERIVED)


def _removed(version: Version, published: list[Publication], removal: Removal, count: int) -> Verification:
    problems: list[str] = []
    _manifest(version, published, problems)
    rest = len(set(version.folder.walk()) - {MANIFEST})
    notes = [f"removed on purpose, {removal.removed_at}, by {removal.removed_by}: {removal.why}"]
    if rest:
        notes.append(f"{rest} of its files are still there: the removal was interrupted, and gc finishes it")
    return Verification(version, 0, 0, count, problems, notes, removal)


def _manifest(version: Version, published: list[Publication], problems: list[str]) -> dict[str, Any] | None:
    """The manifest, if it is the one that was published; else None, and why among the problems."""
    try:
        raw = version.folder.read(MANIFEST)
    except StoreError as error:
        problems.append(f"{MANIFEST}: missing: {error}")
        return None
    if version_id(raw) != version.id:
        problems.append(f"{MANIFEST}: altered: its hash does not begin with {version.id}")
        _without_manifest(version, raw, problems)
        return None
    digest = hashlib.sha256(raw).hexdigest()
    problems += [
        f"publication {entry.number} names another manifest than {version.folder.place(MANIFEST)}"
        for entry in published
        if entry.manifest_sha256 != digest
    ]
    manifest: dict[str, Any] = json.loads(raw)
    if manifest.get("format") not in FORMATS:
        known = " and ".join(map(str, FORMATS))
        problems.append(
            f"{MANIFEST}: format {manifest.get('format')!r}; this package knows {known}: use the one that wrote it"
        )
        return None
    return manifest


def _without_manifest(version: Version, raw: bytes, problems: list[str]) -> None:
    """What an altered manifest still tells: files that it lists and that are otherwise, or not there."""
    try:
        found = file_problems(version, json.loads(raw), None, SerialEngine())
        problems += [line for lines in found.values() for line in lines]
    except (ValueError, TypeError, KeyError, AttributeError, BrevPipelineError):
        problems.append(f"{MANIFEST}: what it lists cannot be relied on: the other files were not looked at")


def _contents(
    version: Version,
    manifest: dict[str, Any],
    report: Mapping[str, Mapping[str, Any]] | None,
    engine: Engine,
    problems: list[str],
    notes: list[str],
    known: Known,
) -> tuple[int, int]:
    """Files, records and tables; returns how many files and records there are."""
    records = _whole_table(version, manifest, "records")
    shown = records
    if records is not None and _is_derived(manifest):
        shown = with_features(records, _whole_table(version, manifest, "assignments"), manifest)
    damaged = file_problems(version, manifest, shown, engine, report)
    problems += [line for lines in damaged.values() for line in lines]
    if records is not None:
        problems += unlisted_shards(manifest, records)
    names = [f"{name}.parquet" for name in accounts.TABLES]
    lacking = [name for name in names if name not in manifest["files"]]
    problems += [f"{name}: not in the manifest: every version has it" for name in lacking]
    if bad := sorted({name for name in names if name in damaged} | set(lacking)):
        notes.append(f"the tables were not compared with each other, because of {', '.join(bad)}")
    else:
        _compare(version, manifest, problems, notes, known)
    return len(manifest["files"]) + len(report or {}), 0 if records is None else records.num_rows


def _compare(version: Version, manifest: dict[str, Any], problems: list[str], notes: list[str], known: Known) -> None:
    tables = {name: version.table(name) for name in accounts.TABLES}
    for check in _CHECKS:
        try:
            problems += check(manifest, tables)
        except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
            name = check.__name__.removesuffix("_problems")
            problems.append(f"{version.id}: {name} cannot be checked: {type(error).__name__}: {error}")
    derived = list(contradictions(manifest, tables, known)) if _is_derived(manifest) else []
    problems += [one.line for one in derived if not one.of_code]
    of_code = [*(one.line for one in derived if one.of_code), *plan_problems(manifest, tables)]
    known_codes, other = _codes(manifest)
    problems += known_codes
    if not other:
        problems += of_code
    else:
        notes += [f"{line} ({other}, which may have drawn otherwise)" for line in of_code]


def _codes(manifest: Mapping[str, Any]) -> tuple[list[str], str]:
    """Whether a version's claims must be what this code derives of them.

    Returns:
        What is wrong with the stages' code numbers that the manifest names: numbers that no release before this one
        had would excuse any claim. And what older code wrote the version; empty where it is the present one.
    """
    if not _is_derived(manifest):
        wrote, here = manifest["packages"]["brev-pipeline"], package_versions()["brev-pipeline"]
        return [], "" if wrote == here else f"brev-pipeline {wrote} wrote it, this is {here}"
    named = {stage: str(code.get("code")) for stage, code in manifest["stages"].items() if stage in SPECS}
    ours = {stage: spec.code for stage, spec in SPECS.items()}
    unknown = [
        f"{MANIFEST}: stages.{stage}: no code {named.get(stage)!r} of that stage is known here (the present one is "
        f"{code}): it was written by a newer release; verify it with that one"
        for stage, code in ours.items()
        if not (named.get(stage, "").isdecimal() and 1 <= int(named[stage]) <= int(code))
    ]
    older = [f"{stage} by code {named[stage]}" for stage in named if not unknown and named[stage] != ours[stage]]
    return unknown, f"made with {', '.join(older)}" if older else ""


def _whole_table(version: Version, manifest: dict[str, Any], name: str) -> pa.Table | None:
    """A table, if its file is the one that the manifest lists."""
    file = f"{name}.parquet"
    try:
        data = version.folder.read(file)
    except StoreError:
        return None
    return from_parquet(data) if file_facts(data) == manifest["files"].get(file) else None
