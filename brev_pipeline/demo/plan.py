"""Plan: which files the demo consists of, and what each of them shows.

180 photos in the numbers of the data set that the demo stands for, and, if asked for, four files that are not
as they should be, so that a run has something to report. Items are numbered anew in each class folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from brev_pipeline.demo.item import Fault
from brev_pipeline.seeds import seed64

Kind = Literal["photo", "byte copy", "pixel copy", "truncated"]

GOOD: Final = 48  # items, with three photos each
_FOUR: Final = (10, 11)  # good items with four photos
BAD: Final = 11  # items, with two photos each
MISSING: Final = 6  # items, with two photos each

# Milliseconds since 1970: 28 November 2018, 08:00 UTC, and so on; an item comes by every minute.
_START: Final = {"good": 1_543_392_000_000, "bad_cap": 1_543_406_400_000, "missing_cap": 1_543_413_600_000}
_ITEM_MS: Final = 61_000
_TAKE_MS: Final = 14_000
_JITTER_MS: Final = 3_000


@dataclass(frozen=True)
class View:
    """One look at one item: class folder, item number, number of the photo."""

    folder: str
    item: int
    take: int

    @property
    def fault(self) -> Fault:
        """What is wrong with the item's closure."""
        kinds: dict[str, list[Fault]] = {
            "good": ["none"],
            "bad_cap": ["tilted", "dented", "loose"],
            "missing_cap": ["stoppered", "open"],
        }
        return kinds[self.folder][self.item % len(kinds[self.folder])]

    @property
    def name(self) -> str:
        """Item and time of the photo, without the file's ending."""
        return f"{self.item}_{_time(self)}"

    @property
    def path(self) -> str:
        """Place of the photo below the demo's folder."""
        return f"{self.folder}/{self.name}.bmp"


@dataclass(frozen=True)
class Planned:
    """One file of the demo: its place below the folder, what it shows, and whether it is as it should be."""

    path: str
    view: View
    kind: Kind = "photo"


def plan(*, flaws: bool) -> list[Planned]:
    """All files of the demo, in the order in which they are drawn."""
    photos = [Planned(view.path, view) for view in _views()]
    return photos + (_flaws() if flaws else [])


def _views() -> Iterator[View]:
    for item in range(GOOD):
        yield from (View("good", item, take) for take in range(4 if item in _FOUR else 3))
    for folder, items in (("bad_cap", BAD), ("missing_cap", MISSING)):
        yield from (View(folder, item, take) for item in range(items) for take in range(2))


def _flaws() -> list[Planned]:
    """Copies stay within their class: the same bytes under two classes would, rightly, stop a run."""
    misnamed, again = View("good", 31, 3).path, View("good", 23, 4).path
    exported = f"bad_cap/{View('bad_cap', 9, 2).name}.png"
    cut = View("good", 36, 3)
    return [
        Planned(misnamed, View("good", 17, 1), "byte copy"),
        Planned(f"recheck/{again}", View("good", 23, 0), "byte copy"),
        Planned(exported, View("bad_cap", 4, 0), "pixel copy"),
        Planned(cut.path, cut, "truncated"),
    ]


def _time(view: View) -> int:
    jitter = seed64(0, "demo time", view.folder, view.item, view.take) % _JITTER_MS
    return _START[view.folder] + view.item * _ITEM_MS + view.take * _TAKE_MS + jitter
