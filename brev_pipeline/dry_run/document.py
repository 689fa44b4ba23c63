"""The dry run's answer, as one JSON document: a draft of the run beside the newest version."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig, SplitSettings
from brev_pipeline.diff.images import LISTING_COLUMNS, MAX_EXAMPLES, ImageChanges, compare_images
from brev_pipeline.diff.versions import (
    EXCLUSION_COLUMNS,
    SPLIT_COLUMNS,
    compare_exclusions,
    compare_label_numbers,
    compare_packages,
    compare_purposes,
    compare_settings,
    compare_stage_code,
    list_purposes,
    read_listed_split,
)
from brev_pipeline.dry_run.draft import Draft, list_classes, make_draft
from brev_pipeline.dry_run.images import find_undecoded_images
from brev_pipeline.dry_run.workload import describe_records, estimate_bytes, estimate_time
from brev_pipeline.split.leak_groups import assign_leak_groups, build_grouping_rules
from brev_pipeline.stages import SPECS, VERSION, package_versions
from brev_pipeline.store import Version
from brev_pipeline.table_metadata import given_sha256, known_sha256

READ_MB: Final = 1000
"""Million bytes of new images that are read for their contents, unless something else is asked for."""
_MAX_DRAFTS: Final = 3  # times that the draft begins anew, because a version was published while it was made
PUBLISH, NOTHING, STOP = "publish", "nothing", "stop"
"""What a run would do: publish a version, find nothing new, or stop before."""


def plan_run(config: PipelineConfig, *, most_bytes: int = READ_MB * 1_000_000) -> dict[str, Any]:
    """Say what a run would do now, writing nothing; JSON-safe.

    Args:
        config: the pipeline's configuration.
        most_bytes: of new images that may be read to know their contents; where they are more, none is read, and
            what that leaves open is said.

    Returns:
        ``pipeline``, ``store``, ``compared_with`` (the newest version; None: nothing was published yet), ``would``
        (publish, nothing, stop), ``because`` (why another version would be published than the newest; empty else),
        ``stops`` and ``warnings`` (stage, check, says, offending, examples), ``read``, ``images``, ``left_out``,
        ``groups``, ``sides``, ``labels``, ``decode``, ``records``, ``bytes``, ``time``, ``settings``, ``packages``,
        ``code``, ``open``. A section that the run would not come to is None.

    Raises:
        StoreError: the store cannot be reached.
    """
    draft = make_draft(config, most_bytes)
    # What a run published meanwhile stands in one half of the draft only.
    for _ in range(_MAX_DRAFTS):
        if draft.store.publications.read_newest() == (draft.newest and draft.newest[0]):
            break
        draft = make_draft(config, most_bytes)
    return _describe_draft(draft)


def _describe_draft(draft: Draft) -> dict[str, Any]:
    config, newest = draft.config, draft.newest_version
    manifest = newest.read_manifest() if newest else None
    changes = _compare_images(draft)
    because = _find_reasons(draft, manifest) if manifest and not draft.stops else []
    document = {
        "pipeline": config.name,
        "store": draft.store.folder.url,
        "compared_with": draft.newest
        and {
            "version": draft.newest[1].id,
            "number": draft.newest[0].number,
            "published_at": draft.newest[0].published_at,
        },
        "would": STOP if draft.stops else NOTHING if manifest and not because else PUBLISH,
        "because": because,
        "stops": draft.stops,
        "warnings": draft.warnings,
        "read": draft.images
        and {"images": draft.images.read, "bytes": draft.images.read_bytes, "unread_bytes": draft.images.unread_bytes},
        "images": changes and changes.to_dict(),
        **dict.fromkeys(("left_out", "groups", "sides", "labels", "decode", "records", "bytes", "time")),
        "settings": compare_settings(manifest["configuration"], config.content_settings()) if manifest else [],
        "packages": compare_packages(manifest.get("packages", {}), package_versions()) if manifest else [],
        "code": compare_stage_code(manifest.get("stages", {}), _stage_code()) if manifest else [],
        "open": _describe_unknowns(draft),
    }
    if changes and "sample_split" in draft.tables:
        document |= _describe_split(draft, changes, manifest)
    if draft.pixels:
        document["decode"] = {"contents": draft.pixels.decode, "bytes": draft.pixels.bytes}
    if draft.records:
        document |= _describe_records(draft)
    return document


def _compare_images(draft: Draft) -> ImageChanges | None:
    if draft.images is None:
        return None
    newest, now = draft.newest_version, draft.images.integrity.select(LISTING_COLUMNS)
    before = newest.read_table("listing", LISTING_COLUMNS) if newest else now.slice(0, 0)
    return compare_images(before, now, draft.images.unread)


def _describe_split(draft: Draft, changes: ImageChanges, manifest: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the split tells."""
    newest, split = draft.newest_version, draft.tables["sample_split"].read()
    now = split.select(SPLIT_COLUMNS)
    before = read_listed_split(newest) if newest else now.slice(0, 0)
    groups: dict[str, Any] = {"joined": 0, "examples": []}
    ledger = draft.division.history.ledger if draft.division else None
    if newest and ledger is not None:
        groups = _find_joined_groups(newest, ledger, split, draft.config.split)
    return {
        "groups": groups,
        "sides": compare_purposes(changes, before, now, draft.config.split.names),
        "labels": compare_label_numbers(manifest["classes"] if manifest else [], list_classes(draft)),
    }


