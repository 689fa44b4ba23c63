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
    Contradiction,
    Finding,
    OpenQuestion,
    VersionClaims,
    align_rows,
    as_certain,
    compare_columns,
    depend_on_code,
    find_missing_paths,
    list_given_files,
    name_paths,
)
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.table_metadata import LEFT_OUT_RULES
from brev_pipeline.tables import SAMPLE_SPLIT
from brev_pipeline.texts import TEXT, join_texts

ASSIGNMENTS: Final = "assignments.parquet"
EXCLUSIONS: Final = "exclusions.parquet"
_TEXTS: Final = pa.schema([pa.field(name, TEXT) for name in ("path", "content_id", "rule", "partner", "reason")])
_KEYS: Final = ("item", "stratum")
_KNOWN: Final = "split.ledger_csv"
_GIVEN: Final = "split.given."
_OF_LEDGER: Final = [name for name in SAMPLE_SPLIT.names if name != "assigned_by"]


def split_contradictions(claims: VersionClaims) -> Iterator[Finding]:
    """Assignments and exclusions that listing, images, settings and the version before do not give.

    And how many purposes rest on a file of known assignments that is not at hand.
    """
    from brev_pipeline.split import PriorAssignments, assign_purposes, select_samples

    integrity = claims.config.integrity
    usable, excluded = select_samples(
        claims.tables["listing"],
        claims.tables["images"],
        duplicates=integrity.duplicates,
        label_conflicts=integrity.label_conflicts,
    )
    yield from as_certain(_compare_exclusions(claims, usable, excluded))
    split = claims.split_table
    apart = (find_missing_paths(split["path"], usable["path"]), find_missing_paths(usable["path"], split["path"]))
    yield from as_certain(_compare_usable(split, usable, *apart))
    if apart[0].any() or apart[1].any() or len(pc.unique(split["path"])) != len(split):
        yield from as_certain(
            ["the split cannot be derived: the assignments are of other images than those that take part"]
        )
        return
    usable = align_rows(usable, split["path"])
    whence = "listing and images say"
    yield from as_certain(compare_columns(ASSIGNMENTS, split, split, usable, usable.column_names, whence))
    before = read_ledger_before(claims)
    listed = claims.tables["listing"]
    derived = assign_purposes(
        usable,
        claims.config.split,
        PriorAssignments(ledger=before.ledger, known=before.known, given=before.given, listed=listed),
    )
    derived = align_rows(derived, split["path"])
    yield from _compare_split(split, derived, before)
    if before.lacks_file:
        yield OpenQuestion(_describe_missing_file(claims, usable))


def ledger_contradictions(claims: VersionClaims) -> Iterator[Contradiction]:
    """Assignments of the version before that were changed or forgotten, and absent images that it did not have."""
    from brev_pipeline.release.ledger import are_in_split, build_next_ledger

    parent, ledger = claims.known.parent, claims.known.ledger
    table = claims.tables["assignments"]
    absent = table.filter(pc.invert(table["listed"]))
    if ledger is None:
        if claims.known.is_first:
            yield from as_certain(
                name_paths(
                    absent["path"],
                    np.ones(len(absent), np.bool_),
                    lambda row: (
                        f"{ASSIGNMENTS}: {absent['path'][row].as_py()} is remembered, and nothing was published before"
                    ),
                    f"{ASSIGNMENTS}: remembered",
                )
            )
        return
    split, ledger = (
        rows.select(_OF_LEDGER).append_column("assigned_by", pa.repeat(pa.scalar("ledger", TEXT), len(rows)))
        for rows in (claims.split_table, ledger)
    )
    both = build_next_ledger(split, ledger, claims.config.split)
    wanted = both.filter(pc.invert(are_in_split(both, split)))
    yield from as_certain(_compare_remembered(absent, wanted, parent or ""))
    if not claims.config.split.allow_moves:
        yield from as_certain(_compare_purposes(claims, split, ledger, parent or ""))


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
    known: pa.Table | None
    is_whole: bool
    lacks_file: bool = False
    given: Mapping[str, pa.Table] | None = None


def read_ledger_before(claims: VersionClaims) -> LedgerBefore:
    """What the split of a version was made with, as far as it is at hand."""
    files = _read_files(claims)
    found = {key: claims.known.read_file(key, digest) for key, digest in files.items()}
    has_ledger = claims.known.is_first or claims.known.ledger is not None
    if has_ledger and all(table is not None for table in found.values()):
        given = {key.removeprefix(_GIVEN): table for key, table in found.items() if table is not None and key != _KNOWN}
        return LedgerBefore(claims.known.ledger, found.get(_KNOWN), is_whole=True, given=given)
    return LedgerBefore(claims.tables["assignments"], None, is_whole=False, lacks_file=has_ledger)


