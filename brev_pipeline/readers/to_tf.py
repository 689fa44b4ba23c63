"""Records as a ``tf.data.Dataset``, at the speed of a hand-written one.

What costs time is handing records on one by one. So they are batched as bytes, parsed a batch at a time, of that only
the features that were asked for, and decoded within that same step, batches in parallel. Measured against the usual
one-by-one map: `bench/read.py`.
"""

from collections.abc import Callable, Collection, Sequence
from functools import reduce
from typing import Any, Final

import numpy as np
import pyarrow as pa

from brev_pipeline.errors import ReadError, ShardError, StoreError
from brev_pipeline.readers.label_fields import COUNT, LabelFields, SequenceField, fill_value
from brev_pipeline.readers.purpose_records import PurposeRecords
from brev_pipeline.readers.samples import PIXELS
from brev_pipeline.records.encodings import ENCODINGS
from brev_pipeline.records.record_reader import read_whole_shard
from brev_pipeline.records.schema import feature_spec
from brev_pipeline.rescaling import Rescale, rescale_factors
from brev_pipeline.seeds import seed64
from brev_pipeline.store import Folder
from brev_pipeline.tfrecord import iterate_frames

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
    compression = contents.shard_settings["compression"]

    def fetch(name: bytes) -> Any:
        return np.array(read_shard_records(contents.folder, name.decode(), counts[name.decode()], compression), object)

    def iterate_file(name: Any) -> Any:
        return tf.ensure_shape(tf.numpy_function(fetch, [name], tf.string, stateful=False), [None])

    return names.map(iterate_file, num_parallel_calls=_AHEAD, deterministic=True).unbatch()


def read_shard_records(folder: Folder, file: str, count: int, compression: str) -> list[bytes]:
    """All records of a shard, every checksum checked.

    Raises:
        ShardError: the shard is damaged, or does not hold ``count`` records.
        StoreError: it cannot be read.
    """
    address = folder.file_url(file)
    records = [record for _, record, _ in iterate_frames(read_whole_shard(folder, file, compression), address)]
    if len(records) != count:
        raise ShardError(f"{address} holds {len(records)} records, the record table says {count}; restore the file")
    return records


