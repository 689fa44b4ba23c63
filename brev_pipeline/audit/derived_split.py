"""The split derived anew: who takes part, the exclusions, items, strata, leak groups, purposes, and the ledger.

With the assignments of the version before at hand (or where there was none), the whole split is drawn again. Where
they are not, what a purpose came of cannot be known: then each leak group is taken to have the purpose that the version
gives it, and all else is derived. Where a file of known assignments is not at hand, the split is drawn without it, and
how many images that file must explain is said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.version_claims import (
    DERIVATION_ERRORS,
    Bools,
    Finding,
    OpenQuestion,
    VersionClaims,
    align_rows,
    compare_columns,
    depend_on_code,
    find_missing_paths,
    list_given_files,
    name_rows,
)
from brev_pipeline.labels.columns import DEFECT_AREA_BIN
from brev_pipeline.table_metadata import LEFT_OUT_RULES
from brev_pipeline.tables import SAMPLE_SPLIT
from brev_pipeline.texts import TEXT, join_texts

ASSIGNMENTS: Final = "assignments.parquet"
EXCLUSIONS: Final = "exclusions.parquet"
_TEXTS: Final = pa.schema([pa.field(name, TEXT) for name in ("path", "content_id", "rule", "partner", "reason")])
_KNOWN: Final = "split.ledger_csv"
_GIVEN: Final = "split.given."
# A version's assignments have no ``assigned_by``, which tells of one run.
_OF_LEDGER: Final = [name for name in SAMPLE_SPLIT.names if name != "assigned_by"]


def split_contradictions(claims: VersionClaims) -> Iterator[Finding]:
    """Assignments and exclusions that listing, images, settings and the version before do not give.

    And how many purposes rest on a file of known assignments that is not at hand.
    """
    from brev_pipeline.split import PriorAssignments, assign_purposes, select_samples

    listing, split, integrity = claims.tables["listing"], claims.split_table, claims.config.integrity
    usable, excluded = select_samples(
        listing,
        claims.tables["images"],
        duplicates=integrity.duplicates,
        label_conflicts=integrity.label_conflicts,
    )
    yield from _compare_exclusions(claims, usable, excluded)
    strange = find_missing_paths(split["path"], usable["path"])
    lost = find_missing_paths(usable["path"], split["path"])
    yield from name_rows(
        ASSIGNMENTS,
        split,
        strange,
        "does not take part",
        lambda row: f"{row['path']} has a purpose, and does not take part in the split",
    )
    yield from name_rows(
        ASSIGNMENTS,
        usable,
        lost,
        "has no purpose",
        lambda row: f"{row['path']} takes part in the split, and has no purpose",
    )
    if strange.any() or lost.any() or len(pc.unique(split["path"])) != len(split):
        yield "the split cannot be derived: the assignments are of other images than those that take part"
        return
    usable = align_rows(usable, split["path"])
    yield from compare_columns(ASSIGNMENTS, split, usable, usable.column_names, "listing and images say")
    before = read_ledger_before(claims)
    prior = PriorAssignments(ledger=before.ledger, known=before.known, given=before.given, listed=listing)
    derived = align_rows(assign_purposes(usable, claims.config.split, prior), split["path"])
    yield from _compare_split(split, derived, before)
    if before.lacks_file:
        yield OpenQuestion(_describe_missing_file(claims, usable))


def ledger_contradictions(claims: VersionClaims) -> Iterator[str]:
    """Assignments of the version before that were changed or forgotten, and absent images that it did not have."""
    from brev_pipeline.release.assignments import are_in_split, build_next_ledger

    ledger, settings = claims.known.ledger, claims.config.split
    table = claims.tables["assignments"]
    absent = table.filter(pc.invert(table["listed"]))
    if ledger is None:
        if claims.known.is_first:
            yield from name_rows(
                ASSIGNMENTS,
                absent,
                None,
                "remembered",
                lambda row: f"{row['path']} is remembered, and nothing was published before",
            )
        return
    split, ledger = (
        rows.drop_columns("listed").append_column("assigned_by", pa.repeat(pa.scalar("ledger", TEXT), len(rows)))
        for rows in (claims.split_table, ledger)
    )
    before = f"version {claims.known.parent or ''}, the one before,"
    both = build_next_ledger(split, ledger, settings)
    yield from _compare_remembered(absent, both.filter(pc.invert(are_in_split(both, split))), before)
    if not settings.allow_moves:
        yield from _compare_purposes(claims, split, ledger, before)


def ledger_file_contradictions(claims: VersionClaims) -> Iterator[str]:
    """A file of known assignments, or of a given split, that is configured and was not used, or the other way round."""
    digest, configured = claims.manifest.get("known_assignments_sha256"), claims.config.split.ledger_csv
    why = "the split was made with another configuration"
    if (digest is None) != (configured is None):
        yield f"manifest.json: known_assignments_sha256 is {digest}, and split.ledger_csv is {configured}: {why}"
    given = claims.config.split.given
    used, wanted = sorted(claims.manifest.get("given_sha256", {})), sorted(given.input_files if given else {})
    if used != wanted:
        yield f"manifest.json: given_sha256 has {used}, and split.given names the files {wanted}: {why}"


@dataclass(frozen=True)
class LedgerBefore:
    """What a split was made with.

    Attributes:
        ledger: assignments of the version before; where what the split was made with is not all at hand, the version's
            own.
        known: the file of known assignments.
        is_whole: whether all are what the split was made with, so that purposes follow.
        lacks_file: whether it is files alone that are not at hand.
        given: the files of ``split.given``, by their keys; None where they are not at hand.
    """

    ledger: pa.Table | None
    known: pa.Table | None = None
    is_whole: bool = False
    lacks_file: bool = False
    given: Mapping[str, pa.Table] | None = None


def read_ledger_before(claims: VersionClaims) -> LedgerBefore:
    """What the split of a version was made with, as far as it is at hand."""
    files = {key: claims.known.read_file(key, digest) for key, digest in _list_files(claims).items()}
    has_ledger = claims.known.is_first or claims.known.ledger is not None
    if has_ledger and all(table is not None for table in files.values()):
        given = {key.removeprefix(_GIVEN): table for key, table in files.items() if table is not None and key != _KNOWN}
        return LedgerBefore(claims.known.ledger, files.get(_KNOWN), is_whole=True, given=given)
    # With its own purposes as the ledger, all that a purpose does not decide comes out as the run derived it.
    return LedgerBefore(claims.tables["assignments"], lacks_file=has_ledger)


def _list_files(claims: VersionClaims) -> dict[str, str | None]:
    """Key of the configuration → SHA-256, as the manifest has it, of each file that is configured."""
    digests = list_given_files(claims.manifest)
    return {key: digests.get(key) for key, name in claims.config.split.input_files.items() if name is not None}


def _describe_missing_file(claims: VersionClaims, usable: pa.Table) -> str:
    """How many images have a purpose that only the files explain that the split was made with, and are not at hand."""
    from brev_pipeline.split import PriorAssignments, assign_purposes

    split, known = claims.split_table, claims.known
    lacking = {key: digest for key, digest in _list_files(claims).items() if known.read_file(key, digest) is None}
    if list(lacking) == [_KNOWN]:
        kind = "file of known assignments"
    else:
        kind = "file of a given split" if len(lacking) == 1 else "files of a given split"
    named = ", ".join(f"{key}, SHA-256 {digest}" for key, digest in lacking.items())
    file = f"the {kind} ({named}), which {'is' if len(lacking) == 1 else 'are'} not at hand"
    prior = PriorAssignments(ledger=known.ledger, listed=claims.tables["listing"])
    try:
        derived = align_rows(assign_purposes(usable, claims.config.split, prior), split["path"])
    except DERIVATION_ERRORS as error:
        return f"the purposes of all {len(split)} images: they rest on {file}, and without it nothing is drawn: {error}"
    other = split.filter(pc.not_equal(split["purpose"], derived["purpose"]))
    drawn = "what seed, shares and the version before give without it"
    if not other.num_rows:
        return f"what {file}, says: no purpose rests on it, all are {drawn}"
    groups = pc.unique(other["leak_group"])
    return (
        f"the purposes of {other.num_rows} of {len(split)} images ({len(groups)} leak groups, the first {groups[0]}): "
        f"they rest on {file}, and are not {drawn}"
    )


def _compare_split(split: pa.Table, derived: pa.Table, before: LedgerBefore) -> Iterator[Finding]:
    bins = [DEFECT_AREA_BIN] if DEFECT_AREA_BIN in derived.column_names else []
    keys = ["item", "stratum", *bins]
    yield from compare_columns(ASSIGNMENTS, split, derived, keys, "the manifest's configuration gives")
    if before.is_whole:
        yield from compare_columns(ASSIGNMENTS, split, derived, ["leak_group"], "items and copies give")
        given = "seed, shares and the version before give" if before.ledger is not None else "seed and shares give"
        yield from depend_on_code(compare_columns(ASSIGNMENTS, split, derived, ["purpose"], given), "sample_split")
        return
    # An image that has left since may have joined two groups: a group may be larger than it looks, never smaller.
    yield from _compare_groups(split, derived, "leak_group")
    yield from _compare_groups(split, derived, "purpose")


def _compare_groups(split: pa.Table, derived: pa.Table, column: str) -> Iterator[str]:
    """Leak groups, derived, whose images do not all have one value in the table's column."""
    codes = derived["leak_group"].combine_chunks().dictionary_encode().indices.to_numpy()
    values = split[column].combine_chunks()
    # (rows,) the first row of each one's group.
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    partner = pa.array(first[group])
    rows = pa.table(
        {"path": split["path"], "value": values, "with": split["path"].take(partner), "other": values.take(partner)}
    )
    yield from name_rows(
        ASSIGNMENTS,
        rows,
        pc.fill_null(pc.not_equal(rows["value"], rows["other"]), True),
        column,
        lambda row: (
            f"{column} of {row['path']} is {row['value']!r}, that of {row['with']}, with which it hangs together, "
            f"{row['other']!r}"
        ),
    )


