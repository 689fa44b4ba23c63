"""Contents: which files the demo consists of, and what each of them shows.

180 photos in the numbers of the data set that the demo stands for, and, if asked for, four files that are not
as they should be, so that a run has something to report. Items are numbered anew in each class folder.
"""

from dataclasses import dataclass
from typing import Final, Literal

from brev_pipeline.demo.items import Fault
from brev_pipeline.seeds import seed64

Kind = Literal["photo", "byte copy", "pixel copy", "truncated"]

# Class folder → items, photos of each, and the faults that its items take turns at.
_FOLDERS: Final[dict[str, tuple[int, int, list[Fault]]]] = {
    "good": (48, 3, ["none"]),
    "bad_cap": (11, 2, ["tilted", "dented", "loose"]),
    "missing_cap": (6, 2, ["stoppered", "open"]),
}
_FOUR: Final = (10, 11)  # good items with a fourth photo
# Milliseconds since 1970: 28 November 2018, 08:00 UTC, and so on; an item comes by every minute.
_START: Final = {"good": 1_543_392_000_000, "bad_cap": 1_543_406_400_000, "missing_cap": 1_543_413_600_000}
_ITEM_MS, _TAKE_MS, _JITTER_MS = 61_000, 14_000, 3_000


@dataclass(frozen=True)
class View:
    """One look at one item: class folder, item number, number of the photo."""

    folder: str
    item: int
    take: int

    @property
    def fault(self) -> Fault:
        """What is wrong with the item's closure."""
        faults = _FOLDERS[self.folder][2]
        return faults[self.item % len(faults)]

    @property
    def path(self) -> str:
        """Place of the photo below the demo's folder: item and time in milliseconds."""
        jitter = seed64(0, "demo time", self.folder, self.item, self.take) % _JITTER_MS
        time = _START[self.folder] + self.item * _ITEM_MS + self.take * _TAKE_MS + jitter
        return f"{self.folder}/{self.item}_{time}.bmp"


@dataclass(frozen=True)
class DemoFile:
    """One file of the demo: its place below the folder, what it shows, and whether it is as it should be."""

    path: str
    view: View
    kind: Kind = "photo"


def list_demo_files(*, flaws: bool) -> list[DemoFile]:
    """All files of the demo, in the order in which they are drawn."""
    views = [
        View(folder, item, take)
        for folder, (items, takes, _) in _FOLDERS.items()
        for item in range(items)
        for take in range(takes + (folder == "good" and item in _FOUR))
    ]
    # Copies stay within their class: the same bytes under two classes would, rightly, stop a run.
    cut = View("good", 36, 3)
    added = [
        DemoFile(View("good", 31, 3).path, View("good", 17, 1), "byte copy"),
        DemoFile(f"recheck/{View('good', 23, 4).path}", View("good", 23, 0), "byte copy"),
        DemoFile(View("bad_cap", 9, 2).path.replace(".bmp", ".png"), View("bad_cap", 4, 0), "pixel copy"),
        DemoFile(cut.path, cut, "truncated"),
    ]
    return [DemoFile(view.path, view) for view in views] + (added if flaws else [])
