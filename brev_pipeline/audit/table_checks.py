"""Tables: those of a version against its manifest, against each other, and its test set against the version before.

All of them are hashed by the manifest, so what is found here is no damage of a file but a wrong account: a fault of
the run that published it, or a version that somebody rewrote from end to end.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.release.exclusions import find_account_problems, locked_purposes, purpose_locks
from brev_pipeline.split.label_map import list_present_classes, number_classes
from brev_pipeline.store.versions import DERIVED
from brev_pipeline.table_metadata import LEFT_OUT_RULES
from brev_pipeline.tables import LABEL_ID, NO_LABEL, count_values, drawn_by_weight, part_names
from brev_pipeline.texts import TEXT

TABLES: Final = ("listing", "images", "assignments", "weights", "records", "exclusions")
"""Every version has these, as ``<name>.parquet``."""
Tables = Mapping[str, pa.Table]


def select_listed(assignments: pa.Table) -> pa.Table:
    """The split of this very version: assignments without the images that have left the listing."""
    return assignments.filter(assignments["listed"])


def count_problems(manifest: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    """The manifest's counts against the tables; listed = used + excluded, image by image."""
    rules = pa.array(LEFT_OUT_RULES, TEXT)
    filtered = tables["exclusions"].filter(pc.is_in(tables["exclusions"]["rule"], value_set=rules))
    found = {
        "listed": tables["listing"].num_rows + filtered.num_rows,
        "excluded": tables["exclusions"].num_rows,
        "images": count_values(select_listed(tables["assignments"])["purpose"]),
        "records": count_values(part_names(tables["records"])),
    }
    for name, said in found.items():
        if manifest["counts"].get(name) != said:
            yield f"manifest.json: counts.{name} is {manifest['counts'].get(name)}, the tables hold {said}"
    paths = [table["path"] for table in (tables["listing"], filtered, tables["records"], tables["exclusions"])]
    yield from (f"exclusions.parquet: {problem}" for problem in find_account_problems(*paths))


