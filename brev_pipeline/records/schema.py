"""What a record holds: the one place from which the manifest, TensorFlow's feature spec and tfds' are derived.

Names are flat, and tfds and TensorFlow know them by the same keys: ``example["image/encoded"]``. A change of
`RECORD_FEATURES` is a new `RECORD_VERSION`. Which of them a version has, and which features of labels besides, is one
value, its `RecordLayout`. The shape that all images of some records have, as far as they have one,
stands here too: exporters and readers state it.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import ShardError
from brev_pipeline.record_features import RecordFeature as RecordFeature
from brev_pipeline.records.encodings import ENCODINGS

RECORD_VERSION: Final = "1.0.0"
"""Version of this schema without labels; tfds shows it as the data set's version."""
LABELLED_RECORD_VERSION: Final = "1.1.0"
"""The same of records with labels: whoever reads the former can read these."""

_TFDS: Final = "tensorflow_datasets.core.features."


RECORD_FEATURES: Final = (
    RecordFeature("content_id", "text", "MD5 of the image file's bytes, 32 hex digits"),
    RecordFeature("epoch", "int64", "0-based epoch that the draw belongs to", tfds="Scalar"),
    RecordFeature("image/channels", "int64", "1 grey, 3 RGB", tfds="Scalar"),
    RecordFeature("image/encoded", "bytes", "the image as a PNG or JPEG file", "encoded", "Image"),
    RecordFeature("image/format", "text", "png, jpeg or raw"),
    RecordFeature(
        "image/frames", "int64", "frames of a time series, one below the other in the image", "series", "Scalar"
    ),
    RecordFeature("image/height", "int64", "px, of one frame", tfds="Scalar"),
    RecordFeature("image/raw", "bytes", "uint8 pixels, row by row, channels innermost", "raw", "pixels"),
    RecordFeature("image/width", "int64", "px", tfds="Scalar"),
    RecordFeature("item", "text", "key of the physical item"),
    RecordFeature("label", "int64", "index into the class names; of several categories, the first", tfds="ClassLabel"),
    RecordFeature("label/multi_hot", "int64", "1 for each class that the image has, else 0", "several", "classes"),
    RecordFeature("path", "text", "where the image was read: bucket as configured, '/', key"),
    RecordFeature("seed", "uint64", "seed of the augmentation, as the int64 of the same 64 bits", tfds="Scalar"),
)
"""All features that a record can have, in stored order."""


@dataclass(frozen=True)
class RecordLayout:
    """What the records of a version hold: all that their readers need to know before the first."""

    encoding: str = "png"
    """png, jpeg or raw."""
    several: bool = False
    """Whether some image of the version has more than one category."""
    series: bool = False
    """Whether the images are time series."""
    labels: tuple[RecordFeature, ...] = ()
    """The features of its labels, with their class names; each record has each of them."""

    @property
    def version(self) -> str:
        """Of the schema."""
        return LABELLED_RECORD_VERSION if self.labels else RECORD_VERSION

    @property
    def features(self) -> tuple[RecordFeature, ...]:
        """The features of a record, in stored order."""
        kept = {"always", ENCODINGS[self.encoding].stored_as}
        kept |= {name for name, there in (("several", self.several), ("series", self.series)) if there}
        own = [feature for feature in RECORD_FEATURES if feature.stored in kept]
        return tuple(sorted([*own, *self.labels], key=lambda feature: feature.name.encode()))

    @property
    def sequences(self) -> dict[str, tuple[RecordFeature, ...]]:
        """Sequence → the features that belong to it, as ``objects``."""
        return {
            name: tuple(feature for feature in self.labels if feature.sequence == name)
            for name in dict.fromkeys(feature.sequence for feature in self.labels)
            if name is not None
        }

    def feature_spec(self, classes: int = 0) -> dict[str, Any]:
        """What ``tf.io.parse_example`` needs to read the records. Imports TensorFlow.

        A feature of a sequence is read as a dense tensor, (batch, elements) or (batch, elements, width), shorter ones
        filled up with zeros.

        Args:
            classes: number of class names, used only if ``several``.
        """
        import tensorflow as tf

        def make_feature(feature: RecordFeature) -> Any:
            kind = feature.tf_type
            if feature.sequence:
                width = [feature.width] if feature.width > 1 else []
                return tf.io.FixedLenSequenceFeature(width, kind, allow_missing=True)
            return tf.io.FixedLenFeature([classes] if feature.tfds == "classes" else [], kind)

        return {feature.name: make_feature(feature) for feature in self.features}


def record_features(encoding: str = "png", *, several: bool = False, series: bool = False) -> tuple[RecordFeature, ...]:
    """The features of the records of a version without labels, in stored order; arguments as of `RecordLayout`."""
    return RecordLayout(encoding, several, series).features


def feature_spec(
    encoding: str = "png", *, several: bool = False, series: bool = False, classes: int = 0
) -> dict[str, Any]:
    """What ``tf.io.parse_example`` needs to read the records of a version without labels. Imports TensorFlow.

    Arguments as of `RecordLayout`, and the number of class names, which is used only if ``several``. Of a version with
    labels `Records.feature_spec` tells it.
    """
    return RecordLayout(encoding, several, series).feature_spec(classes)


