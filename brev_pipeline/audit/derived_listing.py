"""The listing derived anew: who is an image, its dataset, class, folder and address, from its path and the settings.

And who is a copy of whom, from the content ids.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.version_claims import (
    Bools,
    Contradiction,
    VersionClaims,
    as_certain,
    compare_columns,
    depend_on_code,
    find_missing_paths,
    name_paths,
)
from brev_pipeline.config import DatasetSettings, ListingSettings
from brev_pipeline.storage.places import parse_place, path_prefix
from brev_pipeline.table_metadata import LEFT_OUT_RULES
from brev_pipeline.texts import TEXT

LISTING: Final = "listing.parquet"
EXCLUSIONS: Final = "exclusions.parquet"
_OF_DATASET: Final = ("category", "folder", "dataset", "dataset_id", "reference")
_MD5: Final = "^[0-9a-f]{32}$"


def listing_contradictions(claims: VersionClaims) -> Iterator[Contradiction]:
    """Rows of the listing that no configured dataset gives, or gives otherwise."""
    listing = claims.tables["listing"]
    buckets = [dataset.bucket for dataset in claims.config.datasets]
    strange = pc.invert(pc.is_in(listing["bucket"], value_set=pa.array(buckets, TEXT))).to_numpy()
    yield from as_certain(
        name_paths(
            listing["path"],
            strange,
            lambda row: (
                f"{LISTING}: bucket of {listing['path'][row].as_py()} is {listing['bucket'][row].as_py()!r}, and no "
                f"configured dataset has it ({', '.join(buckets)})"
            ),
            f"{LISTING}: bucket",
        )
    )
    for dataset in claims.config.datasets:
        yield from _compare_dataset(claims, dataset, listing.filter(pc.equal(listing["bucket"], dataset.bucket)))


def identity_contradictions(claims: VersionClaims) -> Iterator[Contradiction]:
    """Content ids that are not the checksum that the object's own entity tag is said to be; and wrong copies."""
    from brev_pipeline.integrity.check import find_copies

    listing = claims.tables["listing"]
    stated = pc.or_(
        pc.equal(listing["content_source"], "etag"),
        pc.and_(pc.equal(listing["etag_source"], "md5"), pc.match_substring_regex(listing["etag"], _MD5)),
    )
    wrong = pc.and_(
        pc.fill_null(stated, False), pc.fill_null(pc.not_equal(listing["content_id"], listing["etag"]), True)
    )
    yield from as_certain(
        name_paths(
            listing["path"],
            wrong.to_numpy(),
            lambda row: (
                f"{LISTING}: content_id of {listing['path'][row].as_py()} is {listing['content_id'][row].as_py()}, "
                f"and its entity tag, which is said to be its checksum, is {listing['etag'][row].as_py()}"
            ),
            f"{LISTING}: content_id",
        )
    )
    copies = find_copies(listing["content_id"], listing["path"], listing["category"])._asdict()
    derived = pa.table({name: pa.chunked_array([column]) for name, column in copies.items()})
    yield from as_certain(compare_columns(LISTING, listing, listing, derived, list(copies), "the content ids give"))


def left_out_contradictions(claims: VersionClaims) -> Iterator[Contradiction]:
    """Images that the listing is said to have left out, and would not have: by their path and the settings."""
    from brev_pipeline.listing.image_filter import are_images

    excluded = claims.tables["exclusions"]
    rows = excluded.filter(pc.is_in(excluded["rule"], value_set=pa.array(LEFT_OUT_RULES, TEXT)))
    if not rows.num_rows:
        return
    key, strange = _split_addresses(rows["path"], claims.config.datasets)
    yield from as_certain(_each(rows, strange, "lies in no configured dataset"))
    images = np.asarray(are_images(key, claims.config.listing.sample_filter).to_numpy(zero_copy_only=False))
    yield from as_certain(
        _each(rows, ~images & ~strange, "is no image by listing.sample_filter, and would not have been listed")
    )
    yield from as_certain(_each(rows, rows["content_id"].is_valid().to_numpy(), "was not read, and has a content_id"))
    of_class = pc.equal(rows["rule"], "class_filter").to_numpy() & ~strange
    yield from _compare_class_filter(
        rows.filter(pa.array(of_class)), key.filter(pa.array(of_class)), claims.config.listing
    )


