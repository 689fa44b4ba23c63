"""Given: a split that somebody has made already, kept as it is, while the rest is divided as configured.

A word names each image's purpose in their terms: of a folder of its path, of a part of the path that a pattern finds,
of a column of a table, of the list that names the image, or of its labels. Words are what the images and files have; a
word that is no purpose, and that nobody has translated, is an error: nothing is guessed.
"""

import difflib
import unicodedata
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import GivenSettings, SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.split.encoding import Ints, Key, find_first_rows
from brev_pipeline.split.given_names import GivenFiles, NamedImages, find_path_words, match_given_names
from brev_pipeline.split.keys import list_some_paths
from brev_pipeline.split.matching import MatchPairs, closest_names, describe_closest, refuse_ambiguous
from brev_pipeline.split.purposes import OPEN
from brev_pipeline.texts import TEXT, normalize_unicode, number_values

_SHOWN: Final = 3
# What others call our purposes; for advice only.
_OTHERS: Final = {
    "devel": ("val", "valid", "validation", "dev", "eval"),
    "train": ("training", "trn", "tr"),
    "test": ("testing", "tst", "holdout"),
}


def find_given_purposes(
    samples: pa.Table, settings: SplitSettings, files: GivenFiles | None = None, items: Key | None = None
) -> Ints:
    """(images,) number of the purpose that `split.given` gives each; −1 where it says nothing, or null.

    Of the listing alone (path, bucket, etag, and what labels say) it finds, and refuses, all that the paths show; a
    table that names images by what only later stages know is then left alone.

    Args:
        samples: path, bucket, and the columns that a table names images by.
        settings: of the split.
        files: as read; None: not at hand, and whatever they would say is not said.
        items: of the samples; None: not known yet.

    Raises:
        SplitError: nothing is found at all; a word is neither a purpose nor translated; a name means several items; an
            image gets two purposes.
    """
    given = settings.given
    if given is None or not len(samples) or (given.input_files and files is None):
        return np.full(len(samples), OPEN, np.int64)
    if given.input_files:
        return _find_named_purposes(samples, given, settings.names, files or {}, items)
    words = find_path_words(samples, given)
    where = f"split.given.{given.way}"
    if words.null_count == len(words) and given.labels:
        raise SplitError(f"{where}: the labels say a purpose of none of the {len(words)} images; fill the column")
    if words.null_count == len(words):
        some = list_some_paths(samples["path"], np.ones(len(samples), np.bool_))
        raise SplitError(f"{where} finds a word in none of the {len(samples)} paths, for example {some}")
    return _translate_words(words, given, settings.names, where)


def _find_named_purposes(
    samples: pa.Table, given: GivenSettings, names: list[str], files: GivenFiles, items: Key | None
) -> Ints:
    given_purposes = np.full(len(samples), OPEN, np.int64)
    parts = list(match_given_names(samples, given, files, items))
    purposes = [_translate_words(part.words, given, names, part.config_key)[: len(part.names)] for part in parts]
    if all(part.images is None for part in parts):
        return given_purposes
    if not any(part.matched_names.any() for part in parts):
        _refuse_no_match(parts, samples["path"])
    for part, purpose in zip(parts, purposes, strict=True):
        if part.by == "path" and items is not None:
            refuse_ambiguous(part.pairs, part.names, items.codes, samples["path"], part.config_key)
        by_part = _spread_purposes(samples, part.pairs, purpose, names, part.config_key)
        twice = np.flatnonzero((given_purposes != OPEN) & (by_part != OPEN) & (given_purposes != by_part))
        if len(twice):
            path, was, other = samples["path"][int(twice[0])].as_py(), given_purposes[twice[0]], by_part[twice[0]]
            raise SplitError(
                f"split.given.lists: {len(twice)} images stand in lists of different purposes, the first {path}, in "
                f"those of {names[was]} and {names[other]}; keep one line of each"
            )
        given_purposes = np.where(by_part == OPEN, given_purposes, by_part)
    return given_purposes


