"""One shard, start to end, in one worker: rows of the plan and prepared pixels in, a file out.

Memory: twice the bytes of one shard, some 32 MB of pixels, and one image and its record; with an earlier version to
copy from, one of its shards too. Nothing grows with the number of shards.

Finished shards are remembered in a small JSON file each, so that a run that was killed goes on where it was. What is
remembered holds only for the very same rows, pixels, settings and augmentation: all of them are in the digest. And it
is not believed blindly: the shard's size and SHA-256 are checked before it is used again.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat, zip_longest
from typing import Any, Final, Literal, Protocol, TypeVar, cast

import numpy as np
import pyarrow as pa

from brev_pipeline.config import ShardSettings
from brev_pipeline.errors import ShardError
from brev_pipeline.frames import Augmenter, PixelReader, Pixels, augment_frames, stack_frames
from brev_pipeline.labels.base import Movement
from brev_pipeline.record_features import FeatureValue, describe_features
from brev_pipeline.records.encodings import ENCODINGS, make_encoder
from brev_pipeline.records.example import encode_example
from brev_pipeline.records.label_encoder import LabelEncoder, LabelSource, PhotoLabels
from brev_pipeline.records.reuse import RecordCopier
from brev_pipeline.records.schema import LABELLED_RECORD_VERSION, RECORD_VERSION
from brev_pipeline.store import Folder
from brev_pipeline.tfrecord import frame_record, masked_crc


@dataclass(frozen=True)
class FinishedShard:
    """A shard that stands in its folder, whole."""

    file: str  # name of the shard's file
    digest: str  # SHA-256 of all that its bytes depend on
    bytes: int
    sha256: str
    offsets: list[int]
    lengths: list[int]
    crcs: list[int]


def find_finished_shard(folder: Folder, progress: Folder, file: str, digest: str) -> FinishedShard | None:
    """What is known of a shard, if it was finished from the same inputs and its file is unharmed."""
    if not (progress.exists(_note_name(file)) and folder.exists(file)):
        return None
    finished = _load_note(progress, _note_name(file))
    if finished is None or (finished.file, finished.digest) != (file, digest):
        return None
    return finished if is_whole(folder, finished) else None


def is_whole(folder: Folder, finished: FinishedShard) -> bool:
    """Whether the shard's file has the bytes that it was finished with."""
    same_size = folder.file_size(finished.file) == finished.bytes
    return same_size and hashlib.sha256(folder.read(finished.file)).hexdigest() == finished.sha256


def note_finished_shard(progress: Folder, finished: FinishedShard) -> None:
    """Note that a shard is finished, in place of what was noted of an earlier one of this name."""
    progress.remove(_note_name(finished.file))
    progress.write(_note_name(finished.file), json.dumps(vars(finished)).encode())


def list_finished_shards(progress: Folder) -> list[FinishedShard]:
    """All that is noted, sorted by file name."""
    notes = (_load_note(progress, name) for name in progress.list_names())
    return sorted(filter(None, notes), key=lambda finished: finished.file)


def _load_note(progress: Folder, name: str) -> FinishedShard | None:
    try:
        return FinishedShard(**json.loads(progress.read(name)))
    except (ValueError, TypeError):
        # Not ours, or of another version of this package: the shard is simply written again.
        return None


def _note_name(file: str) -> str:
    return f"{file}.json"


@dataclass
class ShardBuffer:
    """Collects records; holds the file's bytes, for a moment twice, and nothing more.

    gzip has no clock and no name in its header (window bits 16 + 15 write time 0): the same records, the same bytes.
    """

    compression: Literal["none", "gzip"]
    offsets: list[int] = field(default_factory=list)  # first byte of each frame, in the uncompressed stream
    lengths: list[int] = field(default_factory=list)  # bytes of each record, without its frame
    crcs: list[int] = field(default_factory=list)  # masked CRC-32C of each record

    def __post_init__(self) -> None:
        # A list, joined once: a buffer that grows copies what it holds again and again.
        self._parts: list[bytes] = []
        self._hash = hashlib.sha256()
        self._next = 0
        self._gzip = zlib.compressobj(6, zlib.DEFLATED, 31) if self.compression == "gzip" else None

    def add_record(self, record: bytes, crc: int | None = None) -> None:
        """Append a record; its masked CRC-32C need not be computed again where it was checked just now."""
        crc = masked_crc(record) if crc is None else crc
        header, footer = frame_record(record, crc)
        self.offsets.append(self._next)
        self.lengths.append(len(record))
        self.crcs.append(crc)
        self._next += len(header) + len(record) + len(footer)
        for part in (header, record, footer):
            self._append_bytes(self._gzip.compress(part) if self._gzip else part)

    def join_file(self) -> tuple[bytes, str]:
        """The file's bytes and their SHA-256."""
        if self._gzip:
            self._append_bytes(self._gzip.flush())
        return b"".join(self._parts), self._hash.hexdigest()

    def _append_bytes(self, part: bytes) -> None:
        self._parts.append(part)
        self._hash.update(part)


