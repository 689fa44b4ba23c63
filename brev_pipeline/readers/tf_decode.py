"""The steps of TensorFlow's graph: from serialized records to tensors."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brev_pipeline.readers.contents import Contents
from brev_pipeline.readers.fields import PIXELS
from brev_pipeline.readers.shape import Shape
from brev_pipeline.records.schema import feature_spec
from brev_pipeline.rescaling import Rescale, factors

if TYPE_CHECKING:
    from brev_pipeline.readers.to_tf import TfOptions


@dataclass(frozen=True)
class TfDecoder:
    """Parses and decodes; the same pixels as every other way of reading."""

    encoding: str
    classes: int
    shape: Shape
    rescale: Rescale
    fields: tuple[str, ...]
    as_dict: bool

    @classmethod
    def of(cls, contents: Contents, options: "TfOptions") -> "TfDecoder":
        """For what is read, and how."""
        return cls(
            encoding=contents.shards["encoding"],
            classes=len(contents.classes),
            shape=contents.shape,
            rescale=options.rescale,
            fields=options.fields,
            as_dict=options.as_dict,
        )

    def batch(self, serialized: Any) -> Any:
        """A batch of serialized records (batch,) as a batch of samples."""
        parsed = self.parse(serialized)
        return self._packed([self._images(parsed) if name == PIXELS else parsed[name] for name in self.fields])

    def one(self, parsed: Any) -> Any:
        """One parsed record as a sample."""
        return self._packed([self._image(parsed) if name == PIXELS else parsed[name] for name in self.fields])

    def parse(self, serialized: Any) -> dict[str, Any]:
        """The features that the fields need of a batch of serialized records."""
        import tensorflow as tf

        spec = feature_spec(self.encoding, several=True, classes=self.classes)
        needed = {*self.fields, *(self._pixel_features if PIXELS in self.fields else ())} - {PIXELS}
        parsed = tf.io.parse_example(serialized, {name: spec[name] for name in sorted(needed)})
        if "seed" in parsed:
            parsed["seed"] = tf.bitcast(parsed["seed"], tf.uint64)
        return dict(parsed)

    @property
    def _pixel_features(self) -> tuple[str, ...]:
        if self.encoding != "raw":
            return ("image/encoded",)
        return ("image/raw",) if self.shape.width else ("image/raw", "image/width")

    def _images(self, parsed: dict[str, Any]) -> Any:
        """Shape (batch, [frames,] height, width, channels)."""
        import tensorflow as tf

        if self.encoding == "raw":
            pixels = tf.io.decode_raw(parsed["image/raw"], tf.uint8)
        else:
            form = tf.TensorSpec(self.shape.stored, tf.uint8)
            pixels = tf.map_fn(self._decode, parsed["image/encoded"], fn_output_signature=form)
        return self._rescaled(tf.reshape(pixels, (-1, *self.shape.array)))

    def _image(self, parsed: dict[str, Any]) -> Any:
        """Shape ([frames,] height, width, channels)."""
        import tensorflow as tf

        if self.encoding == "raw":
            width = self.shape.width or parsed["image/width"]
            image = tf.reshape(tf.io.decode_raw(parsed["image/raw"], tf.uint8), (-1, width, self.shape.channels))
        else:
            image = self._decode(parsed["image/encoded"])
        if self.shape.frames is not None:
            image = tf.reshape(image, (self.shape.frames, -1, tf.shape(image)[1], self.shape.channels))
        return self._rescaled(tf.ensure_shape(image, self.shape.array))

    def _decode(self, data: Any) -> Any:
        import tensorflow as tf

        if self.encoding == "png":
            return tf.io.decode_png(data, channels=self.shape.channels)
        # TensorFlow's default is a faster transform whose pixels differ by up to 6 grey levels from all others'.
        return tf.io.decode_jpeg(data, channels=self.shape.channels, dct_method="INTEGER_ACCURATE")

    def _rescaled(self, images: Any) -> Any:
        import tensorflow as tf

        found = factors(self.rescale, self.shape.channels)
        if found is None:
            return images
        factor, offset = found
        scaled = tf.cast(images, tf.float32) * factor
        return scaled + offset if offset.any() else scaled

    def _packed(self, values: list[Any]) -> Any:
        return dict(zip(self.fields, values, strict=True)) if self.as_dict else tuple(values)