def _refuse_no_match(parts: Sequence[NamedImages], paths: pa.ChunkedArray) -> None:
    if empty := [part.config_key for part in parts if not len(part.names)]:
        raise SplitError(
            f"{', '.join(empty)}: the file has no line, or no row with both a name and a purpose, and so names no "
            "image: fill it, or take it out"
        )
    some = ", ".join(repr(name) for part in parts for name in part.names[:2].to_pylist())
    first = parts[0]
    if first.by != "path" and first.images is not None:
        images = normalize_unicode(first.images)
        lost = closest_names(first.names.slice(0, _SHOWN), images)
        raise SplitError(
            f"{first.config_key}: none of its {len(first.names)} rows means an image. By {first.by}, its rows are: "
            f"{describe_closest(lost, len(first.names))}; the images are, for example: "
            f"{', '.join(pc.unique(images).drop_null().slice(0, _SHOWN).to_pylist())}"
        )
    raise SplitError(
        f"split.given.{first.key.partition('.')[0]}: none of its {sum(len(part.names) for part in parts)} names means "
        f"an image: {some}; images are, for example, {list_some_paths(paths, np.ones(len(paths), np.bool_))}. A name "
        "is a path (whole, within its dataset, or from the configuration's folder), or a file name; each with "
        "its ending or without"
    )


def _spread_purposes(samples: pa.Table, pairs: MatchPairs, purpose: Ints, names: list[str], where: str) -> Ints:
    """(images,) the purpose that the names give each."""
    by_pair = purpose[pairs.name]
    first = by_pair[find_first_rows(pairs.row, len(samples))[pairs.row]] if len(by_pair) else by_pair
    if len(apart := np.flatnonzero(first != by_pair)):
        at = apart[0]
        was, other = (names[number] if number != OPEN else "null" for number in (first[at], by_pair[at]))
        raise SplitError(
            f"{where}: gives {len(np.unique(pairs.row[apart]))} images more than one purpose, the first "
            f"{samples['path'][int(pairs.row[at])].as_py()}: {was} and {other}; keep one line of each"
        )
    out = np.full(len(samples), OPEN, np.int64)
    out[pairs.row] = by_pair
    return out


def _translate_words(words: pa.ChunkedArray, given: GivenSettings, names: list[str], where: str) -> Ints:
    """(rows,) number of the purpose that each word means; −1 where there is none, or null."""
    codes, values = number_values(normalize_unicode(words.cast(TEXT)))
    translated = {unicodedata.normalize("NFC", word): purpose for word, purpose in given.words.items()}
    purposes = [translated.get(word, word) for word in values.to_pylist()]
    counts = np.bincount(codes[codes >= 0], minlength=len(values)).tolist()
    unknown = [
        (-count, word)
        for word, purpose, count in zip(values.to_pylist(), purposes, counts, strict=True)
        if purpose is not None and purpose not in names
    ]
    if unknown:
        unknown.sort()
        some = ", ".join(f"{word!r} ({-count})" for count, word in unknown[:10]) + (", …" if len(unknown) > 10 else "")
        lines = ", ".join(f"{word}: {_suggest_purpose(word, names)}" for _, word in unknown[:5])
        raise SplitError(
            f"{where} finds the words {some}, which are no purposes ({', '.join(names)}): translate each, for example "
            f"split.given.words: {{{lines}}}; null divides these images as configured"
        )
    numbers = [OPEN if purpose is None else names.index(purpose) for purpose in purposes]
    return np.array([*numbers, OPEN], np.int64)[codes]


def _suggest_purpose(word: str, names: list[str]) -> str:
    """The purpose that a word looks like, for advice."""
    plain = word.casefold()
    alike = [name for name in names if name.casefold() == plain or plain in _OTHERS.get(name, ())]
    close = difflib.get_close_matches(word, names, 1, 0.8)
    return next(iter([*alike, *close]), "null")
