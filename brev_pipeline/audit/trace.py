"""Trace: from a record back to the object that it came from, and from an image to all of its records."""

import os
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.table_checks import select_listed
from brev_pipeline.config import AugmentationSettings
from brev_pipeline.config.base import is_local
from brev_pipeline.errors import ReadError
from brev_pipeline.readers.source_photos import Base, SourcePhotos
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.tables import NO_LABEL, PREPARED_IMAGES, part_names
from brev_pipeline.texts import TEXT

_OBJECT = ("path", "url", "bucket", "dataset", "dataset_id", "reference", "etag", "etag_source", "size")
_PLACE = ("purpose", "shard", "position", "file", "offset", "length", "crc", "epoch", "ordinal", "seed", "augmented")
_RECORD = (*_PLACE, "path", "label")
_IMAGE = tuple(name for name in PREPARED_IMAGES.names if name not in ("content_id", "file", "offset", "length"))
_OF_CONTENT = ("content_source", "category", "label_conflict", "duplicate_of")


def trace_record(
    store: PipelineStore, version: Version, *, purpose: str, shard: int, position: int, base: Base | None = None
) -> dict[str, Any]:
    """Where one record comes from.

    Args:
        store: the pipeline's store.
        version: a published version.
        purpose: train, devel, test, …; of folds fold0 (photos as they are), fold0_augmented (draws), …
        shard: number of the file within it, from 0.
        position: place of the record in the shard, from 0.
        base: folder that relative datasets are meant from; None: as the store's log says.

    Returns:
        JSON-safe: ``record`` (its place, epoch, ordinal, seed, label), ``augmentation`` (what the seed does, as
        `ImageAugmenter.parameters`; None where the record is not augmented), and all of `trace_image` but its records.

    Raises:
        ReadError: the version has no such record; the message says what it has.
        StoreError: the version cannot be read.
    """
    records = version.read_table("records")
    row = _find_record(records, version, purpose, shard, position)
    return {
        "record": _describe_record(row, version),
        "augmentation": _describe_augmentation(row, version),
        "sampling": _describe_sampling(row, version, records),
        **_trace_object(store, version, row["path"], row["content_id"], base),
    }


def trace_image(
    store: PipelineStore,
    version: Version,
    *,
    path: str | None = None,
    content: str | None = None,
    base: Base | None = None,
) -> dict[str, Any]:
    """Everything that a version knows of an image: its object, copies, split, and its records or its exclusion.

    Args:
        store: the pipeline's store.
        version: a published version.
        path: as listed.
        content: in place of a path: the content's id (MD5); the first path that holds it is shown, with its copies.
        base: as in `trace_record`.

    Returns:
        JSON-safe: ``version``, ``place`` (``address``: what opens the photo, None where nothing says where its dataset
        lies; ``note``: what is wrong with that, or None), ``object``, ``copies``, ``image``, ``split``, ``exclusion``
        (None for one that is in a shard), ``records`` (of all copies, where ``content`` is given).

    Raises:
        ReadError: the version does not know it.
        StoreError: the version cannot be read.
    """
    listing, excluded = version.read_table("listing"), version.read_table("exclusions")
    columns = pa.schema([("path", TEXT), ("content_id", TEXT)])
    known = pa.concat_tables([table.select(columns.names).cast(columns) for table in (listing, excluded)])
    wanted = pc.equal(known["path"], path) if path is not None else pc.equal(known["content_id"], content)
    found = known.filter(pc.fill_null(wanted, False)).sort_by("path")
    if not found.num_rows:
        raise ReadError(f"version {version.id} lists no image {path or content}; listing.parquet has all that it lists")
    # Of a content with copies the first by path is shown.
    own, content_id = found["path"][0].as_py(), found["content_id"][0].as_py()
    records = version.read_table("records")
    mine = pc.equal(records["path"], own) if path is not None else pc.equal(records["content_id"], content_id)
    rows = records.filter(pc.fill_null(mine, False)).to_pylist()
    return {
        **_trace_object(store, version, own, content_id, base),
        "records": [_describe_record(row, version) for row in rows],
    }


def _find_record(records: pa.Table, version: Version, purpose: str, shard: int, position: int) -> dict[str, Any]:
    parts = part_names(records)
    in_part = records.filter(pc.equal(parts, purpose))
    if not in_part.num_rows:
        there = ", ".join(sorted(pc.unique(parts).to_pylist()))
        raise ReadError(f"version {version.id} has no records of purpose {purpose!r}; it has {there}")
    in_shard = in_part.filter(pc.equal(in_part["shard"], shard))
    if not in_shard.num_rows:
        last = pc.max(in_part["shard"])
        raise ReadError(f"{purpose} of version {version.id} has the shards 0 to {last}, and no {shard}")
    row = _find_row(in_shard, "position", position)
    if row is None:
        last = pc.max(in_shard["position"])
        raise ReadError(f"shard {shard} of {purpose} has the records 0 to {last}, and no {position}")
    return row


