"""Does the store still hold what was published, and is it what it says? Everything is computed anew and compared.

The logs and their seals; each version's manifest against its id and its publication, every file against the
manifest, every record against the record table, the tables against each other, weights, draws and seeds against the
assignments, the lock on the test set, and that no leak group, content or pixels stand on two sides. From format 2 of
the manifest on, all that a version claims is derived anew as well (see `derivation`). A version's folder, copied
anywhere, is verified in the same way, but for what needs the store.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit import table_checks
from brev_pipeline.audit.derivation import derive_claims, list_unchecked, plan_contradictions
from brev_pipeline.audit.file_checks import (
    COMPARED,
    add_features,
    find_file_problems,
    find_unlisted_shards,
    open_plainly,
)
from brev_pipeline.audit.log_inspection import StoreLogs, inspect_logs
from brev_pipeline.audit.manifest_model import find_signs_of_newer, is_derived, read_manifest
from brev_pipeline.audit.verification import EXCUSED, StoreVerification, Verification
from brev_pipeline.audit.version_claims import (
    DERIVATION_ERRORS,
    CodeDependent,
    Finding,
    KnownFiles,
    OpenQuestion,
    list_given_files,
    read_configuration,
)
from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.differences import list_differences
from brev_pipeline.engine import Engine, SerialEngine
from brev_pipeline.errors import BrevPipelineError, StoreError
from brev_pipeline.images.limits import UNDECIDED_STATUSES
from brev_pipeline.stages import SPECS, package_versions
from brev_pipeline.store import PipelineStore, Publication, Version
from brev_pipeline.store.parquet import from_parquet
from brev_pipeline.store.versions import MANIFEST, file_facts, version_id
from brev_pipeline.table_metadata import known_sha256
from brev_pipeline.texts import TEXT

_CHECKS: Final[Sequence[Callable[[Mapping[str, Any], table_checks.Tables], Iterator[str]]]] = (
    table_checks.count_problems,
    table_checks.fingerprint_problems,
    table_checks.class_problems,
    table_checks.side_problems,
    table_checks.leak_problems,
    table_checks.draw_problems,
    table_checks.lock_problems,
    table_checks.verdict_problems,
)
# What a folder that was copied out of its store cannot show.
_NEED_A_STORE: Final = (
    "the publication: that this version was published, when, by whom, and that the log was not cut",
    "the report: its hashes stand in the publication",
    "the raw images: `verify CONFIG --deep N` reads them",
)
_UNCHECKED_FORMAT_1: Final = (
    "class, item, stratum and leak group of each image: versions of format 1 are held to hashes and counts"
)
_MAX_NAMED: Final = 5  # images in a note
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}")
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
        assignments: key of the configuration (`SplitSettings.input_files`) → the file that it names now, as
            `load_known_assignments` and `load_given_files` read it: a version that was made with one can be derived
            anew with it only.

    Raises:
        StoreError: nothing was published, there is no such version, or the store cannot be read.
    """
    logs = inspect_logs(store)
    entries = logs.publications.entries
    if not (entries or logs.problems):
        raise StoreError(f"{store.folder.url}: nothing was published yet: run the pipeline first")
    problems, notes = list(logs.problems), list(logs.notes)
    if head is not None and head not in {entry.sha256 for entry in entries.values()}:
        problems.append(f"{store.folder.url}/publications: no entry has the hash {head}: the log was cut or rewritten")
    ids = _choose_versions(store, logs, version_id, every)
    if every:
        strangers = sorted(set(store.versions.list_names()) - set(ids))
        notes += [f"versions/{name} was never published: a run that was stopped left it (see gc)" for name in strangers]
    runner = engine or SerialEngine()
    versions = [
        _verify_version(store, Version(store.versions / name, name), logs, runner, assignments or {}) for name in ids
    ]
    if config is not None:
        for version in versions:
            version.notes.extend(_note_other_configuration(version.version, config))
    newest = logs.publications.head
    return StoreVerification(len(entries), newest[1] if newest else None, problems, notes, versions)


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
    found = Verification(open_plainly(version), 0, 0, 0, [], unchecked=[*_NEED_A_STORE])
    name = version.folder.url.rstrip("/").rpartition("/")[2]
    # A copied folder may have any name, but not the id of another version.
    if _ID.fullmatch(name) and name != version.id:
        found.problems.append(f"{MANIFEST}: altered: the folder is named {name}, and its manifest gives {version.id}")
    manifest = _verify_manifest(found.version, [], found.problems)
    if manifest is None:
        return found
    return _verify_contents(found, manifest, None, engine or SerialEngine(), KnownFiles())


