"""Listing and images derived anew, as far as that needs no image's bytes.

Of the listing: who is an image, its dataset, class, folder and address, from its path and the settings; who is a copy
of whom, from the content ids; and who was left out. Of the images: a row per listed content, of the configured size.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.version_claims import (
    Bools,
    Finding,
    VersionClaims,
    compare_columns,
    depend_on_code,
    find_missing_paths,
    name_rows,
)
from brev_pipeline.config import DatasetSettings, ImageSettings, ListingSettings
from brev_pipeline.images.limits import is_possible_reason
from brev_pipeline.storage.places import parse_place, path_prefix
from brev_pipeline.table_metadata import LEFT_OUT_RULES
from brev_pipeline.tables import to_mask
from brev_pipeline.texts import TEXT

LISTING: Final = "listing.parquet"
IMAGES: Final = "images.parquet"
EXCLUSIONS: Final = "exclusions.parquet"
_OF_DATASET: Final = ("category", "folder", "dataset", "dataset_id", "reference")
SIDES: Final = ("prepared_frames", "prepared_height", "prepared_width", "prepared_channels")


def listing_contradictions(claims: VersionClaims) -> Iterator[Finding]:
    """Rows of the listing that no configured dataset gives, or gives otherwise."""
    listing = claims.tables["listing"]
    buckets = [dataset.bucket for dataset in claims.config.datasets]
    yield from name_rows(
        LISTING,
        listing,
        pc.invert(pc.is_in(listing["bucket"], value_set=pa.array(buckets, TEXT))),
        "bucket",
        lambda row: (
            f"bucket of {row['path']} is {row['bucket']!r}, and no configured dataset has it ({', '.join(buckets)})"
        ),
    )
    for dataset in claims.config.datasets:
        rows = listing.filter(pc.equal(listing["bucket"], dataset.bucket))
        yield from _compare_dataset(rows, dataset, claims.config.listing)


def identity_contradictions(claims: VersionClaims) -> Iterator[Finding]:
    """Content ids that are not the checksum that the object's own entity tag is said to be; and wrong copies."""
    from brev_pipeline.integrity.check import find_copies

    listing = claims.tables["listing"]
    is_md5 = pc.match_substring_regex(listing["etag"], "^[0-9a-f]{32}$")
    stated = pc.or_(
        pc.equal(listing["content_source"], "etag"), pc.and_(pc.equal(listing["etag_source"], "md5"), is_md5)
    )
    other = pc.fill_null(pc.not_equal(listing["content_id"], listing["etag"]), True)
    yield from name_rows(
        LISTING,
        listing,
        pc.and_(stated, other),
        "content_id",
        lambda row: (
            f"content_id of {row['path']} is {row['content_id']}, and its entity tag, which is said to be its "
            f"checksum, is {row['etag']}"
        ),
    )
    copies = find_copies(listing["content_id"], listing["path"], listing["category"])._asdict()
    yield from compare_columns(LISTING, listing, pa.table(copies), copies, "the content ids give")


def left_out_contradictions(claims: VersionClaims) -> Iterator[Finding]:
    """Images that the listing is said to have left out, and would not have: by their path and the settings."""
    from brev_pipeline.listing.image_filter import are_images

    excluded, settings = claims.tables["exclusions"], claims.config.listing
    rows = excluded.filter(pc.is_in(excluded["rule"], value_set=pa.array(LEFT_OUT_RULES, TEXT)))
    if not rows.num_rows:
        return
    keys, strange = _split_addresses(rows["path"], claims.config.datasets)
    yield from _name_left_out(rows, strange, "lies in no configured dataset")
    no_image = ~to_mask(are_images(keys, settings.sample_filter)) & ~strange
    yield from _name_left_out(rows, no_image, "is no image by listing.sample_filter, and would not have been listed")
    yield from _name_left_out(rows, rows["content_id"].is_valid(), "was not read, and has a content_id")
    of_class = pa.array(to_mask(pc.equal(rows["rule"], "class_filter")) & ~strange)
    yield from _compare_class_filter(rows.filter(of_class), keys.filter(of_class), settings)