def fingerprint_problems(manifest: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    """The listing's fingerprint, computed anew."""
    from brev_pipeline.listing import listing_fingerprint

    if (found := listing_fingerprint(tables["listing"])) != manifest["listing_fingerprint"]:
        yield f"listing.parquet: its fingerprint is {found}, the manifest says {manifest['listing_fingerprint']}"


def class_problems(manifest: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    """Class names and labels: each image's classes have one, each label is the class of its image's first category.

    A class that has no image any more keeps its place.
    """
    classes, split, records = manifest["classes"], select_listed(tables["assignments"]), tables["records"]
    found = list_present_classes(split)
    if lacking := pa.array(found, TEXT).filter(number_classes(pa.array(found, TEXT), classes).is_null()).to_pylist():
        yield f"manifest.json: classes is {classes}, and the assignments hold {lacking} besides"
    if twice := sorted({name for name in classes if classes.count(name) > 1}):
        yield f"manifest.json: classes holds {twice} twice: a class has one number"
    at = pc.index_in(records["path"], value_set=split["path"].combine_chunks())
    # As lists of one, so that there is a null for an image without a class.
    first = pc.list_slice(pc.take(split["category"], at.drop_null()), 0, 1, return_fixed_size_list=True)
    names = pa.chunked_array([chunk.flatten() for chunk in first.chunks], TEXT)
    wanted = pc.fill_null(number_classes(names, classes).cast(pa.int64()), NO_LABEL)
    yield from describe_difference("label", records.filter(pc.is_valid(at)), wanted, "its image's class's")


def side_problems(manifest: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    """Each record's purpose, content, item and labels are those of its image's assignment."""
    split, records = select_listed(tables["assignments"]), tables["records"]
    at = pc.index_in(records["path"], value_set=split["path"].combine_chunks())
    if at.null_count:
        path = records["path"].filter(pc.is_null(at))[0].as_py()
        yield f"records.parquet: {at.null_count} records are of images without an assignment, the first {path}"
    there = records.filter(pc.is_valid(at))
    labelled = [LABEL_ID.name] if {LABEL_ID.name} <= set(split.column_names) & set(records.column_names) else []
    for name in ("purpose", "content_id", "item", *labelled):
        yield from describe_difference(name, there, pc.take(split[name], at.drop_null()), "the assignment's")


def leak_problems(manifest: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    """What stands on two sides, by the records themselves and by the assignments."""
    split, records = tables["assignments"], tables["records"]
    pixels = records.select(["content_id", "purpose"]).join(
        tables["images"].select(["content_id", "pixel_id"]), "content_id", use_threads=False
    )
    for name, rows, column in (
        ("content", records, "content_id"),
        ("picture", pixels, "pixel_id"),
        ("leak group", split, "leak_group"),
        ("content", split, "content_id"),
        ("picture", split, "pixel_id"),
    ):
        sides = rows.select([column, "purpose"]).group_by([column]).aggregate([("purpose", "count_distinct")])
        for key in sorted(sides.filter(pc.greater(sides["purpose_count_distinct"], 1))[column].to_pylist()):
            yield f"LEAK: the {name} {key} stands on more than one side"


def draw_problems(manifest: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    """Draws of the first epoch, per purpose and group, against the draws of the weight table."""
    records, weights = tables["records"], tables["weights"]
    first = (
        records.filter(pc.and_(pc.equal(records["epoch"], 0), drawn_by_weight(records)))
        .group_by(["purpose", "group"])
        .aggregate([([], "count_all")])
    )
    found = {(row["purpose"], row["group"]): row["count_all"] for row in first.to_pylist()}
    wanted = {(row["purpose"], row["group"]): row["draws"] for row in weights.to_pylist()}
    # A group that is not drawn in the first epoch has no records there.
    for key in sorted(found.keys() | {key for key, draws in wanted.items() if draws}):
        if found.get(key, 0) != wanted.get(key):
            purpose, group = key
            yield (
                f"weights.parquet: the group {group!r} of {purpose} has {wanted.get(key)} draws, "
                f"records.parquet has {found.get(key, 0)} in the first epoch"
            )


def lock_problems(manifest: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    """The lock on the test set, computed anew."""
    settings = SplitSettings.model_validate(manifest["configuration"]["split"])
    found, said = purpose_locks(select_listed(tables["assignments"]), settings), manifest.get("test_lock")
    # Versions that are older than the lock have none.
    if found != said and (said is not None or manifest["format"] >= DERIVED):
        yield f"manifest.json: test_lock is {said}, the assignments give {found}"


def verdict_problems(manifest: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    """No version is published whose blocking checks failed."""
    for stage, checks in manifest["checks"].items():
        for check in checks:
            # What a check found of history stands in no manifest: a failed one had held the version back.
            if not check.get("passed", check.get("history")) and check["severity"] == "error":
                yield f"manifest.json: the check {stage}.{check['check']} failed, and the version was published"


def describe_difference(
    name: str, records: pa.Table, wanted: pa.ChunkedArray | pa.Array, right: str, *, with_path: bool = False
) -> Iterator[str]:
    """How many records have another value in a column than is wanted, and the first of them.

    Args:
        name: the column's.
        records: of the record table.
        wanted: (records,) values.
        right: what is wanted, in words.
        with_path: name the first one's path too.
    """
    found = records[name]
    differs = pc.and_not(pc.fill_null(pc.not_equal(found, wanted), True), pc.and_(found.is_null(), wanted.is_null()))
    if count := pc.sum(differs).as_py() or 0:
        at = pc.index(differs, True).as_py()
        row = records.slice(at, 1).to_pylist()[0]
        path = f" ({row['path']})" if with_path else ""
        yield (
            f"records.parquet: {name} of {count} records is not {right}, the first: {row['file']}, record "
            f"{row['position']}{path}: {row[name]!r} instead of {wanted[at].as_py()!r}"
        )


def find_lock_changes(
    assignments: pa.Table, before: pa.Table, settings: SplitSettings, parent: str
) -> tuple[list[str], list[str]]:
    """What became of the test set since the version that was published before.

    Args:
        assignments: of a published version, with the images that it remembers.
        before: those of the version before it, whose id is ``parent``.
        settings: of the split of the later one.
        parent: for messages.

    Returns:
        Problems: images that changed sides although ``split.allow_moves`` is off, and new ones in a purpose of
        ``split.locked`` although ``split.allow_additions`` is off. Notes: all other changes. An image that was away and
        comes back to its side is no new one.
    """
    problems: list[str] = []
    notes: list[str] = []
    for purpose in locked_purposes(settings):
        old, now = _PurposeItems.of(before, purpose), _PurposeItems.of(assignments, purpose)
        # Contents that left the purpose for another one, or came to it from there.
        moved = ((old.here | old.away) & now.listed - now.here) | (now.here & old.elsewhere)
        closed = purpose in settings.locked and not settings.allow_additions and bool(old.here | old.away)
        for ids, what, broken in (
            (moved, "changed sides", not settings.allow_moves),
            (now.here - old.here - old.away - old.elsewhere, "are new", closed),
            (old.here - now.listed, "are no longer listed", False),
        ):
            if ids:
                line = f"LOCK: {len(ids)} images of {purpose} {what} since version {parent}, the first {min(ids)}"
                (problems if broken else notes).append(line)
    return problems, notes


@dataclass(frozen=True)
class _PurposeItems:
    """Contents by where they stand, as seen from one purpose; one that is listed does not count as away."""

    here: set[str]
    """Listed, in the purpose."""
    away: set[str]
    """Remembered, in the purpose, and listed nowhere."""
    elsewhere: set[str]
    """Listed or remembered, in another purpose only."""
    listed: set[str]

    @classmethod
    def of(cls, table: pa.Table, purpose: str) -> "_PurposeItems":
        inside = pc.equal(table["purpose"], purpose)
        listed = set(table["content_id"].filter(table["listed"]).to_pylist())
        here = set(table["content_id"].filter(pc.and_(inside, table["listed"])).to_pylist())
        away = set(table["content_id"].filter(pc.and_not(inside, table["listed"])).to_pylist()) - listed
        return cls(here, away, set(table["content_id"].to_pylist()) - here - away, listed)