def _read_files(claims: VersionClaims) -> dict[str, str | None]:
    """Key of the configuration → SHA-256, as the manifest has it, of each file that is configured."""
    said = list_given_files(claims.manifest)
    return {key: said.get(key) for key, place in claims.config.split.input_files.items() if place is not None}


def _describe_missing_file(claims: VersionClaims, usable: pa.Table) -> str:
    """How many images have a purpose that only the files explain that the split was made with, and are not at hand."""
    from brev_pipeline.split import PriorAssignments, assign_purposes

    split, files = claims.split_table, _read_files(claims)
    lacking = {key: digest for key, digest in files.items() if claims.known.read_file(key, digest) is None}
    named = ", ".join(f"{key}, SHA-256 {digest}" for key, digest in lacking.items())
    file = f"the {_describe_files(lacking)} ({named}), which {'is' if len(lacking) == 1 else 'are'} not at hand"
    try:
        derived = assign_purposes(
            usable, claims.config.split, PriorAssignments(ledger=claims.known.ledger, listed=claims.tables["listing"])
        )
    except (BrevPipelineError, *DERIVATION_ERRORS) as error:
        return f"the purposes of all {len(split)} images: they rest on {file}, and without it nothing is drawn: {error}"
    derived = align_rows(derived, split["path"])
    other = split.filter(pc.not_equal(split["purpose"], derived["purpose"]))
    drawn = "what seed, shares and the version before give without it"
    if not other.num_rows:
        return f"what {file}, says: no purpose rests on it, all are {drawn}"
    groups = pc.unique(other["leak_group"]).to_pylist()
    return (
        f"the purposes of {other.num_rows} of {len(split)} images ({len(groups)} leak groups, the first {groups[0]}): "
        f"they rest on {file}, and are not {drawn}"
    )


def _describe_files(files: Mapping[str, str | None]) -> str:
    if list(files) == [_KNOWN]:
        return "file of known assignments"
    return "file of a given split" if len(files) == 1 else "files of a given split"


def ledger_file_contradictions(claims: VersionClaims) -> Iterator[Contradiction]:
    """A file of known assignments, or of a given split, that is configured and was not used, or the other way round."""
    said, configured = claims.manifest.get("known_assignments_sha256"), claims.config.split.ledger_csv
    if (said is None) != (configured is None):
        yield Contradiction(
            f"manifest.json: known_assignments_sha256 is {said}, and split.ledger_csv is {configured}: the split was "
            "made with another configuration"
        )
    given = claims.config.split.given
    used, wanted = sorted(claims.manifest.get("given_sha256", {})), sorted(given.input_files if given else {})
    if used != wanted:
        yield Contradiction(
            f"manifest.json: given_sha256 has {used}, and split.given names the files {wanted}: the split was made "
            "with another configuration"
        )


def _compare_split(split: pa.Table, derived: pa.Table, before: LedgerBefore) -> Iterator[Contradiction]:
    whence = "the manifest's configuration gives"
    yield from as_certain(compare_columns(ASSIGNMENTS, split, split, derived, _KEYS, whence))
    groups = list(compare_columns(ASSIGNMENTS, split, split, derived, ["leak_group"], "items and copies give"))
    if before.is_whole:
        yield from as_certain(groups)
        given = "seed, shares and the version before give" if before.ledger is not None else "seed and shares give"
        yield from depend_on_code(
            compare_columns(ASSIGNMENTS, split, split, derived, ["purpose"], given), "sample_split"
        )
        return
    # An image that has left since may have joined two groups: a group may be larger than it looks, never smaller.
    yield from as_certain(_compare_groups(split, derived, "leak_group"))
    yield from as_certain(_compare_groups(split, derived, "purpose"))


