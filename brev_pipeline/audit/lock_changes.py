"""The test set's lock against the version before: which locked images came, left, or changed sides."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.release.exclusions import locked_purposes


def find_lock_changes(
    assignments: pa.Table, before: pa.Table, settings: SplitSettings, parent: str
) -> tuple[list[str], list[str]]:
    """What became of the test set since the version that was published before.

    Args:
        assignments: of a published version, with the images that it remembers.
        before: those of the version before it.
        settings: of the split of the later one.
        parent: id of the version before.

    Returns:
        Problems: images that changed sides although ``split.allow_moves`` is off, and new ones in a purpose of
        ``split.locked`` although ``split.allow_additions`` is off. Notes: all other changes. An image that was away and
        comes back to its side is no new one.
    """
    problems: list[str] = []
    notes: list[str] = []
    for purpose in locked_purposes(settings):
        old, now = _PurposeItems.of(before, purpose), _PurposeItems.of(assignments, purpose)
        closed = purpose in settings.locked and not settings.allow_additions and bool(old.here | old.away)
        for ids, what, broken in (
            (_find_moved(old, now), "changed sides", not settings.allow_moves),
            (now.here - old.here - old.away - old.elsewhere, "are new", closed),
            (old.here - now.listed, "are no longer listed", False),
        ):
            if ids:
                said = f"LOCK: {len(ids)} images of {purpose} {what} since version {parent}, the first {min(ids)}"
                (problems if broken else notes).append(said)
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
        own = pc.equal(table["purpose"], purpose)
        listed = set(table["content_id"].filter(table["listed"]).to_pylist())
        here = set(table["content_id"].filter(pc.and_(own, table["listed"])).to_pylist())
        away = set(table["content_id"].filter(pc.and_not(own, table["listed"])).to_pylist()) - listed
        return cls(here, away, set(table["content_id"].to_pylist()) - here - away, listed)


def _find_moved(old: _PurposeItems, now: _PurposeItems) -> set[str]:
    """Contents that left the purpose for another one, or came to it from there."""
    return ((old.here | old.away) & now.listed - now.here) | (now.here & old.elsewhere)
