"""The pixel cache: prepared pixels, content-addressed, so that each content is decoded once in its life.

One folder per `settings_id`. Each task adds one or more pairs of files, whose names tell what they hold:

* ``<hash>.tfrecord``: TFRecord frames, one per image, each holding the image's values in C order, uint8.
  ``offset`` and ``length`` of the table are those of the values, so that a reader can fetch them by range.
  The name is a hash of the contents' ids and of the file.
* ``<hash>.parquet``: the index, rows of ``prepared_images`` and the photos' upright sizes, named by its own hash. It
  is written last; pixels without an index are not there.

Prepared masks and objects lie in caches of their own, of the same form: see `label_cache`.

Nothing whole is ever overwritten, so a killed run leaves its finished pairs, and two runs at once do no harm. An index
is believed only if it has the hash that it is named by and names pixels of this very cache; the contents of any other
are prepared anew.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from brev_pipeline.config import ImageSettings
from brev_pipeline.config.image import NO_INGREDIENTS
from brev_pipeline.errors import BrevPipelineError, StoreError
from brev_pipeline.images.limits import TIMEOUT_REASON
from brev_pipeline.stages import SPECS
from brev_pipeline.store import Folder
from brev_pipeline.store.hashed_files import write_or_repair
from brev_pipeline.store.parquet import from_parquet, to_parquet
from brev_pipeline.tables import PREPARED_IMAGES, conform_table, extend_schema
from brev_pipeline.tfrecord import HEADER_BYTES, frame_record, masked_crc

_LOG = logging.getLogger(__name__)
_READERS: Final = 16  # index files read at a time
_PIXELS: Final = re.compile(r"[0-9a-f]{16}/[0-9a-f]{32}\.tfrecord")
_SHAPE: Final = ("prepared_height", "prepared_width", "prepared_channels")
UPRIGHT: Final = ("upright_height", "upright_width")
"""Size of a photo as it is looked at, px, by which labels are meant; null in an index of before there were any."""
CACHED_IMAGES: Final = extend_schema(PREPARED_IMAGES, pa.schema([(name, pa.int32()) for name in UPRIGHT]))
"""Schema of an index."""


def settings_id(settings: ImageSettings) -> str:
    """What the prepared pixels depend on besides the bytes, as 16 hex digits."""
    return hash_ingredients(image_ingredients(settings))


def hash_ingredients(ingredients: Any) -> str:
    """The `settings_id` of what a cache's ``settings.json`` says."""
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()[:16]


def is_pixel_file(name: str) -> bool:
    """Whether this can be the name of a file of prepared pixels, meant from the folder over all caches."""
    return _PIXELS.fullmatch(name) is not None


def image_ingredients(settings: ImageSettings) -> dict[str, Any]:
    """What the pixels depend on besides the bytes, JSON-safe: settings, code, and packages that decode."""
    import cv2
    import imagecodecs
    import PIL
    import simplejpeg

    return {
        # Another limit on time makes no other pixels; what it stopped is told by its reason.
        "image": settings.model_dump(mode="json", exclude=set(NO_INGREDIENTS)),
        "prepare": SPECS["prepared_images"].code,
        # A new libjpeg may round otherwise, and a new Pillow may refuse what the old one read: an upgrade prepares
        # all images anew.
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "simplejpeg": simplejpeg.__version__,
        "imagecodecs": imagecodecs.__version__,
    }