def image_contradictions(claims: VersionClaims) -> Iterator[Finding]:
    """Contents that are not listed, or not prepared, or prepared otherwise than the settings say."""
    listing, images, settings = claims.tables["listing"], claims.tables["images"], claims.config.image
    yield from name_rows(
        IMAGES,
        listing,
        ~to_mask(pc.is_in(listing["content_id"], value_set=images["content_id"].combine_chunks())),
        "missing contents",
        lambda row: f"no row for the content of {row['path']}",
    )
    at = pc.index_in(images["source_path"], value_set=listing["path"].combine_chunks())
    other = pc.fill_null(pc.not_equal(listing["content_id"].take(at), images["content_id"]), True)
    yield from _name_images(images, other, "is not the listing's object of this content")
    if repeated := len(images) - len(pc.unique(images["content_id"])):
        yield f"{IMAGES}: {repeated} contents have more than one row"
    usable = images.filter(pc.equal(images["status"], "ok"))
    yield from _compare_sizes(usable, settings)
    stopped = images.filter(pc.equal(images["status"], "stopped"))
    unlike = [not is_possible_reason(reason, settings) for reason in stopped["reason"].to_pylist()]
    yield from _name_images(stopped, unlike, "was stopped by another clock than image.max_seconds, or by no crash")
    if settings.strict_jpeg:
        forced = pc.match_substring(usable["note"], "in spite of")
        yield from _name_images(usable, forced, "was read in spite of damage, which image.strict_jpeg refuses")


def derive_facts(claims: VersionClaims) -> dict[str, Any]:
    """Which names of the configuration match which of the images, listed and left out; as `check_class_names`."""
    from brev_pipeline.listing.class_checks import check_class_names
    from brev_pipeline.listing.path_classes import ClassNameCounts, ClassRules, count_class_names

    excluded, settings = claims.tables["exclusions"], claims.config.listing
    left_out = excluded["path"].filter(pc.is_in(excluded["rule"], value_set=pa.array(LEFT_OUT_RULES, TEXT)))
    paths = pa.chunked_array([*claims.tables["listing"]["path"].chunks, *left_out.chunks], TEXT)
    names, rules = ClassNameCounts(), ClassRules(settings)
    for dataset in claims.config.datasets:
        inside = paths.filter(pc.starts_with(paths, path_prefix(dataset.bucket)))
        names.add_counts(count_class_names(_cut_prefix(inside, dataset), rules))
    return check_class_names(names, settings)


def _compare_dataset(rows: pa.Table, dataset: DatasetSettings, settings: ListingSettings) -> Iterator[Finding]:
    if not rows.num_rows:
        yield f"{LISTING}: no image of dataset {dataset.name!r} ({dataset.bucket}), which the configuration names"
        return
    inside = pc.starts_with(rows["path"], path_prefix(dataset.bucket))
    yield from name_rows(
        LISTING,
        rows,
        pc.invert(inside),
        "path",
        lambda row: f"{row['path']} does not lie in its bucket {dataset.bucket}",
    )
    rows = rows.filter(inside)
    if not rows.num_rows:
        return
    if not pc.all(pc.less_equal(rows["path"][:-1], rows["path"][1:]), min_count=0).as_py():
        # The listing's own code takes keys in their order.
        rows = rows.take(pc.sort_indices(rows["path"]))
    derived, are_images = _derive_rows(rows, dataset, settings)
    yield from _compare_refused(rows, are_images, settings)
    rows = rows.filter(pa.array(are_images))
    if derived.num_rows != rows.num_rows:
        lost = find_missing_paths(rows["path"], derived["path"])
        classes = ", ".join(settings.classes or [])
        yield from name_rows(
            LISTING,
            rows,
            lost,
            "listing.classes",
            lambda row: f"{row['path']} has none of listing.classes ({classes}), and would not have been listed",
        )
        rows = rows.filter(pa.array(~lost))
    yield from compare_columns(LISTING, rows, derived, _OF_DATASET, "its path and the settings give")
    yield from depend_on_code(
        compare_columns(LISTING, rows, derived, ["url"], "listing.url_template gives"), "raw_listing"
    )


def _derive_rows(rows: pa.Table, dataset: DatasetSettings, settings: ListingSettings) -> tuple[pa.Table, Bools]:
    """The rows as the listing makes them of keys; and (rows,) whether each is an image by its name."""
    from brev_pipeline.listing.image_filter import are_images
    from brev_pipeline.listing.image_table import build_raw_listing, select_images

    place = parse_place(dataset.bucket, dataset.bucket, dataset.storage)
    keys, count = _cut_prefix(rows["path"], dataset), rows.num_rows
    objects = pa.table(
        {
            "key": keys,
            "etag": rows["etag"],
            "size": rows["size"],
            # A version holds neither; nothing that is compared comes of them.
            "modified": pa.repeat(pa.scalar(datetime(1970, 1, 1, tzinfo=UTC), pa.timestamp("us", "UTC")), count),
            "file_stamp": pa.nulls(count, TEXT),
        }
    )
    listed = [
        build_raw_listing(piece, dataset, place, settings.url_template, pa.repeat("s3", piece.objects.num_rows))
        for piece in select_images(objects, settings)
    ]
    return pa.concat_tables(listed), to_mask(are_images(keys, settings.sample_filter))


