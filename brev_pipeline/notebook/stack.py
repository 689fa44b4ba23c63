"""Samples stacked to a batch of NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import SamplingError


def stack(samples: Sequence[dict[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    """Each column with one axis more in front; text as text, tuples as an array of tuples.

    Raises:
        SamplingError: arrays of a column differ in shape, or a sample lacks a column.
    """
    return {name: stack_column(name, samples) for name in samples[0]}


def stack_column(name: str, samples: Sequence[dict[str, Any]]) -> npt.NDArray[Any]:
    """One column of `stack`."""
    try:
        values = [sample[name] for sample in samples]
    except KeyError:
        raise SamplingError(
            f"some samples have no {name!r}: a callable of map adds it to others only: let it add it to all"
        ) from None
    if any(value is None or isinstance(value, tuple) for value in values):
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return out
    arrays = [np.asarray(value) for value in values]
    for sample, array in zip(samples, arrays, strict=True):
        demand_shape(name, sample, array.shape, arrays[0].shape)
    return np.stack(arrays)


def demand_shape(name: str, sample: dict[str, Any], shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raise `SamplingError`, with the sample's path, if its array has another shape than the first sample's."""
    if shape != wanted:
        raise SamplingError(
            f"{name!r} of {sample.get('path', 'a sample')} has the shape {list(shape)}, that of another sample "
            f"{list(wanted)}: give the ImagePipeline a target_size, or take NumPy samples with batch=False"
        )
