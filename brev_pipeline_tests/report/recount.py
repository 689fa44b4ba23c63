"""A version counted again, in plain Python: from the photos on the disk, the shards' bytes, and the version's tables.

Nothing of `brev_pipeline.report` is used, nor of the stages. What a photo shows is asked of Pillow and hashlib, which
class it has of the case's own rule; who is on which side, and which records there are, is what the version's Parquet
files say, the number of records what stands in the shards.
"""

import gzip
import hashlib
import json
import struct
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from PIL import Image

IMAGES: Final = (".png", ".bmp", ".jpg", ".tif", ".webp", ".gif")
CHANNELS: Final = {"L": (1, 8), "I;16": (1, 16), "RGB": (3, 8)}


@dataclass(frozen=True)
class Photo:
    """A photo on the disk, as an independent reader sees it."""

    path: str
    dataset: str
    classes: tuple[str, ...]
    """Those that are wanted; of a photo of no wanted class all."""
    all_classes: tuple[str, ...]
    size: int
    day: str
    md5: str
    format: str
    shape: tuple[int, int] | None
    """Width and height, if the header could be read."""
    channels: tuple[int, int] | None
    """Channels, and bits of each."""
    pixels: str
    """Hash of what it shows; empty where it cannot be read."""
    unread: str
    """Rule by which the listing leaves it out; else empty."""


@dataclass
class Recount:
    """All that a page may say of a version."""

    config: dict[str, Any]
    """The configuration in full, as the manifest has it."""
    manifest: dict[str, Any]
    folder: Path
    found: dict[str, Photo]
    """Path → photo, in the order of the paths."""
    assigned: dict[str, dict[str, Any]]
    """Path → row of the assignments, of images that are listed."""
    records: list[dict[str, Any]]
    weights: list[dict[str, Any]]
    checks: list[tuple[str, dict[str, Any]]]
    """Stage and what Dagster was told of a check."""
    number: int
    unlisted: "Counter[tuple[str, str]]"
    """Ending and reason of each file that is no listed image."""
    before: "Recount | None" = None
    rules: dict[str, str] = field(default_factory=dict)
    """Path → the rule that keeps it out of every record."""

    def __post_init__(self) -> None:
        self.rules = {path: rule for path in self.found if (rule := self._rule(path))}

    @property
    def listed(self) -> list[Photo]:
        """What the listing has read."""
        return [photo for photo in self.found.values() if not photo.unread]

    @property
    def recorded(self) -> set[str]:
        """Paths that a record holds."""
        return {record["path"] for record in self.records}

    @property
    def purposes(self) -> list[str]:
        """The usual ones first, then the others as they are configured."""
        split = self.config["split"]
        folds = [f"fold{number}" for number in range(split["folds"] or 0)]
        assert {*split["purposes"], *(folds or [split["remainder"]])} == set(self.manifest["purposes"])
        names = self.manifest["purposes"]  # the only place that keeps their order
        usual = ["train", "devel", "test"]
        return [name for name in usual if name in names] + [name for name in names if name not in usual]

    def alike(self) -> list[list[Photo]]:
        """Listed photos that show the same, two or more; the largest groups first, then by path."""
        groups: dict[str, list[Photo]] = {}
        for photo in self.listed:
            groups.setdefault(photo.pixels or photo.md5, []).append(photo)
        return sorted((one for one in groups.values() if len(one) > 1), key=lambda one: (-len(one), one[0].path))

    def counted(self, of: str) -> Counter[str]:
        """Images (of the split) by purpose, or records by purpose, a fold's draws by themselves."""
        if of == "images":
            return Counter(row["purpose"] for row in self.assigned.values())
        folds = self.config["split"]["folds"]
        return Counter(row["purpose"] + "_augmented" * bool(folds and row["augmented"]) for row in self.records)

    def _rule(self, path: str) -> str:
        photo = self.found[path]
        if photo.unread:
            return photo.unread
        if not photo.pixels:
            return "quarantined"
        readable = [one for one in self.listed if one.pixels]
        same = [one for one in readable if one.pixels == photo.pixels or one.md5 == photo.md5]
        policy = self.config["integrity"]
        if policy["label_conflicts"] == "quarantine" and any(one.classes != photo.classes for one in same):
            return "label_conflict"
        if policy["duplicates"] == "keep_first" and path != min(one.path for one in same if one.md5 == photo.md5):
            return "duplicate"
        return "" if path in self.recorded else "not_drawn"


