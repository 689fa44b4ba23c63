"""What there is to read of one purpose of a version: its rows of the record table, and what is common to them."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import ReadError
from brev_pipeline.readers.checked import Manifest, checked_file
from brev_pipeline.readers.fields import SEVERAL, demand_fields
from brev_pipeline.readers.pixels import PixelDecoder
from brev_pipeline.readers.samples import Samples
from brev_pipeline.readers.shape import COLUMNS, Shape, shape_of
from brev_pipeline.readers.stored import StoredRecords
from brev_pipeline.rescaling import Rescale
from brev_pipeline.store import Folder, Version
from brev_pipeline.store.parquet import from_parquet


class Contents:
    """The rows of one purpose.

    Args:
        version: where the records lie.
        manifest: of the version, checked.
        table: the purpose's rows of the record table, in its order.
    """

    def __init__(self, version: Version, manifest: Manifest, table: pa.Table) -> None:
        self.version, self.manifest, self.table = version, manifest, table

    @property
    def folder(self) -> Folder:
        """The version's folder."""
        return self.version.folder

    @property
    def shards(self) -> dict[str, Any]:
        """The configuration's section `ShardSettings`."""
        section: dict[str, Any] = self.manifest["configuration"]["shards"]
        return section

    @property
    def classes(self) -> list[str]:
        """Class names; a label is an index into them."""
        return list(self.manifest["classes"])

    @cached_property
    def epochs(self) -> int:
        """Epochs that are written."""
        return int(pc.max(self.table["epoch"]).as_py()) + 1

    @cached_property
    def shape(self) -> Shape:
        """Of the images."""
        name = "images.parquet"
        data = checked_file(self.version, self.manifest, name)
        return shape_of(from_parquet(data, self.folder.place(name), COLUMNS), self.table["content_id"])

    @cached_property
    def several(self) -> bool:
        """Whether the records have multi-hot labels: all of a version have them, or none."""
        from brev_pipeline.records.example import decode_example

        return SEVERAL in decode_example(self._stored(self.table.slice(0, 1)).one(0))

    def size(self, name: str) -> int:
        """Bytes of a file, by the manifest."""
        return int(self.manifest["files"][name]["bytes"])

    def fields(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """The fields that are meant; see `demand_fields`."""
        return demand_fields(names, several=self.several)

    def of_epoch(self, epoch: int) -> pa.Table:
        """The rows of a written epoch.

        Raises:
            ReadError: there is no such epoch.
        """
        if not 0 <= epoch < self.epochs:
            raise ReadError(
                f"there is no epoch {epoch}: {self.epochs} written (0..{self.epochs - 1}); shards.epochs says how many"
            )
        return self.table.filter(pc.equal(self.table["epoch"], epoch)).combine_chunks()

    def samples(self, rows: pa.Table, fields: Sequence[str] | None, rescale: Rescale, *, as_dict: bool) -> Samples:
        """What makes samples of some rows; see `Samples`.

        Raises:
            ReadError: there is no such field or rescaling.
        """
        names = self.fields(fields)
        decoder = PixelDecoder(self.shards["encoding"], self.shape, rescale)
        return Samples(self._stored(rows), rows, names, decoder, as_dict=as_dict)

    def _stored(self, rows: pa.Table) -> StoredRecords:
        return StoredRecords(self.folder, rows, self.shards["compression"])
