"""The test set's lock against the version before: which locked images came, left, or changed sides."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.account import held_out
from brev_pipeline.audit.tables import listed_now
from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.store import Version


def lock_changes(version: Version, manifest: Mapping[str, Any], parent: Version) -> tuple[list[str], list[str]]:
    """What became of the test set since the version that was published before.

    Args:
        version: a published version.
        manifest: its manifest.
        parent: the version before it.

    Returns:
        Problems: images that changed sides although ``split.allow_moves`` is off, and new ones in a purpose of
        ``split.locked`` although ``split.allow_additions`` is off. Notes: all other changes.
    """
    settings = SplitSettings.model_validate(manifest["configuration"]["split"])
    try:
        if parent.manifest().get("test_lock") == manifest.get("test_lock"):
            return [], []
        before, now = listed_now(parent.table("assignments")), listed_now(version.table("assignments"))
    except (BrevPipelineError, pa.ArrowInvalid, OSError) as error:
        return [], [f"the test set's lock cannot be compared with version {parent.id}, the one before: {error}"]
    problems: list[str] = []
    notes: list[str] = []
    for purpose in held_out(settings):
        moved, left, came = _changes(before, now, purpose)
        closed = purpose in settings.locked and not settings.allow_additions and _has(before, purpose)
        for ids, what, broken in (
            (moved, "changed sides", not settings.allow_moves),
            (came, "are new", closed),
            (left, "are no longer listed", False),
        ):
            if ids:
                said = f"LOCK: {len(ids)} images of {purpose} {what} since version {parent.id}, the first {min(ids)}"
                (problems if broken else notes).append(said)
    return problems, notes


def _changes(before: pa.Table, now: pa.Table, purpose: str) -> tuple[set[str], set[str], set[str]]:
    """Content ids of a purpose that stand elsewhere now, that are gone, and that are new."""
    old, new = _contents(before, purpose), _contents(now, purpose)
    there = set(now["content_id"].to_pylist())
    return (old - new) & there, old - there, new - old


def _contents(split: pa.Table, purpose: str) -> set[str]:
    return set(split["content_id"].filter(pc.equal(split["purpose"], purpose)).to_pylist())


def _has(split: pa.Table, purpose: str) -> bool:
    return bool(pc.any(pc.equal(split["purpose"], purpose), min_count=0).as_py())