@dataclass(frozen=True)
class PixelCache:
    """Prepared pixels of one `settings_id`."""

    folder: Folder  # over all caches
    id: str  # name of this cache's folder in it
    schema: pa.Schema = CACHED_IMAGES  # of an index; columns that an older one has not are null

    @classmethod
    def for_settings(cls, folder: Folder, settings: ImageSettings) -> "PixelCache":
        """The cache for these settings; what they are is written beside the pixels, for people."""
        return cls.for_ingredients(folder, image_ingredients(settings))

    @classmethod
    def for_ingredients(
        cls, folder: Folder, ingredients: dict[str, Any], schema: pa.Schema = CACHED_IMAGES
    ) -> "PixelCache":
        """The cache of what is made by these, JSON-safe."""
        cache = cls(folder, hash_ingredients(ingredients), schema)
        (folder / cache.id).write("settings.json", json.dumps(ingredients, indent=1, sort_keys=True).encode())
        return cache

    def add_images(self, rows: Sequence[dict[str, Any]], pixels: Sequence[npt.NDArray[np.uint8] | None]) -> pa.Table:
        """Write rows of ``prepared_images`` and the pixels of each (None: it has none) as one pair of files.

        Returns:
            The rows, with file, offset and length.
        """
        files = self.folder / self.id
        data, places = _frame_images(pixels)
        ids = "".join(row["content_id"] for row in rows)
        # XXH3 tells what else may differ (another CPU's rounding), at a twentieth of what BLAKE2b would cost.
        name = f"{hash_content(xxhash.xxh3_128_digest(data) + ids.encode())}.tfrecord"
        if data:
            write_or_repair(files, name, data)
        file = {"file": f"{self.id}/{name}"}
        filled = [{**row, **(file | place if place else {})} for row, place in zip(rows, places, strict=True)]
        table = pa.Table.from_pylist(filled, schema=self.schema)
        index = to_parquet(table, few_rows=True)
        # Last, for pixels without an index are not there.
        write_or_repair(files, f"{hash_content(index)}.parquet", index)
        return table

    def find_known(self, content_ids: pa.ChunkedArray, stopped: str | None = None) -> pa.Table:
        """The rows of these contents that are here already, one per content.

        An index that is damaged, or that lies about where its pixels are, is passed over with a warning: its contents
        are not there.

        Args:
            content_ids: that are wanted.
            stopped: the reason of what the clock stops now; what another limit stopped is not known. None: all is.

        Raises:
            StoreError: the store cannot be reached just now.
        """
        files, parsing = self.folder / self.id, Lock()
        names = files.list_names()
        there = frozenset(f"{self.id}/{name}" for name in names)

        def load_index(name: str) -> pa.Table:
            try:
                data = files.read(name)
                # Threads that parse at once wait for each other's turns with Python: twice as long as one by one.
                with parsing:
                    return self._check_index(data, name, there)
            except StoreError as error:
                if error.may_pass:
                    raise
                _LOG.warning("%s: its images are prepared anew", error)
                return self.schema.empty_table()

        with ThreadPoolExecutor(_READERS) as pool:
            indexes = pool.map(load_index, [name for name in names if name.endswith(".parquet")])
            table = pa.concat_tables([self.schema.empty_table(), *indexes])
        table = table.filter(pc.is_in(table["content_id"], value_set=content_ids.unique()))
        if stopped is not None:
            timed_out = pc.starts_with(table["reason"], TIMEOUT_REASON)
            by_another = pc.and_(timed_out, pc.not_equal(table["reason"], stopped))
            table = table.filter(pc.invert(pc.fill_null(by_another, False)))
        return _first_of_each(table)

    def forget_contents(self, content_ids: Iterable[str]) -> list[str]:
        """Remove every index that has one of these contents; what is in them is prepared anew.

        Returns:
            The indexes' names, below the folder over all caches.

        Raises:
            StoreError: the store cannot be read or written.
        """
        files, wanted = self.folder / self.id, set(content_ids)
        removed = []
        for name in files.list_names():
            if not name.endswith(".parquet"):
                continue
            try:
                index = from_parquet(files.read(name), files.file_url(name), ["content_id"])
            except StoreError:
                continue  # it is passed over by those who look here
            if not wanted.isdisjoint(index["content_id"].to_pylist()):
                files.remove(name)
                removed.append(f"{self.id}/{name}")
        return removed

    def _check_index(self, data: bytes, name: str, there: frozenset[str]) -> pa.Table:
        """The rows of an index, whose pixels lie in the cache's files that are ``there``; else `StoreError`."""
        place = (self.folder / self.id).file_url(name)
        table = _parse_index(data, place, name, None)
        try:
            for field in self.schema:
                if field.name in UPRIGHT and field.name not in table.column_names:
                    table = table.append_column(field, pa.nulls(len(table), field.type))
            table = conform_table(table, self.schema, name)
        except BrevPipelineError as error:
            raise StoreError(f"{place} is no index of prepared images: {error}") from error
        if problem := _find_contradiction(table, there, "source_path" in self.schema.names):
            raise StoreError(f"{place} is not to be believed: {problem}")
        return table


