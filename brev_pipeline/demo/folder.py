"""Folder: which files the demo consists of, what each shows, and the record that says that the folder is ours.

180 photos in the numbers of the data set that the demo stands for, and, if asked for, four files that are not as they
should be, so that a run has something to report. Items are numbered anew in each class folder. Labels, if asked for,
are a mask of each of these files, and for all of them a file of boxes and outlines and a table of numbers.

Nothing is drawn into a folder that holds something else. Into one that holds the same demo, only what is missing or
altered is drawn; so an interrupted run is repeated by the same call. Files that someone else put beside the photos are
left alone. Labels can be asked for later, and then stay. The record is a hidden file with the seed and every file's
SHA-256. Files appear whole or not at all: each is written under a hidden name and renamed.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

from brev_pipeline.demo.items import Draws, Fault, Item, Shot, draw_item, draw_shot
from brev_pipeline.demo.labels import (
    OBJECTS,
    TABLE,
    VALUES,
    describe_items,
    describe_objects,
    encode_mask,
    mark_defect,
    place_mask,
)  # fmt: skip
from brev_pipeline.demo.photo import take_photo
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.seeds import seed64

RECORD: Final = ".brev-pipeline-demo.json"
DRAWING: Final = 2  # goes up when the same seed draws other pictures
_TEMPORARY: Final = ".tmp-"
_CUT: Final = 0.6  # share of a truncated file that is left

Progress = Callable[[int, int], None]
Kind = Literal["photo", "byte copy", "pixel copy", "truncated", "mask"]

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
    def path(self) -> str:
        """Path of the photo below the demo's folder: item and time in milliseconds."""
        jitter = seed64(0, "demo time", self.folder, self.item, self.take) % _JITTER_MS
        time = _START[self.folder] + self.item * _ITEM_MS + self.take * _TAKE_MS + jitter
        return f"{self.folder}/{self.item}_{time}.bmp"


@dataclass(frozen=True)
class DemoFile:
    """One file of the demo: its path below the folder, what it shows, and whether it is as it should be."""

    path: str
    view: View
    kind: Kind = "photo"


def list_demo_files(*, flaws: bool) -> list[DemoFile]:
    """All photos of the demo, in the order in which they are drawn."""
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


@dataclass(frozen=True)
class Flaw:
    """A file that is not as it should be: where it lies, what is wrong, and the photo that it is a copy of, if any."""

    path: str
    kind: Kind
    of: str | None


@dataclass(frozen=True)
class DemoSummary:
    """What lies in the demo's folder after a drawing."""

    folder: Path
    photos: dict[str, int]  # class folder → sound photos, 180 in all
    flaws: tuple[Flaw, ...]
    defects: dict[str, int]  # fault → photos whose labels show it; empty without labels
    size: int  # bytes of all files together
    drawn: int  # files that this call wrote
    kept: int  # files that were there already, as they should be


@dataclass(frozen=True)
class _Record:
    """What a folder was drawn from, and what was finished."""

    seed: int
    flaws: bool
    labels: bool = False
    drawing: int = DRAWING
    sha256: Mapping[str, str] = field(default_factory=dict)  # of each path; empty until all files are drawn

    def __str__(self) -> str:
        return f"seed {self.seed} {'with' if self.flaws else 'without'} flaws"


def draw_demo(
    folder: Path,
    *,
    seed: int = 0,
    flaws: bool = False,
    labels: bool = False,
    on_progress: Progress | None = None,
) -> DemoSummary:
    """Draw the demo's photos: the same seed gives the same names everywhere, and the same bytes on one machine.

    Args:
        folder: where to; made if it does not exist.
        seed: 0 ≤ seed < 2**63.
        flaws: add two byte copies, one pixel copy and one truncated file.
        labels: add a mask of each photo, ``{folder}/masks/{stem}.png``; ``objects.json``, a COCO file; and
            ``metadata.csv``, a table.
        on_progress: called after each file with the number of files done and of all files.

    Raises:
        BrevPipelineError: the folder holds something that is not this demo, or cannot be written.
        ValueError: the seed is out of range.
    """
    if not 0 <= seed < 2**63:
        raise ValueError(f"the seed must be in [0, 2**63), got {seed}")
    try:
        return _draw_files(Path(folder), _Record(seed, flaws, labels), on_progress or (lambda _done, _all: None))
    except OSError as error:
        raise BrevPipelineError(
            f"the demo photos cannot be drawn into {folder}: {error.strerror or error} ({error.filename or folder}); "
            "choose another folder, or check its permissions and the free space"
        ) from error


