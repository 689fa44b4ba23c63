"""What lies in the datasets now, and what is known of it: contents, reading no more bytes than allowed, and pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import SourceError
from brev_pipeline.images.limits import RETRIED_STATUSES, timeout_reason
from brev_pipeline.images.pixel_cache import PixelCache, settings_id
from brev_pipeline.integrity import check_integrity
from brev_pipeline.listing import list_datasets
from brev_pipeline.listing.checksums import recall_etags
from brev_pipeline.listing.class_checks import ListingFindings
from brev_pipeline.release.exclusions import gather_left_out
from brev_pipeline.storage import Sources
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.table_metadata import note_found
from brev_pipeline.tables import PREPARED_IMAGES, conform_table
from brev_pipeline.texts import TEXT, join_texts


@dataclass(frozen=True)
class ListedImages:
    """The images of the datasets, and what is known of their contents.

    Args:
        integrity: as a run's ``sample_integrity``; its metadata tells what else the listing found.
        left_out: what the listing left out: path, etag, category, rule, reason.
        unread: (images,) whether nobody has read the image's bytes, so that its content is not known.
        read: images that were read for their content.
        read_bytes: of them.
        unread_bytes: of those that were not.
    """

    integrity: pa.Table
    left_out: pa.Table
    unread: npt.NDArray[np.bool_]
    read: int
    read_bytes: int
    unread_bytes: int


class _NoFetch:
    """Reads nothing, and asks for no headers: an entity tag that looks like an MD5 is taken for one."""

    def fetch_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, bytes | SourceError]]:
        for row in rows:
            yield row, SourceError("missing", "it was not read")


@dataclass(frozen=True)
class _BytesOnly:
    """Reads images, and asks for no headers."""

    sources: Sources

    def fetch_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, bytes | SourceError]]:
        return self.sources.fetch_many(rows)


def list_current_images(
    config: PipelineConfig, sources: Sources, known: pa.Table | None
) -> tuple[pa.Table, pa.Table, dict[str, Any]]:
    """The listing as a run would have it, but for local files that changed since they were read, which have no etag.

    Returns:
        The listing, what it left out, and what else it found.

    Raises:
        ListingError: as a run.
    """
    left_out, findings = list[pa.Table](), ListingFindings()
    listing = list_datasets(
        config.datasets,
        config.listing,
        sources,
        known,
        left_out.append,
        findings.add_findings,
        hashed=False,
        read_labels=True,
    )
    if pc.any(pc.equal(listing["etag_source"], "none")).as_py():
        listing = _fill_etags(listing, pc.coalesce(listing["etag"], recall_etags(listing, known)))
    return listing, gather_left_out(left_out), findings.build_summary(config.listing)


def identify_images(config: PipelineConfig, sources: Sources, known: pa.Table | None, most_bytes: int) -> ListedImages:
    """List the datasets and identify the images, going on from what earlier runs remember of them.

    At most ``most_bytes`` are read; where the images that have to be read are more, none is.

    Raises:
        ListingError: as a run.
    """
    listing, left_out, facts = list_current_images(config, sources, known)
    table = check_integrity(listing, fetch=_NoFetch(), known=known)
    unknown = _find_unidentified(table)
    size = int(np.sum(table["size"].to_numpy()[unknown]))
    if not unknown.any() or size > most_bytes:
        # Whether they can be read is not known either.
        source = pc.if_else(pa.array(unknown), "read", table["content_source"])
        table = note_found(_replace_column(table, "content_source", source), facts)
        return ListedImages(table, left_out, unknown, 0, 0, size)
    table = check_integrity(listing, fetch=_BytesOnly(sources), known=table)
    content = pc.if_else(pc.equal(table["content_source"], "read"), table["content_id"], pa.scalar(None, TEXT))
    # As the listing of a run has them, which hashes local files itself.
    hashed = pa.array(unknown & ~_find_unidentified(table) & table["etag"].is_null().to_numpy())
    if pc.any(hashed).as_py():
        table = _fill_etags(table, pc.if_else(hashed, content, table["etag"]))
        table = _replace_column(table, "content_source", pc.if_else(hashed, "etag", table["content_source"]))
    none = np.zeros(len(unknown), np.bool_)
    return ListedImages(note_found(table, facts), left_out, none, int(unknown.sum()), size, 0)


def _find_unidentified(table: pa.Table) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.equal(table["content_source"], "unreadable").to_numpy())


def _fill_etags(table: pa.Table, etags: Any) -> pa.Table:
    """The table with entity tags that are MD5s of local files where it had none."""
    added = pc.and_(table["etag"].is_null(), pc.is_valid(etags))
    table = _replace_column(table, "etag", etags)
    return _replace_column(table, "etag_source", pc.if_else(added, "md5", table["etag_source"]))


def _replace_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), table.schema.field(name), values)


UNKNOWN_PIXELS: Final = "open-"
"""How the pixel_id of a content begins whose pixels nobody knows."""
_SHAPE_COLUMNS: Final = ("prepared_frames", "prepared_height", "prepared_width", "prepared_channels")
# Where the pixels would lie that are not in the store.
_UNWRITTEN: Final[dict[str, str | int]] = {"file": "", "offset": 0, "length": 1}


@dataclass(frozen=True)
class PixelForecast:
    """The images as ``prepared_images`` would have them, as far as is known.

    Args:
        prepared: schema `tables.PREPARED_IMAGES`; where the pixels are not in the store, ``file`` is the empty text.
        decode: contents that a run would decode.
        open: those of them that were never decoded: what comes of it is open.
        bytes: of the prepared pixels that a run would add to the store; None: not known.
    """

    prepared: pa.Table
    decode: int
    open: int
    bytes: int | None


def forecast_pixels(
    config: PipelineConfig, store: PipelineStore, newest: Version | None, looked: pa.Table
) -> PixelForecast:
    """Find what is known of the pixels: in the cache of these settings, or else in the newest version's own table.

    Raises:
        StoreError: the store cannot be read.
    """
    cache = PixelCache(store.prepared_pixels, settings_id(config.image))
    known = cache.find_known(looked["content_id"], timeout_reason(config.image)).select(PREPARED_IMAGES.names)
    contents = pc.unique(looked["content_id"])
    rest = contents.filter(pc.invert(pc.is_in(contents, value_set=known["content_id"].combine_chunks())))
    published = _read_published(config, newest, rest) if newest and len(rest) else PREPARED_IMAGES.empty_table()
    rest = rest.filter(pc.invert(pc.is_in(rest, value_set=published["content_id"].combine_chunks())))
    shape = _expected_shape(config, pa.concat_tables([known, published]))
    unreadable = pc.is_in(rest, value_set=looked["content_id"].filter(_find_unidentified(looked)).combine_chunks())
    undecoded = _make_undecoded_rows(rest.filter(pc.invert(unreadable)), shape)
    missing = _make_rows(rest.filter(unreadable), {"status": "missing", "reason": "its bytes could not be read"})
    table = pa.concat_tables([known, published, undecoded, missing]).sort_by("content_id")
    fresh = pa.concat_tables([published, undecoded])
    return PixelForecast(
        conform_table(table, PREPARED_IMAGES, "prepared_images"),
        decode=fresh.num_rows,
        open=undecoded.num_rows,
        bytes=_count_pixel_bytes(fresh),
    )


def _read_published(config: PipelineConfig, newest: Version, wanted: pa.Array) -> pa.Table:
    """What the newest version says of contents that are not in the cache, as these settings would prepare them."""
    table = newest.read_table("images")
    table = table.filter(pc.is_in(table["content_id"], value_set=wanted))
    retried = pc.is_in(table["status"], value_set=pa.array(RETRIED_STATUSES, table["status"].type))
    table = table.filter(pc.invert(retried))
    ok = pc.equal(table["status"], "ok")
    prepared = {**_UNWRITTEN, **_configured_shape(config)}
    columns = {name: table[name] for name in table.column_names}
    columns |= {name: pc.if_else(ok, value, None) for name, value in prepared.items()}
    return _make_table(columns, table.num_rows)


def _make_undecoded_rows(contents: pa.Array, shape: dict[str, int]) -> pa.Table:
    """Rows of contents that nobody has decoded, taken to be well and of nobody else's pixels."""
    well = {"status": "ok", "mean": 1.0, "std": 1.0, "sharpness": 1.0, "clipped": 0.0}
    return _make_rows(
        contents, {**_UNWRITTEN, **shape, **well, "pixel_id": join_texts(UNKNOWN_PIXELS, contents, by="")}
    )


