"""Tables: the columns of everything that passes from one stage to the next.

This is the only thing that all stages share. A stage takes Arrow tables with (at least) these columns and
returns one; it knows nothing of who made its input.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.texts import NAMES, TEXT, join_texts

UNREAD_PREFIX: Final = "unread-"
"""Begins the ``content_id`` of an image whose bytes could not be had."""

WORK: Final = b"brev_pipeline.work"
"""Schema metadata of a stage's table: how much of it the run made anew (images decoded, records written)."""


def note_work(table: pa.Table, work: int) -> pa.Table:
    """The table, its schema's metadata saying how much of it was made anew."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), WORK: str(work)})


class Columns(Protocol):
    """A table that lies somewhere. Only what is asked for is read, and nothing of it is kept."""

    @property
    def names(self) -> list[str]:
        """Names of its columns."""
        ...

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """These columns of it (those that it has, each once), or all, with its schema's metadata."""
        ...


@dataclass(frozen=True)
class InMemoryTable:
    """A table as `Columns` where others lie in the store."""

    table: pa.Table

    @property
    def names(self) -> list[str]:
        """Names of its columns."""
        return list(self.table.column_names)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """These columns of it (those that it has, each once), or all."""
        if columns is None:
            return self.table
        return self.table.select([name for name in dict.fromkeys(columns) if name in self.table.column_names])


def give_memory_back() -> None:
    """Have Arrow return what is no longer needed to the system, in this process.

    As it comes, it keeps what decoding and sorting took, which is as much again as the tables.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
        pa.jemalloc_set_decay_ms(100)


def to_mask(values: Any) -> npt.NDArray[np.bool_]:
    """(rows,) truth values of Arrow or NumPy as NumPy's; null is false."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        values = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return np.asarray(values, np.bool_)


def count_values(column: pa.ChunkedArray) -> dict[str, int]:
    """Value → how often it stands in a column of texts."""
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}


RAW_LISTING: Final = pa.schema(
    [
        pa.field("category", NAMES, False, {"description": "class names, by listing.category and class_mapping"}),
        pa.field("folder", TEXT, False, {"description": "name of the folder that holds the image"}),
        pa.field("path", TEXT, False, {"description": "the dataset's bucket as configured, '/', the object's key"}),
        pa.field("etag", TEXT, True, {"description": "entity tag of the object; null where it could not be had"}),
        pa.field("bucket", TEXT, False, {"description": "the dataset's bucket as configured"}),
        pa.field("dataset", TEXT, False, {"description": "the dataset's name"}),
        pa.field("dataset_id", TEXT, False, {"description": "the dataset's id"}),
        pa.field("reference", TEXT, False, {"description": "where the dataset is documented"}),
        pa.field("url", TEXT, False, {"description": "address under which a person can look at the image"}),
        pa.field("size", pa.int64(), False, {"description": "bytes"}),
        pa.field("modified", pa.timestamp("us", "UTC"), False, {"description": "last change, UTC"}),
        pa.field("etag_source", TEXT, False, {"description": "s3, md5 (local, or so by S3 Inventory), none"}),
        pa.field("file_stamp", TEXT, True, {"description": "of a local file: mtime-ctime-inode; null in buckets"}),
    ]
)

SAMPLE_INTEGRITY: Final = pa.schema(
    [
        *RAW_LISTING,
        pa.field("content_id", TEXT, False, {"description": "MD5 of the bytes; 'unread-…' without them"}),
        pa.field("content_source", TEXT, False, {"description": "etag, metadata, read or unreadable"}),
        pa.field("duplicate_of", TEXT, True, {"description": "first path with the same bytes; null there"}),
        pa.field("copies", pa.int32(), False, {"description": "listed images with these bytes, itself included"}),
        pa.field("label_conflict", pa.bool_(), False, {"description": "same bytes under another category"}),
    ]
)

