"""All records of an epoch as NumPy arrays, for what fits into memory."""

from typing import Any

import numpy as np

from brev_pipeline.errors import ReadError
from brev_pipeline.readers.fields import PIXELS
from brev_pipeline.readers.samples import Samples
from brev_pipeline.readers.shape import Shape
from brev_pipeline.rescaling import Rescale


def to_arrays(samples: Samples, shape: Shape, rescale: Rescale) -> Any:
    """One array per field, a row per record, in written order.

    Args:
        samples: of the epoch.
        shape: of the images.
        rescale: what the samples' decoder does.

    Returns:
        A tuple in the order of the fields, or a dictionary: images (records, [frames,] height, width, channels)
        uint8, or float32 if rescaled; numbers (records,) int64, the seed uint64; texts (records,) str; multi-hot labels
        (records, classes) int64.

    Raises:
        ReadError: the images differ in size.
        ShardError: a record is damaged.
    """
    if PIXELS in samples.fields and not shape.is_known:
        raise ReadError("the images differ in size and make no array: set image.target_size, or read them one by one")
    # Without the pixels among the fields, sides that are not known do not matter.
    sides = [side or 0 for side in shape.array] if PIXELS in samples.fields else []
    images = np.empty((len(samples), *sides), np.uint8 if rescale is None else np.float32)
    columns: list[list[Any]] = [[] for _ in samples.fields]
    for row, record in samples.in_order(np.arange(len(samples))):
        for name, column, value in zip(samples.fields, columns, samples.values(row, record), strict=True):
            if name == PIXELS:
                images[row] = value
            else:
                column.append(value)
    found = zip(samples.fields, columns, strict=True)
    return samples.packed([images if name == PIXELS else _array(name, column) for name, column in found])


def _array(name: str, column: list[Any]) -> Any:
    if name == "seed":
        return np.array(column, np.uint64)
    return np.array(column, np.int64) if column and not isinstance(column[0], str) else np.array(column)
