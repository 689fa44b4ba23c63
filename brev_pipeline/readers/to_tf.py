"""Records as a ``tf.data.Dataset``, at the speed of a hand-written one.

What costs time is handing records on one by one. So they are batched as bytes, parsed a batch at a time, of that only
the features that were asked for, and decoded within that same step, batches in parallel. Measured against the usual
one-by-one map: `bench/read.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from brev_pipeline.errors import ReadError, StoreError
from brev_pipeline.readers.purpose_records import PurposeRecords
from brev_pipeline.readers.samples import PIXELS
from brev_pipeline.readers.stored_records import read_whole_shard
from brev_pipeline.records.schema import ImageShape, feature_spec
from brev_pipeline.rescaling import Rescale, rescale_factors
from brev_pipeline.seeds import seed64

_AHEAD: Final = 2  # shards that are fetched at the same time


def read_local_files(contents: PurposeRecords, names: Any, files: pa.Table) -> Any:
    """Records of the files ``names``, by TensorFlow's reader, which checks each record's checksum.

    Args:
        contents: what is read.
        names: data set of file names.
        files: file and count_all of the same files.

    Raises:
        StoreError: a file is missing, or its size is not the manifest's. (A file that was cut at a record's end is
            whole to TensorFlow.)
    """
    import tensorflow as tf

    for name in files["file"].to_pylist():
        if (size := contents.folder.file_size(name)) != contents.file_size(name):
            raise StoreError(
                f"{contents.folder.file_url(name)} has {size} bytes, the manifest says {contents.file_size(name)}: "
                "restore the file, or write the version again"
            )
    root = contents.folder.file_url("")
    kind = "GZIP" if contents.shard_settings["compression"] == "gzip" else ""
    return tf.data.TFRecordDataset(names.map(lambda name: root + name), compression_type=kind)


def read_remote_files(contents: PurposeRecords, names: Any, files: pa.Table) -> Any:
    """Records of the files ``names``, fetched by fsspec; every checksum and each file's number of records checked.

    Args:
        contents: what is read.
        names: data set of file names.
        files: file and count_all of the same files.
    """
    import tensorflow as tf

    counts = dict(zip(files["file"].to_pylist(), files["count_all"].to_pylist(), strict=True))

    def fetch(name: bytes) -> Any:
        file = name.decode()
        return np.array(
            read_whole_shard(contents.folder, file, counts[file], contents.shard_settings["compression"]), object
        )

    def of_file(name: Any) -> Any:
        records = tf.numpy_function(fetch, [name], tf.string, stateful=False)
        records.set_shape([None])
        return records

    return names.map(of_file, num_parallel_calls=_AHEAD, deterministic=True).unbatch()


@dataclass(frozen=True)
class TfDecoder:
    """Parses and decodes; the same pixels as every other way of reading."""

    encoding: str
    classes: int
    shape: ImageShape
    rescale: Rescale
    fields: tuple[str, ...]
    as_dict: bool

    @classmethod
    def from_options(cls, contents: PurposeRecords, options: "TfOptions") -> "TfDecoder":
        """For what is read, and how."""
        return cls(
            encoding=contents.shard_settings["encoding"],
            classes=len(contents.class_names),
            shape=contents.image_shape,
            rescale=options.rescale,
            fields=options.fields,
            as_dict=options.as_dict,
        )

    def decode_batch(self, serialized: Any) -> Any:
        """A batch of serialized records (batch,) as a batch of samples."""
        parsed = self.parse_records(serialized)
        return self._packed([self._images(parsed) if name == PIXELS else parsed[name] for name in self.fields])

    def decode_sample(self, parsed: Any) -> Any:
        """One parsed record as a sample."""
        return self._packed([self._image(parsed) if name == PIXELS else parsed[name] for name in self.fields])

    def parse_records(self, serialized: Any) -> dict[str, Any]:
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
            form = tf.TensorSpec(self.shape.stored_shape, tf.uint8)
            pixels = tf.map_fn(self._decode, parsed["image/encoded"], fn_output_signature=form)
        return self._rescaled(tf.reshape(pixels, (-1, *self.shape.array_shape)))

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
        return self._rescaled(tf.ensure_shape(image, self.shape.array_shape))

    def _decode(self, data: Any) -> Any:
        import tensorflow as tf

        if self.encoding == "png":
            return tf.io.decode_png(data, channels=self.shape.channels)
        # TensorFlow's default is a faster transform whose pixels differ by up to 6 grey levels from all others'.
        return tf.io.decode_jpeg(data, channels=self.shape.channels, dct_method="INTEGER_ACCURATE")

    def _rescaled(self, images: Any) -> Any:
        import tensorflow as tf

        found = rescale_factors(self.rescale, self.shape.channels)
        if found is None:
            return images
        factor, offset = found
        scaled = tf.cast(images, tf.float32) * factor
        return scaled + offset if offset.any() else scaled

    def _packed(self, values: list[Any]) -> Any:
        return dict(zip(self.fields, values, strict=True)) if self.as_dict else tuple(values)


_SHUFFLE_BYTES: Final = 256_000_000  # bytes of records that the shuffle buffer may hold
_PARSED_AT_ONCE: Final = 32  # records parsed together where no batches are asked for


@dataclass(frozen=True)
class TfOptions:
    """How it is read; see `Records.to_tf`."""

    batch_size: int | None
    epochs: Sequence[int]
    """Written epochs, in the order of reading."""
    shuffle: bool
    repeat: bool
    rescale: Rescale
    seed: int
    drop_remainder: bool
    prefetch: int | None
    fields: tuple[str, ...]
    as_dict: bool


def make_tf_dataset(contents: PurposeRecords, options: TfOptions) -> Any:
    """Make the data set.

    Raises:
        ReadError: the images differ in size and batches are asked for, or an option has no such value.
        StoreError: a file is missing or has another size than the manifest says.
    """
    import tensorflow as tf

    size = options.batch_size
    if size is not None and size < 1:
        raise ReadError(f"batch_size is at least 1, or None for single records; got {size}")
    if size is not None and not contents.image_shape.is_known and PIXELS in options.fields:
        raise ReadError("the images differ in size and make no batch: set image.target_size, or use batch_size=None")
    passes = [_iterate_epoch(contents, options, epoch) for epoch in options.epochs]
    dataset = passes[0]
    for following in passes[1:]:
        dataset = dataset.concatenate(following)
    if options.repeat:
        dataset = dataset.repeat()
    decoder = TfDecoder.from_options(contents, options)
    dataset = _decode_batched(dataset, size, decoder, options) if size else _decode_single(dataset, decoder)
    return dataset.prefetch(tf.data.AUTOTUNE if options.prefetch is None else options.prefetch)


def _decode_batched(dataset: Any, size: int, decoder: TfDecoder, options: TfOptions) -> Any:
    import tensorflow as tf

    batches = dataset.batch(size, drop_remainder=options.drop_remainder)
    return batches.map(decoder.decode_batch, num_parallel_calls=tf.data.AUTOTUNE)


def _decode_single(dataset: Any, decoder: TfDecoder) -> Any:
    import tensorflow as tf

    parsed = dataset.batch(_PARSED_AT_ONCE).map(decoder.parse_records, num_parallel_calls=tf.data.AUTOTUNE).unbatch()
    return parsed.map(decoder.decode_sample, num_parallel_calls=tf.data.AUTOTUNE)


def _iterate_epoch(contents: PurposeRecords, options: TfOptions, epoch: int) -> Any:
    """Each serialized record of an epoch once."""
    import tensorflow as tf

    rows = contents.select_epoch(epoch)
    files = rows.group_by("file", use_threads=False).aggregate([([], "count_all")])
    names = tf.data.Dataset.from_tensor_slices(files["file"].to_pylist())
    seed = seed64(options.seed, "read", epoch) >> 1
    if options.shuffle:
        names = names.shuffle(files.num_rows, seed=seed)
    records = (read_local_files if contents.folder.is_local else read_remote_files)(contents, names, files)
    if options.shuffle:
        records = records.shuffle(_shuffle_buffer(rows, options), seed=seed)
    # Known beforehand, so that progress can be shown; and fewer or more at the end is an error.
    return records.apply(tf.data.experimental.assert_cardinality(rows.num_rows))


def _shuffle_buffer(rows: pa.Table, options: TfOptions) -> int:
    """Records that the shuffle buffer holds: all of the epoch or what fits into its bytes, two batches at least."""
    fitting = int(_SHUFFLE_BYTES // np.mean(rows["length"].to_numpy()))
    return min(int(rows.num_rows), max(fitting, 2 * (options.batch_size or 1)))