PREPARED_IMAGES: Final = pa.schema(
    [
        pa.field("content_id", TEXT, False),
        pa.field(
            "status",
            TEXT,
            False,
            {"description": "ok, corrupt, unsupported, too_large, missing, changed, stopped, interrupted"},
        ),
        pa.field("reason", TEXT, True, {"description": "why the image is not usable; null where status is ok"}),
        pa.field("source_path", TEXT, False, {"description": "the path that was read"}),
        pa.field("format", TEXT, True, {"description": "bmp, jpeg, png, tiff, webp, gif, jpeg2000, pnm, avif"}),
        pa.field("height", pa.int32(), True, {"description": "px, as stored in the file"}),
        pa.field("width", pa.int32(), True, {"description": "px, as stored in the file"}),
        pa.field("channels", pa.int32(), True, {"description": "as stored in the file"}),
        pa.field("bit_depth", pa.int32(), True, {"description": "bits per channel, as stored in the file"}),
        pa.field("note", TEXT, True, {"description": "what to know of a usable image: first page of 3, …"}),
        pa.field("pixel_id", TEXT, True, {"description": "XXH3-128 of the decoded samples; equal ones, equal id"}),
        pa.field("sample_min", pa.int32(), True, {"description": "least stored value; null here: 8 bits or less"}),
        pa.field("sample_low", pa.int32(), True, {"description": "0.1 % of the stored values are below, at most"}),
        pa.field("sample_high", pa.int32(), True, {"description": "0.1 % of the stored values are above, at most"}),
        pa.field("sample_max", pa.int32(), True, {"description": "largest stored value"}),
        pa.field("range_used", pa.float64(), True, {"description": "share of black to white from low to high, 0..1"}),
        pa.field("mean", pa.float64(), True, {"description": "mean of the prepared pixels, 0..255"}),
        pa.field("std", pa.float64(), True, {"description": "standard deviation of the prepared pixels, 0..255"}),
        pa.field("sharpness", pa.float64(), True, {"description": "variance of the prepared pixels' Laplacian"}),
        pa.field("clipped", pa.float64(), True, {"description": "share of the prepared values that are 0 or 255"}),
        pa.field("prepared_frames", pa.int32(), True, {"description": "frames of a time series; null: one image"}),
        pa.field("prepared_height", pa.int32(), True, {"description": "px"}),
        pa.field("prepared_width", pa.int32(), True, {"description": "px"}),
        pa.field("prepared_channels", pa.int32(), True),
        pa.field("file", TEXT, True, {"description": "prepared pixels: file below the store's prepared/"}),
        pa.field("offset", pa.int64(), True, {"description": "prepared pixels: first byte in the file"}),
        pa.field("length", pa.int64(), True, {"description": "prepared pixels: bytes"}),
    ]
)

SAMPLE_SPLIT: Final = pa.schema(
    [
        pa.field("path", TEXT, False),
        pa.field("category", NAMES, False),
        pa.field("folder", TEXT, False),
        pa.field("etag", TEXT, True),
        pa.field("bucket", TEXT, False),
        pa.field("dataset", TEXT, False),
        pa.field("dataset_id", TEXT, False),
        pa.field("reference", TEXT, False),
        pa.field("content_id", TEXT, False),
        pa.field("pixel_id", TEXT, False),
        pa.field("item", TEXT, False, {"description": "key of the physical item, from uniqueness"}),
        pa.field("stratum", TEXT, False, {"description": "key of the stratum, from stratification"}),
        pa.field("leak_group", TEXT, False, {"description": "smallest path of what may not be divided"}),
        pa.field("purpose", TEXT, False, {"description": "train, devel, test, …"}),
        pa.field("assigned_by", TEXT, False, {"description": "ledger, given, new, duplicate"}),
    ]
)

TFRECORD_SHARDS: Final = pa.schema(
    [
        pa.field("purpose", TEXT, False),
        pa.field("epoch", pa.int32(), False, {"description": "0-based; devel and test have epoch 0 only"}),
        pa.field(
            "shard",
            pa.int32(),
            False,
            {"description": "0-based number of the file within its purpose, or a fold's part"},
        ),
        pa.field("position", pa.int32(), False, {"description": "0-based place of the record in its shard"}),
        pa.field("file", TEXT, False, {"description": "file name of the shard"}),
        pa.field("offset", pa.int64(), False, {"description": "first byte of the record's frame in the file"}),
        pa.field("length", pa.int64(), False, {"description": "bytes of the tf.train.Example, frame not counted"}),
        pa.field("path", TEXT, False),
        pa.field("content_id", TEXT, False),
        pa.field("item", TEXT, False),
        pa.field("group", TEXT, False, {"description": "sampling group"}),
        pa.field("label", pa.int64(), False, {"description": "index into the version's class names"}),
        pa.field(
            "ordinal",
            pa.int32(),
            False,
            {"description": "earlier draws of this content in this epoch; negative: a fold's plain photo"},
        ),
        pa.field("seed", pa.uint64(), False, {"description": "seed of the record's augmentation"}),
        pa.field("augmented", pa.bool_(), False),
        pa.field("crc", pa.uint32(), False, {"description": "masked CRC-32C of the record, as in its frame"}),
    ]
)


