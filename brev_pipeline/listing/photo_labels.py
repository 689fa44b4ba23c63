"""Photo labels: what the sources of a dataset's `labels` say of its photos, read while it is listed."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import DatasetSettings, ListingSettings
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.labels.findings import LabelFindings
from brev_pipeline.labels.read import find_label_files, label_schema, read_labels
from brev_pipeline.listing.checksums import add_checksums
from brev_pipeline.listing.image_filter import are_images
from brev_pipeline.listing.image_table import SAID_CATEGORY
from brev_pipeline.storage import LocalPlace, Place, Sources
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline.storage.places import object_key, path_prefix
from brev_pipeline.tables import extend_schema
from brev_pipeline.texts import NAMES, TEXT


@dataclass(frozen=True)
class PhotoLabels:
    """The labels of a dataset."""

    objects: pa.Table
    """What lies there besides the label files; with `SAID_CATEGORY`, where labels say classes."""
    files: pa.Table
    """The label files, as they lie there; with checksums, where those were asked for."""
    rows: pa.Table
    """Of each photo: path, and the columns of `labels.read.label_schema`; without rows where nothing was read."""
    findings: LabelFindings

    def join_columns(self, listing: pa.Table) -> pa.Table:
        """The rows of ``raw_listing``, with what the labels say of each."""
        at = pc.index_in(listing["path"], value_set=self.rows["path"].combine_chunks())
        for field in self.rows.schema:
            if field.name not in ("path", "category"):
                listing = listing.append_column(field, self.rows[field.name].combine_chunks().take(at))
        return listing


def read_photo_labels(
    dataset: DatasetSettings,
    objects: pa.Table,
    place: Place,
    settings: ListingSettings,
    sources: Sources,
    known: pa.Table | None,
    *,
    whole: bool,
) -> PhotoLabels:
    """Take the label files out of what lies in a dataset, and read them.

    Args:
        dataset: with sources under ``labels``.
        objects: all that lies in it, keys relative to it.
        place: where that is.
        settings: say which objects are images.
        sources: read label files.
        known: as of `datasets.list_datasets`: local masks that have not changed are not read for their MD5.
        whole: whether label files are read, and local ones get their MD5; without it only what says classes is read.

    Raises:
        LabelError: labels cannot be read as configured.
    """
    images = objects.filter(are_images(objects["key"].combine_chunks(), settings.sample_filter)).select(["key"])
    is_file = pc.is_in(objects["key"], value_set=find_label_files(dataset, images, objects))
    files, rest = objects.filter(is_file), objects.filter(pc.invert(is_file))
    photos = images.filter(pc.invert(pc.is_in(images["key"], value_set=files["key"].combine_chunks())))
    prefix = path_prefix(dataset.bucket)
    if whole and isinstance(place, LocalPlace):
        paths = pc.binary_replace_slice(files["key"], 0, 0, prefix)
        files = add_checksums(place, files, paths, known)
    if not whole:
        dataset = dataset.model_copy(update={"labels": [one for one in dataset.labels if one.says_classes]})
    if not dataset.labels:
        return PhotoLabels(rest, files, _nothing(dataset), LabelFindings())

    given = "md5" if isinstance(place, LocalPlace) else "s3"

    def fetch(files: pa.Table) -> Iterator[tuple[str, bytes | BrevPipelineError]]:
        wanted = zip(files["key"].to_pylist(), files["etag"].to_pylist(), strict=True)
        rows = [
            SourceRow(prefix + key, dataset.bucket, etag, given if etag else "none", "unread-") for key, etag in wanted
        ]
        for row, data in sources.fetch_many(rows):
            yield object_key(dataset.bucket, row.path), data

    labels = read_labels(dataset, photos, pa.concat_tables([rest, files]), fetch)
    rows = labels.rows.set_column(0, "path", pc.binary_replace_slice(labels.rows["key"], 0, 0, prefix))
    if "category" in rows.column_names:
        at = pc.index_in(rest["key"], value_set=labels.rows["key"].combine_chunks())
        rest = rest.append_column(SAID_CATEGORY, rows["category"].combine_chunks().take(at).cast(NAMES))
    return PhotoLabels(rest, files, rows if whole else _nothing(dataset), labels.findings)


def _nothing(dataset: DatasetSettings) -> pa.Table:
    return extend_schema(pa.schema([("path", TEXT)]), label_schema(dataset.labels)).empty_table()