class TfDecoder:
    """Parses and decodes; the same pixels as every other way of reading.

    Args:
        contents: what is read.
        rescale: see `rescaling.rescale_factors`.
        fields: names out of `FIELDS`; None: all.
        as_dict: samples are dictionaries by field; else tuples in the order of ``fields``.
        pad: objects that each record is filled up to; None: ragged.

    Raises:
        ReadError: there is no such field, rescaling or number of objects.
    """

    def __init__(
        self,
        contents: PurposeRecords,
        rescale: Rescale,
        fields: Sequence[str] | None,
        *,
        as_dict: bool,
        pad: int | None = None,
    ) -> None:
        self._encoding = contents.shard_settings["encoding"]
        self._class_count, self._shape = len(contents.class_names), contents.image_shape
        self._labels = TfLabels(contents.make_label_fields(pad))
        self._factors = rescale_factors(contents.choose_rescale(rescale), self._shape.channels)
        self.fields, self._as_dict = contents.choose_fields(fields), as_dict
        self._pixels = f"image/{ENCODINGS[self._encoding].stored_as}"

    def decode_batch(self, serialized: Any) -> Any:
        """A batch of serialized records (batch,) as a batch of samples."""
        parsed = self.parse_records(serialized)
        return self._pack([self._decode_field(name, parsed, self._decode_images, batch=True) for name in self.fields])

    def decode_sample(self, parsed: Any) -> Any:
        """One parsed record as a sample."""
        return self._pack([self._decode_field(name, parsed, self._decode_image, batch=False) for name in self.fields])

    @property
    def needs_one_size(self) -> bool:
        """Whether a field makes no batch unless all images have one size."""
        return any(name == PIXELS or name in self._labels.fields.masks for name in self.fields)

    def _decode_field(
        self, name: str, parsed: dict[str, Any], decode_pixels: Callable[[dict[str, Any]], Any], *, batch: bool
    ) -> Any:
        if name == PIXELS:
            return decode_pixels(parsed)
        return self._labels.decode(name, parsed, batch=batch) if self._labels.has(name) else parsed[name]

    def parse_records(self, serialized: Any) -> dict[str, Any]:
        """The features that the fields need of a batch of serialized records."""
        import tensorflow as tf

        spec = feature_spec(self._encoding, several=True, classes=self._class_count)
        of_labels = {name for name in self.fields if self._labels.has(name)}
        label_spec = self._labels.feature_spec(of_labels)
        spec |= label_spec
        needed = {name for name in self.fields if name not in of_labels} | set(label_spec)
        if PIXELS in needed:
            # Raw pixels are flat: where widths differ, each record's own says how long a row is.
            width = [] if self._shape.width or self._pixels == "image/encoded" else ["image/width"]
            needed = (needed - {PIXELS}) | {self._pixels, *width}
        parsed = tf.io.parse_example(serialized, {name: spec[name] for name in sorted(needed)})
        if "seed" in parsed:
            parsed["seed"] = tf.bitcast(parsed["seed"], tf.uint64)
        return dict(parsed)

    def _decode_images(self, parsed: dict[str, Any]) -> Any:
        """Shape (batch, [frames,] height, width, channels)."""
        import tensorflow as tf

        if self._pixels == "image/raw":
            pixels = self._decode(parsed[self._pixels])
        else:
            form = tf.TensorSpec(self._shape.stored_shape, tf.uint8)
            pixels = tf.map_fn(self._decode, parsed[self._pixels], fn_output_signature=form)
        return self._rescale(tf.reshape(pixels, (-1, *self._shape.array_shape)))

    def _decode_image(self, parsed: dict[str, Any]) -> Any:
        """Shape ([frames,] height, width, channels)."""
        import tensorflow as tf

        image = self._decode(parsed[self._pixels])
        if self._pixels == "image/raw":
            image = tf.reshape(image, (-1, self._shape.width or parsed["image/width"], self._shape.channels))
        if self._shape.frames is not None:
            image = tf.reshape(image, (self._shape.frames, -1, tf.shape(image)[1], self._shape.channels))
        return self._rescale(tf.ensure_shape(image, self._shape.array_shape))

    def _decode(self, data: Any) -> Any:
        return ENCODINGS[self._encoding].decode_tensor(data, self._shape.channels)

    def _rescale(self, images: Any) -> Any:
        import tensorflow as tf

        if self._factors is None:
            return images
        factor, offset = self._factors
        scaled = tf.cast(images, tf.float32) * factor
        return scaled + offset if offset.any() else scaled

    def _pack(self, values: list[Any]) -> Any:
        return dict(zip(self.fields, values, strict=True)) if self._as_dict else tuple(values)


class TfLabels:
    """Labels as tensors; what they hold is what every other way of reading gives.

    Args:
        fields: of the version's labels.
    """

    def __init__(self, fields: LabelFields) -> None:
        self.fields = fields

    def has(self, name: str) -> bool:
        """Whether a field is one of labels."""
        return name in self.fields.all_names

    def feature_spec(self, names: Collection[str]) -> dict[str, Any]:
        """How the features that some fields need are parsed, a batch at a time; those of sequences are ragged."""
        import tensorflow as tf

        features = {feature.name: feature for name in names for feature in self.fields.list_features(name)}
        return {
            name: tf.io.RaggedFeature(tf.as_dtype(feature.tf_type), row_splits_dtype=tf.int64)
            if feature.sequence
            else tf.io.FixedLenFeature([], feature.tf_type)
            for name, feature in features.items()
        }

    def decode(self, name: str, parsed: dict[str, Any], *, batch: bool) -> Any:
        """A field of parsed records, or of a single one."""
        if name in self.fields.masks:
            data = parsed[self.fields.masks[name].name]
            return self._decode_masks(data) if batch else self._decode_mask(data)
        if name in self.fields.sequences:
            of = self.fields.sequences[name]
            return {part: _decode_part(of, part, parsed, batch=batch) for part in of.shown_parts}
        if name in self.fields.parts:
            return _decode_part(*self.fields.parts[name], parsed, batch=batch)
        return parsed[name]

    def _decode_masks(self, data: Any) -> Any:
        """(batch,) PNGs → (batch, [frames,] height, width)."""
        import tensorflow as tf

        form = tf.TensorSpec(self.fields.shape.array_shape[:-1], tf.uint8)
        return tf.map_fn(self._decode_mask, data, fn_output_signature=form)

    def _decode_mask(self, data: Any) -> Any:
        """([frames,] height, width)."""
        import tensorflow as tf

        mask = tf.io.decode_png(data, channels=1)
        if self.fields.shape.frames is not None:
            mask = tf.reshape(mask, (self.fields.shape.frames, -1, tf.shape(mask)[1], 1))
        return tf.ensure_shape(tf.squeeze(mask, -1), self.fields.shape.array_shape[:-1])


