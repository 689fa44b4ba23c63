"""Photo files: which label file each photo has, by a template of the photo's path.

All photos are looked up at once, as Arrow columns. Paths are compared as they are, and where that finds nothing in
Unicode's normal form C.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.labels import PHOTO_FIELDS, PhotoFileSource, split_template
from brev_pipeline.errors import LabelError
from brev_pipeline.labels.findings import LabelFindings
from brev_pipeline.texts import TEXT, join_texts, normalize_unicode, number_values, search_each

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_EXAMPLES = 5
_STAR = "\0"
"""In place of a template's *: a photo's own name may hold one."""


@dataclass(frozen=True)
class PhotoKeys:
    """The keys of some photos and their parts; columns of as many rows."""

    key: pa.Array
    """Path within the dataset."""
    item: pa.Array | None = None
    """Physical item, where it is known."""

    @cached_property
    def _parts(self) -> tuple[pa.Array, pa.Array]:
        return split_keys(self.key)

    @property
    def folder(self) -> pa.Array:
        """Without a slash at the end; empty in the root."""
        return self._parts[0]

    @property
    def name(self) -> pa.Array:
        """The file name."""
        return self._parts[1]

    @cached_property
    def stem(self) -> pa.Array:
        """The file name without its ending."""
        return cut_ending(self.name)

    def part(self, name: str) -> pa.Array:
        """What a placeholder of a template stands for."""
        return self.key if name == "path" else getattr(self, name)

    def search_groups(self, pattern: str, names: Sequence[str]) -> tuple[Bools, dict[str, pa.Array]]:
        """(photos,) whether ``pattern`` is found in ``/`` and the key; and what its groups of these names find."""
        texts = pa.chunked_array([pc.binary_replace_slice(self.key, 0, 0, "/")])
        compiled = re.compile(pattern)
        found = search_each(texts, compiled, lambda match: match[0])
        groups = {name: search_each(texts, compiled, itemgetter(name)) for name in names}
        joined = {name: _one_array(group) for name, group in groups.items()}
        return found.is_valid().to_numpy(zero_copy_only=False), joined


@dataclass
class FileMatches:
    """Which label file each photo has."""

    asked: Bools
    """(photos,) whether the source is about the photo at all."""
    place: Ints
    """(photos,) row of the file among the objects; −1: none."""
    wanted: pa.Array
    """(photos,) key that the template gives; null where the source is not about the photo."""
    older: list[str] = field(default_factory=list)
    """Files that a later one by name replaces."""

    @property
    def absent(self) -> Bools:
        """(photos,) whether the source is about the photo, and has no file for it."""
        return self.asked & (self.place < 0)

    def examples(self, photos: PhotoKeys, mask: Bools) -> list[str]:
        """Some photos of a mask, with the files that they would have."""
        rows = np.flatnonzero(mask)[:_EXAMPLES].tolist()
        return [f"{photos.key[row].as_py()} (looked for {self.wanted[row].as_py()})" for row in rows]


def split_keys(keys: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Folder (without a slash at its end) and file name of each key."""
    parts = pc.split_pattern(keys, "/", max_splits=1, reverse=True)
    deep = pc.equal(pc.list_value_length(parts), 2)
    flat, ends = parts.flatten(), parts.offsets.to_numpy()
    first = flat.take(pa.array(ends[:-1] - ends[0])) if len(keys) else flat
    return pc.if_else(deep, first, ""), flat.take(pa.array(ends[1:] - ends[0] - 1))


def cut_ending(names: pa.Array) -> pa.Array:
    """Names without their last dot and what follows; a dot at the beginning begins no ending."""
    return pc.replace_substring_regex(names, r"(.)\.[^./]*$", r"\1")


def match_photo_files(
    photos: PhotoKeys, objects: pa.Table, source: PhotoFileSource, where: str, file_names: pa.Array | None = None
) -> FileMatches:
    """Find each photo's label file.

    Args:
        photos: whose files are wanted.
        objects: all of the dataset: key.
        source: its template and its pattern of photos.
        where: the source, for messages.
        file_names: keys of the objects in normal form C, if they are known already.

    Raises:
        LabelError: a template leads out of the dataset.
    """
    parts = list(split_template(source.path))
    names = list(dict.fromkeys(name for _, name in parts if name is not None and name not in PHOTO_FIELDS))
    asked, groups = np.ones(len(photos.key), np.bool_), dict[str, pa.Array]()
    if source.photos is not None:
        asked, groups = photos.search_groups(source.photos, names)
    columns: list[pa.Array | str] = []
    for text, name in parts:
        columns += [text.replace("*", _STAR)] if text else []
        columns += [] if name is None else [groups[name] if name in groups else photos.part(name)]
    wanted = _resolve_keys(_one_array(join_texts(*columns, by="")), where)
    wanted = pc.if_else(pa.array(asked), wanted, pa.scalar(None, TEXT))
    asked &= wanted.is_valid().to_numpy(zero_copy_only=False)
    keys = _one_array(objects["key"])
    if "*" in source.path:
        return _match_newest(wanted, keys, asked)
    return FileMatches(asked, look_up(wanted, keys, file_names), wanted)


