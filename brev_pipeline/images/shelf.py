"""The shelf: prepared pixels, content-addressed, so that each content is decoded once in its life.

One folder per `settings_id`. Each task adds one or more pairs of files, named by a hash of what they hold:

* ``<hash>.tfrecord``: TFRecord frames, one per image, each holding the image's values in C order, uint8.
  ``offset`` and ``length`` of the table are those of the values, so that a reader can fetch them by range.
* ``<hash>.parquet``: the index, rows of ``prepared_images``. It is written last; pixels without an index are
  not there.

Nothing is ever overwritten, so a killed run leaves its finished pairs, and two runs at once do no harm.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from brev_pipeline.config import ImageSettings
from brev_pipeline.framing import frame, masked_crc
from brev_pipeline.stages import SPECS
from brev_pipeline.store import Folder
from brev_pipeline.tables import PREPARED_IMAGES

_READERS = 16  # index files read at a time


def settings_id(settings: ImageSettings) -> str:
    """What the prepared pixels depend on besides the bytes, as 16 hex digits.

    The decoders' versions belong to it: a new libjpeg may round otherwise, and a new Pillow may refuse what the
    old one read. An upgrade therefore prepares all images anew.
    """
    return hashlib.sha256(json.dumps(_ingredients(settings), sort_keys=True).encode()).hexdigest()[:16]


def _ingredients(settings: ImageSettings) -> dict[str, Any]:
    import cv2
    import PIL
    import simplejpeg

    return {
        "image": settings.model_dump(mode="json"),
        "prepare": SPECS["prepared_images"].code,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "simplejpeg": simplejpeg.__version__,
    }


@dataclass(frozen=True)
class Shelf:
    """Prepared pixels of one `settings_id`.

    Args:
        folder: the folder over all shelves.
        id: name of this shelf's folder in it.
    """

    folder: Folder
    id: str

    @classmethod
    def of(cls, folder: Folder, settings: ImageSettings) -> "Shelf":
        """The shelf for these settings; what they are is written beside the pixels, for people."""
        shelf = cls(folder, settings_id(settings))
        (folder / shelf.id).write(
            "settings.json", json.dumps(_ingredients(settings), indent=1, sort_keys=True).encode()
        )
        return shelf

    def add(self, rows: Sequence[dict[str, Any]], pixels: Sequence[npt.NDArray[np.uint8] | None]) -> pa.Table:
        """Write one pair of files.

        Args:
            rows: of ``prepared_images``, without file, offset and length.
            pixels: of each row; None for one that has none.

        Returns:
            The rows, with file, offset and length.
        """
        own = self.folder / self.id
        data, places = _frames(pixels)
        name = f"{_hash(data)}.tfrecord" if data else None
        if name is not None:
            own.write(name, data)
        file = {"file": f"{self.id}/{name}"}
        filled = [{**row, **(file | place if place else {})} for row, place in zip(rows, places, strict=True)]
        table = pa.Table.from_pylist(filled, schema=PREPARED_IMAGES)
        index = io.BytesIO()
        pq.write_table(table, index, compression="zstd")
        own.write(f"{_hash(index.getvalue())}.parquet", index.getvalue())
        return table

    def known(self, content_ids: pa.ChunkedArray) -> pa.Table:
        """The rows of these contents that are here already, one per content."""
        own = self.folder / self.id
        names = [name for name in own.names() if name.endswith(".parquet")]

        def load(name: str) -> pa.Table:
            return pq.read_table(pa.BufferReader(own.read(name)), schema=PREPARED_IMAGES, use_threads=False)

        with ThreadPoolExecutor(_READERS) as pool:
            table = pa.concat_tables([PREPARED_IMAGES.empty_table(), *pool.map(load, names)])
        wanted = pc.is_in(table["content_id"], value_set=content_ids.unique())
        return _first_of_each(table.filter(wanted))


def _first_of_each(table: pa.Table) -> pa.Table:
    """Two runs at once may have prepared the same content twice: keep the first by file."""
    table = table.sort_by([("content_id", "ascending"), ("file", "ascending"), ("offset", "ascending")])
    ids = table["content_id"].combine_chunks()
    if len(ids) < 2:
        return table
    new = pc.not_equal(ids[1:], ids[:-1])
    return table.filter(pa.chunked_array([pa.array([True]), new]))


def _frames(pixels: Sequence[npt.NDArray[np.uint8] | None]) -> tuple[bytes, list[dict[str, int] | None]]:
    parts: list[bytes] = []
    places: list[dict[str, int] | None] = []
    end = 0
    for image in pixels:
        if image is None:
            places.append(None)
            continue
        values = image.tobytes()
        head, foot = frame(values, masked_crc(values))
        places.append({"offset": end + len(head), "length": len(values)})
        parts += [head, values, foot]
        end += len(head) + len(values) + len(foot)
    return b"".join(parts), places


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
