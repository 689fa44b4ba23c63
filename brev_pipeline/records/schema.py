"""What a record holds: the one place from which the manifest, TensorFlow's feature spec and tfds' are derived.

Names are flat, and tfds and TensorFlow know them by the same keys: ``example["image/encoded"]``. A change of
`RECORD_FEATURES` is a new `RECORD_VERSION`. The shape that all images of some records have, as far as they have one,
stands here too: exporters and readers state it.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import ShardSettings
from brev_pipeline.errors import ShardError
from brev_pipeline.records.encodings import ENCODINGS

RECORD_VERSION: Final = "1.0.0"
"""Version of this schema; tfds shows it as the data set's version."""

_TFDS: Final = "tensorflow_datasets.core.features."


@dataclass(frozen=True)
class RecordFeature:
    """One feature of a record."""

    name: str
    """Its key in the ``tf.train.Example``."""
    kind: Literal["bytes", "text", "int64", "uint64"]
    """bytes and text (UTF-8) are stored in a bytes list; uint64 as the int64 of the same bits."""
    description: str
    stored: Literal["always", "encoded", "raw", "several", "series"] = "always"
    """When it is there: encoding png or jpeg; raw; some image of the version has several categories; time series."""
    tfds: Literal["Text", "Scalar", "ClassLabel", "Image", "pixels", "classes"] = "Text"
    """How tfds reads it."""


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


def record_features(encoding: str = "png", *, several: bool = False, series: bool = False) -> tuple[RecordFeature, ...]:
    """The features of a version's records, in stored order.

    Args:
        encoding: png, jpeg or raw.
        several: whether some image of the version has more than one category.
        series: whether the images are time series.
    """
    kept = {"always", ENCODINGS[encoding].stored_as}
    kept |= {name for name, there in (("several", several), ("series", series)) if there}
    return tuple(feature for feature in RECORD_FEATURES if feature.stored in kept)


def feature_spec(
    encoding: str = "png", *, several: bool = False, series: bool = False, classes: int = 0
) -> dict[str, Any]:
    """What ``tf.io.parse_example`` needs to read the records. Imports TensorFlow.

    Arguments as of `record_features`, and the number of class names, which is used only if ``several``.
    """
    import tensorflow as tf

    def make_feature(feature: RecordFeature) -> Any:
        shape = [classes] if feature.tfds == "classes" else []
        return tf.io.FixedLenFeature(shape, tf.string if feature.kind in ("bytes", "text") else tf.int64)

    features = record_features(encoding, several=several, series=series)
    return {feature.name: make_feature(feature) for feature in features}


def tfds_features(
    settings: ShardSettings,
    shape: tuple[int | None, int | None, int],
    *,
    classes: int,
    several: bool = False,
    series: bool = False,
) -> dict[str, Any]:
    """Content of tfds' ``features.json``, JSON-safe.

    Args:
        settings: of the shards.
        shape: height and width in px (None where images differ), channels; of a time series' frames together.
        classes: number of class names.
        several: as of `record_features`.
        series: likewise.
    """
    features = record_features(settings.encoding, several=several, series=series)
    # Pixels without a shape cannot be read back by tfds; it may list a part of what is stored.
    shown = [feature for feature in features if feature.tfds != "pixels" or None not in shape]
    return {
        "pythonClassName": f"{_TFDS}features_dict.FeaturesDict",
        "featuresDict": {"features": {f.name: _tfds_feature(f, settings, shape, classes) for f in shown}},
    }


def _tfds_feature(
    feature: RecordFeature, settings: ShardSettings, shape: tuple[int | None, ...], classes: int
) -> dict[str, Any]:
    # tfds writes -1 for a side that differs from image to image.
    sides = {"dimensions": [str(-1 if side is None else side) for side in shape]}
    whole = {"dtype": "int64", "encoding": "none"}
    form: dict[str, tuple[str, dict[str, Any]]] = {
        "Text": ("text_feature.Text", {"text": {}}),
        "Scalar": ("scalar.Scalar", {"tensor": {"shape": {}, **whole}}),
        "ClassLabel": ("class_label_feature.ClassLabel", {"classLabel": {"numClasses": str(classes)}}),
        "classes": ("tensor_feature.Tensor", {"tensor": {"shape": {"dimensions": [str(classes)]}, **whole}}),
        "Image": (
            "image_feature.Image",
            {"image": {"shape": sides, "dtype": "uint8", "encodingFormat": settings.encoding}},
        ),
        "pixels": ("tensor_feature.Tensor", {"tensor": {"shape": sides, "dtype": "uint8", "encoding": "bytes"}}),
    }
    name, content = form[feature.tfds]
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