def _compare_refused(rows: pa.Table, are_images: Bools, settings: ListingSettings) -> Iterator[str]:
    yield from name_rows(
        LISTING,
        rows,
        ~are_images,
        "listing.sample_filter",
        lambda row: f"{row['path']} is no image by listing.sample_filter",
    )
    limit = f"listing.max_object_mb ({settings.max_object_mb:g})"
    yield from name_rows(
        LISTING,
        rows,
        pc.greater(rows["size"], settings.max_object_bytes),
        "listing.max_object_mb",
        lambda row: f"{row['path']} has {row['size']} bytes, more than {limit}",
    )


def _compare_class_filter(rows: pa.Table, keys: pa.Array, settings: ListingSettings) -> Iterator[Finding]:
    from brev_pipeline.listing import path_classes

    if not rows.num_rows:
        return
    order = pc.sort_indices(keys)
    rows, keys = rows.take(order), keys.take(order)
    rules = path_classes.ClassRules(settings)
    described = path_classes.classify_keys(keys, path_classes.find_folder_runs(keys), rules)
    names = [named.categories for named in described.classes]
    if settings.classes is None:
        wrong, why = np.ones(rows.num_rows, np.bool_), "listing.classes is not set"
    else:
        kept = np.array([bool(path_classes.filter_classes(some, rules.classes)) for some in names], np.bool_)
        wrong, why = kept[described.rows], "it has one of listing.classes"
    yield from _name_left_out(rows, wrong, f"is excluded by class_filter, but {why}")
    reasons = pa.array([path_classes.explain_class_filter(some) for some in names], TEXT)
    derived = pa.table({"reason": reasons.take(pa.array(described.rows))})
    yield from depend_on_code(compare_columns(EXCLUSIONS, rows, derived, ["reason"], "its path gives"), "raw_listing")


def _compare_sizes(images: pa.Table, settings: ImageSettings) -> Iterator[str]:
    """Frames, sides and channels of usable images that the settings do not give."""
    for side, size in zip(SIDES, _expected_size(settings), strict=True):
        if size is not None:
            wrong = pc.fill_null(pc.not_equal(images[side], size), True)
            yield from _name_images(images, wrong, f"was not prepared as image's settings say: {side} is not {size}")
    if settings.roi_mode != "as_timeseries":
        series = images["prepared_frames"].is_valid()
        yield from _name_images(images, series, "is a time series, and image says none")
    pixels, prepared = (
        pc.multiply(images[f"{kind}height"].cast(pa.int64()), images[f"{kind}width"].cast(pa.int64()))
        for kind in ("", "prepared_")
    )
    if settings.target_size is None and not settings.rois and settings.color_mode != "bayer":
        # The product of the sides, since an image may have been turned upright by its orientation.
        resized = pc.not_equal(pixels, prepared)
        yield from _name_images(images, resized, "was resized, and image.target_size is not set")
    most = settings.max_pixels
    yield from _name_images(images, pc.greater(pixels, most), f"has more pixels than image.max_pixels ({most})")


def _expected_size(settings: ImageSettings) -> tuple[int | None, int | None, int | None, int]:
    """Frames, height, width, channels; None where the settings leave them open."""
    channels = 1 if settings.color_mode == "greyscale" else 3
    series = settings.roi_mode == "as_timeseries"
    frames = max(1, len(settings.rois)) if series else None
    if settings.target_size is not None:
        return frames, *settings.target_size, channels
    if not settings.rois:
        return frames, None, None, channels
    heights = [y2 - y1 for (_, y1), (_, y2) in settings.rois]
    (x1, _), (x2, _) = settings.rois[0]
    return frames, heights[0] if series else sum(heights), x2 - x1, channels


def _name_images(images: pa.Table, wrong: Any, what: str) -> Iterator[str]:
    return name_rows(IMAGES, images, wrong, what, path="source_path")


def _name_left_out(rows: pa.Table, wrong: Any, what: str) -> Iterator[str]:
    return name_rows(EXCLUSIONS, rows, wrong, what, lambda row: f"{row['path']} ({row['rule']}) {what}")


def _split_addresses(paths: pa.ChunkedArray, datasets: Sequence[DatasetSettings]) -> tuple[pa.Array, Bools]:
    """(paths,) each below the dataset that it lies in; and which lie in none."""
    keys, strange = paths.combine_chunks(), np.ones(len(paths), np.bool_)
    for dataset in datasets:
        inside = pc.starts_with(paths, path_prefix(dataset.bucket)).combine_chunks()
        keys = pc.if_else(inside, _cut_prefix(paths, dataset), keys)
        strange &= ~to_mask(inside)
    return keys, strange


def _cut_prefix(paths: pa.ChunkedArray, dataset: DatasetSettings) -> pa.Array:
    """(paths,) without the dataset's bucket."""
    return pc.binary_replace_slice(paths, 0, len(path_prefix(dataset.bucket).encode()), "").combine_chunks()
