"""Record features: how one feature of a ``tf.train.Example`` is described, and what a value of one may be.

The features that every record has stand in `records.schema`; those of labels are declared by their label kinds.
Exporters and readers are derived from these descriptions, and know of no kind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
FeatureValue: TypeAlias = bytes | int | float | Sequence[int] | Floats
"""Of one feature: bytes; an int64, or a list of them; a float32, or a flat array of them."""

LABEL_FEATURES: Final = "label_features"
"""Where a manifest describes the features of labels (`describe_features`); without labels it has no such entry."""

FeatureKind: TypeAlias = Literal["bytes", "text", "int64", "uint64", "float32"]
TfdsForm: TypeAlias = Literal[
    "Text", "Scalar", "ClassLabel", "Image", "pixels", "classes", "LabeledImage", "BBoxFeature", "Tensor"
]


@dataclass(frozen=True)
class RecordFeature:
    """One feature of a record."""

    name: str
    """Its key in the ``tf.train.Example``."""
    kind: FeatureKind
    """bytes and text (UTF-8) are stored in a bytes list; uint64 as the int64 of the same bits."""
    description: str
    stored: Literal["always", "encoded", "raw", "several", "series", "labels"] = "always"
    """When it is there: encoding png or jpeg; raw; some image of the version has several categories; time series; the
    version has labels of this kind."""
    tfds: TfdsForm = "Text"
    """How tfds reads it."""
    sequence: str | None = None
    """The sequence that it belongs to: it has values for each of any number of elements. Its name begins with the
    sequence's and a slash. None: it has one value."""
    width: int = 1
    """Values of each element of a sequence."""
    classes: tuple[str, ...] = ()
    """Class names that its values are indices into, of labels; those of `label` are the version's."""

    @property
    def tf_type(self) -> str:
        """TensorFlow's name of the type that it is stored as."""
        return _TF_TYPES.get(self.kind, self.kind)


_TF_TYPES: Final = {"bytes": "string", "text": "string", "uint64": "int64"}


def describe_features(features: Sequence[RecordFeature]) -> list[dict[str, Any]]:
    """Features as a manifest tells them, JSON-safe; what `parse_features` reads. Defaults are left out."""
    defaults = {field.name: field.default for field in fields(RecordFeature) if field.default is not MISSING}

    def describe(feature: RecordFeature) -> dict[str, Any]:
        told = {name: value for name, value in asdict(feature).items() if value != defaults.get(name, MISSING)}
        return told | ({"classes": list(feature.classes)} if feature.classes else {})

    return [describe(feature) for feature in features]


def parse_features(described: Sequence[Mapping[str, Any]]) -> tuple[RecordFeature, ...]:
    """The features that `describe_features` described.

    Raises:
        TypeError: they are described by a package that tells other things of a feature.
    """
    return tuple(RecordFeature(**{**told, "classes": tuple(told.get("classes", ()))}) for told in described)


@dataclass(frozen=True)
class PhotoLabels:
    """What is known of one prepared photo."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """Kind → its prepared value; a kind that is missing, or None: nobody labelled the photo."""
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    """Name → value; missing, or None: not known."""
    texts: Mapping[str, str | None] = field(default_factory=dict)
    """Likewise."""
