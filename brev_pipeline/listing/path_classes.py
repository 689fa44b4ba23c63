"""Path classes: the classes of images from their paths, by ``listing.category`` and ``listing.class_mapping``.

Names are compared in Unicode's normal form C, and categories are stored in it: two folders whose names look the same
and are typed in two ways hold one class.

Where folders say the class, keys are not looked at one by one. Sorted by their bytes, they come in runs of one folder:
if the last slash stands at the same place in all keys of a run, and the first and the last begin with the same folder,
so do all keys between.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Final, NamedTuple
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import FolderCategory, ListingSettings
from brev_pipeline.errors import ListingError
from brev_pipeline.texts import join_names, normalize_unicode, number_values, search_each, text_bytes, text_offsets

ROOT: Final = "__root__"
"""Folder of the images that lie directly in a dataset's root. The reference package's name for it."""


class PathClasses(NamedTuple):
    """What a configuration makes of a path."""

    path_names: tuple[str, ...]
    """The names that ``listing.category`` finds, as the path has them; none where it finds none."""
    keys: tuple[str, ...]
    """The keys of ``listing.class_mapping`` that rename them, as the configuration has them."""
    categories: list[str]
    """In normal form C, each once."""
    others: tuple[str, ...] = ()
    """Further names that a key of ``listing.class_mapping`` could have renamed."""


def folder_name(folder: str) -> str:
    """Name of the leaf folder of ``folder``, whose parts slashes separate and end; `ROOT` for the empty text."""
    return next((part for part in reversed(folder.split("/")) if part), ROOT)


def filter_classes(found: list[str], classes: Sequence[str] | None) -> list[str]:
    """Those of ``found`` that are in ``classes``, which are in normal form C; all where ``classes`` is None."""
    return found if classes is None else [name for name in found if name in classes]


def explain_class_filter(categories: Sequence[str]) -> str:
    """Why an image with these categories is none of ``listing.classes``, in words."""
    return f"not among listing.classes: {', '.join(categories) or 'listing.category finds no class'}"


def normalize_names(names: Sequence[str]) -> list[str]:
    """The names in normal form C, each once, in their order."""
    return list(dict.fromkeys(normalize("NFC", name) for name in names))


class ClassRules:
    """Says what classes an image has.

    Args:
        settings: of the listing.

    Raises:
        ListingError: two keys of ``class_mapping`` are one name, and say two things.
    """

    def __init__(self, settings: ListingSettings) -> None:
        rule = settings.category
        self.pattern = rule if isinstance(rule, str) and settings.finds_classes else None
        self._levels = rule.folder_levels if isinstance(rule, FolderCategory) else []
        self._renames = _index_renames(settings.class_mapping)
        self.classes = None if settings.classes is None else normalize_names(settings.classes)

    def classify_folder(self, folder: str) -> PathClasses:
        """What the folders say of the images in ``folder``; as of `folder_name`.

        Of one level, the nearest mapped folder counts, from there up to the root; an image without such a folder has
        the class that `ROOT` is mapped to, or none. Of several levels, each is renamed by its own name; of no level
        there is no class.
        """
        parts = [part for part in folder.split("/") if part]
        if len(self._levels) != 1:
            return self.classify_names([_folder_at_level(parts, level) for level in self._levels])
        name = _folder_at_level(parts, self._levels[0])
        if not self._renames:
            return _classify_plain(name)
        level = self._levels[0]
        above = [ROOT, *(parts[: level % len(parts) + 1] if name not in (None, ROOT) else [])]
        for part in reversed(above):
            if renamed := self._renames.get(normalize("NFC", part)):
                return PathClasses((name or ROOT,), (renamed[0],), renamed[1], tuple(above[1:-1]))
        return _classify_plain(name)._replace(others=tuple(above[1:-1]))

    def classify_names(self, names: Sequence[str | None]) -> PathClasses:
        """What the parts of a path say, each by itself; None and the empty text say nothing."""
        path_names = tuple(name for name in names if name)
        categories: list[str] = []
        keys = []
        for name in path_names:
            key, renamed = self._renames.get(normalize("NFC", name), (None, [name]))
            keys += [] if key is None else [key]
            categories += renamed
        return PathClasses(path_names, tuple(keys), normalize_names(categories))


def _classify_plain(name: str | None) -> PathClasses:
    return PathClasses((), (), []) if name is None else PathClasses((name,), (), [normalize("NFC", name)])


def _folder_at_level(parts: Sequence[str], level: int) -> str | None:
    """The folder at a level: 0 lies in the root, -1 holds the image, which lies in `ROOT` where there is none."""
    if not parts and level == -1:
        return ROOT
    return parts[level] if -len(parts) <= level < len(parts) else None


def _index_renames(mapping: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, list[str]]]:
    """Key in normal form C → the key as it is configured, and its categories."""
    renames: dict[str, tuple[str, list[str]]] = {}
    for key, names in mapping.items():
        renamed = (key, normalize_names(names))
        other = renames.setdefault(normalize("NFC", key), renamed)
        if other[1] != renamed[1]:
            raise ListingError(
                f"listing.class_mapping has the key {key!r} twice, in two of Unicode's forms ({other[0]!a} and "
                f"{key!a}), with the categories {other[1]} and {renamed[1]}: keep one of them"
            )
    return renames


class FolderRun(NamedTuple):
    """Neighbouring keys of one folder."""

    folder: str
    """With a slash at its end; empty for keys that lie in no folder."""
    keys: int


def find_folder_runs(keys: pa.Array) -> list[FolderRun]:
    """The runs of ``keys``, in order; their counts sum to the number of keys.

    ``keys`` have no nulls and are sorted by their UTF-8 bytes.
    """
    depths, runs = measure_folders(keys), list[FolderRun]()
    edges = [0, *(np.flatnonzero(np.diff(depths)) + 1).tolist(), len(keys)] if len(keys) else []
    for start, stop in pairwise(edges):
        for run in _cut_runs(keys, depths, start, stop):
            if runs and runs[-1].folder == run.folder:  # cut in two on the way down
                runs[-1] = FolderRun(run.folder, runs[-1].keys + run.keys)
            else:
                runs.append(run)
    return runs


def measure_folders(keys: pa.Array) -> npt.NDArray[np.int64]:
    """Bytes of each key up to and with its last slash; 0 where it has none. Shape (n,)."""
    if not len(keys):
        return np.empty(0, np.int64)
    stops = text_offsets(keys) - text_offsets(keys)[0]
    slashes = np.flatnonzero(text_bytes(keys) == ord("/"))
    # The last slash before each end; one before everything stands for "none".
    last = np.concatenate([[-1], slashes])[np.searchsorted(slashes, stops[1:])]
    lengths: npt.NDArray[np.int64] = np.maximum(last + 1 - stops[:-1], 0)
    return lengths


def _cut_runs(keys: pa.Array, depths: npt.NDArray[np.int64], start: int, stop: int) -> Iterator[FolderRun]:
    """The runs of neighbouring keys whose folders are equally long: halved until both ends agree."""
    depth = int(depths[start])
    folder, last = (bytes(keys[row].as_buffer()[:depth]) for row in (start, stop - 1))
    if folder == last:
        yield FolderRun(folder.decode(), stop - start)
        return
    middle = (start + stop) // 2
    yield from _cut_runs(keys, depths, start, middle)
    yield from _cut_runs(keys, depths, middle, stop)


class ClassifiedKeys(NamedTuple):
    """What is said of some keys."""

    classes: list[PathClasses]
    rows: npt.NDArray[np.int64]
    """(keys,) which of ``classes`` each key is."""


_NAME_KINDS: Final = ("path_names", "keys", "others", "categories")  # of `PathClasses` and of `ClassNameCounts`


@dataclass
class ClassNameCounts:
    """How many images each name was found in: of all images, whatever became of them. Pieces add up."""

    images: int = 0
    unnamed: int = 0
    """Images in whose paths ``listing.category`` finds nothing."""
    path_names: Counter[str] = field(default_factory=Counter)
    """By the names that ``listing.category`` finds, as they stand in the paths."""
    keys: Counter[str] = field(default_factory=Counter)
    """By the keys of ``class_mapping`` that rename them."""
    others: Counter[str] = field(default_factory=Counter)
    """By the names that a key could have renamed."""
    categories: Counter[str] = field(default_factory=Counter)
    """By category, before ``classes`` takes some out."""

    def add_keys(self, described: ClassifiedKeys) -> None:
        """Count what a piece has."""
        counts = np.bincount(described.rows, minlength=len(described.classes)).tolist()
        for named, count in zip(described.classes, counts, strict=True):
            self.images += count
            if not count:
                continue
            self.unnamed += 0 if named.path_names else count
            for kind in _NAME_KINDS:
                for name in getattr(named, kind):
                    getattr(self, kind)[name] += count

    def add_counts(self, other: "ClassNameCounts") -> None:
        """Count what another has too."""
        self.images += other.images
        self.unnamed += other.unnamed
        for kind in _NAME_KINDS:
            getattr(self, kind).update(getattr(other, kind))


def classify_keys(keys: pa.Array, folders: Sequence[FolderRun], namer: ClassRules) -> ClassifiedKeys:
    """What classes some images have: ``keys`` sorted by their UTF-8 bytes, ``folders`` their `find_folder_runs`."""
    if namer.pattern is not None:
        return _classify_by_pattern(keys, namer.pattern, namer)
    named = [namer.classify_folder(run.folder) for run in folders]
    return ClassifiedKeys(named, np.repeat(np.arange(len(folders)), [run.keys for run in folders]))


def replace_classes(described: ClassifiedKeys, said: pa.Array, namer: ClassRules) -> ClassifiedKeys:
    """The classes of some keys, those that labels say in place of the paths' own.

    ``said`` (keys,) are lists of names, each renamed as a path's name is; null where the path's classes stay.
    """
    joined = join_names(pa.chunked_array([said]), "\0").combine_chunks().dictionary_encode()
    classes = [namer.classify_names(names.split("\0")) for names in joined.dictionary.to_pylist()]
    there = said.is_valid().to_numpy(zero_copy_only=False)
    codes = joined.indices.fill_null(0).to_numpy() + len(described.classes)
    return ClassifiedKeys([*described.classes, *classes], np.where(there, codes, described.rows))


def count_class_names(keys: pa.Array, namer: ClassRules) -> ClassNameCounts:
    """The names in some keys, which may stand in any order."""
    ordered = keys.take(pc.sort_indices(keys))
    found = ClassNameCounts()
    found.add_keys(classify_keys(ordered, find_folder_runs(ordered), namer))
    return found


def _classify_by_pattern(keys: pa.Array, pattern: str, namer: ClassRules) -> ClassifiedKeys:
    """As the named groups find them in ``/`` and each key, in the order in which the pattern has the groups."""
    compiled = re.compile(pattern)
    texts = pa.chunked_array([pc.binary_replace_slice(keys, 0, 0, "/")])
    groups = [name for name in compiled.groupindex if name.startswith("category")]
    rows = np.zeros(len(keys), np.int64)
    distinct: list[tuple[str | None, ...]] = [()]
    for group in groups:
        codes, values = number_values(_search_group(texts, compiled, group))
        names = [None, *values.to_pylist()]
        # Compacted at each step, so that many groups cannot overflow 64 bits.
        pairs, rows = np.unique(rows * len(names) + codes + 1, return_inverse=True)
        distinct = [(*distinct[pair // len(names)], names[pair % len(names)]) for pair in pairs.tolist()]
    return ClassifiedKeys([namer.classify_names(names) for names in distinct], rows.astype(np.int64))


def _search_group(texts: pa.ChunkedArray, pattern: re.Pattern[str], group: str) -> pa.ChunkedArray:
    """(texts,) what a group finds in each text's normal form C: as it is spelled there, where that is found too."""
    forms = normalize_unicode(texts)
    composed = search_each(forms, pattern, itemgetter(group))
    if forms.equals(texts):
        return composed
    spelled = search_each(texts, pattern, itemgetter(group))
    return pc.if_else(pc.fill_null(pc.equal(normalize_unicode(spelled), composed), False), spelled, composed)