def _compare_groups(split: pa.Table, derived: pa.Table, column: str) -> Iterator[str]:
    """Leak groups, derived, whose images do not all have one value in the table's column."""
    group = derived["leak_group"].combine_chunks().dictionary_encode()
    codes, value = group.indices.to_numpy(), split[column].combine_chunks().dictionary_encode().indices.to_numpy()
    first = np.zeros(len(group.dictionary), np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    other = first[codes]
    return name_paths(
        split["path"],
        value != value[other],
        lambda row: (
            f"{ASSIGNMENTS}: {column} of {split['path'][row].as_py()} is {split[column][row].as_py()!r}, that of "
            f"{split['path'][int(other[row])].as_py()}, with which it hangs together, "
            f"{split[column][int(other[row])].as_py()!r}"
        ),
        f"{ASSIGNMENTS}: {column}",
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
    for here, there, what in (
        (found, wanted, "is excluded, and nothing takes it out"),
        (wanted, found, "does not stand there, and is taken out"),
    ):
        yield from name_paths(
            here["path"],
            find_missing_paths(here["path"], there["path"]),
            lambda row, here=here, what=what: (  # type: ignore[misc]
                f"{EXCLUSIONS}: {here['path'][row].as_py()} {what} ({here['rule'][row].as_py()})"
            ),
            f"{EXCLUSIONS}: {what}",
        )
    found = found.filter(pa.array(~find_missing_paths(found["path"], wanted["path"])))
    whence = "listing, images and settings give"
    derived = align_rows(wanted, found["path"])
    yield from compare_columns(EXCLUSIONS, found, found, derived, ["content_id", "rule", "partner"], whence)
    judged = np.asarray(derived["reason"].is_valid().to_numpy(), np.bool_)
    found, derived = (rows.filter(pa.array(judged)) for rows in (found, derived))
    yield from compare_columns(EXCLUSIONS, found, found, derived, ["reason"], whence)


def _compare_usable(split: pa.Table, usable: pa.Table, strange: Bools, lost: Bools) -> Iterator[str]:
    yield from name_paths(
        split["path"],
        strange,
        lambda row: f"{ASSIGNMENTS}: {split['path'][row].as_py()} has a purpose, and does not take part in the split",
        f"{ASSIGNMENTS}: does not take part",
    )
    yield from name_paths(
        usable["path"],
        lost,
        lambda row: f"{ASSIGNMENTS}: {usable['path'][row].as_py()} takes part in the split, and has no purpose",
        f"{ASSIGNMENTS}: has no purpose",
    )


def _compare_remembered(absent: pa.Table, wanted: pa.Table, parent: str) -> Iterator[str]:
    """Absent images: those that the version before gives, none forgotten, none invented, none altered."""
    absent, wanted = (_add_key(rows) for rows in (absent, wanted))
    for here, there, what in (
        (wanted, absent, f"stands in version {parent}, the one before, and is forgotten"),
        (absent, wanted, f"is remembered as one that has left, and version {parent}, the one before, does not give it"),
    ):
        yield from name_paths(
            here["path"],
            ~pc.is_in(here["key"], value_set=there["key"].combine_chunks()).to_numpy(),
            lambda row, here=here, what=what: f"{ASSIGNMENTS}: {here['path'][row].as_py()} {what}",  # type: ignore[misc]
            f"{ASSIGNMENTS}: {what}",
        )
    at = pc.index_in(absent["key"], value_set=wanted["key"].combine_chunks())
    both, derived = absent.filter(at.is_valid()), wanted.take(at.drop_null())
    whence = f"version {parent}, the one before, gives"
    yield from compare_columns(ASSIGNMENTS, both, both, derived, _OF_LEDGER, whence)


def _compare_purposes(claims: VersionClaims, split: pa.Table, ledger: pa.Table, parent: str) -> Iterator[str]:
    """Images of the version before that stand on another side now."""
    from brev_pipeline.split import PriorAssignments, build_split_report

    # As a rule none has, and the report need not be made: by path, or under another path by its bytes.
    places = [pc.index_in(ledger[name], value_set=split[name].combine_chunks()) for name in ("path", "content_id")]
    differs = [pc.fill_null(pc.not_equal(split["purpose"].take(at), ledger["purpose"]), False) for at in places]
    if not pc.any(pc.or_(*differs), min_count=0).as_py():
        return
    moved = build_split_report(
        split, claims.config.split, PriorAssignments(ledger=ledger, listed=claims.tables["listing"])
    ).moved
    yield from name_paths(
        moved["path"],
        np.ones(len(moved), np.bool_),
        lambda row: (
            f"{ASSIGNMENTS}: {moved['path'][row].as_py()} was {moved['was'][row].as_py()!r} in version {parent}, the "
            f"one before, is {moved['now'][row].as_py()!r}, and split.allow_moves is off"
        ),
        f"{ASSIGNMENTS}: changed sides",
    )


def _add_key(rows: pa.Table) -> pa.Table:
    return rows.append_column("key", join_texts(rows["path"], rows["content_id"], by="\x1f"))
