"""What a verification says: problems by place, notes, and counts."""

from dataclasses import dataclass, field
from typing import Any, Final

from brev_pipeline.audit.removals import Removal
from brev_pipeline.store import Version

EXCUSED: Final = "which may have made it otherwise"
"""Ends the note on a claim that older code of its stage may explain."""


@dataclass(frozen=True)
class Verification:
    """What was found of one version."""

    version: Version
    files: int
    """In its manifest."""
    records: int
    publications: int
    """Entries of the store's log."""
    problems: list[str]
    """One line per problem, with the place; empty if all is well."""
    notes: list[str] = field(default_factory=list)
    """What is no damage, but should be known."""
    removed: Removal | None = None
    """Set where the version was removed on purpose: then there is nothing to verify but its manifest."""
    unchecked: list[str] = field(default_factory=list)
    """What could not be checked, because something outside of the version is not at hand."""

    def contents(self) -> dict[str, Any]:
        """The same, JSON-safe."""
        return {
            "version": self.version.id,
            "path": self.version.path,
            "files": self.files,
            "records": self.records,
            "removed": vars(self.removed) if self.removed else None,
            "problems": self.problems,
            "notes": self.notes,
            "unchecked": self.unchecked,
        }


@dataclass(frozen=True)
class StoreVerification:
    """What was found of a store's logs, and of its versions."""

    publications: int
    head: str | None
    """SHA-256 of the newest publication's file: keep it elsewhere, and nobody can cut the log unnoticed."""
    problems: list[str]
    """Of the logs; those of the versions stand with them."""
    notes: list[str]
    versions: list[Verification]

    @property
    def is_well(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.problems and not any(version.problems for version in self.versions)

    def contents(self) -> dict[str, Any]:
        """The same, JSON-safe."""
        return {
            "is_well": self.is_well,
            "publications": self.publications,
            "head": self.head,
            "problems": self.problems,
            "notes": self.notes,
            "versions": [version.contents() for version in self.versions],
        }