def look_up(wanted: pa.Array, keys: pa.Array, forms: pa.Array | None = None) -> Ints:
    """(wanted,) row of each text among ``keys``; −1 where it is not there, or null."""
    rows = pc.index_in(wanted, value_set=keys)
    lost = pc.and_(pc.is_null(rows), pc.is_valid(wanted))
    if pc.any(lost, min_count=0).as_py():
        forms = normalize_unicode(keys) if forms is None else forms
        rows = pc.coalesce(rows, pc.index_in(normalize_unicode(wanted), value_set=forms))
    return np.asarray(pc.fill_null(rows, -1).to_numpy(zero_copy_only=False), np.int64)


def find_orphans(objects: pa.Table, source: PhotoFileSource, used: Bools, photos: PhotoKeys) -> list[str]:
    """Keys of files that look like the source's, and belong to no photo.

    They end as the template does, and begin as it does or, where it begins with a placeholder, lie in a folder of files
    that belong to photos.

    Args:
        objects: all of the dataset: key.
        source: whose template says what its files look like.
        used: (objects,) whether each is a photo's label file.
        photos: which are no label files.
    """
    keys = _one_array(objects["key"])
    parts = list(split_template(source.path))
    last = parts[-1][0] if parts[-1][1] is None else ""
    prefix = parts[0][0].rpartition("*")[0] if "*" in parts[0][0] else parts[0][0]
    rest = pc.and_not(pc.ends_with(keys, last.rpartition("*")[2]), pa.array(used))
    rest = pc.and_not(rest, pc.is_in(keys, value_set=photos.key))
    if prefix:
        rest = pc.and_(rest, pc.starts_with(keys, prefix))
    else:
        folders = split_keys(keys)[0]
        rest = pc.and_(rest, pc.is_in(folders, value_set=folders.filter(pa.array(used))))
    return keys.filter(rest).to_pylist()  # type: ignore[no-any-return]


def add_match_findings(
    findings: LabelFindings, where: str, photos: PhotoKeys, matches: FileMatches, objects: pa.Table
) -> None:
    """Tell which photos the source is not about, have no file, or share one."""
    keys = _one_array(objects["key"])
    others = ~matches.asked
    findings.add(where, "not_asked", int(others.sum()), _some(photos.key, others))
    findings.add(where, "no_label", int(matches.absent.sum()), matches.examples(photos, matches.absent))
    findings.add(where, "older_file", len(matches.older), matches.older)
    counts = np.bincount(matches.place[matches.place >= 0], minlength=len(keys))
    shared = counts > 1
    findings.add(where, "shared_file", int(shared.sum()), _some(keys, shared))


def _some(keys: pa.Array, mask: Bools) -> list[str]:
    return [keys[row].as_py() for row in np.flatnonzero(mask)[:_EXAMPLES].tolist()]


def _match_newest(wanted: pa.Array, keys: pa.Array, asked: Bools) -> FileMatches:
    """Of the files that each pattern with one ``*`` in its name means, the last by name."""
    halves = pc.split_pattern(wanted.filter(pa.array(asked)), _STAR)
    endings = pc.unique(pc.list_element(halves, 1)) if len(halves) else pa.array([], TEXT)
    # Few files end so; their names alone become Python's.
    some = np.zeros(len(keys), np.bool_)
    for ending in endings.to_pylist() if len(endings) < 100 else [""]:
        some |= pc.ends_with(keys, ending).to_numpy(zero_copy_only=False)
    named = sorted(zip(keys.filter(pa.array(some)).to_pylist(), np.flatnonzero(some).tolist(), strict=True))
    names, rows = [name for name, _ in named], [row for _, row in named]
    place, older = np.full(len(wanted), -1, np.int64), list[str]()
    for photo, (prefix, ending) in zip(np.flatnonzero(asked).tolist(), halves.to_pylist(), strict=True):
        here = bisect_left(names, prefix)
        while here < len(names) and names[here].startswith(prefix):
            between = names[here][len(prefix) :]
            if between.endswith(ending) and "/" not in between:
                older += [] if place[photo] < 0 else [keys[int(place[photo])].as_py()]
                place[photo] = rows[here]
            here += 1
    return FileMatches(asked, place, pc.replace_substring(wanted, _STAR, "*"), older)


def _resolve_keys(keys: pa.Array, where: str) -> pa.Array:
    """Keys without ``..``, ``.`` and the slash that an empty folder leaves at the beginning."""
    odd = pc.match_substring_regex(keys, r"(^|/)\.\.?/|^/")
    if not pc.any(odd, min_count=0).as_py():
        return keys
    folder, name = split_keys(keys.drop_null())
    codes, folders = number_values(pa.chunked_array([folder]))
    resolved = pa.array([_resolve_folder(one, where) for one in folders.to_pylist()], TEXT).take(pa.array(codes))
    whole = pc.if_else(pc.equal(resolved, ""), name, join_texts(resolved, name, by="/"))
    return pc.replace_with_mask(keys, keys.is_valid(), whole)


def _resolve_folder(folder: str, where: str) -> str:
    parts = folder.removeprefix("/").split("/") if folder else []
    if not {"..", "."} & set(parts):
        return folder.removeprefix("/")
    out: list[str] = []
    for part in parts:
        if part == ".." and not out:
            raise LabelError(
                f"{where}.path: {folder} leads out of the dataset: make the dataset's bucket the folder that holds "
                "photos and labels, or correct the template"
            )
        if part == "..":
            out.pop()
        elif part != ".":
            out.append(part)
    return "/".join(out)


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The column as one array of `TEXT`."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return column.cast(TEXT)