def draw_file(file: DemoFile, seed: int) -> bytes:
    """Content of one file of the demo: a 24-bit BMP, whole or cut, or a PNG; of a mask an 8-bit PNG."""
    import cv2

    item, shot = _draw_subject(file.view, seed)
    if file.kind == "mask":
        return encode_mask(mark_defect(item, shot))
    pixels = take_photo(item, shot)
    _, encoded = cv2.imencode(".png" if file.kind == "pixel copy" else ".bmp", pixels[..., ::-1])
    data = encoded.tobytes()
    return data[: int(len(data) * _CUT)] if file.kind == "truncated" else data


def draw_objects(files: Sequence[DemoFile], seed: int) -> bytes:
    """The COCO file about photos of the demo."""
    return describe_objects((file.path, mark_defect(*_draw_subject(file.view, seed))) for file in files)


def draw_table(files: Sequence[DemoFile], seed: int) -> bytes:
    """The table about photos of the demo."""
    return describe_items((file.path, _draw_subject(file.view, seed)[0]) for file in files)


def _draw_subject(view: View, seed: int) -> tuple[Item, Shot]:
    """The vial in a view, and how the photo sees it."""
    draws, (_, _, faults) = Draws(seed, (view.folder, view.item)), _FOLDERS[view.folder]
    item = draw_item(draws, faults[view.item % len(faults)])
    return item, draw_shot(draws.narrow_to("photo", view.take))


def _draw_files(folder: Path, record: _Record, on_progress: Progress) -> DemoSummary:
    photos = list_demo_files(flaws=record.flaws)
    known = _claim_folder(folder, record)
    record = replace(record, labels=record.labels or known.labels)
    masks = [DemoFile(place_mask(file.path), file.view, "mask") for file in photos] if record.labels else []
    draws: dict[str, Callable[[], bytes]] = {
        file.path: partial(draw_file, file, record.seed) for file in [*photos, *masks]
    }
    if record.labels:
        draws[OBJECTS] = partial(draw_objects, photos, record.seed)
        draws[TABLE] = partial(draw_table, photos, record.seed)
    digests, drawn = dict[str, str](), 0
    for done, (name, draw) in enumerate(draws.items(), start=1):
        path = folder / name
        present = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
        if present is None or present != known.sha256.get(name):
            data = draw()
            _write_whole(path, data)
            present, drawn = hashlib.sha256(data).hexdigest(), drawn + 1
        digests[name] = present
        on_progress(done, len(draws))
    _save_record(folder, replace(record, sha256=digests))
    return _summarise(folder, photos, record, draws, drawn)


def _summarise(
    folder: Path, files: Sequence[DemoFile], record: _Record, names: Collection[str], drawn: int
) -> DemoSummary:
    photos = Counter(file.view.folder for file in files if file.kind == "photo")
    bad = [file for file in files if file.kind != "photo"]
    flaws = tuple(Flaw(file.path, file.kind, file.view.path if "copy" in file.kind else None) for file in bad)
    faults = (
        Counter(_draw_subject(file.view, record.seed)[0].fault for file in files) if record.labels else Counter[Fault]()
    )
    defects: dict[str, int] = {fault: faults[fault] for fault in VALUES if faults[fault]}
    size = sum((folder / name).stat().st_size for name in names)
    return DemoSummary(folder, dict(photos), flaws, defects, size, drawn, len(names) - drawn)


def _claim_folder(folder: Path, wanted: _Record) -> _Record:
    """Make the folder ours before the first photo is drawn; what an earlier drawing of it finished."""
    if not folder.exists() or all(entry.name == _TEMPORARY + RECORD for entry in folder.iterdir()):
        _save_record(folder, wanted)
        return wanted
    known = _read_record(folder)
    if (known.seed, known.flaws) != (wanted.seed, wanted.flaws):
        raise BrevPipelineError(
            f"{folder} holds demo photos of {known}, not of {wanted}: choose another folder, or remove this one first"
        )
    return known if known.drawing == DRAWING else replace(known, sha256={})


def _save_record(folder: Path, record: _Record) -> None:
    # Without labels the record is what it was before there were any.
    facts = {name: value for name, value in asdict(record).items() if name != "labels" or value}
    _write_whole(folder / RECORD, (json.dumps(facts, indent=1) + "\n").encode())


def _read_record(folder: Path) -> _Record:
    try:
        known = json.loads((folder / RECORD).read_bytes())
        return _Record(
            known["seed"], known["flaws"], bool(known.get("labels")), known["drawing"], dict(known["sha256"])
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise BrevPipelineError(
            f"{folder} is not empty and holds no demo photos (no readable {RECORD}): nothing was written; "
            "choose an empty folder or a new one"
        ) from error


def _write_whole(file: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all; one of the same name is replaced."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name: the repeat of a killed run uses it up.
    temporary = file.with_name(_TEMPORARY + file.name)
    temporary.write_bytes(data)
    os.replace(temporary, file)
