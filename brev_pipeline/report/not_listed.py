"""Not listed: files beside the images that are listed, by ending and reason; and how many images each name matches."""

from dataclasses import dataclass
from typing import Any, Final

from brev_pipeline.listing.image_filter import UNLISTED_REASONS
from brev_pipeline.report.ground import Ground

_ROWS: Final = 60


@dataclass(frozen=True)
class Kind:
    """Files of one ending, not listed for one reason."""

    ending: str
    says: str
    files: int


@dataclass(frozen=True)
class NotListed:
    """The part of the section of what was found."""

    known: bool
    """Whether the listing told of it."""
    files: int
    kinds: list[Kind]
    more_kinds: int
    names: list[dict[str, Any]]
    """setting, name, images, closest: those without a match first."""
    more_names: int
    twins: list[dict[str, Any]]


def not_listed(ground: Ground) -> NotListed:
    """What the listing found besides the images."""
    facts = ground.inputs.found
    unlisted, names = facts.get("unlisted", []), facts.get("names", [])
    names = sorted(names, key=lambda row: row["images"] > 0)
    kinds = [Kind(row["ending"], UNLISTED_REASONS.get(row["reason"], row["reason"]), row["files"]) for row in unlisted]
    return NotListed(
        bool(facts),
        sum(one.files for one in kinds),
        kinds[:_ROWS],
        max(0, len(kinds) - _ROWS),
        names[:_ROWS],
        max(0, len(names) - _ROWS),
        facts.get("twins", [])[:_ROWS],
    )