def _make_rows(contents: pa.Array, values: dict[str, Any]) -> pa.Table:
    return _make_table({"content_id": contents, "source_path": contents, **values}, len(contents))


def _make_table(columns: dict[str, Any], count: int) -> pa.Table:
    """(count,) a table of `PREPARED_IMAGES` from columns or single values; null where a column is not named."""
    arrays = {}
    for field in PREPARED_IMAGES:
        values = columns.get(field.name)
        if isinstance(values, pa.Array | pa.ChunkedArray):
            arrays[field.name] = values.cast(field.type)
        else:
            arrays[field.name] = pa.repeat(pa.scalar(values, field.type), count)
    return pa.table(arrays, schema=PREPARED_IMAGES)


def _configured_shape(config: PipelineConfig) -> dict[str, int]:
    """Height, width and channels of prepared images, as far as the settings give them."""
    channels = {"prepared_channels": 1 if config.image.color_mode == "greyscale" else 3}
    if config.image.target_size is None:
        return channels
    height, width = config.image.target_size
    return {"prepared_height": height, "prepared_width": width, **channels}


def _expected_shape(config: PipelineConfig, known: pa.Table) -> dict[str, int]:
    """The shape that new images will have, as far as can be told: as the settings give it, or as most others have."""
    most = {}
    for name in _SHAPE_COLUMNS:
        values = known[name].drop_null()
        if len(values):
            most[name] = int(pc.mode(values)[0].as_py()["mode"])
    return {**most, **_configured_shape(config)}


def _count_pixel_bytes(rows: pa.Table) -> int | None:
    """Bytes of prepared pixels; None where the shape of some is not known."""
    rows = rows.filter(pc.equal(rows["status"], "ok"))
    frames, *sides = (rows[name].cast(pa.int64()) for name in _SHAPE_COLUMNS)
    values = reduce(pc.multiply, sides, pc.fill_null(frames, 1))
    return None if values.null_count else int(pc.sum(values).as_py() or 0)


def find_undecoded_images(looked: pa.Table, pixels: PixelForecast) -> npt.NDArray[np.bool_]:
    """(images,) whether nobody has decoded the image's content."""
    rows = pixels.prepared.filter(pc.starts_with(pc.fill_null(pixels.prepared["pixel_id"], ""), UNKNOWN_PIXELS))
    return np.asarray(pc.is_in(looked["content_id"], value_set=rows["content_id"].combine_chunks()).to_numpy())
