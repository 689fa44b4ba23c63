"""Matched: how much of `split.given` means anything, for people; counted of all that is listed, usable or not."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.split.encode import Key
from brev_pipeline.split.given import find_path_words
from brev_pipeline.split.given_names import GivenFiles, NamedImages, match_given_names
from brev_pipeline.split.keys import fill_missing_items, find_key
from brev_pipeline.split.ledger import build_grouping_rules, list_key_columns
from brev_pipeline.split.match_names import count_slashes, cut_path_ends
from brev_pipeline.split.match_rows import closest_names, describe_closest
from brev_pipeline.texts import TEXT, normalize_unicode

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
    """Count what the names and words of `split.given` mean.

    Args:
        listing: the listed images (`tables.SAMPLE_INTEGRITY`): `list_given_columns`.
        settings: of the split.
        files: as from `read_given_file`; None: not at hand, and nothing is said of them.

    Returns:
        Each file's names, where what they name images by is known; then the keys of ``words``, where there are any.
    """
    given = settings.given
    if given is None or not len(listing) or (given.files and files is None):
        return []
    found, words = [], pa.chunked_array([], TEXT)
    if not given.files:
        words = find_path_words(listing, given)
    items = _find_given_items(listing, settings) if given.table else None  # lists name no items
    for one in match_given_names(listing, given, files or {}, items):
        words = pa.chunked_array([*words.chunks, *one.words.chunks], TEXT)
        if one.images is not None:
            lost = one.names.filter(pa.array(~one.matched_names))
            found.append(GivenMatches(one.key, len(one.names), _find_closest(lost.slice(0, _SHOWN), one), len(lost)))
    if given.words:
        keys, words = pa.chunked_array([list(given.words)], TEXT), normalize_unicode(words)
        lost = keys.filter(pc.invert(pc.is_in(normalize_unicode(keys), value_set=pc.unique(words))))
        found.append(GivenMatches(WORDS, len(keys), closest_names(lost.slice(0, _SHOWN), words), len(lost)))
    return found


def list_given_columns(settings: SplitSettings) -> list[str]:
    """The columns of a listing that `count_given_matches` reads."""
    return list(dict.fromkeys(["path", "bucket", "etag", "content_id", *list_key_columns(settings)]))


def _find_given_items(listing: pa.Table, settings: SplitSettings) -> Key | None:
    """Items of the images; what has none is one of its own. None where only pixels name them."""
    uniqueness = build_grouping_rules(settings).uniqueness
    if not isinstance(uniqueness, str) and not set(uniqueness) <= set(listing.column_names):
        return None
    return fill_missing_items(find_key(listing, uniqueness, "uniqueness"), listing["path"])


def _find_closest(lost: pa.ChunkedArray, named: NamedImages) -> pa.Table:
    """What is most like names that mean no image. Paths are compared with ends of paths of as many parts."""
    images = normalize_unicode(named.images)
    if not named.names_are_paths or not len(lost):
        return closest_names(lost, images)
    slashes = count_slashes(lost)
    return pa.concat_tables(
        closest_names(lost.filter(pa.array(slashes == count)), pc.coalesce(cut_path_ends(images, count), images))
        for count in np.unique(slashes).tolist()
    )
