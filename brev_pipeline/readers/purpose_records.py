"""What there is to read of one purpose of a version: its rows of the record table, and what is common to them."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import ConfigError, ReadError, ShardError
from brev_pipeline.readers.find_version import Manifest, read_checked_file
from brev_pipeline.readers.label_fields import LabelFields
from brev_pipeline.readers.pixels import PixelDecoder
from brev_pipeline.readers.samples import ALIASES, FIELDS, MULTI_HOT, SampleReader
from brev_pipeline.readers.stored_records import StoredRecords
from brev_pipeline.record_features import LABEL_FEATURES, RecordFeature, parse_features
from brev_pipeline.records.example import decode_example
from brev_pipeline.records.schema import SHAPE_COLUMNS, ImageShape, RecordLayout, find_image_shape
from brev_pipeline.rescaling import Rescale, rescale_factors
from brev_pipeline.store import Folder, Version
from brev_pipeline.store.parquet import from_parquet


class PurposeRecords:
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
    def shard_settings(self) -> dict[str, Any]:
        """The configuration's section `ShardSettings`."""
        section: dict[str, Any] = self.manifest["configuration"]["shards"]
        return section

    @property
    def class_names(self) -> list[str]:
        """Class names; a label is an index into them."""
        return list(self.manifest["classes"])

    @cached_property
    def epoch_count(self) -> int:
        """Epochs that are written."""
        return int(pc.max(self.table["epoch"]).as_py()) + 1

    @cached_property
    def image_shape(self) -> ImageShape:
        """Of the images. Raises `ReadError` where they differ in channels or frames."""
        data = read_checked_file(self.version, self.manifest, "images.parquet")
        images = from_parquet(data, self.folder.file_url("images.parquet"), SHAPE_COLUMNS)
        try:
            return find_image_shape(images, self.table["content_id"])
        except ShardError as error:
            raise ReadError(f"{error} of one purpose: read them one by one") from error

    @cached_property
    def is_multi_label(self) -> bool:
        """Whether the records have multi-hot labels."""
        # All of a version have them, or none: one record tells.
        return MULTI_HOT in decode_example(self._read_stored(self.table.slice(0, 1)).read_record(0))

    def file_size(self, name: str) -> int:
        """Bytes of a file, by the manifest."""
        return int(self.manifest["files"][name]["bytes"])

    @cached_property
    def layout(self) -> RecordLayout:
        """What the records hold.

        Raises:
            ReadError: another release of this package wrote labels that this one does not know.
        """
        is_time_series = self.image_shape.frames is not None
        return RecordLayout(self.shard_settings["encoding"], self.is_multi_label, is_time_series, self.label_features)

    @cached_property
    def label_features(self) -> tuple[RecordFeature, ...]:
        """The features of the version's labels.

        Raises:
            ReadError: another release of this package wrote them, in a way that this one does not know.
        """
        try:
            return parse_features(self.manifest.get(LABEL_FEATURES, ()))
        except TypeError as error:
            raise ReadError(
                f"{self.version.path} has labels that this package does not know ({error}): use the brev-pipeline that "
                "wrote it (its version stands in the manifest)"
            ) from error

    def make_label_fields(self, pad: int | None = None) -> LabelFields:
        """The fields of the version's labels.

        Args:
            pad: objects that each record is filled up to; None: not at all.

        Raises:
            ReadError: there is no such number of objects.
        """
        if pad is not None and pad < 0:
            raise ReadError(f"pad_objects is how many objects a record is filled up to, or None; got {pad}")
        # Without labels no image table is read for them.
        shape = self.image_shape if self.label_features else ImageShape(None, None, None, 1)
        return LabelFields(self.label_features, shape, pad)

    def choose_fields(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """The fields that are meant, names out of `FIELDS` and of labels; None means all that the records have.

        Raises:
            ReadError: a name is unknown, or the records do not have it.
        """
        labels = self.make_label_fields()
        whole = (*(name for name in FIELDS if self.is_multi_label or name != MULTI_HOT), *labels.names)
        if names is None:
            return whole
        there = (*whole, *labels.parts)
        if isinstance(names, str) or not names:
            raise ReadError(f"fields is a sequence of names such as ('image', 'label'), not {names!r}")
        names = [ALIASES.get(name, name) for name in names]
        if unknown := [name for name in names if name not in there]:
            raise ReadError(f"the records have no field {', '.join(map(repr, unknown))}; they have {', '.join(there)}")
        return tuple(names)

    def choose_rescale(self, rescale: Rescale) -> Rescale:
        """The rescaling that is meant.

        Raises:
            ReadError: there is none of that name, or not of such images.
        """
        try:
            rescale_factors(rescale, self.image_shape.channels)
        except ConfigError as error:
            raise ReadError(str(error)) from error
        return rescale

    def select_epoch(self, epoch: int) -> pa.Table:
        """The rows of a written epoch.

        Raises:
            ReadError: there is no such epoch.
        """
        if not 0 <= epoch < self.epoch_count:
            raise ReadError(
                f"there is no epoch {epoch}: {self.epoch_count} written (0..{self.epoch_count - 1}); "
                "shards.epochs says how many"
            )
        return self.table.filter(pc.equal(self.table["epoch"], epoch)).combine_chunks()

    def make_samples(
        self,
        rows: pa.Table,
        fields: Sequence[str] | None,
        rescale: Rescale,
        *,
        as_dict: bool,
        pad: int | None = None,
    ) -> SampleReader:
        """What makes samples of some rows; see `SampleReader` and `make_label_fields`.

        Raises:
            ReadError: there is no such field, rescaling or number of objects.
        """
        names = self.choose_fields(fields)
        decoder = PixelDecoder(self.shard_settings["encoding"], self.image_shape, self.choose_rescale(rescale))
        labels = self.make_label_fields(pad)
        return SampleReader(self._read_stored(rows), rows, names, decoder, labels, as_dict=as_dict)

    def _read_stored(self, rows: pa.Table) -> StoredRecords:
        return StoredRecords(self.folder, rows, self.shard_settings["compression"])