def derive_facts(claims: VersionClaims) -> dict[str, Any]:
    """Which names of the configuration match which of the images, listed and left out; as `check_class_names`."""
    from brev_pipeline.listing.class_checks import check_class_names
    from brev_pipeline.listing.path_classes import ClassNameCounts, ClassRules, count_class_names

    excluded, settings = claims.tables["exclusions"], claims.config.listing
    out = excluded["path"].filter(pc.is_in(excluded["rule"], value_set=pa.array(LEFT_OUT_RULES, TEXT)))
    paths = pa.chunked_array([*claims.tables["listing"]["path"].chunks, *out.chunks], TEXT)
    names, namer = ClassNameCounts(), ClassRules(settings)
    for dataset in claims.config.datasets:
        prefix = path_prefix(dataset.bucket)
        own = paths.filter(pc.starts_with(paths, prefix))
        names.add_counts(
            count_class_names(pc.binary_replace_slice(own, 0, len(prefix.encode()), "").combine_chunks(), namer)
        )
    return check_class_names(names, settings)


def _compare_dataset(claims: VersionClaims, dataset: DatasetSettings, rows: pa.Table) -> Iterator[Contradiction]:
    if not rows.num_rows:
        yield Contradiction(
            f"{LISTING}: no image of dataset {dataset.name!r} ({dataset.bucket}), which the configuration names"
        )
        return
    prefix = path_prefix(dataset.bucket)
    inside = pc.starts_with(rows["path"], prefix)
    yield from as_certain(
        name_paths(
            rows["path"],
            ~inside.to_numpy(),
            lambda row: f"{LISTING}: {rows['path'][row].as_py()} does not lie in its bucket {dataset.bucket}",
            f"{LISTING}: path",
        )
    )
    rows = rows.filter(inside)
    if not rows.num_rows:
        return
    rows = rows.take(pc.sort_indices(rows["path"])) if not _is_ascending(rows["path"]) else rows
    derived, wanted = _derive_rows(rows, dataset, claims.config.listing)
    yield from _compare_refused(rows, wanted, claims.config.listing)
    rows = rows.filter(pa.array(wanted))
    if derived.num_rows != rows.num_rows:
        lost = find_missing_paths(rows["path"], derived["path"])
        yield from as_certain(
            name_paths(
                rows["path"],
                lost,
                lambda row: (
                    f"{LISTING}: {rows['path'][row].as_py()} has none of listing.classes "
                    f"({', '.join(claims.config.listing.classes or [])}), and would not have been listed"
                ),
                f"{LISTING}: listing.classes",
            )
        )
        rows = rows.filter(pa.array(~lost))
    whence = "its path and the settings give"
    yield from as_certain(compare_columns(LISTING, rows, rows, derived, _OF_DATASET, whence))
    yield from depend_on_code(
        compare_columns(LISTING, rows, rows, derived, ["url"], "listing.url_template gives"), "raw_listing"
    )


