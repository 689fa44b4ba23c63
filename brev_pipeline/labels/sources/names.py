"""Names: which photos the rows of a table, or the images of a file, mean.

Names are compared in Unicode's normal form C. A name means one photo; where it could mean several, it is refused.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import LabelError
from brev_pipeline.labels.sources.photo_files import Ints, PhotoKeys, cut_ending, look_up, split_keys
from brev_pipeline.texts import TEXT, normalize_unicode

_SHOWN: Final = 3
_HINT: Final = {
    "path": "",
    "name": "; match: path tells them apart by their folders",
    "stem": "; match: name tells them apart by their endings, match: path by their folders",
}


class NameMatches(NamedTuple):
    """Which names mean which photos."""

    row: Ints
    """(photos,) the name that means each photo; −1: none."""
    lost: Ints
    """Names that mean no photo."""


def match_names(
    names: pa.Array, photos: PhotoKeys, match: str, file: str, prefix: str, element: Callable[[int], str]
) -> NameMatches:
    """Find the photo of each name.

    Args:
        names: (names,) text without nulls.
        photos: which may be meant; by item, with their items.
        match: path, name, stem or item: what the names are.
        file: that holds the names; paths may be meant from its folder.
        prefix: what paths of the dataset begin with, where they are written whole.
        element: says in messages which row of the file a name (from 0) stands in.

    Raises:
        LabelError: a name means several photos, or several names mean one.
    """
    if match == "item":
        if photos.item is None:
            raise LabelError(f"{file}: match: item, and the photos' items are not known here: match by path or name")
        of_photos, forms = normalize_unicode(photos.item), normalize_unicode(names)
        _refuse_repeated(forms, file, element)
        row = look_up(of_photos, forms)
        lost = np.flatnonzero(look_up(forms, of_photos) < 0)
        return NameMatches(row, lost)
    photo = _find_photos(normalize_unicode(names), photos, match, file, prefix, element)
    found = np.flatnonzero(photo >= 0)
    row = np.full(len(photos.key), -1, np.int64)
    row[photo[found][::-1]] = found[::-1]
    if len(again := found[row[photo[found]] != found]):
        first, other = int(row[photo[again[0]]]), int(again[0])
        raise LabelError(
            f"{file}: {element(first)} and {element(other)} both mean the photo "
            f"{photos.key[int(photo[other])].as_py()} ({len(again)} such in all): keep one of each"
        )
    return NameMatches(row, np.flatnonzero(photo < 0))


def describe_lost(names: pa.Array, photos: PhotoKeys, match: str) -> str:
    """That none of some names means a photo, with the first of both sides."""
    side = (
        photos.item
        if match == "item" and photos.item is not None
        else photos.part("path" if match == "path" else match)
    )
    some, others = (", ".join(map(repr, column.slice(0, _SHOWN).to_pylist())) for column in (names, side))
    return f"none of its {len(names)} names means a photo by {match}: they are {some}; the photos are {others}"


def _find_photos(
    names: pa.Array, photos: PhotoKeys, match: str, file: str, prefix: str, element: Callable[[int], str]
) -> Ints:
    """(names,) row of the photo that each name means, or −1."""
    if match == "path":
        return _find_paths(names, photos, file, prefix, element)
    side = normalize_unicode(photos.part(match))
    last = split_keys(names)[1]
    rows = look_up(last, side)
    if match == "stem":
        # A stem may hold dots itself: as it stands it counts before what is cut.
        rows = np.where(rows < 0, look_up(cut_ending(last), side), rows)
    _refuse_ambiguous(rows, side, names, photos, match, file, element)
    return rows


def _find_paths(names: pa.Array, photos: PhotoKeys, file: str, prefix: str, element: Callable[[int], str]) -> Ints:
    keys = normalize_unicode(photos.key)
    plain = pc.replace_substring_regex(names, r"^(\./)+", "")
    whole = pc.starts_with(plain, prefix)
    plain = pc.if_else(whole, pc.utf8_slice_codeunits(plain, len(prefix)), plain)
    rows = look_up(plain, keys)
    folder = file.rpartition("/")[0]
    if folder:
        from_file = look_up(pc.binary_replace_slice(plain, 0, 0, f"{folder}/"), keys)
        if len(apart := np.flatnonzero((rows >= 0) & (from_file >= 0) & (rows != from_file))):
            at = int(apart[0])
            two = " and ".join(str(photos.key[int(side[at])].as_py()) for side in (rows, from_file))
            raise LabelError(f"{file}, {element(at)}: {names[at].as_py()} may mean {two}: write the whole path")
        rows = np.where(rows < 0, from_file, rows)
    _refuse_ambiguous(rows, keys, names, photos, "path", file, element)
    return rows


def _refuse_ambiguous(
    rows: Ints, side: pa.Array, names: pa.Array, photos: PhotoKeys, match: str, file: str, element: Callable[[int], str]
) -> None:
    """Raise `LabelError` where the photo that a name means is not the only one of its kind."""
    codes = side.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    several = np.bincount(codes, minlength=1)[codes] > 1
    bad = np.flatnonzero((rows >= 0) & several[rows]) if len(several) else rows[:0]
    if len(bad):
        at = int(bad[0])
        meant = np.flatnonzero(codes == codes[rows[at]])[:_SHOWN].tolist()
        paths = ", ".join(photos.key[row].as_py() for row in meant)
        raise LabelError(
            f"{file}, {element(at)}: {names[at].as_py()!r} means several photos by {match}: {paths} "
            f"({len(bad)} such names){_HINT[match]}"
        )


def _refuse_repeated(names: pa.Array, file: str, element: Callable[[int], str]) -> None:
    codes = names.cast(TEXT).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    first = np.unique(codes, return_index=True)[1]
    again = np.setdiff1d(np.arange(len(codes)), first)
    if len(again):
        at = int(again[0])
        one = int(first[np.searchsorted(np.unique(codes), codes[at])])
        raise LabelError(
            f"{file}: {element(one)} and {element(at)} both name {names[at].as_py()!r} "
            f"({len(again)} such in all): keep one of each"
        )
