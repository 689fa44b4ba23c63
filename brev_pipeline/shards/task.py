"""One shard, start to end, in one worker: rows of the plan and prepared pixels in, a file out.

Memory: the bytes of one shard, some 32 MB of pixels, and one image and its record. Nothing grows with
the number of shards.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa

from brev_pipeline.config import ShardSettings
from brev_pipeline.errors import ShardError
from brev_pipeline.shards.encode import encoder
from brev_pipeline.shards.example import Value, encode_example
from brev_pipeline.shards.progress import Finished, is_whole, recall, remember
from brev_pipeline.shards.protocols import Augmenter, PixelReader, Pixels
from brev_pipeline.shards.schema import RECORD_VERSION
from brev_pipeline.shards.sink import Sink
from brev_pipeline.store import Folder

PIXEL_COLUMNS: Final = ["file", "offset", "length", "prepared_height", "prepared_width", "prepared_channels"]
"""Columns of ``prepared_images`` that say where pixels lie; `FRAMES` too, where it is not null."""
FRAMES: Final = "prepared_frames"
_PIXELS_AT_ONCE: Final = 32_000_000
"""Bytes of pixels that are asked for at once."""


@dataclass(frozen=True)
class ShardTask:
    """A shard to be written: the plan's rows in order, with the columns that say where their pixels lie."""

    file: str
    rows: pa.Table = field(repr=False)


@dataclass(frozen=True)
class ShardWriter:
    """Writes a shard; sent to each worker once.

    Args:
        settings: of the shards.
        augmenter: what changes the pixels of rows that are ``augmented``; None leaves all as they are.
        pixels: where prepared pixels come from.
        folder: where shards are written.
        progress: where finished shards are noted.
        fingerprint: what the pixels depend on besides the rows.
    """

    settings: ShardSettings
    augmenter: Augmenter | None
    pixels: PixelReader
    folder: Folder
    progress: Folder
    fingerprint: str

    def __call__(self, task: ShardTask) -> tuple[Finished, bool]:
        """Write a shard unless it is there already.

        Returns:
            What stands in the folder now, and whether it stood there before.

        Raises:
            ShardError: an image cannot be encoded, or the pixel reader gave another number of images.
            StoreError: the folder cannot be written.
        """
        digest = self._digest(task)
        if finished := recall(self.folder, self.progress, task.file, digest):
            return finished, True
        sink = Sink(self.settings.compression)
        for record in self._records(task.rows):
            sink.add(record)
        data, sha256 = sink.finish()
        finished = Finished(task.file, digest, len(data), sha256, sink.offsets, sink.lengths, sink.crcs)
        self._store(finished, data)
        return finished, False

    def _records(self, rows: pa.Table) -> Iterator[bytes]:
        encode = encoder(self.settings)
        for row, image in _with_pixels(rows, self.pixels):
            drawn = _augmented(image, self.augmenter, row["seed"]) if self.augmenter and row["augmented"] else image
            try:
                data = encode(_tall(drawn))
            except ShardError as error:
                raise ShardError(f"{row['path']}: {error}") from error
            yield encode_example(_features(row, drawn, data, self.settings.encoding))

    def _store(self, finished: Finished, data: bytes) -> None:
        """Put the file in its place. One of the same name that another plan left there gives way."""
        if self.folder.exists(finished.file) and not is_whole(self.folder, finished):
            self.folder.remove(finished.file)
        self.folder.write(finished.file, data)
        remember(self.progress, finished)

    def _digest(self, task: ShardTask) -> str:
        inputs = [RECORD_VERSION, self.settings.model_dump(mode="json"), self.fingerprint, task.file]
        parts = [*inputs, self.augmenter is None, task.rows.to_pydict()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _augmented(image: Pixels, augmenter: Augmenter, seed: int) -> Pixels:
    """One image, or every frame of a time series in the same way."""
    if image.ndim == 3:
        return augmenter.augment(image, seed)
    return np.stack([augmenter.augment(frame, seed) for frame in image])


def _tall(image: Pixels) -> Pixels:
    """One image, or the frames of a time series one below the other."""
    return image if image.ndim == 3 else image.reshape(-1, *image.shape[2:])


def _with_pixels(rows: pa.Table, pixels: PixelReader) -> Iterator[tuple[dict[str, Any], Pixels]]:
    """Each row with its pixels, read some megabytes at a time."""
    step = max(1, _PIXELS_AT_ONCE // max(1, *rows["length"].to_pylist()))
    for start in range(0, rows.num_rows, step):
        chunk = rows.slice(start, step)
        images = pixels.read(chunk.select(["content_id", *PIXEL_COLUMNS, FRAMES]))
        for row, image in zip_longest(chunk.to_pylist(), images):
            if row is None or image is None:
                raise ShardError(f"the pixels of {chunk.num_rows} images were asked for, more or fewer came")
            yield row, image


def _features(
    row: Mapping[str, Any], image: Pixels, data: bytes, encoding: Literal["png", "jpeg", "raw"]
) -> dict[str, Value]:
    """The features of a record, as `schema.RECORD_FEATURES` describes them."""
    features: dict[str, Value] = {
        "content_id": row["content_id"].encode(),
        "epoch": row["epoch"],
        "image/channels": image.shape[-1],
        "image/raw" if encoding == "raw" else "image/encoded": data,
        "image/format": encoding.encode(),
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
    return features
