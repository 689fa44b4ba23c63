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

NO_LABEL: Final = -1
"""The label of an image without a class."""
LABEL_ID: Final = pa.field(
    "label_id", TEXT, True, {"description": "hash of the photo's own labels; null: nobody labelled it"}
)
"""A further column of tables of images, draws and records, where the configuration has labels."""

UNREAD_PREFIX: Final = "unread-"
"""Begins the ``content_id`` of an image whose bytes could not be had."""


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


def with_label_id(schema: pa.Schema, table: pa.Table) -> pa.Schema:
    """The schema, with `LABEL_ID` behind its own columns if the table has it."""
    return schema.append(LABEL_ID) if LABEL_ID.name in table.column_names else schema


def make_field(name: str, kind: pa.DataType, nullable: bool, description: str = "") -> pa.Field:
    """A column of a schema, its metadata describing it to people, as Dagster's UI shows it."""
    return pa.field(name, kind, nullable, {"description": description} if description else None)


RAW_LISTING: Final = pa.schema(
    [
        make_field("category", NAMES, False, "class names, by listing.category and class_mapping"),
        make_field("folder", TEXT, False, "name of the folder that holds the image"),
        make_field("path", TEXT, False, "the dataset's bucket as configured, '/', the object's key"),
        make_field("etag", TEXT, True, "entity tag of the object; null where it could not be had"),
        make_field("bucket", TEXT, False, "the dataset's bucket as configured"),
        make_field("dataset", TEXT, False, "the dataset's name"),
        make_field("dataset_id", TEXT, False, "the dataset's id"),
        make_field("reference", TEXT, False, "where the dataset is documented"),
        make_field("url", TEXT, False, "address under which a person can look at the image"),
        make_field("size", pa.int64(), False, "bytes"),
        make_field("modified", pa.timestamp("us", "UTC"), False, "last change, UTC"),
        make_field("etag_source", TEXT, False, "s3, md5 (local, or so by S3 Inventory), none"),
        make_field("file_stamp", TEXT, True, "of a local file: mtime-ctime-inode; null in buckets"),
    ]
)

SAMPLE_INTEGRITY: Final = pa.schema(
    [
        *RAW_LISTING,
        make_field("content_id", TEXT, False, "MD5 of the bytes; 'unread-…' without them"),
        make_field("content_source", TEXT, False, "etag, metadata, read or unreadable"),
        make_field("duplicate_of", TEXT, True, "first path with the same bytes; null there"),
        make_field("copies", pa.int32(), False, "listed images with these bytes, itself included"),
        make_field("label_conflict", pa.bool_(), False, "same bytes under another category"),
    ]
)

PREPARED_IMAGES: Final = pa.schema(
    [
        make_field("content_id", TEXT, False),
        make_field(
            "status", TEXT, False, "ok, corrupt, unsupported, too_large, missing, changed, stopped, interrupted"
        ),
        make_field("reason", TEXT, True, "why the image is not usable; null where status is ok"),
        make_field("source_path", TEXT, False, "the path that was read"),
        make_field("format", TEXT, True, "bmp, jpeg, png, tiff, webp, gif, jpeg2000, pnm, avif"),
        make_field("height", pa.int32(), True, "px, as stored in the file"),
        make_field("width", pa.int32(), True, "px, as stored in the file"),
        make_field("channels", pa.int32(), True, "as stored in the file"),
        make_field("bit_depth", pa.int32(), True, "bits per channel, as stored in the file"),
        make_field("note", TEXT, True, "what to know of a usable image: first page of 3, …"),
        make_field("pixel_id", TEXT, True, "XXH3-128 of the decoded samples; equal ones, equal id"),
        make_field("sample_min", pa.int32(), True, "least stored value; null here: 8 bits or less"),
        make_field("sample_low", pa.int32(), True, "0.1 % of the stored values are below, at most"),
        make_field("sample_high", pa.int32(), True, "0.1 % of the stored values are above, at most"),
        make_field("sample_max", pa.int32(), True, "largest stored value"),
        make_field("range_used", pa.float64(), True, "share of black to white from low to high, 0..1"),
        make_field("mean", pa.float64(), True, "mean of the prepared pixels, 0..255"),
        make_field("std", pa.float64(), True, "standard deviation of the prepared pixels, 0..255"),
        make_field("sharpness", pa.float64(), True, "variance of the prepared pixels' Laplacian"),
        make_field("clipped", pa.float64(), True, "share of the prepared values that are 0 or 255"),
        make_field("prepared_frames", pa.int32(), True, "frames of a time series; null: one image"),
        make_field("prepared_height", pa.int32(), True, "px"),
        make_field("prepared_width", pa.int32(), True, "px"),
        make_field("prepared_channels", pa.int32(), True),
        make_field("file", TEXT, True, "prepared pixels: file below the store's prepared/"),
        make_field("offset", pa.int64(), True, "prepared pixels: first byte in the file"),
        make_field("length", pa.int64(), True, "prepared pixels: bytes"),
    ]
)