def read_index(folder: Folder, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """An index in its cache's folder, or some columns of it, once its bytes are compared with the hash in its name.

    Raises:
        StoreError: it cannot be read, or has not the hash of its name.
    """
    return _parse_index(folder.read(name), folder.file_url(name), name, columns)


def _parse_index(data: bytes, place: str, name: str, columns: Sequence[str] | None) -> pa.Table:
    if hash_content(data) != name.removesuffix(".parquet"):
        raise StoreError(f"{place} is damaged: it does not have the hash that it is named by")
    return from_parquet(data, place, columns)


def _find_contradiction(index: pa.Table, there: frozenset[str], of_images: bool) -> str | None:
    """What an index says that cannot be: pixels elsewhere than in files of its cache, or in places that are none."""
    has_pixels, is_usable = pc.is_valid(index["file"]), pc.equal(index["status"], "ok")
    # Labels may have no mask.
    contradicts = pc.xor(has_pixels, is_usable) if of_images else pc.and_not(has_pixels, is_usable)
    if pc.any(contradicts, min_count=0).as_py():
        return "it names pixels of images that have none, or none of some that have"
    rows = index.filter(has_pixels)
    for file in pc.unique(rows["file"]).to_pylist():
        if file not in there or not is_pixel_file(file):
            return f"it names {file!r}, which is no file of pixels beside it"
    sides = [rows[name].cast(pa.int64()) for name in _SHAPE] + [pc.fill_null(rows["prepared_frames"], 1)]
    try:
        values = reduce(pc.multiply_checked, sides)
    except pa.ArrowInvalid:
        return "it names images larger than can be"
    sound = [pc.equal(rows["length"], values), pc.greater_equal(rows["offset"], HEADER_BYTES)]
    sound += [pc.greater(side, 0) for side in sides]
    if not pc.all(pc.fill_null(reduce(pc.and_, sound), False), min_count=0).as_py():
        return "it names places of pixels that do not fit their images' shapes"
    return None


def _first_of_each(table: pa.Table) -> pa.Table:
    # Two runs at once may have prepared the same content twice: keep the first by file, one without pixels last. One
    # that was prepared anew for its upright size comes before the old one.
    sized = [(name, "ascending") for name in UPRIGHT if name in table.column_names]
    table = table.sort_by([("content_id", "ascending"), *sized, ("file", "ascending"), ("offset", "ascending")])
    ids = table["content_id"].combine_chunks()
    if len(ids) < 2:
        return table
    new = pc.not_equal(ids[1:], ids[:-1])
    return table.filter(pa.chunked_array([pa.array([True]), new]))


def _frame_images(pixels: Sequence[npt.NDArray[np.uint8] | None]) -> tuple[bytes, list[dict[str, int] | None]]:
    parts: list[bytes] = []
    places: list[dict[str, int] | None] = []
    end = 0
    for image in pixels:
        if image is None:
            places.append(None)
            continue
        values = image.tobytes()
        head, foot = frame_record(values, masked_crc(values))
        places.append({"offset": end + len(head), "length": len(values)})
        parts += [head, values, foot]
        end += len(head) + len(values) + len(foot)
    return b"".join(parts), places


def hash_content(data: bytes) -> str:
    """The hash that a file is named by: BLAKE2b, 32 hex digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
