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
from brev_pipeline.split.encode import Key, encode_column
from brev_pipeline.split.match_names import NAME_COLUMN, MatchPairs, equal_names, match_names
from brev_pipeline.split.match_rows import BASE_FOLDER
from brev_pipeline.split.tables import read_text_table
from brev_pipeline.texts import TEXT, normalize_unicode

GivenFiles = Mapping[str, pa.Table]
"""Key of `GivenSettings.files` → what `read_given_file` read there."""

_KEYS: Final = ("path", "etag", "content_id", "item")
"""Columns by which a table may name images; the first that it has."""


@dataclass(frozen=True)
class NamedImages:
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
    pairs: MatchPairs
    images: pa.ChunkedArray | None
    by: str = "path"

    @property
    def names_are_paths(self) -> bool:
        """Whether the names are paths."""
        return self.by == "path"

    @property
    def config_key(self) -> str:
        """The file, for messages."""
        return f"split.given.{self.key}"

    @property
    def matched_names(self) -> Bools:
        """(names,) whether each means an image."""
        out = np.zeros(len(self.names), np.bool_)
        out[self.pairs.name] = True
        return out


def read_given_file(data: bytes, name: str, key: str) -> pa.Table:
    """Read a file of `split.given`.

    Args:
        data: its bytes.
        name: its place, for messages.
        key: of `GivenSettings.files`: ``table``, or ``lists.…``.

    Returns:
        The table's columns, all text; or one column `NAME_COLUMN` with the list's lines, empty ones left out.

    Raises:
        SplitError: it is no table, or no text in UTF-8.
    """
    if key == "table":
        return read_text_table(data, name)
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SplitError(f"{name}, line {line}: is not text in UTF-8; save the list as UTF-8") from error
    return pa.table({NAME_COLUMN: pa.array([text for line in lines if (text := line.strip())], TEXT)})


def match_given_names(
    samples: pa.Table, given: GivenSettings, files: GivenFiles, items: Key | None
) -> Iterator[NamedImages]:
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
            yield _match_table(samples, files[key], given, items)
        else:
            names = files[key][NAME_COLUMN]
            words = pa.chunked_array([pa.repeat(pa.scalar(key.removeprefix("lists."), TEXT), max(1, len(names)))])
            yield NamedImages(key, names, words, _match_paths(names, samples, files[key], key), samples["path"])


def _match_table(samples: pa.Table, table: pa.Table, given: GivenSettings, items: Key | None) -> NamedImages:
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
        return NamedImages("table", names, words, _match_paths(names, samples, table, "table"), samples["path"])
    images = _image_texts(samples, by, items)
    known = images if images is not None else pa.chunked_array([], TEXT)
    pairs = equal_names(normalize_unicode(pc.utf8_trim(names, '"')), normalize_unicode(known))
    return NamedImages("table", names, words, pairs, images, by)


def _match_paths(names: pa.ChunkedArray, samples: pa.Table, table: pa.Table, key: str) -> MatchPairs:
    base = (table.schema.metadata or {}).get(BASE_FOLDER)
    return match_names(names, samples, base.decode() if base else None, f"split.given.{key}")


def _image_texts(samples: pa.Table, key: str, items: Key | None) -> pa.ChunkedArray | None:
    """What images have in a column; None where that is not known yet."""
    if key == "item":
        return None if items is None else pa.chunked_array([items.row_labels()])
    return pa.chunked_array([encode_column(samples[key]).row_labels()]) if key in samples.column_names else None