def _describe_records(draft: Draft) -> dict[str, Any]:
    """What the plan of the records tells."""
    assert draft.planned is not None
    assert draft.records is not None
    assert draft.pixels is not None
    assert draft.excluded is not None
    newest, excluded = draft.newest_version, draft.excluded.select(EXCLUSION_COLUMNS)
    before = newest.read_table("exclusions", EXCLUSION_COLUMNS) if newest else excluded.slice(0, 0)
    order = dict.fromkeys([*draft.config.split.names, *(list_purposes(newest.read_manifest()) if newest else [])])
    described = describe_records(draft.planned, draft.records, newest, list(order))
    work = {
        "prepared_images": draft.pixels.decode,
        "tfrecord_shards": described["written"],
        VERSION: draft.images.integrity.num_rows if draft.images else 0,
    }
    measured = {stage: seconds for stage, seconds in draft.seconds.items() if stage not in work}
    return {
        "left_out": compare_exclusions(before, excluded),
        "records": described,
        "bytes": estimate_bytes(draft.config, draft.planned, draft.records, draft.pixels.prepared, newest),
        "time": estimate_time(measured, work, draft.store.timing_log.read_timings()),
    }


def _describe_unknowns(draft: Draft) -> list[dict[str, Any]]:
    """What only a run finds out: of how many images, and in words."""
    if draft.images is None:
        return []
    unread, unknowns = draft.images.unread, []
    if count := int(unread.sum()):
        size = f"{draft.images.unread_bytes / 1e6:,.0f} MB"
        says = f"their bytes ({size}) were not read: whether they are new, renamed, changed, or copies of others"
        unknowns.append({"what": "contents", "images": count, "says": says})
    if draft.pixels:
        undecoded = find_undecoded_images(draft.images.integrity, draft.pixels) & ~unread
        if count := int(undecoded.sum()):
            says = "never decoded: whether they are damaged, copies by their pixels, blank, or of another size"
            unknowns.append({"what": "pixels", "images": count, "says": says})
    return unknowns


def _stage_code() -> dict[str, dict[str, str]]:
    """Stage → the versions of its code, as a manifest has them."""
    from brev_pipeline.provenance import code_of

    return {stage: code_of(stage) for stage in SPECS}


def _find_reasons(draft: Draft, manifest: Mapping[str, Any]) -> list[str]:
    """Why the version that would be made is not the newest one: what of that is otherwise; nothing: it is the same."""
    from brev_pipeline.config.differences import find_differences
    from brev_pipeline.listing import listing_fingerprint

    assert draft.images is not None
    assert draft.records is not None
    assert draft.pixels is not None
    assert draft.newest_version is not None
    assert draft.excluded is not None
    split = draft.tables["sample_split"].read([])
    before = draft.newest_version.read_table("exclusions")
    fingerprint = listing_fingerprint(draft.images.integrity.select(["path", "etag"]))
    same = {
        "images that nobody has read": not draft.images.unread.any(),
        "images that were never decoded": not draft.pixels.open,
        "the paths of the images, or their entity tags": manifest["listing_fingerprint"] == fingerprint,
        "the images that are left out, or why": before.equals(
            draft.excluded.replace_schema_metadata(None).cast(before.schema)
        ),
        "the settings": not any(find_differences(manifest["configuration"], draft.config.content_settings())),
        "the order of split.purposes": list(manifest.get("purposes", [])) == draft.config.split.names,
        "what the file of split.ledger_csv holds": manifest.get("known_assignments_sha256") == known_sha256(split),
        "what the files of split.given hold": manifest.get("given_sha256", {}) == given_sha256(split),
        "the versions of packages": manifest.get("packages") == package_versions(),
        "the code of stages": manifest.get("stages") == _stage_code(),
        "the records": draft.records.stands,
    }
    return [what for what, is_so in same.items() if not is_so]


def _find_joined_groups(newest: Version, ledger: pa.Table, split: pa.Table, settings: SplitSettings) -> dict[str, Any]:
    """The groups that would join: ``joined``, how many, and ``examples``: the ``groups`` (by their smallest path) that
    each is made of, and the ``purposes`` that these had. The ledger is row by row the newest's assignments.
    """
    before = newest.read_table("assignments", ["path", "leak_group", "purpose", "listed"])
    if _all_unchanged(before, split):
        return {"joined": 0, "examples": []}
    leak_groups = assign_leak_groups(split, build_grouping_rules(settings), ledger)
    rows = pa.table({"now": leak_groups.ledger_group, "was": before["leak_group"], "purpose": before["purpose"]})
    if "listed" in before.column_names:
        rows = rows.filter(before["listed"])
    pairs = rows.group_by(["now", "was", "purpose"]).aggregate([]).sort_by("was")
    groups: dict[int, list[dict[str, str]]] = {}
    now = pairs["now"].to_numpy()
    for row in pairs.filter(pa.array(np.bincount(now, minlength=1)[now] > 1)).to_pylist():
        groups.setdefault(row["now"], []).append(row)
    examples = [
        {"groups": [row["was"] for row in joined], "purposes": sorted({row["purpose"] for row in joined})}
        for joined in islice(groups.values(), MAX_EXAMPLES)
    ]
    return {"joined": len(groups), "examples": examples}


def _all_unchanged(before: pa.Table, split: pa.Table) -> bool:
    """Whether each image of a version is still in a group of the same name, so that no two groups can have joined."""
    if "listed" in before.column_names:
        before = before.filter(before["listed"])
    now = split["leak_group"].take(pc.index_in(before["path"], value_set=split["path"]))
    return bool(pc.all(pc.fill_null(pc.equal(now, before["leak_group"]), False), min_count=0).as_py())
