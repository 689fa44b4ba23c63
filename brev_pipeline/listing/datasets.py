"""Datasets: the listing of a pipeline, and of one dataset in it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.models import DatasetSettings, ListingSettings
from brev_pipeline.errors import BrevPipelineError, ListingError
from brev_pipeline.listing.checksums import checksums
from brev_pipeline.listing.columns import LEFT_OUT, Images, choose, raw_listing
from brev_pipeline.listing.found import Found, demand_matches, no_classes
from brev_pipeline.listing.inventory import read_inventory
from brev_pipeline.listing.refusals import nothing_found, refusals, refuse_overlaps
from brev_pipeline.listing.scan import scan
from brev_pipeline.listing.walk import FOLDER_OUTSIDE, walk
from brev_pipeline.storage import LocalPlace, Place, S3Place, Sources
from brev_pipeline.storage.places import path_prefix

_LOG = logging.getLogger(__name__)


def list_datasets(
    datasets: Sequence[DatasetSettings],
    settings: ListingSettings,
    sources: Sources,
    known: pa.Table | None = None,
    on_left_out: Callable[[pa.Table], None] | None = None,
    on_found: Callable[[Found], None] | None = None,
    *,
    hashed: bool = True,
) -> pa.Table:
    """Every image of the datasets exactly once, sorted by the bytes of its path: schema `tables.RAW_LISTING`.

    The same objects give the same table, whatever threads found first.

    Args:
        datasets: what is listed.
        settings: what counts as an image, and what class it is.
        sources: where the datasets lie.
        known: rows of an earlier listing (columns path, size, file_stamp, etag, and etag_source if there is one); a
            local file that has not changed since is not read again for its MD5.
        on_left_out: is given the images that are refused, or that ``settings.classes`` leaves out, in pieces: path,
            etag (null for local files, which are not read for this), category (all their class names), rule (of
            `account.LEFT_OUT_RULES`) and reason.
        on_found: is given what else was found: names that match, files that are not listed.
        hashed: whether local files get their MD5; without it they have no etag, and none is read.

    Raises:
        ListingError: a dataset is not there, may not be listed, holds no image, or none with a class; or two of them
            overlap; or no key of ``class_mapping`` matches. The message names the dataset and says what to do.
    """
    refuse_overlaps(datasets, sources)
    found = Found()
    ordered = sorted(datasets, key=lambda dataset: path_prefix(dataset.bucket).encode())
    tables = [
        list_dataset(
            dataset, settings, sources, known=known, hashed=hashed, on_left_out=on_left_out, on_found=found.update
        )
        for dataset in ordered
    ]
    demand_matches(found.names, settings)
    if on_found:
        on_found(found)
    return by_path(pa.concat_tables(tables))


def list_dataset(
    dataset: DatasetSettings,
    settings: ListingSettings,
    sources: Sources,
    *,
    location: str = "",
    known: pa.Table | None = None,
    hashed: bool = True,
    on_left_out: Callable[[pa.Table], None] | None = None,
    on_found: Callable[[Found], None] | None = None,
) -> pa.Table:
    """The images of one dataset, or of a folder in it.

    Args:
        dataset: what is listed.
        settings: what counts as an image, and what class it is.
        sources: where it lies.
        location: folder below the dataset's root; classes are meant from there.
        known: see `list_datasets`.
        hashed: whether local files get their MD5; without it they have no etag.
        on_left_out: see `list_datasets`.
        on_found: is given what else was found in this dataset.

    Raises:
        ListingError: see `list_datasets`.
    """
    place = _below(sources.place(dataset.bucket), location)
    try:
        objects = _objects(place, sources)
        pieces = choose(objects, settings)
        left_out = pa.concat_tables([LEFT_OUT.empty_table(), *(piece.left_out for piece in pieces)])
        found = Found()
        for piece in pieces:
            found.update(Found(piece.names, piece.unlisted))
        if found.names.images and found.names.unnamed == found.names.images:
            raise ListingError(no_classes(found.names, settings, _first_image(pieces)))
        if not any(piece.objects.num_rows for piece in pieces):
            raise ListingError(nothing_found(objects, left_out, found.names, settings))
        _warn_of_refused(dataset, objects, left_out)
        if on_left_out and left_out.num_rows:
            paths = pc.binary_replace_slice(left_out["key"], 0, 0, path_prefix(place.bucket))
            on_left_out(left_out.set_column(0, "path", paths))
        if on_found:
            on_found(found)
        return pa.concat_tables([_rows(piece, dataset, place, settings, known, hashed) for piece in pieces])
    except BrevPipelineError as error:
        raise ListingError(f"dataset {dataset.name!r} ({place.bucket}): {error}") from error


def _first_image(pieces: Sequence[Images]) -> str:
    """Key of an image, listed or left out."""
    columns = [column for piece in pieces for column in (piece.objects["key"], piece.left_out["key"])]
    return next(str(column[0].as_py()) for column in columns if len(column))


def _warn_of_refused(dataset: DatasetSettings, objects: pa.Table, left_out: pa.Table) -> None:
    refused = left_out.filter(pc.not_equal(left_out["rule"], "class_filter"))
    if refused.num_rows:
        _LOG.warning("dataset %r: left out %s", dataset.name, refusals(refused))
    # Whether images lie behind a link to a folder is not known: it stands in no account.
    if "reason" in objects.column_names:
        folders = objects.filter(pc.equal(objects["reason"], FOLDER_OUTSIDE[1]))
        if folders.num_rows:
            _LOG.warning("dataset %r: did not enter %s", dataset.name, refusals(folders))


def _objects(place: Place, sources: Sources) -> pa.Table:
    """What lies in a place, keys relative to it."""
    if isinstance(place, LocalPlace):
        return walk(place)
    if place.inventory:
        found = read_inventory(place, sources)
    else:
        found = scan(sources.client(place).page, place.name, place.prefix)
    keys = pc.binary_replace_slice(found["key"], 0, len(place.prefix.encode()), "")
    return found.set_column(0, "key", keys)


def _rows(
    images: Images,
    dataset: DatasetSettings,
    place: Place,
    settings: ListingSettings,
    known: pa.Table | None,
    hashed: bool,
) -> pa.Table:
    if isinstance(place, LocalPlace) and hashed:
        paths = pc.binary_replace_slice(images.objects["key"], 0, 0, path_prefix(place.bucket))
        images = replace(images, objects=checksums(place, images.objects, paths, known))
    objects = images.objects
    given = "md5" if isinstance(place, LocalPlace) else "s3"
    source = objects["etag_source"] if "etag_source" in objects.column_names else given
    etag_source = pc.if_else(pc.is_valid(objects["etag"]), source, "none").combine_chunks()
    return raw_listing(images, dataset, place, settings.url_template, etag_source)


def _below(place: Place, location: str) -> Place:
    folder = location.strip("/")
    if not folder:
        return place
    bucket = path_prefix(place.bucket) + folder
    if isinstance(place, S3Place):
        return replace(place, bucket=bucket, prefix=f"{place.prefix}{folder}/")
    if ".." in folder.split("/"):
        raise ListingError(f"the location {location!r} leads out of the dataset; make a dataset of that folder")
    return replace(place, bucket=bucket, below=f"{folder}/")


def by_path(table: pa.Table) -> pa.Table:
    """The rows in the order of their paths' bytes."""
    paths = table["path"]
    if pc.all(pc.less(paths[:-1], paths[1:]), min_count=0).as_py():
        return table
    return table.take(pc.sort_indices(paths))
