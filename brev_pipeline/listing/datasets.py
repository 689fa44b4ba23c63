"""Datasets: the listing of a pipeline and of one dataset in it, and in words what the listing does not accept.

`listing_state` is a cheap answer to "has anything changed?", for whoever watches the datasets: nothing is read but the
listing itself. So a file that was merely touched, renamed or given other rights looks changed; the run that follows
publishes nothing new. The fingerprint is pinned by a test: a change of it makes every listing look new.
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import DatasetSettings, ListingSettings
from brev_pipeline.errors import BrevPipelineError, LabelError, ListingError
from brev_pipeline.listing.checksums import add_checksums
from brev_pipeline.listing.class_checks import ListingFindings, explain_no_classes, require_mapping_match
from brev_pipeline.listing.folder_walk import FOLDER_OUTSIDE, list_files
from brev_pipeline.listing.image_filter import are_hidden, count_label_files, file_name
from brev_pipeline.listing.image_table import LEFT_OUT, ListedImages, build_raw_listing, select_images, sort_by_column
from brev_pipeline.listing.path_classes import ClassNameCounts
from brev_pipeline.listing.photo_labels import read_photo_labels
from brev_pipeline.listing.s3_inventory import read_inventory
from brev_pipeline.listing.s3_scan import list_s3_objects
from brev_pipeline.storage import LocalPlace, Place, S3Place, Sources
from brev_pipeline.storage.places import path_prefix
from brev_pipeline.texts import TEXT, join_texts, text_bytes

_SHOWN: Final = 8


def refuse_overlaps(datasets: Sequence[DatasetSettings], sources: Sources) -> None:
    """Raise `ListingError` if a dataset lies in another one (or is it), so that images would be listed twice."""
    # Sorted by address, whatever lies in a place follows it directly.
    addressed = sorted((_place_address(sources.get_place(dataset.bucket)), dataset.name) for dataset in datasets)
    for (outer, outer_name), (inner, inner_name) in pairwise(addressed):
        if inner.startswith(outer):
            raise ListingError(
                f"the datasets {outer_name!r} and {inner_name!r} overlap: {inner} lies in {outer}, so that its images "
                "would be listed twice; narrow one of them, or remove it"
            )


def explain_no_images(objects: pa.Table, left_out: pa.Table, names: ClassNameCounts, settings: ListingSettings) -> str:
    """Why no image was found, in words: what was refused, what there is instead, and what was asked for.

    ``objects`` is as `select_images` takes it, ``left_out`` has the columns of `image_table.LEFT_OUT`.
    """
    refused = left_out.filter(pc.not_equal(left_out["rule"], "class_filter"))
    if refused.num_rows and refused.num_rows == left_out.num_rows:
        return f"holds no image that may be read: left out are {describe_refusals(refused)}"
    keys = objects["key"].filter(pc.invert(are_hidden(objects["key"].combine_chunks()))).to_pylist()
    if not keys:
        return "holds no files at all; correct datasets[].bucket, which may miss a folder"
    endings = Counter("." + name.rpartition(".")[2] if "." in (name := file_name(key)) else "no ending" for key in keys)
    seen = ", ".join(f"{ending} ({count})" for ending, count in endings.most_common(_SHOWN))
    wanted = f"listing.sample_filter {settings.sample_filter!r}"
    if settings.classes is not None:
        wanted += f" and listing.classes {settings.classes}"
    folders = sorted({key.rpartition("/")[0] or "." for key in keys})
    where = ", ".join(folders[:_SHOWN]) + (", …" if len(folders) > _SHOWN else "")
    said = f"holds no image that {wanted} would let pass; its {len(keys)} files end in {seen}, in the folders {where}"
    if settings.classes is not None and names.categories:
        common = [name for name, _ in names.categories.most_common(_SHOWN)]
        said += f"; its images have the classes {', '.join(common)}" + (", …" if len(names.categories) > _SHOWN else "")
    # What is no image by its name is one of a folder's, perhaps: images may lie behind a link to it.
    if not refused.num_rows and "rule" in objects.column_names:
        refused = objects.filter(pc.is_valid(objects["rule"]))
    return said + (f"; left out are {describe_refusals(refused)}" if refused.num_rows else "")


def describe_refusals(refused: pa.Table) -> str:
    """What was refused (columns key, rule, reason, without nulls), in words: how many by each rule, and its first."""
    groups = refused.group_by("rule", use_threads=False)  # so that the first is the first
    rules = groups.aggregate([([], "count_all"), ("key", "first"), ("reason", "first")]).sort_by("rule")
    return "; ".join(
        f"{row['count_all']} by {row['rule']} (the first {row['key_first']}: {row['reason_first']})"
        for row in rules.to_pylist()
    )


def _place_address(place: Place) -> str:
    if isinstance(place, LocalPlace):
        return os.path.realpath(place.root).rstrip("/") + "/"
    return f"{place.storage.endpoint_url or 's3:/'}/{place.name}/{place.prefix}"


_LOG = logging.getLogger(__name__)


def list_datasets(
    datasets: Sequence[DatasetSettings],
    settings: ListingSettings,
    sources: Sources,
    known: pa.Table | None = None,
    on_left_out: Callable[[pa.Table], None] | None = None,
    on_found: Callable[[ListingFindings], None] | None = None,
    *,
    hashed: bool = True,
    read_labels: bool | None = None,
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
            `exclusions.LEFT_OUT_RULES`) and reason.
        on_found: is given what else was found: names that match, files that are not listed.
        hashed: whether local files get their MD5; without it they have no etag, and none is read.
        read_labels: whether label files are read, and local masks get their MD5; None: as ``hashed``.

    Raises:
        ListingError: a dataset is not there, may not be listed, holds no image, or none with a class; or two of them
            overlap; or no key of ``class_mapping`` matches. The message names the dataset and says what to do.
    """
    refuse_overlaps(datasets, sources)
    findings = ListingFindings()
    # In the order of their paths, so that the rows come sorted.
    ordered = sorted(datasets, key=lambda dataset: path_prefix(dataset.bucket).encode())
    list_one = partial(
        list_dataset,
        known=known,
        hashed=hashed,
        read_labels=read_labels,
        on_left_out=on_left_out,
        on_found=findings.add_findings,
    )
    tables = [list_one(dataset, settings, sources) for dataset in ordered]
    require_mapping_match(findings.names, settings)
    if on_found:
        on_found(findings)
    return sort_by_column(pa.concat_tables(tables, promote_options="default"), "path")


