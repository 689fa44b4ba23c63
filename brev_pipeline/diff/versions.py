"""Versions: two published versions beside each other, from their manifests and tables alone."""

from collections.abc import Mapping
from typing import Any

from brev_pipeline.diff.facts import (
    OF_EXCLUSIONS,
    compare_checks,
    compare_code,
    compare_exclusions,
    compare_labels,
    compare_packages,
    compare_settings,
)
from brev_pipeline.diff.images import COMPARED, compare_images
from brev_pipeline.diff.sides import OF_SPLIT, by_name, compare_sides, count
from brev_pipeline.diff.weights import OF_RECORDS, OF_WEIGHTS, compare_weights, count_kept
from brev_pipeline.store import Version
from brev_pipeline.tables import part_names


def diff_versions(before: Version, after: Version) -> dict[str, Any]:
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
    manifests = before.read_manifest(), after.read_manifest()
    old, new = manifests
    order = purposes_of(new)
    changes = compare_images(before.read_table("listing", COMPARED), after.read_table("listing", COMPARED))
    records = [version.read_table("records", OF_RECORDS) for version in (before, after)]
    return {
        "before": {"version": before.id, "path": before.path},
        "after": {"version": after.id, "path": after.path},
        "same": before.id == after.id,
        "images": changes.document(),
        "left_out": compare_exclusions(*(one.read_table("exclusions", OF_EXCLUSIONS) for one in (before, after))),
        "sides": compare_sides(changes, listed_split(before), listed_split(after), order),
        "labels": compare_labels(old["classes"], new["classes"]),
        "weights": compare_weights(*(one.read_table("weights", OF_WEIGHTS) for one in (before, after))),
        "records": {
            "was": records[0].num_rows,
            "now": records[1].num_rows,
            "kept": count_kept(*records),
            "bytes": {"was": shard_bytes(old), "now": shard_bytes(new)},
            "by_part": by_name(
                "part",
                {name: count(part_names(table)) for name, table in zip(("was", "now"), records, strict=True)},
                order,
            ),
        },
        "settings": compare_settings(old["configuration"], new["configuration"]),
        "packages": compare_packages(old.get("packages", {}), new.get("packages", {})),
        "code": compare_code(old.get("stages", {}), new.get("stages", {})),
        "checks": compare_checks(old.get("checks", {}), new.get("checks", {})),
    }


def listed_split(version: Version) -> Any:
    """The assignments of a version's own images: columns `OF_SPLIT`."""
    table = version.read_table("assignments", [*OF_SPLIT, "listed"])
    return table.filter(table["listed"]).select(OF_SPLIT) if "listed" in table.column_names else table


def purposes_of(manifest: Mapping[str, Any]) -> list[str]:
    """The purposes of a version in their order."""
    return list(manifest.get("purposes") or manifest["counts"]["images"])


def shard_bytes(manifest: Mapping[str, Any]) -> int:
    """Bytes of a version's shards."""
    return sum(int(facts["bytes"]) for name, facts in manifest["files"].items() if ".tfrecord-" in name)
