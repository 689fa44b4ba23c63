"""Image table: from the objects of a place to the table of its images, without a Python object per image."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter
from typing import Final
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import DatasetSettings, ListingSettings
from brev_pipeline.listing.image_filter import UnlistedKind, are_images, count_unlisted
from brev_pipeline.listing.path_classes import (
    ClassNameCounts,
    ClassRules,
    classify_keys,
    explain_class_filter,
    filter_classes,
    find_folder_runs,
    folder_name,
    replace_classes,
)
from brev_pipeline.storage.places import Place, S3Place, path_prefix
from brev_pipeline.tables import RAW_LISTING
from brev_pipeline.texts import NAMES, TEXT, join_texts

# Rows that are described at once: bounds the memory for what is in between.
_ROWS_AT_ONCE: Final = 1 << 18
SAID_CATEGORY: Final = "said_category"
"""Column of objects: the classes that labels say of them; null where they say none."""
_UNRESERVED: Final = r"[^A-Za-z0-9_.~/-]"


LEFT_OUT: Final = pa.schema(
    [
        pa.field("key", TEXT),
        pa.field("etag", TEXT),
        pa.field("category", NAMES, metadata={"description": "all class names, by class_mapping"}),
        pa.field("rule", TEXT, metadata={"description": "see exclusions.LEFT_OUT_RULES"}),
        pa.field("reason", TEXT),
    ]
)


@dataclass(frozen=True)
class ListedImages:
    """Those objects of a place that are images of a wanted class, sorted by key."""

    objects: pa.Table
    """Columns key (relative to what is listed), etag, size, modified, and what else the place tells of them."""
    folder: pa.Array
    """Name of the leaf folder."""
    category: pa.Array
    """Class names, lists of text."""
    left_out: pa.Table
    """Images that are refused, or of no wanted class: columns of `LEFT_OUT`."""
    names: ClassNameCounts
    """The names that say the class, in these images and in those left out."""
    unlisted: Counter[UnlistedKind]
    """Files that are not listed, see `count_unlisted`."""


def select_images(objects: pa.Table, settings: ListingSettings) -> list[ListedImages]:
    """The images among ``objects``, in pieces; concatenated, they are sorted by key.

    Objects have the columns key (relative to what is listed, each once), etag, size and modified; where there are
    columns rule and reason too, what has them is refused; where there is `SAID_CATEGORY`, it counts before the path.
    """
    namer = ClassRules(settings)
    pieces = sort_by_column(objects, "key").combine_chunks().to_batches(max_chunksize=_ROWS_AT_ONCE)
    return [_select_piece(pa.Table.from_batches([piece]).combine_chunks(), settings, namer) for piece in pieces]


def build_raw_listing(
    images: ListedImages, dataset: DatasetSettings, place: Place, url_template: str, etag_source: pa.Array
) -> pa.Table:
    """The rows of ``raw_listing`` for a piece of a dataset's images: schema `tables.RAW_LISTING`.

    ``place`` is where the dataset lies, or the folder in it that was listed. For ``url_template`` see
    `ListingSettings.url_template`: on S3 ``{bucket}`` is the bucket's bare name and ``{key}`` the object's whole key;
    of a local folder they are the folder and the name in it. ``etag_source`` is per row s3, md5 or none.
    """
    objects = images.objects.combine_chunks()
    keys, count = _column(objects, "key"), objects.num_rows
    paths = pc.binary_replace_slice(keys, 0, 0, path_prefix(place.bucket))
    columns = {
        "category": images.category,
        "folder": images.folder,
        "path": paths,
        "bucket": pa.repeat(dataset.bucket, count),
        "dataset": pa.repeat(dataset.name, count),
        "dataset_id": pa.repeat(dataset.id, count),
        "reference": pa.repeat(dataset.reference, count),
        "url": _build_urls(url_template, place, keys, paths),
        "etag_source": etag_source,
        **{name: _column(objects, name) for name in ("etag", "size", "modified")},
        "file_stamp": _column_or_null(objects, "file_stamp"),
    }
    return pa.Table.from_arrays([columns[name] for name in RAW_LISTING.names], schema=RAW_LISTING)


def _select_piece(objects: pa.Table, settings: ListingSettings, namer: ClassRules) -> ListedImages:
    wanted = are_images(_column(objects, "key"), settings.sample_filter)
    others = _filter_rows(objects, pc.invert(wanted))
    objects = _filter_rows(objects, wanted)
    runs = find_folder_runs(_column(objects, "key"))
    described, names = classify_keys(_column(objects, "key"), runs, namer), ClassNameCounts()
    if SAID_CATEGORY in objects.column_names:
        described = replace_classes(described, _column(objects, SAID_CATEGORY), namer)
    names.add_keys(described)
    rows, lists = described.rows, [filter_classes(named.categories, namer.classes) for named in described.classes]
    folders = np.repeat(np.arange(len(runs)), [run.keys for run in runs])
    categories = [named.categories for named in described.classes]
    stays, left_out = _find_left_out(objects, settings, categories, lists, rows)
    if left_out.num_rows:
        objects, rows, folders = objects.filter(pa.array(stays)).combine_chunks(), rows[stays], folders[stays]
    return ListedImages(
        objects,
        pa.array([folder_name(run.folder) for run in runs], TEXT).take(pa.array(folders)),
        pa.array(lists, NAMES).take(pa.array(rows)),
        left_out,
        names,
        count_unlisted(others, left_out),
    )


def _find_left_out(
    images: pa.Table,
    settings: ListingSettings,
    categories: list[list[str]],
    lists: list[list[str]],
    rows: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.bool_], pa.Table]:
    """(images,) which are listed; and those that are not: columns of `LEFT_OUT`.

    ``rows`` (images,) says which of the ``categories`` each image has, and of ``lists``, those of them that are wanted.
    """
    rule, reason = _column_or_null(images, "rule"), _column_or_null(images, "reason")
    size = _column(images, "size")
    too_large = pc.and_(pc.is_null(rule), pc.greater(size, settings.max_object_bytes))
    of_class = np.ones(len(lists), np.bool_) if settings.classes is None else np.array(list(map(bool, lists)), np.bool_)
    if of_class.all() and pc.all(pc.and_not(pc.is_null(rule), too_large), min_count=0).as_py():
        return np.ones(len(rows), np.bool_), LEFT_OUT.empty_table()
    other = pa.array(~of_class[rows]) if len(lists) else pa.nulls(0, pa.bool_())
    other = pc.and_(other, pc.and_not(pc.is_null(rule), too_large))
    limit = f"more than listing.max_object_mb allows ({settings.max_object_mb:g})"
    sizes = pa.array([f"{one:,} bytes, {limit}" for one in size.filter(too_large).to_pylist()], TEXT)
    rule = pc.if_else(too_large, "object_too_large", pc.if_else(other, "class_filter", rule))
    reason = pc.replace_with_mask(reason, too_large, sizes)
    reason = pc.if_else(other, pa.array(list(map(explain_class_filter, categories)), TEXT).take(pa.array(rows)), reason)
    out = rule.is_valid()
    columns = [_column(images, "key"), _column(images, "etag"), pa.array(categories, NAMES).take(pa.array(rows))]
    table = pa.Table.from_arrays([column.filter(out) for column in (*columns, rule, reason)], schema=LEFT_OUT)
    return ~out.to_numpy(zero_copy_only=False), table


def sort_by_column(table: pa.Table, name: str) -> pa.Table:
    """The rows in the order of a text column's bytes."""
    texts = table[name]
    # They nearly always stand so already, and to look is cheaper than to sort.
    in_order = pc.all(pc.less(texts[:-1], texts[1:]), min_count=0).as_py()
    return table if in_order else table.take(pc.sort_indices(texts))