def _choose_versions(store: PipelineStore, logs: StoreLogs, wanted: str | None, every: bool) -> list[str]:
    published = logs.list_published()
    ids = list(dict.fromkeys(published))
    if every:
        return ids
    if wanted is None:
        return published[-1:]
    matches = [name for name in ids if name.startswith(wanted)]
    return matches if len(matches) == 1 else [store.find_version(wanted).id]


def _verify_version(
    store: PipelineStore, version: Version, logs: StoreLogs, engine: Engine, assignments: Mapping[str, pa.Table]
) -> Verification:
    version, published = open_plainly(version), logs.list_publications(version.id)
    found = Verification(version, 0, 0, len(logs.publications.entries), [])
    if not published:
        found.problems.append(f"{version.id} was never published: a run that was stopped left it")
    removal = logs.find_removal(version.id)
    manifest = _verify_manifest(version, published, found.problems)
    if removal is not None:
        found.notes.append(f"removed on purpose, {removal.removed_at}, by {removal.removed_by}: {removal.why}")
        if rest := len(set(version.folder.walk()) - {MANIFEST}):
            found.notes.append(f"{rest} of its files are still there: the removal was interrupted, and gc finishes it")
        return replace(found, removed=removal)
    if manifest is None:
        return found
    report = next((entry.report for entry in published if entry.report), {})
    known, lacking = _read_known(store, logs, version.id, assignments)
    found.problems.extend(lacking)
    if not is_derived(manifest):
        found.problems.extend(_check_log_match(store, logs, version.id, manifest))
    found = _verify_contents(found, manifest, report, engine, known)
    # Of a version that is damaged itself nothing follows about the lock.
    if known.ledger is not None and not found.problems:
        try:
            settings = read_configuration(manifest).split
            broken, changed = table_checks.find_lock_changes(
                version.read_table("assignments"), known.ledger, settings, known.parent or ""
            )
        except DERIVATION_ERRORS as error:
            broken, changed = [f"the test set's lock cannot be compared with version {known.parent}'s: {error}"], []
        found.problems.extend(broken)
        found.notes.extend(changed)
    return found


def _read_known(
    store: PipelineStore, logs: StoreLogs, version: str, assignments: Mapping[str, pa.Table]
) -> tuple[KnownFiles, list[str]]:
    """What the store has of the version before; and what is wrong with that, since no claim may rest on nothing."""
    if not (before := logs.list_before(version)):
        return KnownFiles(is_first=bool(logs.list_publications(version)), assignments=assignments), []
    known = KnownFiles(before[-1], assignments=assignments)
    parent = open_plainly(Version(store.versions / before[-1], before[-1]))
    wrong: list[str] = []
    manifest = _verify_manifest(parent, logs.list_publications(parent.id), wrong, alone=True)
    if manifest is not None:
        known = replace(known, classes=manifest["classes"])
    if logs.find_removal(parent.id):
        return known, []  # by a person, on record: what cannot be checked without its tables is named
    if manifest is not None:
        try:
            known = replace(known, ledger=_read_whole_table(parent, manifest, "assignments"))
            if known.ledger is None:
                wrong.append("assignments.parquet: missing, or not the file that its manifest lists")
        except BrevPipelineError as error:
            wrong.append(str(error))
    return known, [
        f"version {parent.id}, the one before, is not as it was published, so nothing shows that this one goes on from "
        f"it: {line}; restore its folder from a backup"
        for line in wrong
    ]


