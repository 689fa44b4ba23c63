"""The images derived anew, as far as that needs no pixels: a row per listed content, of the configured size."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.version_claims import Bools, Contradiction, VersionClaims, as_certain, name_paths
from brev_pipeline.config import ImageSettings
from brev_pipeline.images.limits import is_possible_reason

IMAGES: Final = "images.parquet"
_SIDES: Final = ("prepared_frames", "prepared_height", "prepared_width", "prepared_channels")


def image_contradictions(claims: VersionClaims) -> Iterator[Contradiction]:
    """Contents that are not listed, or not prepared, or prepared otherwise than the settings say."""
    listing, images = claims.tables["listing"], claims.tables["images"]
    yield from as_certain(_compare_contents(listing, images))
    usable = images.filter(pc.equal(images["status"], "ok"))
    yield from as_certain(_compare_sizes(usable, claims.config.image))
    values = pc.multiply(usable["height"].cast(pa.int64()), usable["width"].cast(pa.int64()))
    most = claims.config.image.max_pixels
    yield from as_certain(
        _each(usable, _true_rows(pc.greater(values, most)), f"has more pixels than image.max_pixels ({most})")
    )
    stopped = images.filter(pc.equal(images["status"], "stopped"))
    settings = claims.config.image
    unlike = np.array([not is_possible_reason(reason, settings) for reason in stopped["reason"].to_pylist()], np.bool_)
    yield from as_certain(_each(stopped, unlike, "was stopped by another clock than image.max_seconds, or by no crash"))
    if claims.config.image.strict_jpeg:
        forced = _true_rows(pc.match_substring(pc.fill_null(usable["note"], ""), "in spite of"))
        yield from as_certain(_each(usable, forced, "was read in spite of damage, which image.strict_jpeg refuses"))


def _compare_contents(listing: pa.Table, images: pa.Table) -> Iterator[str]:
    known = pc.is_in(listing["content_id"], value_set=images["content_id"].combine_chunks())
    yield from name_paths(
        listing["path"],
        ~_true_rows(known),
        lambda row: f"{IMAGES}: no row for the content of {listing['path'][row].as_py()}",
        f"{IMAGES}: missing contents",
    )
    at = pc.index_in(images["source_path"], value_set=listing["path"].combine_chunks())
    other = pc.not_equal(listing["content_id"].take(at), images["content_id"])
    yield from _each(images, _true_rows(pc.fill_null(other, True)), "is not the listing's object of this content")
    twice = len(images) - len(pc.unique(images["content_id"]))
    if twice:
        yield f"{IMAGES}: {twice} contents have more than one row"


def _compare_sizes(images: pa.Table, settings: ImageSettings) -> Iterator[str]:
    """Prepared frames, sides and channels that the settings do not give."""
    right = dict(zip(_SIDES, _expected_size(settings), strict=True))
    for side, wanted in right.items():
        if wanted is not None:
            wrong = _true_rows(pc.fill_null(pc.not_equal(images[side], wanted), True))
            yield from _each(images, wrong, f"was not prepared as image's settings say: {side} is not {wanted}")
    if settings.roi_mode != "as_timeseries":
        yield from _each(
            images, _true_rows(images["prepared_frames"].is_valid()), "is a time series, and image says none"
        )
    if settings.target_size is None and not settings.rois and settings.color_mode != "bayer":
        # Turned upright by its orientation or not.
        kept = [pc.multiply(images[f"{kind}height"], images[f"{kind}width"]) for kind in ("", "prepared_")]
        yield from _each(images, _true_rows(pc.not_equal(*kept)), "was resized, and image.target_size is not set")


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


def _each(images: pa.Table, wrong: Bools, what: str) -> Iterator[str]:
    return name_paths(
        images["source_path"],
        wrong,
        lambda row: f"{IMAGES}: {images['source_path'][row].as_py()} {what}",
        f"{IMAGES}: {what}",
    )


def _true_rows(column: pa.ChunkedArray) -> Bools:
    return np.asarray(pc.fill_null(column, False).to_numpy(), np.bool_)