def sampling_weights_schema(groupby: list[str]) -> pa.Schema:
    """Schema of the weight table: one row per purpose and sampling group.

    Args:
        groupby: the columns that make a group; each becomes a text column of the table.
    """
    return pa.schema(
        [
            pa.field("purpose", TEXT, False),
            pa.field("group", TEXT, False, {"description": "the group's columns joined with ' / '"}),
            *(pa.field(column, TEXT, False) for column in groupby),
            pa.field("samples", pa.int64(), False, {"description": "images in the group"}),
            pa.field("weight", pa.float64(), False, {"description": "of the group, by the preset; not normalised"}),
            pa.field("probability", pa.float64(), False, {"description": "sums to 1 within a purpose"}),
            pa.field("draws", pa.int64(), False, {"description": "draws in the first epoch"}),
        ]
    )


def conform_table(table: pa.Table, schema: pa.Schema, name: str) -> pa.Table:
    """Bring ``table`` to ``schema``: its columns, in its order, of its types.

    Raises:
        BrevPipelineError: a column is missing, has another type that cannot be cast without loss, or is null
            where it may not be. That is a fault of the stage, not of the data.
    """
    missing = [field.name for field in schema if field.name not in table.column_names]
    if missing:
        raise BrevPipelineError(f"table {name} lacks the columns {missing}; it has {table.column_names}")
    try:
        cast = table.select(schema.names).cast(pa.schema([field.with_nullable(True) for field in schema]))
    except pa.ArrowInvalid as error:
        raise BrevPipelineError(f"table {name} does not have the columns' types: {error}") from error
    for field in schema:
        if not field.nullable and cast.column(field.name).null_count:
            raise BrevPipelineError(f"table {name} has nulls in column {field.name}")
    return pa.Table.from_arrays(cast.columns, schema=schema)


def iterate_rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a table as dictionaries, some thousands in memory at a time."""
    for batch in table.to_batches(max_chunksize=4096):
        yield from batch.to_pylist()


AUGMENTED: Final = "_augmented"
"""Behind a fold's name, in the name of the part with its draws."""


def part_names(table: pa.Table) -> pa.ChunkedArray:
    """(records,) the part that each record belongs to: its purpose, or of a fold's draws ``fold0_augmented``.

    Args:
        table: purpose and ordinal of all records of a version, or of whole purposes.
    """
    plain = is_plain(table)
    if not pc.any(plain, min_count=0).as_py():
        return table["purpose"]
    folds = pc.unique(table["purpose"].filter(plain))
    drawn = pc.and_(pc.is_in(table["purpose"], value_set=folds), pc.invert(plain))
    names = table["purpose"].cast(TEXT)
    return pc.if_else(drawn, join_texts(names, AUGMENTED, by=""), names)


def is_plain(table: pa.Table) -> Any:
    """(records,) whether each is a fold's photo as it is."""
    return pc.less(table["ordinal"], 0)


def drawn_by_weight(table: pa.Table) -> Any:
    """(records,) whether the weight table says how often each stands there.

    That is all but the folds' photos as they are; of a fold that is not sampled, those too.
    """
    plain = is_plain(table)
    if not pc.any(plain, min_count=0).as_py():
        return pc.invert(plain)
    sampled = pc.unique(table["purpose"].filter(pc.invert(plain)))
    return pc.or_(pc.invert(plain), pc.invert(pc.is_in(table["purpose"], value_set=sampled)))


def plain_ordinals(counts: np.ndarray[Any, np.dtype[np.int32]]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Ordinals of photos as they are, from how many of the same content come before: −1, −2, and so on."""
    return -1 - counts
