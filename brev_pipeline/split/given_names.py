"""Given names: what the files and paths of `split.given` say, which images their names mean, and how many mean nothing.

What means nothing is counted, for people, of all that is listed, usable or not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import GivenSettings, SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.labels.columns import LABEL_PURPOSE, list_listed_names, name_label_columns
from brev_pipeline.split.encoding import Bools, Key, encode_column
from brev_pipeline.split.keys import extract_keys, fill_missing_items, find_key, has_key_columns
from brev_pipeline.split.leak_groups import build_grouping_rules, list_key_columns
from brev_pipeline.split.matching import (
    NAME_COLUMN,
    MatchPairs,
    base_folder,
    closest_names,
    count_slashes,
    cut_path_ends,
    describe_closest,
    equal_names,
    match_names,
    strip_buckets,
)
from brev_pipeline.split.text_tables import read_text_table
from brev_pipeline.texts import TEXT, normalize_unicode

GivenFiles = Mapping[str, pa.Table]
"""Key of `GivenSettings.input_files` → what `read_given_file` read there."""

# Columns by which a table may name images; the first that it has.
_KEYS: Final = ("path", "etag", "content_id", "item")


@dataclass(frozen=True)
class NamedImages:
    """What one file names.

    Attributes:
        key: of `GivenSettings.input_files`.
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
    """Read a file of `split.given`; ``key`` is of `GivenSettings.input_files`: ``table``, or ``lists.…``.

    Returns:
        The table's columns, all text; or one column `NAME_COLUMN` with the list's lines, empty ones left out.

    Raises:
        SplitError: it is no table, or no text in UTF-8; the message calls it ``name``.
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
    """Find the images that the names of each file mean; arguments as of `given.find_given_purposes`.

    Raises:
        SplitError: a table has not the columns, or a path means two images.
    """
    for key in given.input_files:
        if key == "table":
            yield _match_table(samples, files[key], given, items)
        else:
            names = files[key][NAME_COLUMN]
            words = pa.chunked_array([pa.repeat(pa.scalar(key.removeprefix("lists."), TEXT), max(1, len(names)))])
            pairs = match_names(names, samples, base_folder(files[key]), f"split.given.{key}")
            yield NamedImages(key, names, words, pairs, samples["path"])


def _match_table(samples: pa.Table, table: pa.Table, given: GivenSettings, items: Key | None) -> NamedImages:
    by = next((name for name in _KEYS if name in table.column_names), None)
    if given.column not in table.column_names or by is None:
        raise SplitError(
            f"split.given.table: {given.table} has the columns {', '.join(table.column_names)}; wanted are one that "
            f"names the image ({', '.join(_KEYS)}), and {given.column!r} (split.given.column) with the purpose: rename "
            "them, or set split.given.column"
        )
    # A row without a name or without a word says nothing.
    table = table.filter(pc.and_(table[by].is_valid(), table[given.column].is_valid()))
    names, words = table[by], table[given.column]
    if by == "path":
        pairs = match_names(names, samples, base_folder(table), "split.given.table")
        return NamedImages("table", names, words, pairs, samples["path"])
    key = items if by == "item" else encode_column(samples[by]) if by in samples.column_names else None
    images = None if key is None else pa.chunked_array([key.row_labels()])
    texts = pa.chunked_array([], TEXT) if images is None else normalize_unicode(images)
    pairs = equal_names(normalize_unicode(pc.utf8_trim(names, '"')), texts)
    return NamedImages("table", names, words, pairs, images, by)


def find_path_words(samples: pa.Table, given: GivenSettings) -> pa.ChunkedArray:
    """(images,) the word that a folder of each path, the pattern, or the labels give; null where there is none.

    Raises:
        SplitError: labels are to give it, and say no purpose.
    """
    if given.labels:
        if LABEL_PURPOSE not in samples.column_names:
            raise SplitError(
                "split.given.labels: no labels say a purpose; name the column that does: datasets[].labels: "
                "[{kind: table, …, purpose: split}]"
            )
        return samples[LABEL_PURPOSE]
    paths = strip_buckets(samples["path"], samples["bucket"])
    if given.folder is not None:
        return pa.chunked_array([_take_folders(chunk, given.folder) for chunk in paths.chunks], TEXT)
    rooted = pc.binary_replace_slice(normalize_unicode(paths), 0, 0, "/")
    return extract_keys(rooted, str(given.pattern), "given", "purpose")


def _take_folders(paths: pa.LargeStringArray, level: int) -> pa.LargeStringArray:
    """(paths,) the folder's name at a level of each path; null where it has none."""
    parts = pc.split_pattern(paths, "/")
    ends = parts.offsets.to_numpy()
    folders = np.diff(ends) - 1  # the last part is the file's name
    index = level + (0 if level >= 0 else folders)
    exists = (index >= 0) & (index < folders)
    return parts.values.take(pa.array(np.where(exists, ends[:-1] + index, 0), mask=~exists))