def photos_of(
    folder: Path, buckets: dict[str, str], classes: Callable[[str], tuple[str, ...]], settings: dict[str, Any]
) -> dict[str, Photo]:
    """Every photo below the datasets' folders.

    Args:
        folder: that the buckets lie in.
        buckets: dataset's id → its bucket.
        classes: path within a dataset → its classes.
        settings: ``listing`` of the configuration.
    """
    found = {}
    for dataset, bucket in buckets.items():
        place = folder / bucket
        for file in place.rglob("*"):
            inner = file.relative_to(place)
            if file.is_file() and file.suffix in IMAGES and not any(part.startswith(".") for part in inner.parts):
                photo = _photo(file, dataset, f"{bucket}/{inner}", classes(str(inner)), place, settings)
                found[photo.path] = photo
    return dict(sorted(found.items()))


UNREAD: Final = {"class_filter": "listing.classes", "link_outside": "a link", "object_too_large": "max_object_mb"}


def unlisted_of(folder: Path, buckets: dict[str, str], found: dict[str, Photo]) -> "Counter[tuple[str, str]]":
    """Ending and reason (a word of it) of every file that is no listed image."""
    kinds: Counter[tuple[str, str]] = Counter()
    for bucket in buckets.values():
        folders: set[Path] = set()
        for file in (folder / bucket).rglob("*"):
            inner = file.relative_to(folder / bucket)
            photo = found.get(f"{bucket}/{inner}")
            if not file.is_file() or (photo and not photo.unread):
                continue
            hidden = any(part.startswith(".") for part in inner.parts)
            if hidden:
                # A folder that is hidden is not entered: it counts as one.
                at = next(number for number, part in enumerate(inner.parts) if part.startswith("."))
                if at < len(inner.parts) - 1:
                    folders.add(inner.parents[len(inner.parts) - 2 - at])
                    continue
            why = "hidden" if hidden else UNREAD[photo.unread] if photo else "no image by its name"
            kinds[file.suffix.lower() or "no ending", why] += 1
        for hidden_folder in folders:
            kinds[hidden_folder.name, "hidden"] += 1
    return kinds


def _photo(
    file: Path, dataset: str, path: str, classes: tuple[str, ...], place: Path, settings: dict[str, Any]
) -> Photo:
    data, stat = file.read_bytes(), file.stat()
    day = f"{datetime.fromtimestamp(stat.st_mtime, UTC):%Y-%m-%d}"
    outside = not settings["follow_links"] and not file.resolve().is_relative_to(place.resolve())
    wanted: Collection[str] | None = settings["classes"]
    large = stat.st_size > settings["max_object_mb"] * 1e6
    kept = tuple(name for name in classes if wanted is None or name in wanted)
    other = not kept
    unread = "class_filter" if other else "link_outside" if outside else "object_too_large" if large else ""
    shape, channels, pixels = None, None, ""
    try:
        with Image.open(file) as image:
            shape, channels = image.size, CHANNELS[image.mode]
            image.load()
            pixels = hashlib.sha256(repr((image.mode, image.size)).encode() + image.tobytes()).hexdigest()
    except OSError:
        pass
    kind = {".jpg": "jpeg", ".tif": "tiff"}.get(file.suffix, file.suffix[1:])
    md5 = hashlib.md5(data).hexdigest()
    return Photo(path, dataset, kept or classes, classes, stat.st_size, day, md5, kind, shape, channels, pixels, unread)


def recount(
    folder: Path,
    found: dict[str, Photo],
    checks: list[tuple[str, dict[str, Any]]],
    number: int,
    unlisted: "Counter[tuple[str, str]]",
    before: Recount | None,
) -> Recount:
    """Of the version in a folder."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    tables = {
        name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("assignments", "records", "weights")
    }
    assigned = {row["path"]: row for row in tables["assignments"] if row["listed"]}
    made = Recount(
        manifest["configuration"],
        manifest,
        folder,
        found,
        assigned,
        tables["records"],
        tables["weights"],
        checks,
        number,
        unlisted,
        before,
    )
    in_files = {file.name: _records_in(file) for file in folder.glob("*.tfrecord-*")}
    assert Counter(record["file"] for record in made.records) == in_files
    return made


def _records_in(shard: Path) -> int:
    """Records of a TFRecord file: each is its length, a checksum of that, its bytes, a checksum of them."""
    data, at, count = shard.read_bytes(), 0, 0
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    while at < len(data):
        at += 8 + 4 + struct.unpack_from("<Q", data, at)[0] + 4
        count += 1
    assert at == len(data)
    return count
