"""Naming: the classes of many keys at once, without a look at each where their folders say it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.listing.classes import Named, Namer
from brev_pipeline.listing.folders import Run, runs
from brev_pipeline.searches import search_each
from brev_pipeline.texts import composed, numbered


class Described(NamedTuple):
    """What is said of some keys."""

    named: list[Named]
    rows: npt.NDArray[np.int64]
    """(keys,) which of ``named`` each key is."""


@dataclass
class Names:
    """How many images each name was found in: of all images, whatever became of them. Pieces add up."""

    images: int = 0
    unnamed: int = 0
    """Images in whose paths ``listing.category`` finds nothing."""
    found: Counter[str] = field(default_factory=Counter)
    """By the names that ``listing.category`` finds, as they stand in the paths."""
    keys: Counter[str] = field(default_factory=Counter)
    """By the keys of ``class_mapping`` that rename them."""
    others: Counter[str] = field(default_factory=Counter)
    """By the names that a key could have renamed."""
    categories: Counter[str] = field(default_factory=Counter)
    """By category, before ``classes`` takes some out."""

    def add(self, described: Described) -> None:
        """Count what a piece has."""
        counts = np.bincount(described.rows, minlength=len(described.named)).tolist()
        for named, count in zip(described.named, counts, strict=True):
            self.images += count
            if not count:
                continue
            self.unnamed += 0 if named.found else count
            for counter, names in (
                (self.found, named.found),
                (self.keys, named.keys),
                (self.others, named.others),
                (self.categories, named.categories),
            ):
                for name in names:
                    counter[name] += count

    def update(self, other: "Names") -> None:
        """Count what another has too."""
        self.images += other.images
        self.unnamed += other.unnamed
        for name in ("found", "keys", "others", "categories"):
            getattr(self, name).update(getattr(other, name))


def describe(keys: pa.Array, folders: Sequence[Run], namer: Namer) -> Described:
    """What classes some images have.

    Args:
        keys: of images, relative to the dataset's root; sorted by their UTF-8 bytes.
        folders: `runs` of them.
        namer: says it.
    """
    if namer.pattern is not None:
        return _by_pattern(keys, namer.pattern, namer)
    named = [namer.of_folder(run.folder) for run in folders]
    return Described(named, np.repeat(np.arange(len(folders)), [run.keys for run in folders]))


def names_of(keys: pa.Array, namer: Namer) -> Names:
    """The names in some keys, which may stand in any order."""
    ordered = keys.take(pc.sort_indices(keys))
    found = Names()
    found.add(describe(ordered, runs(ordered), namer))
    return found


def _by_pattern(keys: pa.Array, pattern: str, namer: Namer) -> Described:
    """As the named groups find them in ``/`` and each key, in the order in which the pattern has the groups."""
    compiled = re.compile(pattern)
    texts = pa.chunked_array([pc.binary_replace_slice(keys, 0, 0, "/")])
    groups = [name for name in compiled.groupindex if name.startswith("category")]
    columns = [numbered(_searched(texts, compiled, name)) for name in groups]
    values = [[None, *names.to_pylist()] for _, names in columns]
    rows = np.zeros(len(keys), np.int64)
    distinct: list[tuple[str | None, ...]] = [()]
    for (codes, _), names in zip(columns, values, strict=True):
        # Compacted at each step, so that many groups cannot overflow 64 bits.
        pairs, rows = np.unique(rows * len(names) + codes + 1, return_inverse=True)
        distinct = [(*distinct[pair // len(names)], names[pair % len(names)]) for pair in pairs.tolist()]
    return Described([namer.of_names(names) for names in distinct], rows.astype(np.int64))


def _searched(texts: pa.ChunkedArray, pattern: re.Pattern[str], group: str) -> pa.ChunkedArray:
    """(texts,) what a group finds in each text's normal form C: as it is spelled there, where that is found too."""
    plain = composed(texts)
    found = search_each(plain, pattern, itemgetter(group))
    if plain.equals(texts):
        return found
    spelled = search_each(texts, pattern, itemgetter(group))
    return pc.if_else(pc.fill_null(pc.equal(composed(spelled), found), False), spelled, found)
