"""Columns: from what lies in a place to the table of its images, without a Python object per image."""

from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter
from typing import Final
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.models import DatasetSettings, ListingSettings
from brev_pipeline.listing.classes import categories, folder_name, kept
from brev_pipeline.listing.folders import runs
from brev_pipeline.listing.names import are_images
from brev_pipeline.source.places import Place, S3Place, path_prefix
from brev_pipeline.tables import RAW_LISTING
from brev_pipeline.texts import NAMES, TEXT, joined

# Rows that are described at once: bounds the memory for what is in between.
_ROWS: Final = 1 << 18
_UNRESERVED: Final = r"[^A-Za-z0-9_.~/-]"


@dataclass(frozen=True)
class Images:
    """Those objects of a place that are images of a wanted class, sorted by key."""

    objects: pa.Table
    """Columns key (relative to the dataset's root), etag, size, modified."""
    folder: pa.Array
    """Name of the leaf folder."""
    category: pa.Array
    """Class names, lists of text."""
    left_out: pa.Table | None = None
    """Images of no wanted class: key, etag, and category, all of their class names; None: there are none."""


def choose(objects: pa.Table, settings: ListingSettings) -> list[Images]:
    """The images among ``objects``, in pieces; concatenated, they are sorted by key.

    Args:
        objects: columns key, etag, size, modified; keys relative to the dataset's root, each once.
        settings: what counts as an image, and what class it is.
    """
    pieces = _sorted(objects).combine_chunks().to_batches(max_chunksize=_ROWS)
    return [_choose(pa.Table.from_batches([piece]).combine_chunks(), settings) for piece in pieces]


def raw_listing(
    images: Images, dataset: DatasetSettings, place: Place, url_template: str, etag_source: pa.Array
) -> pa.Table:
    """The rows of ``raw_listing`` for a piece of a dataset's images: schema `tables.RAW_LISTING`.

    Args:
        images: the piece.
        dataset: names the dataset.
        place: where it lies, or the folder in it that was listed.
        url_template: address for people, see `ListingSettings.url_template`. On S3 ``{bucket}`` is the bucket's bare
            name and ``{key}`` the object's whole key; of a local folder they are the folder and the name in it.
        etag_source: per row: s3, md5, none.
    """
    objects = images.objects.combine_chunks()
    keys, count = _column(objects, "key"), objects.num_rows
    paths = _before(path_prefix(place.bucket), keys)
    columns = {
        "category": images.category,
        "folder": images.folder,
        "path": paths,
        "etag": _column(objects, "etag"),
        "bucket": pa.repeat(dataset.bucket, count),
        "dataset": pa.repeat(dataset.name, count),
        "dataset_id": pa.repeat(dataset.id, count),
        "reference": pa.repeat(dataset.reference, count),
        "url": _urls(url_template, place, keys, paths),
        "size": _column(objects, "size"),
        "modified": _column(objects, "modified"),
        "etag_source": etag_source,
    }
    return pa.Table.from_arrays([columns[name] for name in RAW_LISTING.names], schema=RAW_LISTING)


def _choose(objects: pa.Table, settings: ListingSettings) -> Images:
    wanted = are_images(_column(objects, "key"), settings.sample_filter)
    objects = _filtered(objects, wanted)
    found = runs(_column(objects, "key"))
    described = {run.folder: kept(categories(run.folder, settings.class_mapping), settings.classes) for run in found}
    counts = np.array([run.keys for run in found], np.int64)
    of_class = np.array([bool(described[run.folder]) for run in found], np.bool_)
    left_out = None
    if not of_class.all():
        left_out = _left_out(objects, np.repeat(of_class, counts), settings)
        objects = _filtered(objects, pa.array(np.repeat(of_class, counts)))
        found = [run for run in found if described[run.folder]]
        counts = counts[of_class]
    names = pa.array([folder_name(run.folder) for run in found], TEXT)
    lists = pa.array([described[run.folder] for run in found], NAMES)
    rows = pa.array(np.repeat(np.arange(len(found)), counts))
    return Images(objects, names.take(rows), lists.take(rows), left_out)


def _left_out(objects: pa.Table, of_class: npt.NDArray[np.bool_], settings: ListingSettings) -> pa.Table:
    own = objects.filter(pa.array(~of_class)).combine_chunks()
    found = runs(_column(own, "key"))
    lists = pa.array([categories(run.folder, settings.class_mapping) for run in found], NAMES)
    rows = pa.array(np.repeat(np.arange(len(found)), [run.keys for run in found]))
    return own.select(["key", "etag"]).append_column("category", lists.take(rows))


def _sorted(objects: pa.Table) -> pa.Table:
    keys = objects["key"]
    if pc.all(pc.less(keys[:-1], keys[1:]), min_count=0).as_py():
        return objects
    return objects.take(pc.sort_indices(keys))


def _filtered(table: pa.Table, mask: pa.Array) -> pa.Table:
    return table if pc.all(mask, min_count=0).as_py() else table.filter(mask).combine_chunks()


def _column(table: pa.Table, name: str) -> pa.Array:
    """The column as one array; the table has at most one chunk."""
    column = table[name]
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _before(prefix: str, texts: pa.Array) -> pa.Array:
    return pc.binary_replace_slice(texts, 0, 0, prefix)


def _urls(template: str, place: Place, keys: pa.Array, paths: pa.Array) -> pa.Array:
    bucket, prefix = (place.name, place.prefix) if isinstance(place, S3Place) else (place.bucket, "")
    full = _before(prefix, keys)
    fields: dict[str, Callable[[], pa.Array | pa.Scalar]] = {
        "path": lambda: paths,
        "bucket": lambda: pa.scalar(bucket, TEXT),
        "key": lambda: full,
        "quoted_key": lambda: _quoted(full),
    }
    if any(spec or conversion for _, field, spec, conversion in Formatter().parse(template) if field is not None):
        values = zip(paths.to_pylist(), full.to_pylist(), _quoted(full).to_pylist(), strict=True)
        return pa.array([template.format(path=p, bucket=bucket, key=k, quoted_key=q) for p, k, q in values], TEXT)
    if template == "{path}":
        return paths
    parts: list[pa.Array | pa.Scalar | str] = []
    for text, field, _, _ in Formatter().parse(template):
        parts.append(text)
        parts += [fields[field]()] if field else []
    url = joined(*parts, by="")
    return url if isinstance(url, pa.Array) else pa.repeat(url, len(keys))


def _quoted(keys: pa.Array) -> pa.Array:
    """Keys percent-encoded for a URL's path; slashes stay."""
    odd = pc.match_substring_regex(keys, _UNRESERVED)
    if not pc.any(odd, min_count=0).as_py():
        return keys
    return pc.replace_with_mask(keys, odd, pa.array([quote(key) for key in keys.filter(odd).to_pylist()], TEXT))