def _compare_exclusions(claims: VersionClaims, usable: pa.Table, excluded: pa.Table) -> Iterator[str]:
    """Exclusions that are not those of the settings' policies, of listing, images, assignments and records."""
    found = claims.tables["exclusions"]
    found = found.filter(pc.invert(pc.is_in(found["rule"], value_set=pa.array(LEFT_OUT_RULES, TEXT))))
    undrawn = usable.filter(pa.array(find_missing_paths(usable["path"], claims.tables["records"]["path"])))
    count = undrawn.num_rows
    rule = pa.repeat(pa.scalar("not_drawn", TEXT), count)
    rows = [undrawn["path"], undrawn["content_id"], rule, pa.nulls(count, TEXT), pa.nulls(count, TEXT)]
    wanted = pa.concat_tables([excluded.select(_TEXTS.names).cast(_TEXTS), pa.table(rows, schema=_TEXTS)])
    strange = find_missing_paths(found["path"], wanted["path"])
    lost = find_missing_paths(wanted["path"], found["path"])
    yield from _name_excluded(found, strange, "is excluded, and nothing takes it out")
    yield from _name_excluded(wanted, lost, "does not stand there, and is taken out")
    found = found.filter(pa.array(~strange))
    derived = align_rows(wanted, found["path"])
    whence = "listing, images and settings give"
    yield from compare_columns(EXCLUSIONS, found, derived, ["content_id", "rule", "partner"], whence)
    # Of what was not drawn no reason is derived: its words are the release's.
    judged = derived["reason"].is_valid()
    yield from compare_columns(EXCLUSIONS, found.filter(judged), derived.filter(judged), ["reason"], whence)