def _decode_part(of: SequenceField, part: str, parsed: dict[str, Any], *, batch: bool) -> Any:
    """(batch, objects[, width]), ragged or filled up; or the number of objects (batch,). Of one record: no batch."""
    import tensorflow as tf

    feature = of.feature_of(part)
    flat = parsed[feature.name]
    values, splits = (flat.values, flat.row_splits) if batch else (flat, tf.stack([0, tf.size(flat, tf.int64)]))
    splits //= feature.width
    values = tf.reshape(values, (-1, feature.width)) if feature.width > 1 else values
    counts = splits[1:] - splits[:-1]
    if part == COUNT:
        return counts if batch else counts[0]
    if of.pad is None and not batch:
        return values
    ragged = tf.RaggedTensor.from_row_splits(values, splits, validate=False)
    if of.pad is None:
        return ragged
    fits = tf.debugging.assert_less_equal(
        counts, tf.constant(of.pad, tf.int64), f"a record has more {of.name}, {of.too_many}"
    )
    with tf.control_dependencies([] if fits is None else [fits]):
        fill = tf.constant(fill_value(feature), values.dtype)
        filled = ragged.to_tensor(fill, shape=(None, of.pad, *values.shape[1:]))
    return filled if batch else filled[0]


_SHUFFLE_BYTES: Final = 256_000_000  # bytes of records that the shuffle buffer may hold
_PARSED_AT_ONCE: Final = 32  # records parsed together where no batches are asked for


def make_tf_dataset(
    contents: PurposeRecords,
    decoder: TfDecoder,
    epochs: Sequence[int],
    *,
    batch_size: int | None,
    shuffle: bool,
    repeat: bool,
    seed: int,
    drop_remainder: bool,
    prefetch: int | None,
) -> Any:
    """Make the data set of some written epochs, in their order; all other arguments as of `Records.to_tf`.

    Raises:
        ReadError: the images differ in size and batches are asked for, or an option has no such value.
        StoreError: a file is missing or has another size than the manifest says.
    """
    import tensorflow as tf

    if batch_size is not None and batch_size < 1:
        raise ReadError(f"batch_size is at least 1, or None for single records; got {batch_size}")
    if batch_size is not None and not contents.image_shape.is_known and decoder.needs_one_size:
        raise ReadError("the images differ in size and make no batch: set image.target_size, or use batch_size=None")
    # Two batches at least, that there is something to mix.
    least = 2 * (batch_size or 1)
    passes = [_iterate_epoch(contents, epoch, least if shuffle else None, seed) for epoch in epochs]
    dataset = reduce(lambda before, following: before.concatenate(following), passes)
    if repeat:
        dataset = dataset.repeat()
    if batch_size:
        batches = dataset.batch(batch_size, drop_remainder=drop_remainder)
        dataset = batches.map(decoder.decode_batch, num_parallel_calls=tf.data.AUTOTUNE)
    else:
        batches = dataset.batch(_PARSED_AT_ONCE).map(decoder.parse_records, num_parallel_calls=tf.data.AUTOTUNE)
        dataset = batches.unbatch().map(decoder.decode_sample, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(tf.data.AUTOTUNE if prefetch is None else prefetch)


def _iterate_epoch(contents: PurposeRecords, epoch: int, least_mixed: int | None, seed: int) -> Any:
    """Each serialized record of an epoch once; mixed where a number of records is given that are mixed at least."""
    import tensorflow as tf

    rows = contents.select_epoch(epoch)
    files = rows.group_by("file", use_threads=False).aggregate([([], "count_all")])
    names = tf.data.Dataset.from_tensor_slices(files["file"].to_pylist())
    order_seed = seed64(seed, "read", epoch) >> 1  # TensorFlow's seeds are int64
    if least_mixed is not None:
        names = names.shuffle(files.num_rows, seed=order_seed)
    records = (read_local_files if contents.folder.is_local else read_remote_files)(contents, names, files)
    if least_mixed is not None:
        fitting = int(_SHUFFLE_BYTES // np.mean(rows["length"].to_numpy()))
        records = records.shuffle(min(rows.num_rows, max(fitting, least_mixed)), seed=order_seed)
    # Known beforehand, so that progress can be shown; and fewer or more at the end is an error.
    return records.apply(tf.data.experimental.assert_cardinality(rows.num_rows))