def _trace_object(
    store: PipelineStore, version: Version, path: str, content: str | None, base: Base | None
) -> dict[str, Any]:
    listing, excluded = version.read_table("listing"), version.read_table("exclusions")
    # What the listing left out was not read, and has no content.
    copies = listing.filter(
        pc.and_(pc.equal(listing["content_id"], content or ""), pc.not_equal(listing["path"], path))
    )
    row = _find_row(listing, "path", path)
    return {
        "version": _describe_version(store, version),
        "place": _locate_photo(version, path, base),
        "object": None if row is None else {name: row[name] for name in _OBJECT if name in row},
        "content_id": content,
        **{name: None if row is None else row[name] for name in _OF_CONTENT},
        "copies": sorted(copies["path"].to_pylist()),
        "image": _select_keys(_find_row(version.read_table("images"), "content_id", content or ""), _IMAGE),
        "split": _describe_split(version, path),
        "exclusion": _select_keys(_find_row(excluded, "path", path), ("rule", "partner", "reason")),
    }


def _locate_photo(version: Version, path: str, base: Base | None) -> dict[str, str | None]:
    """What opens the photo; nothing is read of it."""
    try:
        address = SourcePhotos(version, version.read_manifest()["configuration"], base).locate_photo(path)
    except ReadError as error:
        return {"address": None, "note": str(error)}
    gone = is_local(address) and not os.path.exists(address)
    return {"address": address, "note": "nothing is there now" if gone else None}


def _describe_version(store: PipelineStore, version: Version) -> dict[str, Any]:
    manifest = version.read_manifest()
    return {
        "id": version.id,
        "pipeline": manifest["pipeline"],
        "publications": [
            {name: getattr(entry, name) for name in ("number", "published_at", "published_by", "run_id")}
            for entry in store.publications.read_all()
            if entry.version == version.id
        ],
        "listing_fingerprint": manifest["listing_fingerprint"],
    }


def _describe_record(row: Mapping[str, Any], version: Version) -> dict[str, Any]:
    label, classes = row["label"], version.read_manifest()["classes"]
    return {name: row[name] for name in _RECORD} | {"class": None if label == NO_LABEL else classes[label]}


def _describe_augmentation(row: Mapping[str, Any], version: Version) -> dict[str, Any] | None:
    from brev_pipeline.augmentation import ImageAugmenter

    if not row["augmented"]:
        return None
    settings = AugmentationSettings.model_validate(version.read_manifest()["configuration"]["augmentation"])
    image = _find_row(version.read_table("images"), "content_id", row["content_id"])
    height, width = (image["prepared_height"], image["prepared_width"]) if image else (0, 0)
    return ImageAugmenter(settings).parameters(row["seed"], height, width)


def _describe_sampling(row: Mapping[str, Any], version: Version, records: pa.Table) -> dict[str, Any]:
    weights = version.read_table("weights")
    group = _find_row(weights.filter(pc.equal(weights["purpose"], row["purpose"])), "group", row["group"]) or {}
    drawn = records.filter(pc.and_(pc.equal(records["path"], row["path"]), pc.equal(records["epoch"], row["epoch"])))
    kept = ("group", "samples", "weight", "probability", "draws")
    return {**{name: group.get(name) for name in kept}, "draws_of_this_image_in_this_epoch": drawn.num_rows}


def _describe_split(version: Version, path: str) -> dict[str, Any] | None:
    """The image's side, its item, stratum and leak group, and how many images these have."""
    table = select_listed(version.read_table("assignments"))
    row = _find_row(table, "path", path)
    if row is None:
        return None
    sizes = {name: pc.sum(pc.equal(table[name], row[name])).as_py() for name in ("leak_group", "stratum")}
    facts = {name: row[name] for name in ("purpose", "item", "stratum", "leak_group")}
    return facts | {f"images_of_{name}": size for name, size in sizes.items()}


def _find_row(table: pa.Table, column: str, value: str | int) -> dict[str, Any] | None:
    rows: list[dict[str, Any]] = table.filter(pc.equal(table[column], value)).slice(0, 1).to_pylist()
    return rows[0] if rows else None


def _select_keys(row: Mapping[str, Any] | None, names: tuple[str, ...]) -> dict[str, Any] | None:
    return None if row is None else {name: row.get(name) for name in names}