def _derive_rows(rows: pa.Table, dataset: DatasetSettings, settings: ListingSettings) -> tuple[pa.Table, Bools]:
    """The rows as the listing makes them of keys; and (rows,) whether each is an image by its name."""
    from brev_pipeline.listing.image_filter import are_images
    from brev_pipeline.listing.image_table import build_raw_listing, select_images

    place = parse_place(dataset.bucket, dataset.bucket, dataset.storage)
    key = pc.binary_replace_slice(rows["path"], 0, len(path_prefix(dataset.bucket).encode()), "").combine_chunks()
    count = rows.num_rows
    objects = pa.table(
        {
            "key": key,
            "etag": rows["etag"],
            "size": rows["size"],
            "modified": pa.repeat(pa.scalar(datetime(1970, 1, 1, tzinfo=UTC), pa.timestamp("us", "UTC")), count),
            "file_stamp": pa.nulls(count, TEXT),
        }
    )
    wanted = np.asarray(are_images(key, settings.sample_filter).to_numpy(zero_copy_only=False), np.bool_)
    pieces = select_images(objects, settings)
    listed = [
        build_raw_listing(piece, dataset, place, settings.url_template, pa.repeat("s3", piece.objects.num_rows))
        for piece in pieces
    ]
    return pa.concat_tables(listed), wanted


def _compare_refused(rows: pa.Table, wanted: Bools, settings: ListingSettings) -> Iterator[Contradiction]:
    yield from as_certain(
        name_paths(
            rows["path"],
            ~wanted,
            lambda row: f"{LISTING}: {rows['path'][row].as_py()} is no image by listing.sample_filter",
            f"{LISTING}: listing.sample_filter",
        )
    )
    yield from as_certain(
        name_paths(
            rows["path"],
            pc.greater(rows["size"], settings.max_object_bytes).to_numpy(),
            lambda row: (
                f"{LISTING}: {rows['path'][row].as_py()} has {rows['size'][row].as_py()} bytes, more than "
                f"listing.max_object_mb ({settings.max_object_mb:g})"
            ),
            f"{LISTING}: listing.max_object_mb",
        )
    )


def _compare_class_filter(rows: pa.Table, key: pa.Array, settings: ListingSettings) -> Iterator[Contradiction]:
    from brev_pipeline.listing.path_classes import (
        ClassRules,
        classify_keys,
        explain_class_filter,
        filter_classes,
        find_folder_runs,
    )

    if not rows.num_rows:
        return
    order = pc.sort_indices(key)
    rows, key = rows.take(order), key.take(order)
    namer = ClassRules(settings)
    described = classify_keys(key, find_folder_runs(key), namer)
    every = [named.categories for named in described.classes]
    none = settings.classes is None
    wrong = np.array([none or bool(filter_classes(names, namer.classes)) for names in every], np.bool_)[described.rows]
    why = "listing.classes is not set" if none else "it has one of listing.classes"
    yield from as_certain(_each(rows, wrong, f"is excluded by class_filter, but {why}"))
    said = pa.array([explain_class_filter(names) for names in every], TEXT).take(pa.array(described.rows))
    derived = pa.table({"reason": pa.chunked_array([said])})
    yield from depend_on_code(
        compare_columns(EXCLUSIONS, rows, rows, derived, ["reason"], "its path gives"), "raw_listing"
    )


def _each(rows: pa.Table, wrong: Bools, what: str) -> Iterator[str]:
    return name_paths(
        rows["path"],
        wrong,
        lambda row: f"{EXCLUSIONS}: {rows['path'][row].as_py()} ({rows['rule'][row].as_py()}) {what}",
        f"{EXCLUSIONS}: {what}",
    )


def _split_addresses(paths: pa.ChunkedArray, datasets: list[DatasetSettings]) -> tuple[pa.Array, Bools]:
    """(paths,) each below the dataset that it lies in; and which lie in none."""
    key, strange = paths.combine_chunks(), np.ones(len(paths), np.bool_)
    for dataset in datasets:
        prefix = path_prefix(dataset.bucket)
        inside = pc.starts_with(paths, prefix).combine_chunks()
        key = pc.if_else(inside, pc.binary_replace_slice(paths, 0, len(prefix.encode()), "").combine_chunks(), key)
        strange &= ~inside.to_numpy(zero_copy_only=False)
    return key, strange


def _is_ascending(paths: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.less_equal(paths[:-1], paths[1:]), min_count=0).as_py())
