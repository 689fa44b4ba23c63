"""Pixels: what is known of each content's decoding, and what a run would decode to know the rest."""

from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.images.limits import RETRIED_STATUSES, timeout_reason
from brev_pipeline.images.pixel_cache import PixelCache, settings_id
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.tables import PREPARED_IMAGES, conform_table
from brev_pipeline.texts import join_texts

OPEN: Final = "open-"
"""How the pixel_id of a content begins whose pixels nobody knows."""
_SIDES: Final = ("prepared_frames", "prepared_height", "prepared_width", "prepared_channels")


@dataclass(frozen=True)
class Pixels:
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


def foresee_pixels(config: PipelineConfig, store: PipelineStore, newest: Version | None, looked: pa.Table) -> Pixels:
    """Find what is known of the pixels: in the cache of these settings, or else in the newest version's own table.

    Args:
        config: the pipeline's configuration.
        store: its store.
        newest: the newest published version.
        looked: `Look.integrity`.

    Raises:
        StoreError: the store cannot be read.
    """
    cache = PixelCache(store.prepared_pixels, settings_id(config.image))
    known = cache.find_known(looked["content_id"], timeout_reason(config.image))
    contents = pc.unique(looked["content_id"])
    rest = contents.filter(pc.invert(pc.is_in(contents, value_set=known["content_id"].combine_chunks())))
    published = _published(config, newest, rest) if newest and len(rest) else PREPARED_IMAGES.empty_table()
    rest = rest.filter(pc.invert(pc.is_in(rest, value_set=published["content_id"].combine_chunks())))
    shape = _shape(config, pa.concat_tables([known, published]))
    unread = pc.is_in(rest, value_set=_unreadable(looked))
    opened = _open_rows(rest.filter(pc.invert(unread)), shape)
    missing = _rows(rest.filter(unread), {"status": "missing", "reason": "its bytes could not be read"})
    table = pa.concat_tables([known, published, opened, missing]).sort_by("content_id")
    fresh = pa.concat_tables([published, opened])
    return Pixels(
        conform_table(table, PREPARED_IMAGES, "prepared_images"),
        decode=published.num_rows + opened.num_rows,
        open=opened.num_rows,
        bytes=_bytes(fresh),
    )


def _published(config: PipelineConfig, newest: Version, wanted: pa.Array) -> pa.Table:
    """What the newest version says of contents that are not in the cache, as these settings would prepare them."""
    table = newest.read_table("images")
    table = table.filter(pc.is_in(table["content_id"], value_set=wanted))
    table = table.filter(
        pc.invert(pc.is_in(table["status"], value_set=pa.array(RETRIED_STATUSES, table["status"].type)))
    )
    ok = pc.equal(table["status"], "ok")
    place = {"file": pc.if_else(ok, "", None), "offset": pc.if_else(ok, 0, None), "length": pc.if_else(ok, 1, None)}
    columns = {name: table[name] for name in table.column_names} | place
    for name, value in _given_shape(config).items():
        columns[name] = pc.if_else(ok, value, None)
    full = {name: columns.get(name, pa.nulls(table.num_rows, field.type)) for name, field in _fields()}
    return pa.table({name: _cast(values, name) for name, values in full.items()}, schema=PREPARED_IMAGES)


def _open_rows(contents: pa.Array, shape: dict[str, int]) -> pa.Table:
    """Rows of contents that nobody has decoded, taken to be well and of nobody else's pixels."""
    well: dict[str, Any] = {"status": "ok", "file": "", "offset": 0, "length": 1, **shape}
    well |= {"mean": 1.0, "std": 1.0, "sharpness": 1.0, "clipped": 0.0}
    return _rows(contents, well | {"pixel_id": join_texts(pa.repeat(OPEN, len(contents)), contents, by="")})


def _rows(contents: pa.Array, values: dict[str, Any]) -> pa.Table:
    columns: dict[str, Any] = {"content_id": contents, "source_path": contents, **values}
    return pa.table(
        {name: _cast(columns.get(name), name, len(contents)) for name, _ in _fields()}, schema=PREPARED_IMAGES
    )


def _cast(values: Any, name: str, count: int = 0) -> Any:
    kind = PREPARED_IMAGES.field(name).type
    if values is None:
        return pa.nulls(count, kind)
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values.cast(kind)
    return pa.repeat(pa.scalar(values, kind), count)


def _fields() -> list[tuple[str, pa.Field]]:
    return [(field.name, field) for field in PREPARED_IMAGES]


def _unreadable(looked: pa.Table) -> pa.ChunkedArray:
    """Contents that cannot be read."""
    return looked["content_id"].filter(pc.equal(looked["content_source"], "unreadable")).combine_chunks()


def _given_shape(config: PipelineConfig) -> dict[str, int]:
    """Height, width and channels of prepared images, as far as the settings give them."""
    channels = {"prepared_channels": 1 if config.image.color_mode == "greyscale" else 3}
    if config.image.target_size is None:
        return channels
    height, width = config.image.target_size
    return {"prepared_height": height, "prepared_width": width, **channels}


def _shape(config: PipelineConfig, known: pa.Table) -> dict[str, int]:
    """The shape that new images will have, as far as can be told: as the settings give it, or as most others have."""
    most = {}
    for name in _SIDES:
        values = known[name].drop_null()
        if len(values):
            most[name] = int(pc.mode(values)[0].as_py()["mode"])
    return {**most, **_given_shape(config)}


def _bytes(rows: pa.Table) -> int | None:
    """Bytes of prepared pixels; None where the shape of some is not known."""
    rows = rows.filter(pc.equal(rows["status"], "ok"))
    sides = [pc.fill_null(rows[_SIDES[0]], 1).cast(pa.int64()), *(rows[name].cast(pa.int64()) for name in _SIDES[1:])]
    values = reduce(pc.multiply, sides)
    return None if values.null_count else int(pc.sum(values).as_py() or 0)


def open_images(looked: pa.Table, pixels: Pixels) -> npt.NDArray[np.bool_]:
    """(images,) whether nobody has decoded the image's content."""
    rows = pixels.prepared.filter(pc.starts_with(pc.fill_null(pixels.prepared["pixel_id"], ""), OPEN))
    found: npt.NDArray[np.bool_] = pc.is_in(
        looked["content_id"], value_set=rows["content_id"].combine_chunks()
    ).to_numpy()
    return found
