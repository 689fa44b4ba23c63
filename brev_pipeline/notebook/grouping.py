"""Sampling groups of a frame's rows, by the pipeline's own rule."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from brev_pipeline.errors import SamplingError
from brev_pipeline.sampling import Groups, groups_of
from brev_pipeline.texts import TEXT

if TYPE_CHECKING:
    import pandas as pd


def group_samples(samples: "pd.DataFrame", groupby: str | Sequence[str] | None, paths: pa.ChunkedArray) -> Groups:
    """Divide the rows into groups that agree in the columns; without columns, into one. Every row is in one.

    Raises:
        SamplingError: a column is missing, or a row has no value in it.
    """
    names = [groupby] if isinstance(groupby, str) else list(groupby or [])
    if not names:
        return Groups(["all"], {}, np.zeros(len(samples), dtype=np.int64))
    if missing := [name for name in names if name not in samples.columns]:
        there = ", ".join(map(str, samples.columns))
        raise SamplingError(f"groupby names {', '.join(map(repr, missing))}, which samples do not have: {there}")
    columns = {"path": paths} | {name: _arrow(samples[name]) for name in names}
    return groups_of(pa.table(columns), names)


def _arrow(values: "pd.Series[Any]") -> pa.Array | pa.ChunkedArray:
    """Text, lists of text or numbers as they are; anything else as it prints."""
    if str(values.dtype) == "category":
        values = values.astype(object)
    try:
        out = pa.Array.from_pandas(values)
        kind = out.type.value_type if pa.types.is_list(out.type) else out.type
        if pa.types.is_null(out.type) or not pa.types.is_nested(kind):
            return out.cast(TEXT) if pa.types.is_null(out.type) else out
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        pass
    there = values.notna()
    return pa.array([str(value) if ok else None for value, ok in zip(values, there, strict=True)], TEXT)
