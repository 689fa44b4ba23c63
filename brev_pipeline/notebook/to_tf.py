"""Samples as a ``tf.data.Dataset``: TensorFlow counts, our functions compute, a batch per call and core.

What a sample holds is found from the first one. A whole batch is computed and stacked in one call from TensorFlow,
which costs less than a call per sample, and OpenCV works outside of Python's lock, so that cores work side by side.
"""

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import SamplingError
from brev_pipeline.notebook.columns import (
    Structure,
    arrange_columns,
    demand_columns,
    demand_shape,
    iterate_names,
    take_value,
)

if TYPE_CHECKING:
    from brev_pipeline.notebook.data_generator import DataGenerator

_log = logging.getLogger(__name__)
Arrays = list[npt.NDArray[Any]]


class Kind(NamedTuple):
    """What a column is in TensorFlow."""

    dtype: Any
    """NumPy's type; object: text."""
    shape: tuple[int, ...]
    """Of one sample's array."""
    ragged: bool
    """Lists of any length."""


def make_tf_dataset(generator: "DataGenerator", structure: Structure, *, batch: bool, prefetch: bool | int) -> Any:
    """See `DataGenerator.get_dataset`."""
    import tensorflow as tf

    kinds = _find_kinds(generator.sample(0), structure)
    size = generator.batch_size if batch else 1
    dtypes: list[Any] = []
    for kind in kinds.values():
        dtypes += [tf.string if kind.dtype == object else tf.as_dtype(kind.dtype), *([tf.int64] if kind.ragged else [])]
    whole = size if batch and (generator.total is None or generator.total % size == 0) else None

    def compute(number: Any) -> Arrays:
        return _compute(generator, kinds, int(number), size, batch)

    def make_element(number: Any) -> Any:
        tensors = iter(tf.numpy_function(compute, [number], dtypes, stateful=False))
        columns = {name: _make_tensor(kind, tensors, (whole,) if batch else ()) for name, kind in kinds.items()}
        return arrange_columns(columns, structure)

    total = generator.total
    numbers = tf.data.Dataset.counter() if total is None else tf.data.Dataset.range(-(-total // size))
    dataset = numbers.map(make_element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE if prefetch is True else prefetch) if prefetch else dataset


def _find_kinds(sample: dict[str, Any], structure: Structure) -> dict[str, Kind]:
    demand_columns(sample, structure)
    kinds = {}
    for name in sample if structure is None else dict.fromkeys(iterate_names(structure)):
        kind = _find_kind(sample[name])
        if kind is not None:
            kinds[name] = kind
        elif structure is not None:
            raise SamplingError(
                f"{name!r} is a {type(sample[name]).__name__}, which TensorFlow has no type for: leave it out of "
                "structure, or use get_dataset_numpy"
            )
        else:
            _log.warning("left %r out of the data set: TensorFlow has no type for %s", name, type(sample[name]))
    return kinds


def _find_kind(value: Any) -> Kind | None:
    if value is None or isinstance(value, str):
        return Kind(np.dtype(object), (), False)
    array = np.asarray(value if not isinstance(value, tuple) or value else ("",))
    if array.dtype.kind == "U" or (array.dtype == object and all(isinstance(item, str) for item in array.ravel())):
        array = array.astype(object)
    elif array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:  # complex, dates, 128 bits
        return None
    ragged = isinstance(value, tuple)
    return None if ragged and array.ndim != 1 else Kind(array.dtype, () if ragged else array.shape, ragged)


def _compute(generator: "DataGenerator", kinds: dict[str, Kind], number: int, size: int, batch: bool) -> Arrays:
    """The arrays of one element: of each column its values, and behind lists of any length their lengths."""
    stop = (number + 1) * size if generator.total is None else min((number + 1) * size, generator.total)
    samples = [generator.sample(position) for position in range(number * size, stop)]
    out: Arrays = []
    for name, kind in kinds.items():
        values = [_as_kind(name, kind, sample) for sample in samples]
        joined = (np.concatenate if kind.ragged else np.stack)(values)
        out.append(joined if batch or kind.ragged else joined[0])
        if kind.ragged:
            out.append(np.array([len(value) for value in values], dtype=np.int64))
    return out


def _as_kind(name: str, kind: Kind, sample: dict[str, Any]) -> npt.NDArray[Any]:
    value = take_value(name, sample)
    if kind.dtype == object and not kind.ragged and not kind.shape:
        return np.array("" if value is None else str(value), dtype=object)
    array = np.asarray(value)
    if not kind.ragged:
        demand_shape(name, sample, array.shape, kind.shape)
    return array.astype(kind.dtype, copy=False)


def _make_tensor(kind: Kind, tensors: Any, front: tuple[int | None, ...]) -> Any:
    import tensorflow as tf

    values = next(tensors)
    if not kind.ragged:
        return tf.ensure_shape(values, (*front, *kind.shape))
    values, lengths = tf.ensure_shape(values, (None,)), tf.ensure_shape(next(tensors), front or (1,))
    return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False) if front else values