def list_dataset(
    dataset: DatasetSettings,
    settings: ListingSettings,
    sources: Sources,
    *,
    location: str = "",
    known: pa.Table | None = None,
    hashed: bool = True,
    read_labels: bool | None = None,
    on_left_out: Callable[[pa.Table], None] | None = None,
    on_found: Callable[[ListingFindings], None] | None = None,
    on_label_files: Callable[[pa.Table], None] | None = None,
) -> pa.Table:
    """The images of one dataset, or of the folder ``location`` below its root, from where classes are meant.

    Arguments and errors are otherwise as of `list_datasets`; keys of ``class_mapping`` need not match.
    ``on_label_files`` is given the dataset's label files: path, etag, size, and of local ones file_stamp.
    """
    if location and dataset.labels:
        raise ListingError(f"dataset {dataset.name!r}: labels are meant from its root: list it without a location")
    place = _narrow_place(sources.get_place(dataset.bucket), location)
    try:
        objects = _list_objects(place, sources, dataset.hidden_label_folders)
        labels = None
        if dataset.labels:
            whole = hashed if read_labels is None else read_labels
            labels = read_photo_labels(dataset, objects, place, settings, sources, known, whole=whole)
            objects = labels.objects
            if on_label_files:
                paths = pc.binary_replace_slice(labels.files["key"], 0, 0, path_prefix(place.bucket))
                on_label_files(labels.files.set_column(0, "path", paths))
        pieces = select_images(objects, settings)
        left_out = pa.concat_tables([LEFT_OUT.empty_table(), *(piece.left_out for piece in pieces)])
        findings = ListingFindings()
        for piece in pieces:
            findings.add_findings(ListingFindings(piece.names, piece.unlisted))
        if labels:
            findings.add_findings(ListingFindings(unlisted=count_label_files(labels.files), labels=labels.findings))
        names = findings.names
        if settings.finds_classes and names.images and names.unnamed == names.images:
            keys = [column for piece in pieces for column in (piece.objects["key"], piece.left_out["key"])]
            example = next(str(column[0].as_py()) for column in keys if len(column))
            raise ListingError(explain_no_classes(names, settings, example))
        if not any(piece.objects.num_rows for piece in pieces):
            raise ListingError(explain_no_images(objects, left_out, names, settings))
        _warn_of_refused(dataset, objects, left_out)
        if on_left_out and left_out.num_rows:
            paths = pc.binary_replace_slice(left_out["key"], 0, 0, path_prefix(place.bucket))
            on_left_out(left_out.set_column(0, "path", paths))
        if on_found:
            on_found(findings)
        rows = pa.concat_tables([_build_rows(piece, dataset, place, settings, known, hashed) for piece in pieces])
        return labels.join_columns(rows) if labels else rows
    except LabelError:
        raise  # it names the dataset itself
    except BrevPipelineError as error:
        raise ListingError(f"dataset {dataset.name!r} ({place.bucket}): {error}") from error


