"""Masks: images whose values say the class of every pixel, and how such values become class numbers.

Class 0 is background. What a value means is configured; a value that nobody named is an error, since nothing between
two classes means anything: a mask that was stored as JPEG, or resized with a smooth filter, is found so.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from brev_pipeline.config.labels import MaskSource
from brev_pipeline.errors import LabelError

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.bool_]

_MAX_CLASSES: Final = 254
_SHOWN: Final = 5


def classify_mask(samples: Samples, settings: MaskSource, classes: Sequence[str], name: str) -> npt.NDArray[np.uint8]:
    """The class of every pixel.

    Args:
        samples: (height, width) grey values or palette indices as they are stored; or (height, width, 3 or 4) colours,
            of which a fourth channel (alpha) is not looked at. A grey image given as three equal channels is taken as
            grey where `settings` speaks of numbers.
        settings: what the values mean.
        classes: names of the classes 1, 2, …; those of `settings` are among them.
        name: of the file, for messages.

    Returns:
        (height, width): 0 background, else 1 + the place in ``classes``.

    Raises:
        LabelError: a value is not named, with how many pixels have it and where the first is; the image has colours,
            and the settings numbers, or the other way round.
    """
    if len(classes) > _MAX_CLASSES:
        raise LabelError(f"{name}: {len(classes)} classes; a mask has at most {_MAX_CLASSES}")
    numbers = {label: 1 + place for place, label in enumerate(classes)}
    by_colour = any(isinstance(value, tuple) for value in settings.value_classes)
    if by_colour:
        if samples.ndim != 3 or samples.shape[2] < 3 or samples.dtype != np.uint8:
            raise LabelError(f"{name}: is no 8-bit colour image, and labels.values names colours: name its grey values")
        red, green, blue = (samples[..., channel].astype(np.int64) for channel in range(3))
        codes = red << 16 | green << 8 | blue
    else:
        codes = _take_grey(samples, name).astype(np.int64)
    if settings.threshold is not None:
        return np.where(codes >= settings.threshold, numbers[settings.class_name], 0).astype(np.uint8)
    table = {0: 0} | {_code(value): numbers[label] for value, label in settings.value_classes.items()}
    values, first, rows, counts = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
    unknown = [row for row, value in enumerate(values.tolist()) if value not in table]
    if unknown:
        said = ", ".join(f"{_show(int(values[row]), by_colour)} ({counts[row]} px)" for row in unknown[:_SHOWN])
        y, x = divmod(int(first[unknown[0]]), codes.shape[1])
        raise LabelError(
            f"{name}: holds the values {said}{', …' if len(unknown) > _SHOWN else ''}, which labels.values does not "
            f"name (the first at row {y}, column {x}): name them, or say threshold; a JPEG and a smoothly resized mask "
            "have such values at their edges"
        )
    classed: npt.NDArray[np.uint8] = np.array([table[value] for value in values.tolist()], np.uint8)
    return np.asarray(classed[rows.reshape(codes.shape)])


def _take_grey(samples: Samples, name: str) -> Samples:
    if samples.ndim == 2:
        return samples
    colours = samples[..., :3]
    if (colours == colours[..., :1]).all():
        return colours[..., 0]
    raise LabelError(
        f"{name}: is a colour image, and labels says grey values: name its colours, as in '#ff0000': defect"
    )


def _code(value: int | tuple[int, int, int]) -> int:
    return value if isinstance(value, int) else value[0] << 16 | value[1] << 8 | value[2]


def _show(code: int, by_colour: bool) -> str:
    return f"#{code:06x}" if by_colour else str(code)