# Columns of ``prepared_images`` that say where pixels lie; `FRAMES_COLUMN` too, where it is not null.
PIXEL_COLUMNS: Final = ["file", "offset", "length", "prepared_height", "prepared_width", "prepared_channels"]
FRAMES_COLUMN: Final = "prepared_frames"
PREPARED_COLUMNS: Final = ["content_id", "status", *PIXEL_COLUMNS, FRAMES_COLUMN]  # read to plan and write
_PIXELS_AT_ONCE: Final = 32_000_000  # bytes of pixels that are asked for at once


@dataclass(frozen=True)
class ShardTask:
    """A shard to be written: the plan's rows in order, with the columns that say where their pixels lie."""

    file: str
    rows: pa.Table = field(repr=False)
    # Where the same records lie in an earlier version, `PreviousRecords.find_matches`; None: nowhere.
    matches: pa.Table | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ShardResult:
    """What a task did."""

    finished: FinishedShard  # what stands in the folder now
    was_finished: bool  # an earlier run had finished this shard
    copied: int  # records that were copied from an earlier version


@dataclass(frozen=True)
class ShardWriter:
    """Writes a shard; sent to each worker once."""

    settings: ShardSettings
    augmenter: Augmenter | None  # changes the pixels of rows that are ``augmented``; None leaves all as they are
    pixels: PixelReader
    folder: Folder  # where shards are written
    progress: Folder  # where finished shards are noted
    fingerprint: str  # what the pixels depend on besides the rows
    labels: LabelSource | None = None
    # Folder of an earlier version to copy records from, and the compression of its shards.
    previous: tuple[Folder, str] | None = None

    def __call__(self, task: ShardTask) -> ShardResult:
        """Write a shard unless it is there already.

        Raises:
            ShardError: an image cannot be encoded, or a reader gave another number of images or labels.
            StoreError: the folder cannot be written.
        """
        digest = self._digest(task)
        if finished := find_finished_shard(self.folder, self.progress, task.file, digest):
            return ShardResult(finished, was_finished=True, copied=0)
        sink, copied = ShardBuffer(self.settings.compression), 0
        for record, crc in self._records(task):
            sink.add_record(record, crc)
            copied += crc is not None
        data, sha256 = sink.join_file()
        finished = FinishedShard(task.file, digest, len(data), sha256, sink.offsets, sink.lengths, sink.crcs)
        self._store(finished, data)
        return ShardResult(finished, was_finished=False, copied=copied)

    def _records(self, task: ShardTask) -> Iterator[tuple[bytes, int | None]]:
        """Each record in order; with a copy, its checksum, which was checked."""
        make = RecordBuilder(self.settings, self.augmenter, self.labels.encoder if self.labels else None)
        copier = RecordCopier(*self.previous, task.matches) if self.previous and task.matches else None
        step = max(1, _PIXELS_AT_ONCE // max(1, *task.rows["length"].to_pylist()))
        for start in range(0, task.rows.num_rows, step):
            chunk = task.rows.slice(start, step)
            rows, matches = chunk.to_pylist(), [{"file": None}] * chunk.num_rows
            if copier and task.matches:
                matches = task.matches.slice(start, step).to_pylist()
            copies = [
                copier.copy_record(match, row) if copier and match["file"] is not None else None
                for match, row in zip(matches, rows, strict=True)
            ]
            missing = pa.array([copy is None for copy in copies], pa.bool_())
            # Pixels are read only for what is made anew.
            wanted = chunk.filter(missing)
            images, labels = _read_pixels(wanted, self.pixels), _read_labels(wanted, self.labels)
            for row, match, copy in zip(rows, matches, copies, strict=True):
                yield (make(row, next(images), next(labels)), None) if copy is None else (copy, match["crc"])
            # There must be no more of them.
            next(images, None)
            next(labels, None)

    def _store(self, finished: FinishedShard, data: bytes) -> None:
        """Put the file in its place. One of the same name that another plan left there gives way."""
        if self.folder.exists(finished.file) and not is_whole(self.folder, finished):
            self.folder.remove(finished.file)
        # The note comes last: a run that is killed in between writes the shard again.
        self.folder.write(finished.file, data)
        note_finished_shard(self.progress, finished)

    def _digest(self, task: ShardTask) -> str:
        inputs = [RECORD_VERSION, self.settings.model_dump(mode="json"), self.fingerprint, task.file]
        parts = [*inputs, self.augmenter is None, task.rows.to_pydict()]
        if self.labels:
            is_time_series = task.rows[FRAMES_COLUMN].null_count == 0
            features = self.labels.encoder.features(is_time_series=is_time_series)
            parts += [LABELLED_RECORD_VERSION, describe_features(features)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class MovingAugmenter(Protocol):
    """An augmenter that says what it does to places, as `brev_pipeline.augmentation.ImageAugmenter` does."""

    def plan_movement(self, seed: int, height: int, width: int) -> Movement:
        """What it does by a seed to the places of an image (height, width)."""
        ...

    def augment(self, image: Pixels, seed: int, *, movement: Movement) -> Pixels:
        """A new image, shaped like ``image``, moved by what `plan_movement` gave for its seed and size."""
        ...


Item = TypeVar("Item")


class RecordBuilder:
    """Makes the bytes of one record from its row of the plan, its prepared pixels and labels: a pure function of them.

    Args:
        settings: of the shards.
        augmenter: changes the pixels of rows that are ``augmented``, and, where there are labels of places, says how
            they move (`MovingAugmenter`); None leaves all as they are.
        labels: makes the features of labels; None: there are none.
    """

    def __init__(
        self, settings: ShardSettings, augmenter: Augmenter | None, labels: LabelEncoder | None = None
    ) -> None:
        self._encoding, self._encode = settings.encoding, make_encoder(settings)
        self._image_feature = f"image/{ENCODINGS[settings.encoding].stored_as}"
        self._augmenter, self._labels = augmenter, labels

    def __call__(self, row: Mapping[str, Any], image: Pixels, labels: PhotoLabels | None = None) -> bytes:
        """Augment, encode and wrap one image and its labels, as `schema.RecordLayout` describes it.

        Args:
            row: of the plan, schema `shard_plan.SHARD_PLAN`.
            image: its prepared pixels.
            labels: its prepared labels, where the version has labels.

        Returns:
            A serialized ``tf.train.Example``.

        Raises:
            ShardError: the image cannot be encoded.
        """
        movement: Movement | None = None
        if self._augmenter and row["augmented"]:
            if self._labels and self._labels.kinds:
                image, movement = _augment_and_tell(cast(MovingAugmenter, self._augmenter), image, row["seed"])
            else:
                image = augment_frames(self._augmenter, image, row["seed"])
        try:
            data = self._encode(stack_frames(image))
        except ShardError as error:
            raise ShardError(f"{row['path']}: {error}") from error
        features: dict[str, FeatureValue] = {
            "content_id": row["content_id"].encode(),
            "epoch": row["epoch"],
            "image/channels": image.shape[-1],
            self._image_feature: data,
            "image/format": self._encoding.encode(),
            "image/height": image.shape[-3],
            "image/width": image.shape[-2],
            "item": row["item"].encode(),
            "label": row["label"],
            "path": row["path"].encode(),
            "seed": row["seed"],
        }
        if row["multi_hot"] is not None:
            features["label/multi_hot"] = row["multi_hot"]
        if image.ndim == 4:
            features["image/frames"] = len(image)
        if self._labels:
            features |= self._labels.encode(labels or PhotoLabels(), image.shape[:-1], movement)
        return encode_example(features)


def _augment_and_tell(augmenter: MovingAugmenter, image: Pixels, seed: int) -> tuple[Pixels, Movement]:
    """One image, or every frame of a time series, augmented alike; and what that did to places."""
    movement = augmenter.plan_movement(seed, *image.shape[-3:-1])
    if image.ndim == 3:
        return augmenter.augment(image, seed, movement=movement), movement
    return np.stack([augmenter.augment(frame, seed, movement=movement) for frame in image]), movement


def _read_pixels(rows: pa.Table, pixels: PixelReader) -> Iterator[Pixels]:
    """The pixels of each row, exactly as many as there are rows."""
    images = pixels.read(rows.select(["content_id", *PIXEL_COLUMNS, FRAMES_COLUMN])) if rows.num_rows else ()
    yield from _exactly(rows.num_rows, images, "pixels")


def _read_labels(rows: pa.Table, labels: LabelSource | None) -> Iterator[PhotoLabels | None]:
    """The labels of each row, likewise; None for each where there are none."""
    if labels is None:
        yield from repeat(None, rows.num_rows)
    else:
        yield from _exactly(rows.num_rows, labels.reader.read(rows) if rows.num_rows else (), "labels")


def _exactly(count: int, given: Iterable[Item], what: str) -> Iterator[Item]:
    for number, item in zip_longest(range(count), given):
        if number is None or item is None:
            raise ShardError(f"the {what} of {count} images were asked for, more or fewer came")
        yield item
