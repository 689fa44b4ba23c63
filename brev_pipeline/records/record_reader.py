"""Reading records back, one or all, with every checksum checked: for ``verify``, and for tests."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import pyarrow as pa

from brev_pipeline.errors import ShardError
from brev_pipeline.frames import Pixels
from brev_pipeline.record_features import RecordFeature
from brev_pipeline.records.encodings import ENCODINGS
from brev_pipeline.records.example import Values, decode_example
from brev_pipeline.records.schema import RECORD_FEATURES
from brev_pipeline.store import Folder
from brev_pipeline.tables import iterate_rows
from brev_pipeline.tfrecord import FOOTER_BYTES, HEADER_BYTES, iterate_frames, read_frame

_FEATURES: Final = {feature.name: feature for feature in RECORD_FEATURES}


def read_record(
    folder: Folder, row: Mapping[str, Any], compression: str = "none", labels: Sequence[RecordFeature] = ()
) -> dict[str, Any]:
    """Read one record by its row of the record table; without compression, only its own bytes are fetched.

    Args:
        folder: where the shards lie.
        row: file, offset, length and crc of `tables.TFRECORD_SHARDS`.
        compression: of the shards, none or gzip.
        labels: features of the version's labels.

    Returns:
        Feature → bytes, text, number, or list of numbers, as `RECORD_FEATURES` and ``labels`` describe them.

    Raises:
        ShardError: the record is damaged, or is not the one that the row was written for.
        StoreError: the file cannot be read, or is too short.
    """
    place = folder.file_url(row["file"])
    if compression == "gzip":
        record, crc = read_frame(read_whole_shard(folder, row["file"], compression), row["offset"], place)
    else:
        size = HEADER_BYTES + row["length"] + FOOTER_BYTES
        record, crc = read_frame(folder.read(row["file"], row["offset"], size), 0, f"{place} from byte {row['offset']}")
    _check_same(row, (row["offset"], len(record), crc), place)
    return _decode_features(record, _by_name(labels))


def iterate_records(
    folder: Folder, table: pa.Table, compression: str = "none", labels: Sequence[RecordFeature] = ()
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Read all records of a record table in order, each file once.

    Args:
        folder: where the shards lie.
        table: `tables.TFRECORD_SHARDS`, in its order.
        compression: of the shards, none or gzip.
        labels: features of the version's labels.

    Yields:
        A row of the table, and its record as from `read_record`.

    Raises:
        ShardError: a record is damaged, missing, or not the one that its row was written for; or a file holds more.
        StoreError: a file cannot be read.
    """
    known = _by_name(labels)
    for file, rows in groupby(iterate_rows(table), key=lambda row: row["file"]):
        place = folder.file_url(file)
        frames = iterate_frames(read_whole_shard(folder, file, compression), place)
        for row in rows:
            offset, record, crc = next(frames, (-1, b"", 0))
            _check_same(row, (offset, len(record), crc), place)
            yield row, _decode_features(record, known)
        if (more := next(frames, None)) is not None:
            raise ShardError(
                f"{place} holds more records than are in the table, the first at byte {more[0]}; restore the file"
            )


def decode_record_pixels(record: Mapping[str, Any]) -> Pixels:
    """Decode a record's image: uint8 (height, width, channels), RGB or grey; a time series has its frames in front.

    Raises:
        ShardError: the image cannot be decoded, or has another shape than the record says.
    """
    height, width, channels = (record[f"image/{side}"] for side in ("height", "width", "channels"))
    frames = record.get("image/frames", 1)
    name = record["image/format"]
    try:
        encoding = ENCODINGS[name]
        image = encoding.decode_pixels(record[f"image/{encoding.stored_as}"])
    except (KeyError, ShardError) as error:
        raise ShardError(f"the record of {record['path']} holds no {name} image") from error
    if image.size != frames * height * width * channels or (image.ndim > 1 and image.shape[1] != width):
        shape = (frames, height, width, channels)
        raise ShardError(f"the record of {record['path']} does not hold pixels of shape {shape}, as it says")
    return image.reshape(*([frames] if "image/frames" in record else []), height, width, channels)


def read_whole_shard(folder: Folder, file: str, compression: str) -> bytes:
    """All bytes of a shard, uncompressed. Raises `ShardError` where it is not a whole gzip file."""
    data = folder.read(file)
    if compression == "none":
        return data
    try:
        return zlib.decompress(data, 31)  # 16 + 15: a gzip header and the largest window
    except zlib.error as error:
        raise ShardError(f"{folder.file_url(file)} is not a whole gzip file: {error}; restore it") from error


def _check_same(row: Mapping[str, Any], found: tuple[int, int, int], place: str) -> None:
    recorded = (row["offset"], row["length"], row["crc"])
    if found != recorded:
        raise ShardError(
            f"{place}: the record table says (offset, length, crc) = {recorded}, the file has {found}; "
            "one of the two was changed after they were written; `brev-pipeline verify` names all"
        )


def _by_name(labels: Sequence[RecordFeature]) -> dict[str, RecordFeature]:
    return _FEATURES | {feature.name: feature for feature in labels}


def _decode_features(data: bytes, known: Mapping[str, RecordFeature]) -> dict[str, Any]:
    return {name: _convert_value(name, known.get(name), values) for name, values in decode_example(data).items()}


def _convert_value(name: str, feature: RecordFeature | None, values: Values) -> Any:
    if feature is None:
        raise ShardError(
            f"the record has a feature {name!r} that this version of the package does not know: read it with the one "
            "that wrote it"
        )
    if feature.stored == "several" or feature.sequence:
        return values
    if len(values) != 1:
        raise ShardError(f"the record has {len(values)} values of {name!r} where there should be 1")
    value = values[0]
    if isinstance(value, bytes):
        return value.decode() if feature.kind == "text" else value
    return int(value) % 2**64 if feature.kind == "uint64" else value
