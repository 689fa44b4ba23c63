"""Label findings: what reading labels tells besides the labels themselves, with counts and first examples.

None of it is an error: a data set may have photos without a label, and files about photos that are gone. It is told,
so that nothing is lost unseen; it is JSON-safe, and the same for the same files.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

_SHOWN: Final = 5

FINDINGS: Final = {
    "not_asked": "photos that the source's `photos` does not match",
    "no_label": "photos without a label by this source, as its `absent` allows",
    "no_photo": "label files, or rows and images in them, that mean no listed photo",
    "shared_file": "label files that belong to several photos",
    "older_file": "label files that a later one by name replaces",
    "excluded_object": "objects left out, each for its reason",
    "crowd": "objects that stand for a group (iscrowd)",
    "left_out": "objects whose label is mapped to null",
    "not_taken": "annotations of a kind that is not taken",
    "several_parts": "objects in several parts, each now an object of its own",
    "beyond_photo": "objects that reach beyond the photo as the label file has its size: they are clipped later",
    "unused_column": "columns that nothing in the configuration uses",
    "unused_class": "classes that no object has",
}
"""Kind of finding → what it counts."""


@dataclass(frozen=True)
class Finding:
    """One kind of finding of one source."""

    source: str
    kind: str
    """One of `FINDINGS`."""
    count: int
    examples: tuple[str, ...]
    """The first of them, in words."""


@dataclass
class LabelFindings:
    """What was found, in the order in which it was; of several sources and datasets it adds up."""

    _counts: dict[tuple[str, str], int] = field(default_factory=dict)
    _examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, source: str, kind: str, count: int, examples: Iterable[str | None] = ()) -> None:
        """Count ``count`` more of a kind; of the examples the first few are kept."""
        if not count:
            return
        if kind not in FINDINGS:
            raise ValueError(f"{kind!r} is no kind of finding")
        place = (source, kind)
        self._counts[place] = self._counts.get(place, 0) + count
        shown = self._examples.setdefault(place, [])
        for example in examples:
            if len(shown) >= _SHOWN:
                break
            if example is not None:
                shown.append(example)

    def add_findings(self, other: "LabelFindings") -> None:
        """Count what another has too."""
        for found in other.rows:
            self.add(found.source, found.kind, found.count, found.examples)

    @property
    def rows(self) -> list[Finding]:
        """All of them."""
        return [Finding(*place, count, tuple(self._examples[place])) for place, count in self._counts.items()]

    def count_of(self, kind: str) -> int:
        """How many of a kind there are, over all sources."""
        return sum(found.count for found in self.rows if found.kind == kind)

    def build_summary(self) -> list[dict[str, Any]]:
        """A row for each: source, kind, what it counts in words, count, examples."""
        return [
            {
                "source": found.source,
                "kind": found.kind,
                "counts": FINDINGS[found.kind],
                "count": found.count,
                "examples": list(found.examples),
            }
            for found in self.rows
        ]
