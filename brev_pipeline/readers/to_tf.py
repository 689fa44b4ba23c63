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

from brev_pipeline.errors import ReadError
from brev_pipeline.readers.contents import Contents
from brev_pipeline.readers.fields import PIXELS
from brev_pipeline.readers.tf_decode import TfDecoder
from brev_pipeline.readers.tf_files import local_files, remote_files
from brev_pipeline.rescaling import Rescale
from brev_pipeline.seeds import seed64

_TO_MIX: Final = 256_000_000
"""Bytes of records that the shuffle buffer may hold."""
_PARSED_AT_ONCE: Final = 32
"""Records parsed together where no batches are asked for."""


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


def tf_dataset(contents: Contents, options: TfOptions) -> Any:
    """Make the data set.

    Raises:
        ReadError: the images differ in size and batches are asked for, or an option has no such value.
        StoreError: a file is missing or has another size than the manifest says.
    """
    import tensorflow as tf

    size = options.batch_size
    if size is not None and size < 1:
        raise ReadError(f"batch_size is at least 1, or None for single records; got {size}")
    if size is not None and not contents.shape.is_known and PIXELS in options.fields:
        raise ReadError("the images differ in size and make no batch: set image.target_size, or use batch_size=None")
    passes = [_one_pass(contents, options, epoch) for epoch in options.epochs]
    dataset = passes[0]
    for following in passes[1:]:
        dataset = dataset.concatenate(following)
    if options.repeat:
        dataset = dataset.repeat()
    decoder = TfDecoder.of(contents, options)
    dataset = _batched(dataset, size, decoder, options) if size else _single(dataset, decoder)
    return dataset.prefetch(tf.data.AUTOTUNE if options.prefetch is None else options.prefetch)


def _batched(dataset: Any, size: int, decoder: TfDecoder, options: TfOptions) -> Any:
    import tensorflow as tf

    batches = dataset.batch(size, drop_remainder=options.drop_remainder)
    return batches.map(decoder.batch, num_parallel_calls=tf.data.AUTOTUNE)


def _single(dataset: Any, decoder: TfDecoder) -> Any:
    import tensorflow as tf

    parsed = dataset.batch(_PARSED_AT_ONCE).map(decoder.parse, num_parallel_calls=tf.data.AUTOTUNE).unbatch()
    return parsed.map(decoder.one, num_parallel_calls=tf.data.AUTOTUNE)


def _one_pass(contents: Contents, options: TfOptions, epoch: int) -> Any:
    """Each serialized record of an epoch once."""
    import tensorflow as tf

    rows = contents.of_epoch(epoch)
    files = rows.group_by("file", use_threads=False).aggregate([([], "count_all")])
    names = tf.data.Dataset.from_tensor_slices(files["file"].to_pylist())
    seed = seed64(options.seed, "read", epoch) >> 1
    if options.shuffle:
        names = names.shuffle(files.num_rows, seed=seed)
    records = (local_files if contents.folder.is_local else remote_files)(contents, names, files)
    if options.shuffle:
        records = records.shuffle(_buffer(rows, options), seed=seed)
    # Known beforehand, so that progress can be shown; and fewer or more at the end is an error.
    return records.apply(tf.data.experimental.assert_cardinality(rows.num_rows))


def _buffer(rows: pa.Table, options: TfOptions) -> int:
    """Records that the shuffle buffer holds: all of the epoch or what fits into its bytes, two batches at least."""
    fitting = int(_TO_MIX // np.mean(rows["length"].to_numpy()))
    return min(int(rows.num_rows), max(fitting, 2 * (options.batch_size or 1)))