_SHOWN: Final = 20
WORDS: Final = "words"
"""Key of `GivenMatches` for the keys of ``split.given.words``."""


@dataclass(frozen=True)
class GivenMatches:
    """How many names of a file mean a listed image; or how many keys of ``split.given.words`` are words that are found.

    Attributes:
        key: of the configuration, below ``split.given``.
        names: how many there are.
        unmatched: the first 20 of those that mean nothing: key, closest (what is there that is most like it, or null).
        unmatched_count: how many mean nothing.
    """

    key: str
    names: int
    unmatched: pa.Table
    unmatched_count: int

    @property
    def matched_count(self) -> int:
        """How many mean something."""
        return self.names - self.unmatched_count

    @property
    def unmatched_text(self) -> str:
        """In words, what means nothing and what it is most like; empty where all mean something."""
        if not self.unmatched_count:
            return ""
        what = "keys are no word that is found" if self.key == WORDS else "names mean no listed image"
        some = describe_closest(self.unmatched, self.unmatched_count)
        return f"split.given.{self.key}: {self.unmatched_count:,} of {self.names:,} {what}: {some}"


def count_given_matches(listing: pa.Table, settings: SplitSettings, files: GivenFiles | None) -> list[GivenMatches]:
    """Count what the names and words of `split.given` mean in a listing of `list_given_columns`.

    Returns:
        Each file's names, where what they name images by is known; then the keys of ``words``, where there are any.
        Nothing where there are files and they are not at hand (None).
    """
    given = settings.given
    if given is None or not len(listing) or (given.input_files and files is None):
        return []
    listing = name_label_columns(listing)
    counts, words = [], pa.chunked_array([], TEXT)
    if not given.input_files:
        words = find_path_words(listing, given)
    items = _find_given_items(listing, settings) if given.table else None  # lists name no items
    for file in match_given_names(listing, given, files or {}, items):
        words = pa.chunked_array([*words.chunks, *file.words.chunks], TEXT)
        if file.images is not None:
            lost = file.names.filter(pa.array(~file.matched_names))
            closest = _find_closest(lost.slice(0, _SHOWN), file)
            counts.append(GivenMatches(file.key, len(file.names), closest, len(lost)))
    if given.words:
        keys, words = pa.chunked_array([list(given.words)], TEXT), normalize_unicode(words)
        lost = keys.filter(pc.invert(pc.is_in(normalize_unicode(keys), value_set=pc.unique(words))))
        counts.append(GivenMatches(WORDS, len(keys), closest_names(lost.slice(0, _SHOWN), words), len(lost)))
    return counts


def list_given_columns(settings: SplitSettings) -> list[str]:
    """The columns of a listing that `count_given_matches` reads."""
    said = [LABEL_PURPOSE] if settings.given is not None and settings.given.labels else []
    return list_listed_names(["path", "bucket", "etag", "content_id", *list_key_columns(settings), *said])


def _find_given_items(listing: pa.Table, settings: SplitSettings) -> Key | None:
    """Items of the images; what has none is one of its own. None where only pixels name them."""
    uniqueness = build_grouping_rules(settings).uniqueness
    if not has_key_columns(listing, uniqueness):
        return None
    return fill_missing_items(find_key(listing, uniqueness, "uniqueness"), listing["path"])


def _find_closest(lost: pa.ChunkedArray, named: NamedImages) -> pa.Table:
    """What is most like names that mean no image. Paths are compared with ends of paths of as many parts."""
    images = normalize_unicode(named.images)
    if named.by != "path" or not len(lost):
        return closest_names(lost, images)
    slashes = count_slashes(lost)
    return pa.concat_tables(
        closest_names(lost.filter(pa.array(slashes == count)), pc.coalesce(cut_path_ends(images, count), images))
        for count in np.unique(slashes).tolist()
    )