def _check_log_match(store: PipelineStore, logs: StoreLogs, version: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What speaks against the older format that a manifest says."""
    # Who may write the store could else call any forgery old, and escape the derivations.
    said = f"{MANIFEST}: format {manifest['format']}, and"
    why = "it was written by an older package since, or is no version of a run"
    for before in dict.fromkeys(logs.list_before(version)):
        older = open_plainly(Version(store.versions / before, before))
        wrong: list[str] = []
        found = _verify_manifest(older, logs.list_publications(before), wrong, alone=True)
        if found is not None and is_derived(found):
            yield f"{said} version {before}, which was published before, is of a newer one: {why}"
            return
        if found is None and not logs.find_removal(before):
            yield f"{said} version {before}, which was published before, may be of a newer one: {wrong[0]}"
            return


def _note_other_configuration(version: Version, config: PipelineConfig) -> Iterator[str]:
    """Where a version was made with another configuration than the present one."""
    try:
        manifest = version.read_manifest()
        try:
            # Settings that are newer than the version have their defaults there.
            made = read_configuration(manifest)
            apart = list_differences(made.content_settings(), config.content_settings())
            if not any(line.startswith("split.") for line in apart) and made.split.names != config.split.names:
                order = "split.purposes (their order)"
                apart += list_differences({order: made.split.names}, {order: config.split.names})
        except DERIVATION_ERRORS:
            apart = list_differences(manifest["configuration"], config.content_settings())
    except DERIVATION_ERRORS:
        return  # its manifest is damaged, which stands among the problems
    if apart:
        yield f"made with another configuration than the present one (its value → the present one): {'; '.join(apart)}"


def _verify_manifest(
    version: Version, published: list[Publication], problems: list[str], *, alone: bool = False
) -> dict[str, Any] | None:
    """The manifest, if it is the one that was published; else None, and why is added to ``problems``.

    Where it is altered, the files that it lists are looked at too, but for ``alone``.
    """
    try:
        raw = version.folder.read(MANIFEST)
    except StoreError as error:
        problems.append(f"{MANIFEST}: missing: {error}")
        return None
    if version_id(raw) != version.id:
        problems.append(f"{MANIFEST}: altered: its hash does not begin with {version.id}")
        if not alone:
            problems += _verify_files_alone(version, raw)
        return None
    digest = hashlib.sha256(raw).hexdigest()
    problems += [
        f"publication {entry.number} names another manifest than {version.folder.file_url(MANIFEST)}"
        for entry in published
        if entry.manifest_sha256 != digest
    ]
    try:
        return read_manifest(raw)
    except StoreError as error:
        problems.append(f"{MANIFEST}: {error}")
        return None


def _verify_files_alone(version: Version, raw: bytes) -> list[str]:
    """What an altered manifest still tells: files that it lists and that are otherwise, or not there."""
    try:
        damaged = find_file_problems(version, read_manifest(raw), None, SerialEngine())
    except BrevPipelineError:
        return [f"{MANIFEST}: what it lists cannot be relied on: the other files were not looked at"]
    return [line for lines in damaged.values() for line in lines]


def _verify_contents(
    found: Verification,
    manifest: dict[str, Any],
    report: Mapping[str, Mapping[str, Any]] | None,
    engine: Engine,
    known: KnownFiles,
) -> Verification:
    """What was found of a version, with what is found of its files, records and tables."""
    version, problems = found.version, found.problems
    if is_derived(manifest):
        found.unchecked.extend(list_unchecked(known))
    else:
        found.unchecked.append(_UNCHECKED_FORMAT_1)
        problems += [
            f"{MANIFEST}: format {manifest['format']}, and {sign}: it is no version of an older package"
            for sign in find_signs_of_newer(manifest, version.folder)
        ]
    records = _read_records(version, manifest, problems)
    damaged = find_file_problems(version, manifest, records, engine, report)
    problems += [line for lines in damaged.values() for line in lines]
    if records is not None:
        problems += find_unlisted_shards(manifest, records)
    names = [f"{name}.parquet" for name in table_checks.TABLES]
    lacking = [name for name in names if name not in manifest["files"]]
    problems += [f"{name}: not in the manifest: every version has it" for name in lacking]
    if bad := sorted({name for name in names if name in damaged} | set(lacking)):
        found.notes.append(f"the tables were not compared with each other, because of {', '.join(bad)}")
    else:
        _compare_claims(found, manifest, known)
    return replace(
        found, files=len(manifest["files"]) + len(report or {}), records=0 if records is None else records.num_rows
    )


def _read_records(version: Version, manifest: dict[str, Any], problems: list[str]) -> pa.Table | None:
    """The record table with what else each record must hold; None where it cannot be relied on."""
    try:
        records = _read_whole_table(version, manifest, "records")
        if records is None:
            return None
        if missing := sorted({"file", "position", *COMPARED} - set(records.column_names)):
            raise StoreError(f"it has no column {', '.join(missing)}")
        if not is_derived(manifest):
            return records
        return add_features(records, _read_whole_table(version, manifest, "assignments"), manifest)
    except DERIVATION_ERRORS as error:
        problems.append(f"records.parquet: what the records must hold cannot be said: {error}")
        return None


def _compare_claims(found: Verification, manifest: dict[str, Any], known: KnownFiles) -> None:
    version = found.version
    try:
        tables = {name: version.read_table(name) for name in table_checks.TABLES}
    except BrevPipelineError as error:
        found.problems.append(f"the tables cannot be compared with each other: {error}")
        return
    for check in _CHECKS:
        try:
            found.problems.extend(check(manifest, tables))
        except DERIVATION_ERRORS as error:
            name = check.__name__.removesuffix("_problems")
            found.problems.append(f"{version.id}: {name} cannot be checked: {type(error).__name__}: {error}")
    with suppress(*DERIVATION_ERRORS):  # a table of other columns is told of below
        found.notes.extend(_list_unjudged(tables["images"]))
    unknown_codes, older = _find_older_code(manifest)
    found.problems.extend(unknown_codes)
    for finding in derive_claims(manifest, tables, known) if is_derived(manifest) else ():
        _sort_finding(finding, older, found)
    for finding in plan_contradictions(manifest, tables):
        _sort_finding(finding, older, found)
    if is_derived(manifest):
        found.notes.extend(_note_other_files(manifest, known))


def _list_unjudged(images: pa.Table) -> Iterator[str]:
    """That images were left out of which nobody knows whether they are good."""
    undecided = pc.is_in(images["status"], value_set=pa.array(UNDECIDED_STATUSES, TEXT))
    if paths := sorted(images["source_path"].filter(undecided).to_pylist()):
        yield (
            f"images.parquet: {len(paths)} image(s) left out unjudged, because their decoding came to no end "
            f"({', '.join(paths[:_MAX_NAMED])}{', …' if len(paths) > _MAX_NAMED else ''}): accepted by the "
            "configuration; --deep decodes them again"
        )


def _sort_finding(finding: Finding, older: Mapping[str, str], found: Verification) -> None:
    """Add a finding to the problems, or where it may be otherwise in good faith."""
    stages = finding.stages if isinstance(finding, CodeDependent) else ()
    excuses = [older[stage] for stage in SPECS if stage in stages and stage in older]
    if isinstance(finding, str):
        found.problems.append(finding)
    elif isinstance(finding, OpenQuestion):
        found.unchecked.append(finding.line)
    elif excuses:
        found.notes.append(f"{finding.line} ({', '.join(dict.fromkeys(excuses))}, {EXCUSED})")
    else:
        found.problems.append(finding.line)


def _note_other_files(manifest: Mapping[str, Any], known: KnownFiles) -> Iterator[str]:
    """Where a configured file of assignments is not the one that a version was made with."""
    for key, digest in list_given_files(manifest).items():
        if digest is None or key not in known.assignments or key in (places := known.keys_of(digest)):
            continue
        now = known_sha256(known.assignments[key])
        elsewhere = f"; what it held then is the file of {' and '.join(places)} now" if places else ""
        yield f"{key}: the version was made with a file of SHA-256 {digest}, and now it has {now}{elsewhere}"


def _find_older_code(manifest: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Which stages' claims need not be what this code derives of them.

    Returns:
        What is wrong with the stages' code that the manifest names: numbers that no release before this one had would
        excuse any claim. And stage → what older code made it, in words.
    """
    packages = manifest["packages"]
    if not is_derived(manifest):
        wrote, here = packages.get("brev-pipeline"), package_versions()["brev-pipeline"]
        return [], {} if wrote == here else dict.fromkeys(SPECS, f"brev-pipeline {wrote} wrote it, this is {here}")
    named = {stage: str(manifest["stages"].get(stage, {}).get("code")) for stage in SPECS}
    unknown = [
        f"{MANIFEST}: stages.{stage}: no code {named[stage]!r} of that stage is known here (the present one is "
        f"{spec.code}): it was written by a newer release; verify it with that one"
        for stage, spec in SPECS.items()
        if not (_NUMBER.fullmatch(named[stage]) and 1 <= int(named[stage]) <= int(spec.code))
    ]
    unlike = [
        f"{MANIFEST}: stages.{stage}.{name} is {made_by}, packages has {packages.get(name)}: one run has one of each"
        for stage, code in manifest["stages"].items()
        for name, made_by in code.items()
        if name != "code" and made_by != packages.get(name)
    ]
    older = {stage: f"made with {stage} by code {named[stage]}" for stage in SPECS if named[stage] != SPECS[stage].code}
    return unknown + unlike, {} if unknown else older


def _read_whole_table(version: Version, manifest: dict[str, Any], name: str) -> pa.Table | None:
    """A table, if its file is the one that the manifest lists."""
    file = f"{name}.parquet"
    try:
        data = version.folder.read(file)
    except StoreError:
        return None
    return from_parquet(data) if file_facts(data) == manifest["files"].get(file) else None
