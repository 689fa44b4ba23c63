"""Labels as fields of samples: masks, objects, numbers and texts, derived from the features that a version declares.

A mask is a field under its kind's name (``mask``). What belongs to a sequence is a field by itself (``objects/bbox``),
all of it together is one (``objects``, a dictionary), and so is the number of its elements (``objects/count``). Any
other feature is a field under its own name. How many objects a photo has differs, so these arrays are ragged, or filled
up to a number that is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import ReadError, ShardError
from brev_pipeline.readers.pixels import find_bytes_feature, read_feature
from brev_pipeline.record_features import RecordFeature
from brev_pipeline.records.schema import ImageShape

COUNT: Final = "count"
NO_CLASS: Final = -1  # fills up class numbers
_TYPES: Final = {"int64": np.int64, "float32": np.float32}
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class SequenceField:
    """A sequence whose elements are what some features say of each."""

    name: str
    parts: dict[str, RecordFeature]
    """Name, less the sequence's, → feature."""
    pad: int | None
    """Elements that each record is filled up to; None: it has as many as it has."""

    @property
    def shown_parts(self) -> tuple[str, ...]:
        """What its dictionary holds: the count too where the arrays do not show it."""
        return (*self.parts, COUNT) if self.pad is not None else tuple(self.parts)

    def feature_of(self, part: str) -> RecordFeature:
        """The feature that a part is read from; the count is that of any, best of a narrow one."""
        if part == COUNT:
            return min(self.parts.values(), key=lambda feature: feature.width)
        return self.parts[part]

    def check_count(self, count: int) -> None:
        """Refuse more elements than there is room for. Raises `ReadError`."""
        if self.pad is not None and count > self.pad:
            raise ReadError(f"a record has {count} {self.name}, {self.too_many}")

    @property
    def too_many(self) -> str:
        """What is said of a record with more elements than there is room for."""
        return f"and pad_objects={self.pad} leaves no room for them: give a larger one, or None for ragged arrays"


@dataclass(frozen=True)
class LabelFields:
    """The fields of a version's labels.

    Args:
        features: of the version's labels.
        shape: of its images.
        pad: see `SequenceField`.
    """

    features: tuple[RecordFeature, ...]
    shape: ImageShape
    pad: int | None = None

    @cached_property
    def masks(self) -> dict[str, RecordFeature]:
        """Field → the feature that holds it, of images with a class for each pixel."""
        return {f.name.rpartition("/")[0]: f for f in self.features if f.tfds == "LabeledImage"}

    @cached_property
    def sequences(self) -> dict[str, SequenceField]:
        """Field → sequence."""
        parts: dict[str, dict[str, RecordFeature]] = {}
        for feature in self.features:
            if feature.sequence:
                parts.setdefault(feature.sequence, {})[feature.name.removeprefix(f"{feature.sequence}/")] = feature
        return {name: SequenceField(name, of, self.pad) for name, of in parts.items()}

    @cached_property
    def parts(self) -> dict[str, tuple[SequenceField, str]]:
        """Field → sequence, and which part of it: the name of a feature, or `COUNT`."""
        return {f"{name}/{part}": (of, part) for name, of in self.sequences.items() for part in (*of.parts, COUNT)}

    @cached_property
    def single(self) -> dict[str, RecordFeature]:
        """Field → feature, of those that have one number or text in each record."""
        return {f.name: f for f in self.features if f.tfds != "LabeledImage" and not f.sequence}

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that make up all labels."""
        return (*self.masks, *self.sequences, *self.single)

    @property
    def all_names(self) -> tuple[str, ...]:
        """Every field that may be asked for."""
        return (*self.names, *self.parts)

    @property
    def class_names(self) -> dict[str, list[str]]:
        """Field of a mask or a sequence, or feature → class names, by number."""
        named = {name: feature for name, feature in self.masks.items() if feature.classes}
        named |= {f.sequence or f.name: f for f in self.features if f.classes and f.tfds != "LabeledImage"}
        return {name: list(feature.classes) for name, feature in named.items()}

    def list_features(self, name: str) -> list[RecordFeature]:
        """The features that a field is made of."""
        if name in self.masks:
            return [self.masks[name]]
        if name in self.sequences:
            return list(self.sequences[name].parts.values())
        if name in self.parts:
            of, part = self.parts[name]
            return [of.feature_of(part)]
        return [self.single[name]]

    def make_getter(self, name: str) -> Callable[[int, bytes], Any]:
        """What gives a field of a record; picklable. Arguments of it: row of the record table (unused), record."""
        if name in self.masks:
            return partial(_get_mask, self.masks[name].name, self.shape)
        if name in self.sequences:
            return partial(_get_sequence, self.sequences[name])
        if name in self.parts:
            return partial(_get_part, *self.parts[name])
        return partial(_get_single, self.single[name])

    def stack(self, name: str, values: list[Any]) -> Any:
        """A field of many records: an array, a list of arrays where they are ragged, or a dictionary of such."""
        if name in self.sequences:
            of = self.sequences[name]
            return {part: self._stack_part(of, part, [v[part] for v in values]) for part in of.shown_parts}
        if name in self.parts:
            return self._stack_part(*self.parts[name], values)
        if name in self.single:
            feature = self.single[name]
            return np.array(values, _TYPES[feature.kind]) if feature.kind in _TYPES else np.array(values)
        return np.stack(values) if values else np.empty((0, *self.mask_shape), np.uint8)

    @property
    def mask_shape(self) -> tuple[int, ...]:
        """([frames,] height, width) of a mask, where the images are of one size."""
        return tuple(side or 0 for side in self.shape.array_shape[:-1])

    @staticmethod
    def _stack_part(of: SequenceField, part: str, values: list[Any]) -> Any:
        if part == COUNT:
            return np.array(values, np.int64)
        return values if of.pad is None else np.stack(values)


def _get_mask(feature: str, shape: ImageShape, _: int, record: bytes) -> Array:
    import cv2

    data = find_bytes_feature(record, feature.encode())
    mask = None if data is None else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.ndim != 2:
        raise ShardError(f"the record's {feature} is no grey PNG file; `brev-pipeline verify` names the record")
    return np.asarray(mask if shape.frames is None else mask.reshape(shape.frames, -1, mask.shape[1]))


def _get_sequence(of: SequenceField, _: int, record: bytes) -> dict[str, Any]:
    return {part: _get_part(of, part, 0, record) for part in of.shown_parts}


def _get_part(of: SequenceField, part: str, _: int, record: bytes) -> Any:
    feature = of.feature_of(part)
    listed = read_feature(record, feature.name)
    if part == COUNT:
        return len(listed) // feature.width
    flat = np.array(listed, _TYPES[feature.kind])
    values = flat.reshape(-1, feature.width) if feature.width > 1 else flat
    of.check_count(len(values))
    if of.pad is None:
        return values
    filled = np.full((of.pad, *values.shape[1:]), fill_value(feature), values.dtype)
    filled[: len(values)] = values
    return filled


def fill_value(feature: RecordFeature) -> int:
    """What fills up a feature of a sequence: −1 for class numbers, else 0."""
    return NO_CLASS if feature.tfds == "ClassLabel" else 0


def _get_single(feature: RecordFeature, _: int, record: bytes) -> Any:
    (value,) = read_feature(record, feature.name)
    return value.decode() if isinstance(value, bytes) and feature.kind == "text" else value
