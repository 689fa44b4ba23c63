"""Records of an earlier version, taken over byte for byte where the plan asks for the very same ones.

What a record holds is settled by its row of the plan, above all by its seed, which belongs to one draw of one content,
and by settings and packages that the caller compares as a whole. So one new image in a hundred costs the augmentation
and encoding of its own records, and of the few others whose draws moved. Nothing is believed: a record's checksum is
computed anew on the way, and one that is damaged or gone is simply made again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import BrevPipelineError, ShardError
from brev_pipeline.record_features import RecordFeature
from brev_pipeline.records.example import decode_example
from brev_pipeline.records.record_reader import read_whole_shard
from brev_pipeline.store import Folder
from brev_pipeline.tables import LABEL_ID
from brev_pipeline.texts import TEXT
from brev_pipeline.tfrecord import FOOTER_BYTES, HEADER_BYTES, masked_crc

_SAME: Final = ["path", "content_id", "item", "label", "epoch", "augmented"]
_PLACE: Final = ["file", "offset", "length", "crc"]
_VECTOR: Final = "label/multi_hot"


@dataclass(frozen=True)
class PreviousRecords:
    """Records that were written from the same settings, by the same packages.

    Args:
        folder: the version's folder, which holds the shards.
        records: their table, schema `tables.TFRECORD_SHARDS`.
        compression: of the shards, none or gzip.
        labels: features of the version's labels.
    """

    folder: Folder
    records: pa.Table = field(repr=False)
    compression: str
    labels: tuple[RecordFeature, ...] = ()

    def has_features(self, wanted: Sequence[RecordFeature]) -> bool:
        """Whether these records have the features that are wanted of labels, and no others.

        Class names that were appended since leave the numbers of the others as they are.
        """
        return len(wanted) == len(self.labels) and all(
            now.classes[: len(before.classes)] == before.classes
            and replace(now, classes=(), description="") == replace(before, classes=(), description="")
            for before, now in zip(self.labels, wanted, strict=True)
        )

    def find_matches(self, plan: pa.Table) -> pa.Table:
        """Where each record of a plan lies: file, offset, length and crc, in the plan's order; null where nowhere."""
        # A seed belongs to one draw of one content: what it finds is the only row that can be the same.
        at = pc.index_in(plan["seed"], self.records["seed"].combine_chunks())
        labelled = [LABEL_ID.name] if LABEL_ID.name in self.records.column_names else []
        earlier = self.records.select([*_SAME, *_PLACE, *labelled]).take(at)
        same = pc.is_valid(earlier["file"])
        for name in _SAME:
            same = pc.and_(same, pc.fill_null(pc.equal(earlier[name], plan[name]), False))
        # A photo that nobody labelled has none: "" is no hash.
        before, now = (_read_label_ids(table) for table in (earlier, plan))
        same = pc.and_(same, pc.equal(before, now))
        return pa.table({name: pc.if_else(same, earlier[name], None) for name in _PLACE}).combine_chunks()


def _read_label_ids(table: pa.Table) -> pa.Array | pa.ChunkedArray:
    if LABEL_ID.name not in table.column_names:
        return pa.repeat(pa.scalar("", TEXT), table.num_rows)
    return pc.fill_null(table[LABEL_ID.name], "")


class RecordCopier:
    """Reads the earlier records of one shard: each file once, and only the part between its first and last record."""

    def __init__(self, folder: Folder, compression: str, matches: pa.Table) -> None:
        self._folder, self._compression = folder, compression
        matches = matches.drop_null()
        end = pc.add(pc.add(matches["offset"], matches["length"]), HEADER_BYTES + FOOTER_BYTES)
        spans = matches.append_column("end", end).group_by("file").aggregate([("offset", "min"), ("end", "max")])
        self._spans = {row["file"]: (row["offset_min"], row["end_max"]) for row in spans.to_pylist()}
        self._open: tuple[str, int, bytes] | None = None

    def copy_record(self, match: Mapping[str, Any], row: Mapping[str, Any]) -> bytes | None:
        """The record at a match, if it is there, undamaged, and the one that the plan's row asks for; else None."""
        try:
            start, data = self._read_span(match["file"])
        except BrevPipelineError:
            return None
        first = match["offset"] + HEADER_BYTES - start
        record = data[first : first + match["length"]]
        if len(record) != match["length"] or masked_crc(record) != match["crc"]:
            return None
        # Nearly always neither has a vector, and a search is quicker than to take the record apart.
        if row["multi_hot"] is None and _VECTOR.encode() not in record:
            return record
        try:
            return record if decode_example(record).get(_VECTOR) == row["multi_hot"] else None
        except ShardError:
            return None

    def _read_span(self, name: str) -> tuple[int, bytes]:
        """The part of a file that is needed, and where it begins; the last one is kept: places come file by file."""
        if self._open is None or self._open[0] != name:
            start, end = self._spans[name]
            if self._compression == "none":
                self._open = name, start, self._folder.read(name, start, end - start)
            else:
                self._open = name, 0, read_whole_shard(self._folder, name, self._compression)
        return self._open[1], self._open[2]
