"""Given names: what the files of `split.given` hold, and which images their names mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import GivenSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.split.arrays import Bools
from brev_pipeline.split.encode import Key, encode
from brev_pipeline.split.match_names import NAME, Pairs, equal_names, match_names
from brev_pipeline.split.match_rows import BASE
from brev_pipeline.split.tables import read_table
from brev_pipeline.texts import TEXT, normalize_unicode

GivenFiles = Mapping[str, pa.Table]
"""Key of `GivenSettings.files` → what `read_given` read there."""

_KEYS: Final = ("path", "etag", "content_id", "item")
"""Columns by which a table may name images; the first that it has."""


@dataclass(frozen=True)
class Named:
    """What one file names.

    Attributes:
        key: of `GivenSettings.files`.
        names: (names,)
        words: (names,) the word that each image is given; of a list without names, its word all the same.
        pairs: which names mean which images.
        images: (images,) what they have in the column that names them; None where that is not known yet.
        by: what they name images by: a column's name.
    """

    key: str
    names: pa.ChunkedArray
    words: pa.ChunkedArray
    pairs: Pairs
    images: pa.ChunkedArray | None
    by: str = "path"

    @property
    def by_path(self) -> bool:
        """Whether the names are paths."""
        return self.by == "path"

    @property
    def where(self) -> str:
        """The file, for messages."""
        return f"split.given.{self.key}"

    @property
    def met(self) -> Bools:
        """(names,) whether each means an image."""
        out = np.zeros(len(self.names), np.bool_)
        out[self.pairs.name] = True
        return out


def read_given(data: bytes, name: str, key: str) -> pa.Table:
    """Read a file of `split.given`.

    Args:
        data: its bytes.
        name: its place, for messages.
        key: of `GivenSettings.files`: ``table``, or ``lists.…``.

    Returns:
        The table's columns, all text; or one column `NAME` with the list's lines, empty ones left out.

    Raises:
        SplitError: it is no table, or no text in UTF-8.
    """
    if key == "table":
        return read_table(data, name)
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SplitError(f"{name}, line {line}: is not text in UTF-8; save the list as UTF-8") from error
    return pa.table({NAME: pa.array([text for line in lines if (text := line.strip())], TEXT)})


def name_images(samples: pa.Table, given: GivenSettings, files: GivenFiles, items: Key | None) -> Iterator[Named]:
    """Find the images that the names of each file mean.

    Args:
        samples: path, bucket, and the columns that a table names images by.
        given: the settings.
        files: as read.
        items: of the samples; None: not known.

    Raises:
        SplitError: a table has not the columns, or a path means two images.
    """
    for key in given.files:
        if key == "table":
            yield _of_table(samples, files[key], given, items)
        else:
            names = files[key][NAME]
            words = pa.chunked_array([pa.repeat(pa.scalar(key.removeprefix("lists."), TEXT), max(1, len(names)))])
            yield Named(key, names, words, _match(names, samples, files[key], key), samples["path"])


def _of_table(samples: pa.Table, table: pa.Table, given: GivenSettings, items: Key | None) -> Named:
    by = next((name for name in _KEYS if name in table.column_names), None)
    if given.column not in table.column_names or by is None:
        raise SplitError(
            f"split.given.table: {given.table} has the columns {', '.join(table.column_names)}; wanted are one that "
            f"names the image ({', '.join(_KEYS)}), and {given.column!r} (split.given.column) with the purpose: rename "
            "them, or set split.given.column"
        )
    table = table.filter(pc.and_(table[by].is_valid(), table[given.column].is_valid()))
    names, words = table[by], table[given.column]
    if by == "path":
        return Named("table", names, words, _match(names, samples, table, "table"), samples["path"])
    images = _known(samples, by, items)
    known = images if images is not None else pa.chunked_array([], TEXT)
    pairs = equal_names(normalize_unicode(pc.utf8_trim(names, '"')), normalize_unicode(known))
    return Named("table", names, words, pairs, images, by)


def _match(names: pa.ChunkedArray, samples: pa.Table, table: pa.Table, key: str) -> Pairs:
    base = (table.schema.metadata or {}).get(BASE)
    return match_names(names, samples, base.decode() if base else None, f"split.given.{key}")


def _known(samples: pa.Table, key: str, items: Key | None) -> pa.ChunkedArray | None:
    """What images have in a column; None where that is not known yet."""
    if key == "item":
        return None if items is None else pa.chunked_array([items.texts()])
    return pa.chunked_array([encode(samples[key]).texts()]) if key in samples.column_names else None
