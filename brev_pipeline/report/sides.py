"""Sides: which purposes the images meet that have something in common, counted with numbers."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from brev_pipeline.report.ground import Ground
from brev_pipeline.report.rows import Codes, Mask, Numbered, Numbers, numbered

Divided = tuple[int, int]
"""How many there are of a kind, and how many of them stand on two sides."""


@dataclass(frozen=True)
class Sides:
    """Of each image of the split, its purpose and stratum as numbers.

    Attributes:
        purpose: (images,) place among the names of the purposes.
        purposes: how many names there are.
        stratum: (images,) place among the strata's names in their order.
        strata: these names.
    """

    purpose: Codes
    purposes: int
    stratum: Codes
    strata: list[str]

    @classmethod
    def of(cls, ground: Ground) -> "Sides":
        """Of a version's split."""
        purpose, stratum = (ground.split.numbered(name) for name in ("purpose", "stratum"))
        strata = sorted(stratum.values.to_pylist())
        return cls(_placed(purpose, ground.purposes), len(ground.purposes), _placed(stratum, strata), strata)

    def with_stratum(self, codes: Codes) -> Numbered:
        """(images,) numbers of the pairs of a number and the stratum; the value is number × strata + stratum."""
        return numbered(pa.chunked_array([codes.astype(np.int64) * len(self.strata) + self.stratum]))

    def images(self) -> Numbers:
        """(strata, purposes) images."""
        shape = (len(self.strata), self.purposes)
        key = self.stratum.astype(np.int64) * shape[1] + self.purpose
        return np.bincount(key, minlength=shape[0] * shape[1]).reshape(shape)

    def met(self, codes: Codes, count: int) -> Mask:
        """(count, purposes) whether any image with a number has a purpose."""
        met = np.zeros((count, self.purposes), bool)
        met[codes, self.purpose] = True
        return met


def _placed(column: Numbered, names: list[str]) -> Codes:
    """(rows,) the place of each row's value among the names."""
    places = {name: place for place, name in enumerate(names)}
    return np.array([places[name] for name in column.values.to_pylist()], np.int32)[column.codes]


def divided(met: Mask) -> Divided:
    """Of all that occur, as `Sides.met` gives it."""
    return len(met), int((met.sum(1) > 1).sum())
