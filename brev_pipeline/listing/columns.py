"""Columns: from what lies in a place to the table of its images, without a Python object per image."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter
from typing import Final
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.models import DatasetSettings, ListingSettings
from brev_pipeline.listing.classes import categories, folder_name, kept
from brev_pipeline.listing.folders import runs
from brev_pipeline.listing.names import are_images, count_others
from brev_pipeline.source.places import Place, S3Place, path_prefix
from brev_pipeline.tables import RAW_LISTING
from brev_pipeline.texts import NAMES, TEXT, joined, joined_names

# Rows that are described at once: bounds the memory for what is in between.
_ROWS: Final = 1 << 18
_UNRESERVED: Final = r"[^A-Za-z0-9_.~/-]"


LEFT_OUT: Final = pa.schema(
    [
        pa.field("key", TEXT),
        pa.field("etag", TEXT),
        pa.field("category", NAMES, metadata={"description": "all class names, by class_mapping"}),
        pa.field("rule", TEXT, metadata={"description": "see account.LEFT_OUT_RULES"}),
        pa.field("reason", TEXT),
    ]
)


@dataclass(frozen=True)
class Images:
    """Those objects of a place that are images of a wanted class, sorted by key."""

    objects: pa.Table
    """Columns key (relative to what is listed), etag, size, modified, and what else the place tells of them."""
    folder: pa.Array
    """Name of the leaf folder."""
    category: pa.Array
    """Class names, lists of text."""
    left_out: pa.Table
    """Images that are refused, or of no wanted class: columns of `LEFT_OUT`."""
    others: Counter[str]
    """Files that are no images, see `count_others`."""


def choose(objects: pa.Table, settings: ListingSettings) -> list[Images]:
    """The images among ``objects``, in pieces; concatenated, they are sorted by key.

    Args:
        objects: columns key, etag, size, modified; keys relative to what is listed, each once. Where there are columns
            rule and reason, what has them is refused.
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
        "file_stamp": _column_or_null(objects, "file_stamp"),
    }
    return pa.Table.from_arrays([columns[name] for name in RAW_LISTING.names], schema=RAW_LISTING)


def _choose(objects: pa.Table, settings: ListingSettings) -> Images:
    wanted = are_images(_column(objects, "key"), settings.sample_filter)
    rest = _filtered(objects, pc.invert(wanted))
    others = count_others(_column(rest, "key"), _column_or_null(rest, "reason"))
    objects, refused = _refused(_filtered(objects, wanted), settings)
    found = runs(_column(objects, "key"))
    described = {run.folder: kept(categories(run.folder, settings.class_mapping), settings.classes) for run in found}
    counts = np.array([run.keys for run in found], np.int64)
    of_class = np.array([bool(described[run.folder]) for run in found], np.bool_)
    if not of_class.all():
        kept_rows = np.repeat(of_class, counts)
        refused = pa.concat_tables([refused, _of_other_classes(objects.filter(pa.array(~kept_rows)), settings)])
        objects = _filtered(objects, pa.array(kept_rows))
        found = [run for run in found if described[run.folder]]
        counts = counts[of_class]
    names = pa.array([folder_name(run.folder) for run in found], TEXT)
    lists = pa.array([described[run.folder] for run in found], NAMES)
    rows = pa.array(np.repeat(np.arange(len(found)), counts))
    return Images(objects, names.take(rows), lists.take(rows), refused, others)


def _refused(images: pa.Table, settings: ListingSettings) -> tuple[pa.Table, pa.Table]:
    """The images that may be read, and those that may not: columns of `LEFT_OUT`."""
    rule, reason = _column_or_null(images, "rule"), _column_or_null(images, "reason")
    size = _column(images, "size")
    too_large = pc.and_(pc.is_null(rule), pc.greater(size, settings.max_object_bytes))
    stays = pc.and_not(pc.is_null(rule), too_large)
    if pc.all(stays, min_count=0).as_py():
        return images, LEFT_OUT.empty_table()
    limit = f"more than listing.max_object_mb allows ({settings.max_object_mb:g})"
    sizes = pa.array([f"{one:,} bytes, {limit}" for one in size.filter(too_large).to_pylist()], TEXT)
    rule = pc.if_else(too_large, "object_too_large", rule)
    reason = pc.replace_with_mask(reason, too_large, sizes)
    out = pc.invert(stays)
    return images.filter(stays).combine_chunks(), _left_out(
        images.filter(out), settings, rule.filter(out), reason.filter(out)
    )


def _of_other_classes(images: pa.Table, settings: ListingSettings) -> pa.Table:
    """Images of no wanted class: columns of `LEFT_OUT`."""
    nothing = pa.nulls(images.num_rows, TEXT)
    table = _left_out(images, settings, pc.fill_null(nothing, "class_filter"), nothing)
    names = joined_names(table["category"], ", ")
    return table.set_column(4, LEFT_OUT.field("reason"), joined("not among listing.classes: ", names, by=""))


def _left_out(images: pa.Table, settings: ListingSettings, rule: pa.Array, reason: pa.Array) -> pa.Table:
    own = images.combine_chunks()
    found = runs(_column(own, "key"))
    lists = pa.array([categories(run.folder, settings.class_mapping) for run in found], NAMES)
    rows = pa.array(np.repeat(np.arange(len(found)), [run.keys for run in found]))
    columns = [_column(own, "key"), _column(own, "etag"), lists.take(rows), rule, reason]
    return pa.Table.from_arrays(columns, schema=LEFT_OUT)


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


def _column_or_null(table: pa.Table, name: str) -> pa.Array:
    """The column as one array; nulls where the place tells no such thing."""
    return _column(table, name) if name in table.column_names else pa.nulls(table.num_rows, TEXT)


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