SAMPLE_SPLIT: Final = pa.schema(
    [
        make_field("path", TEXT, False),
        make_field("category", NAMES, False),
        make_field("folder", TEXT, False),
        make_field("etag", TEXT, True),
        make_field("bucket", TEXT, False),
        make_field("dataset", TEXT, False),
        make_field("dataset_id", TEXT, False),
        make_field("reference", TEXT, False),
        make_field("content_id", TEXT, False),
        make_field("pixel_id", TEXT, False),
        make_field("item", TEXT, False, "key of the physical item, from uniqueness"),
        make_field("stratum", TEXT, False, "key of the stratum, from stratification"),
        make_field("leak_group", TEXT, False, "smallest path of what may not be divided"),
        make_field("purpose", TEXT, False, "train, devel, test, …"),
        make_field("assigned_by", TEXT, False, "ledger, given, new, duplicate"),
    ]
)

TFRECORD_SHARDS: Final = pa.schema(
    [
        make_field("purpose", TEXT, False),
        make_field("epoch", pa.int32(), False, "0-based; devel and test have epoch 0 only"),
        make_field("shard", pa.int32(), False, "0-based number of the file within its purpose, or a fold's part"),
        make_field("position", pa.int32(), False, "0-based place of the record in its shard"),
        make_field("file", TEXT, False, "file name of the shard"),
        make_field("offset", pa.int64(), False, "first byte of the record's frame in the file"),
        make_field("length", pa.int64(), False, "bytes of the tf.train.Example, frame not counted"),
        make_field("path", TEXT, False),
        make_field("content_id", TEXT, False),
        make_field("item", TEXT, False),
        make_field("group", TEXT, False, "sampling group"),
        make_field("label", pa.int64(), False, "index into the version's class names"),
        make_field(
            "ordinal", pa.int32(), False, "earlier draws of this content in this epoch; negative: a fold's plain photo"
        ),
        make_field("seed", pa.uint64(), False, "seed of the record's augmentation"),
        make_field("augmented", pa.bool_(), False),
        make_field("crc", pa.uint32(), False, "masked CRC-32C of the record, as in its frame"),
    ]
)


def sampling_weights_schema(groupby: list[str]) -> pa.Schema:
    """Schema of the weight table: one row per purpose and sampling group.

    Args:
        groupby: the columns that make a group; each becomes a text column of the table.
    """
    return pa.schema(
        [
            make_field("purpose", TEXT, False),
            make_field("group", TEXT, False, "the group's columns joined with ' / '"),
            *(make_field(column, TEXT, False) for column in groupby),
            make_field("samples", pa.int64(), False, "images in the group"),
            make_field("weight", pa.float64(), False, "of the group, by the preset; not normalised"),
            make_field("probability", pa.float64(), False, "sums to 1 within a purpose"),
            make_field("draws", pa.int64(), False, "draws in the first epoch"),
        ]
    )


def extend_schema(schema: pa.Schema, further: pa.Schema) -> pa.Schema:
    """The schema with those columns of another that it has not, behind its own."""
    return pa.schema([*schema, *(field for field in further if field.name not in schema.names)])


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
        # Nulls are looked for below, so that the message is ours.
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
    # Without folds there is nothing to tell apart.
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
