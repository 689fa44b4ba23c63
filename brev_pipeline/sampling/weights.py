"""Groups of images, and weights: what share of the draws each group gets, for anyone to read.

A group is the images that agree in the configured columns. Its weight is a function of its size: the five presets of
the reference.
"""

import decimal
import functools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline import tables
from brev_pipeline.config import SamplingSettings
from brev_pipeline.config.training import Weighing
from brev_pipeline.errors import LabelError, SamplingError
from brev_pipeline.labels.columns import take_key_column
from brev_pipeline.sampling.apportionment import apportion_draws
from brev_pipeline.texts import TEXT, join_names

_BETWEEN_COLUMNS: Final = " / "
_BETWEEN_NAMES: Final = ", "
# Names hold no control characters, so this tells ["a, b"] from ["a", "b"].
_UNIT: Final = "\x1f"
# Enough digits that rounding to a float64 is correct; more would change nothing.
_DIGITS: Final = decimal.Context(prec=50, rounding=decimal.ROUND_HALF_EVEN)


@dataclass(frozen=True)
class SamplingGroups:
    """A division of a table's rows into groups."""

    names: list[str]
    """Name of each group: its columns' values joined with ``" / "``; groups are sorted by their values."""
    columns: dict[str, list[str]]
    """Of each column, each group's value as text; the names of a list joined with ``", "``."""
    index: npt.NDArray[np.int64]
    """Shape (rows,): group of each row."""

    @property
    def image_counts(self) -> npt.NDArray[np.int64]:
        """Shape (groups,): rows in each group."""
        return np.bincount(self.index, minlength=len(self.names))


def group_images(table: pa.Table, groupby: Sequence[str]) -> SamplingGroups:
    """Divide the rows of a table into groups that agree in all columns of ``groupby``; every row is in one.

    Args:
        table: has the columns of ``groupby``, of text, numbers or lists of text, and ``path``. Where it has a
            ``label_id``, further columns are what labels say: null is then `labels.columns.UNLABELLED`, and numbers
            are refused.
        groupby: columns; at least one, each once.

    Raises:
        SamplingError: a column is missing, or a row has no value in it; or two groups would have one name.
    """
    encoded = [_encode_column(table, column) for column in groupby]
    index = np.zeros(table.num_rows, dtype=np.int64)
    for codes, texts in encoded:
        # Compacted at each step, so that many columns cannot overflow 64 bits.
        index = np.unique(index * len(texts) + codes, return_inverse=True)[1].astype(np.int64)
    first = np.unique(index, return_index=True)[1]
    columns = {name: [texts[i] for i in codes[first]] for name, (codes, texts) in zip(groupby, encoded, strict=True)}
    names = [_BETWEEN_COLUMNS.join(values) for values in zip(*columns.values(), strict=True)]
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise SamplingError(
            f"different groups have the same name {twice[0]!r}, because a value contains {_BETWEEN_COLUMNS!r} or "
            f"{_BETWEEN_NAMES!r}; rename the folders or classes, or set sampling.groupby to other columns"
        )
    return SamplingGroups(names, columns, index)