def _name_excluded(rows: pa.Table, wrong: Bools, what: str) -> Iterator[str]:
    return name_rows(EXCLUSIONS, rows, wrong, what, lambda row: f"{row['path']} {what} ({row['rule']})")


def _compare_remembered(absent: pa.Table, wanted: pa.Table, before: str) -> Iterator[str]:
    """Absent images: those that the version before gives, none forgotten, none invented, none altered."""
    absent, wanted = (
        rows.append_column("key", join_texts(rows["path"], rows["content_id"], by="\x1f")) for rows in (absent, wanted)
    )
    forgotten, invented = (
        find_missing_paths(here["key"], there["key"]) for here, there in ((wanted, absent), (absent, wanted))
    )
    yield from name_rows(ASSIGNMENTS, wanted, forgotten, f"stands in {before} and is forgotten")
    what = f"is remembered as one that has left, and {before} does not give it"
    yield from name_rows(ASSIGNMENTS, absent, invented, what)
    at = pc.index_in(absent["key"], value_set=wanted["key"].combine_chunks())
    remembered, derived = absent.filter(at.is_valid()), wanted.take(at.drop_null())
    compared = [*_OF_LEDGER, *(name for name in derived.column_names if name not in (*SAMPLE_SPLIT.names, "key"))]
    yield from compare_columns(ASSIGNMENTS, remembered, derived, compared, f"{before} gives")


def _compare_purposes(claims: VersionClaims, split: pa.Table, ledger: pa.Table, before: str) -> Iterator[str]:
    """Images of the version before that stand on another side now."""
    from brev_pipeline.split import PriorAssignments, build_split_report

    # As a rule none has, and the report need not be made: by path, or under another path by its bytes.
    places = [pc.index_in(ledger[name], value_set=split[name].combine_chunks()) for name in ("path", "content_id")]
    differs = [pc.fill_null(pc.not_equal(split["purpose"].take(at), ledger["purpose"]), False) for at in places]
    if not pc.any(pc.or_(*differs), min_count=0).as_py():
        return
    prior = PriorAssignments(ledger=ledger, listed=claims.tables["listing"])
    moved = build_split_report(split, claims.config.split, prior).moved
    yield from name_rows(
        ASSIGNMENTS,
        moved,
        None,
        "changed sides",
        lambda row: f"{row['path']} was {row['was']!r} in {before} is {row['now']!r}, and split.allow_moves is off",
    )
