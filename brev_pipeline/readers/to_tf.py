"""Records as a ``tf.data.Dataset``, at the speed of a hand-written one.

What costs time is handing records on one by one. So they are batched as bytes, parsed a batch at a time, of that only
the features that were asked for, and decoded within that same step, batches in parallel. Measured against the usual
one-by-one map: `bench/read.py`.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any, Final

import numpy as np
import pyarrow as pa

from brev_pipeline.errors import ReadError, ShardError, StoreError
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

    Raises:
        ReadError: there is no such field or rescaling.
    """

    def __init__(
        self, contents: PurposeRecords, rescale: Rescale, fields: Sequence[str] | None, *, as_dict: bool
    ) -> None:
        self._encoding = contents.shard_settings["encoding"]
        self._class_count, self._shape = len(contents.class_names), contents.image_shape
        self._factors = rescale_factors(contents.choose_rescale(rescale), self._shape.channels)
        self.fields, self._as_dict = contents.choose_fields(fields), as_dict
        self._pixels = f"image/{ENCODINGS[self._encoding].stored_as}"

    def decode_batch(self, serialized: Any) -> Any:
        """A batch of serialized records (batch,) as a batch of samples."""
        parsed = self.parse_records(serialized)
        return self._pack([self._decode_images(parsed) if name == PIXELS else parsed[name] for name in self.fields])

    def decode_sample(self, parsed: Any) -> Any:
        """One parsed record as a sample."""
        return self._pack([self._decode_image(parsed) if name == PIXELS else parsed[name] for name in self.fields])

    def parse_records(self, serialized: Any) -> dict[str, Any]:
        """The features that the fields need of a batch of serialized records."""
        import tensorflow as tf

        spec = feature_spec(self._encoding, several=True, classes=self._class_count)
        needed = set(self.fields)
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
    if batch_size is not None and not contents.image_shape.is_known and PIXELS in decoder.fields:
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