def _encode_column(table: pa.Table, column: str) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Rank of each row's value among the column's sorted distinct values, and these as text."""
    if column not in table.column_names:
        raise SamplingError(f"sampling.groupby names the column {column!r}; there are {', '.join(table.column_names)}")
    try:
        values = _column_texts(take_key_column(table, column, fill=True))
    except LabelError as error:
        raise SamplingError(f"sampling.groupby: {error}") from error
    if values.null_count:
        paths: list[Any] = table.column("path").filter(pc.is_null(values)).slice(0, 3).to_pylist()
        raise SamplingError(
            f"{values.null_count} images have no value in {column!r}, which sampling.groupby names, and would never be "
            f"drawn; the first: {', '.join(map(str, paths))}. Fill the column or group by another"
        )
    coded = values.combine_chunks().dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    texts = [text.replace(_UNIT, _BETWEEN_NAMES) for text in coded.dictionary.take(order).to_pylist()]
    return rank[coded.indices.to_numpy()], texts


def _column_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return join_names(values, _UNIT)
    if pa.types.is_floating(kind):  # pandas writes a missing number as NaN
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
    return values.cast(TEXT)


@functools.cache
def _log(count: int, plus: int = 0) -> float:
    # The C library's and NumPy's log differ in the last bit from CPU to CPU; decimal's is correctly rounded.
    return float(_DIGITS.add(_DIGITS.ln(decimal.Decimal(count)), plus))


_PRESETS: Final[dict[Weighing, Callable[[int], float]]] = {
    "uniform": lambda _: 1.0,
    "count": float,
    "square root": math.sqrt,
    "log": _log,
    "logx+1": lambda count: _log(count, 1),
}


def compute_group_weights(counts: Sequence[int], weighing: Weighing) -> list[float]:
    """Weigh groups by size; the same float64 bits on every machine.

    Args:
        counts: images in each group, each at least 1.
        weighing: ``uniform`` 1, ``count`` n, ``square root`` √n, ``log`` ln n, ``logx+1`` ln(n) + 1.

    Returns:
        One weight per group, not normalised. ``log`` of a group of one is 0: such a group is never drawn.
    """
    return [_PRESETS[weighing](count) for count in counts]


def compute_sampling_weights(split: pa.Table, settings: SamplingSettings) -> pa.Table:
    """Weigh the groups of each purpose; every image is in exactly one group, and no group is left undrawn.

    Purposes in ``settings.purposes`` are weighed by the preset, and their draws sum to the number of their images
    (or ``max_epoch_samples`` if that is less). Of all others each image is drawn once: weight and draws are the
    group's size.

    Args:
        split: one row per image: purpose, path and the columns of ``settings.groupby``.
        settings: see `SamplingSettings`.

    Returns:
        One row per purpose and group, sorted by both; schema `tables.sampling_weights_schema`.

    Raises:
        SamplingError: a sampled purpose has no image; a groupby column is missing or empty in some rows, or has
            the name of a column of the weight table; a group would weigh nothing (``log`` of a group of one).
    """
    schema = tables.sampling_weights_schema(settings.groupby)
    if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise SamplingError(
            f"sampling.groupby cannot name {', '.join(twice)}: a column of the weight table, or named twice; "
            f"group by one of {', '.join(name for name in split.column_names if name not in schema.names)}"
        )
    if split.column("purpose").null_count:
        raise SamplingError(f"{split.column('purpose').null_count} images have no purpose: assign one in the split")
    purposes: list[str] = sorted(split.column("purpose").unique().to_pylist())
    if not purposes:
        raise SamplingError("there is no image to draw: the split is empty")
    if missing := [name for name in settings.purposes if name not in purposes]:
        raise SamplingError(
            f"no image has the purpose {', '.join(missing)}, which sampling.purposes names (there is only "
            f"{', '.join(purposes)}): add images, or change split.purposes"
        )
    parts = [_weigh_purpose(split.filter(pc.equal(split["purpose"], name)), name, settings) for name in purposes]
    return tables.conform_table(pa.concat_tables(parts), schema, "sampling_weights")


def _weigh_purpose(rows: pa.Table, purpose: str, settings: SamplingSettings) -> pa.Table:
    groups = group_images(rows, settings.groupby)
    sampled = purpose in settings.purposes
    weights = compute_group_weights(groups.image_counts.tolist(), settings.group_weighing if sampled else "count")
    if nothing := [name for name, weight in zip(groups.names, weights, strict=True) if not weight > 0]:
        raise SamplingError(
            f"sampling.group_weighing {settings.group_weighing!r} gives a group of one image the weight 0, so it would "
            f"never be drawn; in {purpose} these are: {', '.join(nothing)}. Use 'logx+1', or add images"
        )
    total = min(rows.num_rows, settings.max_epoch_samples or rows.num_rows) if sampled else rows.num_rows
    return pa.table(
        {
            "purpose": [purpose] * len(weights),
            "group": groups.names,
            **groups.columns,
            "samples": groups.image_counts,
            "weight": weights,
            "probability": np.array(weights) / math.fsum(weights),
            "draws": apportion_draws(weights, total, 1)[0],
        }
    )
