"""Two published versions beside each other, from their manifests and tables alone: one function for each part.

The dry run compares a version with what a run would make by the same functions. Every result is JSON-safe; of things
that may be missing on one side, `was` or `now` is None there.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.differences import ABSENT, find_differences
from brev_pipeline.diff.images import LISTING_COLUMNS, MAX_EXAMPLES, ImageChanges, compare_images
from brev_pipeline.store import Version
from brev_pipeline.tables import count_values, part_names

SPLIT_COLUMNS: Final = ["path", "item", "purpose"]
EXCLUSION_COLUMNS: Final = ["path", "rule", "reason"]
WEIGHT_COLUMNS: Final = ["purpose", "group", "samples", "probability", "draws"]
RECORD_COLUMNS: Final = ["purpose", "ordinal", "seed", "path", "crc", "length"]
_CHECK_FACTS: Final = ("passed", "severity", "observed", "offending", "arguments")


def compare_versions(before: Version, after: Version) -> dict[str, Any]:
    """What is otherwise in ``after`` than in ``before``, JSON-safe; nothing of either is verified.

    Args:
        before: the earlier version, or any.
        after: the later one.

    Returns:
        ``before``, ``after`` (version, path), ``same`` (whether they are one version), ``images``, ``left_out``,
        ``sides``, ``labels``, ``weights``, ``records``, ``settings``, ``packages``, ``code``,
        ``checks``.

    Raises:
        StoreError: one of them cannot be read.
    """
    old, new = before.read_manifest(), after.read_manifest()
    order = list_purposes(new)

    def read(table: str, columns: list[str]) -> list[pa.Table]:
        return [version.read_table(table, columns) for version in (before, after)]

    changes = compare_images(*read("listing", LISTING_COLUMNS))
    records = read("records", RECORD_COLUMNS)
    parts = {name: count_values(part_names(table)) for name, table in zip(("was", "now"), records, strict=True)}
    return {
        "before": {"version": before.id, "path": before.path},
        "after": {"version": after.id, "path": after.path},
        "same": before.id == after.id,
        "images": changes.to_dict(),
        "left_out": compare_exclusions(*read("exclusions", EXCLUSION_COLUMNS)),
        "sides": compare_purposes(changes, read_listed_split(before), read_listed_split(after), order),
        "labels": compare_label_numbers(old["classes"], new["classes"]),
        "weights": compare_weights(*read("weights", WEIGHT_COLUMNS)),
        "records": {
            "was": records[0].num_rows,
            "now": records[1].num_rows,
            "kept": count_kept_records(*records),
            "bytes": {"was": count_shard_bytes(old), "now": count_shard_bytes(new)},
            "by_part": list_counts_by_name("part", parts, order),
        },
        "settings": compare_settings(old["configuration"], new["configuration"]),
        "packages": compare_packages(old.get("packages", {}), new.get("packages", {})),
        "code": compare_stage_code(old.get("stages", {}), new.get("stages", {})),
        "checks": compare_checks(old.get("checks", {}), new.get("checks", {})),
    }


def read_listed_split(version: Version) -> pa.Table:
    """The assignments of a version's own images: columns `SPLIT_COLUMNS`."""
    table = version.read_table("assignments", [*SPLIT_COLUMNS, "listed"])
    return table.filter(table["listed"]).select(SPLIT_COLUMNS) if "listed" in table.column_names else table


def list_purposes(manifest: Mapping[str, Any]) -> list[str]:
    """The purposes of a version in their order."""
    # Manifests of format 1 do not name them.
    return list(manifest.get("purposes") or manifest["counts"]["images"])


def count_shard_bytes(manifest: Mapping[str, Any]) -> int:
    """Bytes of a version's shards."""
    return sum(int(facts["bytes"]) for name, facts in manifest["files"].items() if ".tfrecord-" in name)


def compare_purposes(changes: ImageChanges, before: pa.Table, after: pa.Table, order: Sequence[str]) -> dict[str, Any]:
    """The sides of two splits as JSON: images of each purpose, and those that changed sides.

    Args:
        changes: of the two listings; an image that was renamed is followed.
        before: columns `SPLIT_COLUMNS` of the earlier split, of images that are listed.
        after: the same of the later one.
        order: of the purposes.

    Returns:
        ``by_purpose`` (purpose, was, now, new: how many of those now were not there before) and ``moved`` (images,
        by_sides, examples).
    """
    was = _purpose_of(changes.before["path"], before)
    now = _purpose_of(changes.after["path"], after)
    old = was.take(pa.array(changes.partner, mask=changes.partner < 0))
    images = pa.table({"path": changes.after["path"], "was": old, "now": now})
    moved = images.filter(pc.fill_null(pc.not_equal(old, now), False))
    by_sides = moved.group_by(["was", "now"]).aggregate([([], "count_all")])
    by_sides = by_sides.sort_by([("was", "ascending"), ("now", "ascending")]).rename_columns(["was", "now", "images"])
    # An image that takes no part in the split has no purpose.
    fresh = now.filter(pa.array(changes.partner < 0)).drop_null()
    counts = {"was": count_values(before["purpose"]), "now": count_values(after["purpose"]), "new": count_values(fresh)}
    return {
        "by_purpose": list_counts_by_name("purpose", counts, order),
        "moved": {
            "images": moved.num_rows,
            "by_sides": by_sides.to_pylist(),
            "examples": moved.sort_by("path").slice(0, MAX_EXAMPLES).to_pylist(),
        },
    }


