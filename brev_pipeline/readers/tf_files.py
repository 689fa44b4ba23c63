"""Serialized records out of shards, for TensorFlow: by its own reader from a disk, by ours from a store elsewhere.

TensorFlow knows no ``s3://``. A shard from there is fetched whole, a few at a time, and its records handed on.
"""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from brev_pipeline.errors import StoreError
from brev_pipeline.readers.contents import Contents
from brev_pipeline.readers.stored import whole_shard

_AHEAD: Final = 2
"""Shards that are fetched at the same time."""


def local_files(contents: Contents, names: Any, files: pa.Table) -> Any:
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
        if (size := contents.folder.size(name)) != contents.size(name):
            raise StoreError(
                f"{contents.folder.place(name)} has {size} bytes, the manifest says {contents.size(name)}: "
                "restore the file, or write the version again"
            )
    root = contents.folder.place("")
    kind = "GZIP" if contents.shards["compression"] == "gzip" else ""
    return tf.data.TFRecordDataset(names.map(lambda name: root + name), compression_type=kind)


def remote_files(contents: Contents, names: Any, files: pa.Table) -> Any:
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
        return np.array(whole_shard(contents.folder, file, counts[file], contents.shards["compression"]), object)

    def of_file(name: Any) -> Any:
        records = tf.numpy_function(fetch, [name], tf.string, stateful=False)
        records.set_shape([None])
        return records

    return names.map(of_file, num_parallel_calls=_AHEAD, deterministic=True).unbatch()