def _warn_of_refused(dataset: DatasetSettings, objects: pa.Table, left_out: pa.Table) -> None:
    refused = left_out.filter(pc.not_equal(left_out["rule"], "class_filter"))
    if refused.num_rows:
        _LOG.warning("dataset %r: left out %s", dataset.name, describe_refusals(refused))
    # Whether images lie behind a link to a folder is not known: it stands in no account.
    if "reason" in objects.column_names:
        folders = objects.filter(pc.equal(objects["reason"], FOLDER_OUTSIDE[1]))
        if folders.num_rows:
            _LOG.warning("dataset %r: did not enter %s", dataset.name, describe_refusals(folders))


def _list_objects(place: Place, sources: Sources, hidden: Collection[str]) -> pa.Table:
    """What lies in a place, keys relative to it, also in ``hidden`` folders of these names."""
    if isinstance(place, LocalPlace):
        return list_files(place, hidden)
    if place.inventory:
        objects = read_inventory(place, sources)
    else:
        objects = list_s3_objects(sources.get_client(place).list_page, place.name, place.prefix)
    return objects.set_column(0, "key", pc.binary_replace_slice(objects["key"], 0, len(place.prefix.encode()), ""))


def _build_rows(
    images: ListedImages,
    dataset: DatasetSettings,
    place: Place,
    settings: ListingSettings,
    known: pa.Table | None,
    hashed: bool,
) -> pa.Table:
    if isinstance(place, LocalPlace) and hashed:
        paths = pc.binary_replace_slice(images.objects["key"], 0, 0, path_prefix(place.bucket))
        images = replace(images, objects=add_checksums(place, images.objects, paths, known))
    objects = images.objects
    given = "md5" if isinstance(place, LocalPlace) else "s3"
    source = objects["etag_source"] if "etag_source" in objects.column_names else given
    etag_source = pc.if_else(pc.is_valid(objects["etag"]), source, "none").combine_chunks()
    return build_raw_listing(images, dataset, place, settings.url_template, etag_source)


def _narrow_place(place: Place, location: str) -> Place:
    folder = location.strip("/")
    if not folder:
        return place
    bucket = path_prefix(place.bucket) + folder
    if isinstance(place, S3Place):
        return replace(place, bucket=bucket, prefix=f"{place.prefix}{folder}/")
    # In a bucket .. is a name like any other.
    if ".." in folder.split("/"):
        raise ListingError(f"the location {location!r} leads out of the dataset; make a dataset of that folder")
    return replace(place, bucket=bucket, below=f"{folder}/")


def listing_fingerprint(listing: pa.Table) -> str:
    """32 hex digits that differ if a path or an entity tag differs; the order of rows and chunks does not matter.

    ``listing`` has the columns path and etag, its paths are unique.
    """
    digest = hashlib.blake2b(digest_size=16)
    for column in sort_by_column(listing.select(["path", "etag"]), "path").columns:
        digest.update(_hash_texts(column))
    return digest.hexdigest()


def _hash_texts(texts: pa.ChunkedArray) -> bytes:
    """Hash of the texts' lengths (-1: null) and of their bytes: together no two columns have the same."""
    lengths, letters = hashlib.blake2b(), hashlib.blake2b()
    for chunk in texts.cast(TEXT).chunks:
        length = pc.fill_null(pc.binary_length(chunk), -1).to_numpy(zero_copy_only=False)
        lengths.update(np.ascontiguousarray(length, "<i4").data)  # of 4 bytes, the lowest first, on every machine
        letters.update(text_bytes(pc.fill_null(chunk, "")).data)
    return lengths.digest() + letters.digest()


@dataclass(frozen=True)
class ListingState:
    """What is there now."""

    fingerprint: str
    """32 hex digits; others if an image appeared, vanished or changed."""
    images: int
    """Images listed."""
    listing: pa.Table
    """Schema `tables.RAW_LISTING`; local files have no etag."""


def _stamp_rows(table: pa.Table) -> pa.Table:
    """Path, and what stands for the bytes: the etag, of a local file size and stamp."""
    own = table["file_stamp"] if "file_stamp" in table.column_names else pa.nulls(len(table), TEXT)
    stamp = pc.coalesce(table["etag"], join_texts(table["size"].cast(TEXT), own, by="-"))
    return pa.table({"path": table["path"], "etag": stamp})


def listing_state(datasets: Sequence[DatasetSettings], settings: ListingSettings, sources: Sources) -> ListingState:
    """List the datasets without reading a file. Arguments and errors as of `list_datasets`."""
    refuse_overlaps(datasets, sources)
    label_files: list[pa.Table] = []
    tables = [
        list_dataset(dataset, settings, sources, hashed=False, on_label_files=label_files.append)
        for dataset in datasets
    ]
    listing = sort_by_column(pa.concat_tables(tables, promote_options="default"), "path")
    fingerprint = listing_fingerprint(pa.concat_tables([_stamp_rows(table) for table in (listing, *label_files)]))
    return ListingState(fingerprint, listing.num_rows, listing)
