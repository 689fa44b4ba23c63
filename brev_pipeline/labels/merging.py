"""Merging: what several sources say of the same photos, put together; a contradiction is refused."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import LabelError
from brev_pipeline.labels.identity import digest_objects
from brev_pipeline.labels.reading import SaidColumns
from brev_pipeline.labels.sources.photo_files import Bools

FIRST_COLUMNS: Final = ("mask", "objects", "category", "purpose", "item")
"""Columns that stand before those of numbers and texts."""


@dataclass
class MergedColumns:
    """What several sources say, put together."""

    key: pa.Array
    columns: dict[str, pa.Array] = field(default_factory=dict)
    _origin: dict[str, Any] = field(default_factory=dict)
    # (photos,) whether something is said of each: neither nothing, nor only by rule that nothing is there.
    _states: dict[str, Bools] = field(default_factory=dict)
    _sources: list[str] = field(default_factory=list)

    def add(self, where: str, said: SaidColumns) -> None:
        """Take what a further source says.

        Raises:
            LabelError: it says something else than an earlier one of the same photo.
        """
        self._sources.append(where)
        here = len(self._sources) - 1
        for name, values in said.columns.items():
            valid: Bools = values.is_valid().to_numpy(zero_copy_only=False)
            states = valid & ~said.by_rule
            if name not in self.columns:
                self.columns[name], self._states[name] = values, states
                self._origin[name] = np.full(len(values), here)
                continue
            earlier = self.columns[name]
            both = self._states[name] & states
            apart = np.flatnonzero(both)[_differ(name, *(side.filter(pa.array(both)) for side in (earlier, values)))]
            if len(apart):
                row = int(apart[0])
                first = self._sources[int(self._origin[name][row])]
                was, other = (_show(name, side[row].as_py()) for side in (earlier, values))
                raise LabelError(
                    f"{first} and {where} disagree on {name!r} of {len(apart)} photos, the first "
                    f"{self.key[row].as_py()}: {was} and {other}: "
                    "correct one of them, or keep one source for these photos (photos: …)"
                )
            # What is stated counts before what is empty by rule, and that before nothing.
            takes = valid & ~self._states[name] & (states | earlier.is_null().to_numpy(zero_copy_only=False))
            self.columns[name] = pc.if_else(pa.array(takes), values, earlier)
            self._states[name] |= states
            self._origin[name] = np.where(takes, here, self._origin[name])

    def build(self) -> pa.Table:
        """The columns beside the photos' keys."""
        first = [name for name in FIRST_COLUMNS if name in self.columns]
        names = [*first, *(name for name in self.columns if name not in first)]
        return pa.table({"key": self.key, **{name: self.columns[name] for name in names}})


def _differ(name: str, earlier: pa.Array, later: pa.Array) -> Bools:
    """(rows,) whether two columns without nulls say different things."""
    if name == "mask":
        # Which source names the file is no label.
        earlier, later = (pc.struct_field(side, "path") for side in (earlier, later))
    elif name == "objects":
        sides = [digest_objects(side) for side in (earlier, later)]
        return np.asarray((sides[0] != sides[1]).any(1))
    elif name == "category":
        return np.array(
            [set(a) != set(b) for a, b in zip(earlier.to_pylist(), later.to_pylist(), strict=True)], np.bool_
        )
    return np.asarray(pc.not_equal(earlier, later).to_numpy(zero_copy_only=False))


def _show(name: str, value: Any) -> str:
    if name == "mask":
        return str(value["path"])
    if name == "objects":
        return f"{len(value)} objects" + (f" (the first {value[0]['label']} {value[0]['points'][:4]})" if value else "")
    return repr(value)
