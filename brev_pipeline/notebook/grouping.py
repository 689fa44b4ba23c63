"""Sampling groups of a frame's rows, which content a row is, and what a group weighs: by the pipeline's own rules."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
import pyarrow as pa

from brev_pipeline.config.training import Weighing
from brev_pipeline.errors import SamplingError
from brev_pipeline.sampling import SamplingGroups, compute_group_weights, group_images
from brev_pipeline.texts import TEXT

if TYPE_CHECKING:
    import pandas as pd


def group_samples(
    samples: "pd.DataFrame", groupby: str | Sequence[str] | None, paths: pa.ChunkedArray
) -> SamplingGroups:
    """Divide the rows into groups that agree in the columns; without columns, into one. Every row is in one.

    Raises:
        SamplingError: a column is missing, or a row has no value in it.
    """
    names = [groupby] if isinstance(groupby, str) else list(groupby or [])
    if not names:
        return SamplingGroups(["all"], {}, np.zeros(len(samples), dtype=np.int64))
    if missing := [name for name in names if name not in samples.columns]:
        there = ", ".join(map(str, samples.columns))
        raise SamplingError(f"groupby names {', '.join(map(repr, missing))}, which samples do not have: {there}")
    columns = {"path": paths} | {name: _arrow(samples[name]) for name in names}
    return group_images(pa.table(columns), names)


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


_IDS: Final = ("content_id", "etag", "path")


def identify_contents(samples: "pd.DataFrame") -> pa.Table:
    """Columns content_id and path of each row, as the pipeline's tables have them.

    The content is named by the frame's content_id, else by its etag (the MD5 of the bytes, for most objects), else
    by its path.

    Raises:
        SamplingError: the frame has none of these columns, or a row has a value in none of them.
    """
    there = [name for name in _IDS if name in samples.columns]
    if not there:
        raise SamplingError(
            f"samples need a column {', '.join(_IDS[:-1])} or {_IDS[-1]}, by which a sample's seed is drawn; there are "
            f"{', '.join(map(str, samples.columns))}"
        )
    ids = samples[there[0]].astype(object)
    for name in there[1:]:
        ids = ids.where(ids.notna(), samples[name].astype(object))
    if ids.isna().any():
        raise SamplingError(f"{int(ids.isna().sum())} samples have no {' and no '.join(there)}: fill the column")
    paths = samples["path"].astype(object) if "path" in samples.columns else ids
    paths = paths.where(paths.notna(), ids)
    return pa.table({"content_id": [*map(str, ids)], "path": [*map(str, paths)]})


GroupWeighing = Weighing | Callable[..., float]


def weigh_groups(names: Sequence[str], counts: Sequence[int], weighing: GroupWeighing) -> list[float]:
    """One weight per group, each finite and above 0: no group is left undrawn.

    Args:
        names: of the groups.
        counts: samples in each, at least 1.
        weighing: a preset, or a callable of a group's size, or of its size and its name.

    Raises:
        SamplingError: there is no such preset, or a group would weigh nothing.
    """
    if isinstance(weighing, str):
        if weighing not in get_args(Weighing):
            raise SamplingError(
                f"group_weighing is one of {', '.join(get_args(Weighing))}, or a callable; got {weighing!r}"
            )
        weights = compute_group_weights(counts, weighing)
    else:
        named = _takes_name(weighing)
        pairs = zip(counts, names, strict=True)
        weights = [float(weighing(count, name) if named else weighing(count)) for count, name in pairs]
    _demand_positive(names, counts, weights, weighing)
    return weights


def _takes_name(weighing: Callable[..., Any]) -> bool:
    """Whether a callable needs the group's name too, as the reference's may."""
    try:
        parameters = inspect.signature(weighing).parameters.values()
    except ValueError:  # NumPy's functions of numbers do not tell
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is one.empty for one in parameters) == 2


def _demand_positive(names: Sequence[str], counts: Sequence[int], weights: list[float], weighing: Any) -> None:
    bad = [i for i, weight in enumerate(weights) if not (math.isfinite(weight) and weight > 0)]
    if bad:
        said = ", ".join(f"{names[i]} ({counts[i]} samples: {weights[i]})" for i in bad[:10])
        raise SamplingError(
            f"group_weighing {weighing!r} gives groups a weight that is not above 0, so they would never be drawn: "
            f"{said}. Use 'logx+1', or leave these samples out"
        )