def _filter_rows(table: pa.Table, mask: pa.Array) -> pa.Table:
    return table if pc.all(mask, min_count=0).as_py() else table.filter(mask).combine_chunks()


def _column(table: pa.Table, name: str) -> pa.Array:
    """The column as one array; the table has at most one chunk."""
    column = table[name]
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _column_or_null(table: pa.Table, name: str) -> pa.Array:
    """The column as one array; nulls where the place tells no such thing."""
    return _column(table, name) if name in table.column_names else pa.nulls(table.num_rows, TEXT)


def _build_urls(template: str, place: Place, keys: pa.Array, paths: pa.Array) -> pa.Array:
    bucket, prefix = (place.name, place.prefix) if isinstance(place, S3Place) else (place.bucket, "")
    full = pc.binary_replace_slice(keys, 0, 0, prefix)
    fields: dict[str, Callable[[], pa.Array | pa.Scalar]] = {
        "path": lambda: paths,
        "bucket": lambda: pa.scalar(bucket, TEXT),
        "key": lambda: full,
        "quoted_key": lambda: _quote_keys(full),
    }
    # A format or a conversion (`{key:>9}`, `{key!r}`) is Python's, so each value has to be as well.
    if any(spec or conversion for _, field, spec, conversion in Formatter().parse(template) if field is not None):
        values = zip(paths.to_pylist(), full.to_pylist(), _quote_keys(full).to_pylist(), strict=True)
        return pa.array([template.format(path=p, bucket=bucket, key=k, quoted_key=q) for p, k, q in values], TEXT)
    if template == "{path}":
        return paths
    parts: list[pa.Array | pa.Scalar | str] = []
    for text, field, _, _ in Formatter().parse(template):
        parts.append(text)
        parts += [fields[field]()] if field else []
    url = join_texts(*parts, by="")
    return url if isinstance(url, pa.Array) else pa.repeat(url, len(keys))


def _quote_keys(keys: pa.Array) -> pa.Array:
    """Keys percent-encoded for a URL's path; slashes stay."""
    odd = pc.match_substring_regex(keys, _UNRESERVED)
    if not pc.any(odd, min_count=0).as_py():
        return keys
    return pc.replace_with_mask(keys, odd, pa.array([quote(key) for key in keys.filter(odd).to_pylist()], TEXT))