def _purpose_of(paths: pa.ChunkedArray, split: pa.Table) -> pa.ChunkedArray:
    """(paths,) the purpose of each image; null for one that takes no part."""
    return split["purpose"].take(pc.index_in(paths, value_set=split["path"]))


def compare_settings(before: Any, after: Any) -> list[dict[str, Any]]:
    """One entry per YAML path whose values differ: path, was, now; of a key that is not there, one of these lacks."""
    return [
        {"path": path, **({} if was is ABSENT else {"was": was}), **({} if now is ABSENT else {"now": now})}
        for path, was, now in find_differences(before, after)
    ]


def compare_packages(before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, Any]]:
    """One entry per package of another version, by name: name, was, now."""
    return _list_changes(before, after, sorted({*before, *after}), "name")


def compare_stage_code(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """One entry per stage whose own code, as `provenance.code_of` said, has another number: stage, was, now."""
    old, new = ({stage: code.get("code") for stage, code in stages.items()} for stages in (before, after))
    return _list_changes(old, new, [*old, *new], "stage")


def compare_label_numbers(before: Sequence[str], after: Sequence[str]) -> dict[str, Any]:
    """The label maps: ``classes`` as they are now, and ``changed``: class, was, now (None: it has no number)."""
    old, new = ({name: number for number, name in enumerate(classes)} for classes in (before, after))
    return {"classes": list(after), "changed": _list_changes(old, new, [*before, *after], "class")}


def compare_checks(
    before: Mapping[str, Sequence[Mapping[str, Any]]], after: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """One entry per check that says or found something else: stage, check, was, now.

    Of a check about history a manifest tells no outcome: only what it demands is compared.
    """
    old, new = (
        {
            (stage, check["check"]): {name: check[name] for name in _CHECK_FACTS if name in check}
            for stage, checks in suites.items()
            for check in checks
        }
        for suites in (before, after)
    )
    return _list_changes(old, new, [*old, *new], "stage", "check")


def compare_weights(before: pa.Table, after: pa.Table) -> list[dict[str, Any]]:
    """One entry per group, of `WEIGHT_COLUMNS`, that is drawn otherwise: purpose, group, was, now."""
    old, new = (
        {(row.pop("purpose"), row.pop("group")): row for row in table.select(WEIGHT_COLUMNS).to_pylist()}
        for table in (before, after)
    )
    return _list_changes(old, new, sorted({*old, *new}), "purpose", "group")


def _list_changes(
    before: Mapping[Any, Any], after: Mapping[Any, Any], keys: Iterable[Any], *names: str
) -> list[dict[str, Any]]:
    """One entry per key whose values differ, in the order of ``keys``: the key's parts by ``names``, was, now."""
    return [
        dict(zip(names, key if len(names) > 1 else (key,), strict=True))
        | {"was": before.get(key), "now": after.get(key)}
        for key in dict.fromkeys(keys)
        if before.get(key) != after.get(key)
    ]


def compare_exclusions(before: pa.Table, after: pa.Table) -> list[dict[str, Any]]:
    """What was left out, by rule: rule, was, now, new (images that were not left out by it), examples of the new ones.

    Both tables have `EXCLUSION_COLUMNS`.
    """
    counts = [count_values(table["rule"]) for table in (before, after)]
    found = []
    for rule in sorted({*counts[0], *counts[1]}):
        old = before.filter(pc.equal(before["rule"], rule))["path"]
        own = after.filter(pc.equal(after["rule"], rule))
        fresh = own.filter(pc.invert(pc.is_in(own["path"], value_set=old)))
        examples = fresh.sort_by("path").slice(0, MAX_EXAMPLES).select(["path", "reason"]).to_pylist()
        was, now = (count.get(rule, 0) for count in counts)
        found.append({"rule": rule, "was": was, "now": now, "new": fresh.num_rows, "examples": examples})
    return found


def count_kept_records(before: pa.Table, after: pa.Table) -> int:
    """Records, of `RECORD_COLUMNS`, of the later version that stand in the earlier one too, byte for byte."""
    # A draw has a seed of its own: it comes of epoch, content and ordinal.
    at = pc.index_in(after["seed"], value_set=before["seed"])
    same = pc.is_valid(at)
    for name in ("path", "crc", "length"):
        same = pc.and_(same, pc.fill_null(pc.equal(before[name].take(at), after[name]), False))
    return int(pc.sum(same).as_py() or 0)


def list_counts_by_name(
    title: str, counts: Mapping[str, Mapping[str, int]], order: Sequence[str]
) -> list[dict[str, Any]]:
    """One row per name, in an order and then by name: its counts of each kind."""
    there = {name for found in counts.values() for name in found}
    names = [*(name for name in order if name in there), *sorted(there - set(order))]
    return [{title: name, **{kind: found.get(name, 0) for kind, found in counts.items()}} for name in names]