def tfds_features(layout: RecordLayout, shape: tuple[int | None, int | None, int], *, classes: int) -> dict[str, Any]:
    """Content of tfds' ``features.json``, JSON-safe.

    Args:
        layout: of the records.
        shape: height and width in px (None where images differ), channels; of a time series' frames together.
        classes: number of class names.
    """
    # Pixels without a shape cannot be read back by tfds; it may list a part of what is stored.
    shown = [f for f in layout.features if not f.sequence and (f.tfds != "pixels" or None not in shape)]
    features = {f.name: _tfds_feature(f, layout.encoding, shape, classes) for f in shown}
    for name, parts in layout.sequences.items():
        inside = {f.name.removeprefix(f"{name}/"): _tfds_feature(f, layout.encoding, shape, classes) for f in parts}
        each = {"pythonClassName": f"{_TFDS}features_dict.FeaturesDict", "featuresDict": {"features": inside}}
        sequence = {"feature": each, "length": "-1"}
        features[name] = {"pythonClassName": f"{_TFDS}sequence_feature.Sequence", "sequence": sequence}
    return {"pythonClassName": f"{_TFDS}features_dict.FeaturesDict", "featuresDict": {"features": features}}


def _tfds_feature(feature: RecordFeature, encoding: str, shape: tuple[int | None, ...], classes: int) -> dict[str, Any]:
    # tfds writes -1 for a side that differs from image to image.
    sides, flat = (
        {"dimensions": [str(-1 if side is None else side) for side in form]} for form in (shape, (*shape[:2], 1))
    )
    whole = {"dtype": "float32" if feature.kind == "float32" else "int64", "encoding": "none"}
    image = {"dtype": "uint8", "encodingFormat": encoding}
    mask = {"encodingFormat": "png", "useColormap": True, "label": {"numClasses": str(len(feature.classes))}}
    several = {"dimensions": [str(feature.width if feature.sequence else classes)]}
    forms: dict[str, tuple[str, dict[str, Any]]] = {
        "Text": ("text_feature.Text", {"text": {}}),
        "Scalar": ("scalar.Scalar", {"tensor": {"shape": {}, **whole}}),
        "ClassLabel": (
            "class_label_feature.ClassLabel",
            {"classLabel": {"numClasses": str(len(feature.classes) if feature.stored == "labels" else classes)}},
        ),
        "classes": ("tensor_feature.Tensor", {"tensor": {"shape": several, **whole}}),
        "Tensor": ("tensor_feature.Tensor", {"tensor": {"shape": several, **whole}}),
        "BBoxFeature": (
            "bounding_boxes.BBoxFeature",
            {"boundingBox": {"shape": several, "dtype": "float32", "bboxFormat": "REL_YXYX"}},
        ),
        "Image": ("image_feature.Image", {"image": {"shape": sides, **image}}),
        "LabeledImage": ("labeled_image.LabeledImage", {"image": {"shape": flat, **image, **mask}}),
        "pixels": ("tensor_feature.Tensor", {"tensor": {"shape": sides, "dtype": "uint8", "encoding": "bytes"}}),
    }
    # Without classes there is nothing that a label could be one of.
    nothing = feature.name == "label" and not classes
    name, content = forms["Scalar" if nothing else feature.tfds]
    return {"pythonClassName": _TFDS + name, "description": feature.description, **content}


_SIDES: Final = ("prepared_frames", "prepared_height", "prepared_width", "prepared_channels")
SHAPE_COLUMNS: Final = ["content_id", *_SIDES]  # what `find_image_shape` needs of the table of images


class ImageShape(NamedTuple):
    """Of the images of some records."""

    frames: int | None  # of a time series; None: single images
    height: int | None  # px, of one frame; None where images differ
    width: int | None  # px; None where images differ
    channels: int  # 1 grey, 3 RGB

    @property
    def is_known(self) -> bool:
        """Whether all images have the same height and width."""
        return self.height is not None and self.width is not None

    @property
    def stored_shape(self) -> tuple[int | None, int | None, int]:
        """(height, width, channels) as stored: the frames of a time series stand one below the other."""
        return self.height and self.height * (self.frames or 1), self.width, self.channels

    @property
    def array_shape(self) -> tuple[int | None, ...]:
        """([frames,] height, width, channels)."""
        return tuple(self[1:] if self.frames is None else self)


def find_image_shape(images: pa.Table, content_ids: pa.ChunkedArray) -> ImageShape:
    """The shape of the images (`SHAPE_COLUMNS`) of the contents of one record at least.

    Raises:
        ShardError: they differ in their number of channels or frames.
    """
    images = images.filter(pc.is_in(images["content_id"], value_set=pc.unique(content_ids)))
    frames, height, width, channels = (pc.unique(images[side]).to_pylist() for side in _SIDES)
    if len(frames) != 1 or len(channels) != 1:
        raise ShardError(f"images of {channels} channels and {frames} frames stand beside each other in the records")
    (common_height,), (common_width,) = (sides if len(sides) == 1 else [None] for sides in (height, width))
    return ImageShape(frames[0], common_height, common_width, channels[0])
