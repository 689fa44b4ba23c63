"""One task of the stage: fetch, decode, measure and store a chunk of contents. It runs in a worker.

Whatever is wrong with an image becomes a row with a status and a reason; only what is wrong with the
configuration or the store is raised.

A worker that dies takes a chunk of images with it, and nobody knows on which, or whether what killed it had to do with
any (a machine without memory, an operator). So an image that was under way each time is tried once more by itself, in a
fresh process where nothing else runs (`prepare_isolated`). What that process ends by tells what the image is:

* the signals of a crash, and that of the clock: the image is ``stopped``, and the cache remembers it;
* anything else, be it SIGKILL, SIGTERM or too long a wait: ``interrupted``, which the next run tries again.

The process is an engine's worker, wherever the image was tried before: so the end of one that Ray started is told as
well, and it ends with the one that waits for it.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.config import ImageSettings
from brev_pipeline.engine import LocalEngine, LostTask
from brev_pipeline.errors import BrevPipelineError, DecodeError, SourceError
from brev_pipeline.images.decoding import convert_to_greyscale, decode_image
from brev_pipeline.images.formats import read_image_header
from brev_pipeline.images.formats.base import ImageHeader
from brev_pipeline.images.geometry import RoiOutsideError, arrange_regions
from brev_pipeline.images.limits import (
    OPENCV_NO_MEMORY,
    RETRIED_STATUSES,
    check_memory,
    classify_loss,
    cpu_time_limit,
    decoding_limits,
)
from brev_pipeline.images.pixel_cache import CACHED_IMAGES, UPRIGHT, PixelCache, settings_id
from brev_pipeline.storage.fetcher import Fetcher, SourceRow, check_recorded_md5

_LOG = logging.getLogger(__name__)
_FULL = 64 << 20  # bytes of prepared pixels after which a pair of files is written
_UNREAD = "unread-"
# Columns of an `intensity.SampleRange`.
_RANGE = ("sample_min", "sample_low", "sample_high", "sample_max", "range_used")

Content = tuple[SourceRow, ...]  # all objects that hold one content, in order of preference
Row = dict[str, Any]
# One image's row, without its place in the store, and its prepared pixels if it has any.
Prepared = tuple[Row, npt.NDArray[np.uint8] | None]


@dataclass(frozen=True)
class PrepareTask:
    """What all tasks of one call have in common."""

    settings: ImageSettings
    fetch: Fetcher
    cache: PixelCache
    isolated: bool = False  # whether each image is decoded in a process of its own (see `prepare_isolated`)

    def __call__(self, contents: Sequence[Content]) -> pa.Table:
        """Prepare a chunk.

        Returns:
            Rows of ``prepared_images``, one per content; those that are true of the bytes for good are in the
            cache already, those that may be otherwise next time (missing, changed, interrupted) are not.

        Raises:
            BrevPipelineError: a roi lies outside of an image and the settings call that an error; the store
                cannot be written; this worker's decoders have other versions than the caller's.
        """
        if settings_id(self.settings) != self.cache.id:
            raise BrevPipelineError(
                "a worker has other versions of OpenCV, Pillow, simplejpeg or imagecodecs than the process that runs "
                "the pipeline: install the same versions on all machines"
            )
        tables = [CACHED_IMAGES.empty_table()]
        rows: list[Row] = []
        images: list[npt.NDArray[np.uint8] | None] = []
        passing: list[Row] = []
        held = 0
        prepare = prepare_isolated if self.isolated else prepare_row
        with decoding_limits(self.settings.max_pixels) if not self.isolated else nullcontext():
            for source, data in _fetch_contents(self.fetch, contents):
                if isinstance(data, SourceError):
                    passing.append(make_row(source, data.status, str(data)))  # whatever its status: it may be back
                    continue
                row, image = prepare(source, data, self.settings)
                if row["status"] in RETRIED_STATUSES:
                    passing.append(row)
                    continue
                rows.append(row)
                images.append(image)
                held += 0 if image is None else image.nbytes
                if held >= _FULL:
                    tables.append(self.cache.add_images(rows, images))
                    rows, images, held = [], [], 0
        if rows:
            tables.append(self.cache.add_images(rows, images))
        return pa.concat_tables([*tables, pa.Table.from_pylist(passing, schema=CACHED_IMAGES)])


def _fetch_contents(fetch: Fetcher, contents: Sequence[Content]) -> Iterator[tuple[SourceRow, bytes | SourceError]]:
    """Each content once: its bytes from the first object that still holds them, else the first object's error.

    The other objects are not read. Where their MD5 is only stated by their uploader, `recheck` reads them.
    """
    failures: dict[str, tuple[SourceRow, SourceError]] = {}
    waiting = {content[0].content_id: content for content in contents}
    turn = 0
    while waiting:
        for source, data in fetch.fetch_many([content[turn] for content in waiting.values()]):
            checked = _check_content(source, data)
            if isinstance(checked, bytes):
                del waiting[source.content_id]
                failures.pop(source.content_id, None)
                yield source, checked
            else:
                failures.setdefault(source.content_id, (source, checked))
        turn += 1
        waiting = {key: content for key, content in waiting.items() if len(content) > turn}
    yield from failures.values()


def _check_content(source: SourceRow, data: bytes | SourceError) -> bytes | SourceError:
    """What was fetched, if it is what the row says; pixels are kept under its ``content_id``."""
    if source.content_id.startswith(_UNREAD):
        if isinstance(data, SourceError):
            return SourceError("missing", str(data))
        return SourceError("changed", "it could not be read when it was listed, and can be read now: run again")
    return data if isinstance(data, SourceError) else check_recorded_md5(source, data)


def prepare_row(source: SourceRow, data: bytes, settings: ImageSettings) -> Prepared:
    """Decode, arrange and measure one image. In an engine's worker the clock runs, whose end is the worker's.

    Raises:
        BrevPipelineError: a roi lies outside, and the settings call that an error.
    """
    header: ImageHeader | None = None
    try:
        with cpu_time_limit(settings.max_seconds):
            header = read_image_header(data)
            check_memory(header, settings)
            decoded = decode_image(data, settings, header)
            image = arrange_regions(decoded.pixels, settings)
            # Counting and hashing samples takes time of the image's, so it is done while the clock runs.
            of_samples = (None,) * len(_RANGE) if decoded.samples is None else decoded.samples.sample_range
            pixel_id = decoded.pixel_id
    except DecodeError as error:
        if isinstance(error, RoiOutsideError) and settings.roi_outside == "error":
            raise BrevPipelineError(
                f"{source.path}: {error}; correct image.rois, or set image.roi_outside: quarantine"
            ) from error
        return make_row(source, error.status, str(error), header), None
    except Exception as error:
        if not isinstance(error, MemoryError) and getattr(error, "code", None) != OPENCV_NO_MEMORY:
            raise
        reason = "its decoding found no more memory, in the machine or within the limit of a worker"
        return make_row(source, "interrupted", reason, header), None
    row = {
        **make_row(source, "ok", None, header),
        "note": decoded.note,
        "pixel_id": pixel_id,
        **dict(zip(_RANGE, of_samples, strict=True)),
        **measure_pixels(image)._asdict(),
        "prepared_frames": image.shape[0] if image.ndim == 4 else None,
        "prepared_height": image.shape[-3],
        "prepared_width": image.shape[-2],
        "prepared_channels": image.shape[-1],
        **dict(zip(UPRIGHT, decoded.pixels.shape, strict=False)),
    }
    return row, image


def make_row(source: SourceRow, status: str, reason: str | None, header: ImageHeader | None = None) -> Row:
    """A row without pixels."""
    row: Row = {"content_id": source.content_id, "status": status, "reason": reason, "source_path": source.path}
    if header is not None:
        row |= {name: getattr(header, name) for name in ("format", "height", "width", "channels", "bit_depth")}
    return row


def max_wait_seconds(settings: ImageSettings) -> float:
    """Seconds after which a process that waits rather than computes is ended; so much slower may a busy machine be."""
    return 60 + 10 * settings.max_seconds


def prepare_isolated(source: SourceRow, data: bytes, settings: ImageSettings) -> Prepared:
    """As `prepare_row`, in a process of its own; one that dies gives a row ``stopped`` or ``interrupted``.

    Raises:
        BrevPipelineError: a roi lies outside, and the settings call that an error; no process can be started.
    """
    task, timeout = _PrepareRow(data, settings), max_wait_seconds(settings)
    ((_, result),) = LocalEngine(1).map(task, [source], lost="yield", task_timeout=timeout, tries=1)
    if not isinstance(result, LostTask):
        return result
    _LOG.warning("%s: decoding it alone: %s", source.path, result.reason)
    return make_row(source, *classify_loss(result, settings)), None


@dataclass(frozen=True)
class _PrepareRow:
    data: bytes = field(repr=False)
    settings: ImageSettings

    def __call__(self, source: SourceRow) -> Prepared:
        import_decoders()
        with decoding_limits(self.settings.max_pixels):
            return prepare_row(source, self.data, self.settings)


def import_decoders() -> None:
    """Import all that decoding imports when it is first used, so that an image's clock does not pay for it."""
    import cv2  # noqa: F401
    import imagecodecs
    import numpy.ma  # noqa: F401
    import simplejpeg  # noqa: F401
    from PIL import Image

    Image.init()
    # imagecodecs imports the module of each codec when its function is first looked up.
    for codec in ("png", "deflate", "jpeg2k", "lzw", "zstd"):
        getattr(imagecodecs, f"{codec}_decode")


class PixelStatistics(NamedTuple):
    """Of prepared pixels, over all rows, columns, channels and frames: what tells a blank, blurred or clipped photo.

    Computed from exact integer sums, so the numbers are equal on every CPU, to the last bit.
    """

    mean: float  # 0..255
    std: float  # standard deviation (of the population), 0..255
    # Variance of the Laplacian (0 1 0, 1 -4 1, 0 1 0; mirrored at the border pixels) of the luma. Small means
    # blurred or blank; what is small depends on the motif.
    sharpness: float
    clipped: float  # share of the values that are 0 or 255, 0..1


def measure_pixels(pixels: npt.NDArray[np.uint8]) -> PixelStatistics:
    """Statistics of prepared pixels ([frames,] height, width, 1 or 3)."""
    import cv2

    values = pixels.reshape(-1, pixels.shape[-2] * pixels.shape[-1])  # long rows: OpenCV is slow on columns
    total, squares = _sum_exactly(values)
    extremes = sum(values.size - cv2.countNonZero(levels) for levels in (values, cv2.bitwise_not(values)))
    std = math.sqrt(_variance(values.size, total, squares))
    return PixelStatistics(total / values.size, std, _measure_sharpness(pixels), extremes / values.size)


def _sum_exactly(values: npt.NDArray[np.uint8] | npt.NDArray[np.int16]) -> tuple[int, int]:
    """Exact sums of the values and of their squares; values (rows, columns)."""
    import cv2

    # Sums of whole numbers below 2**53 are exact in float64 in whatever order they are added. OpenCV's Intel
    # library gives the squares' sum as the square of a root, which is off by a few units in the last place.
    return round(cv2.sumElems(values)[0]), round(cv2.norm(values, cv2.NORM_L2SQR))


def _variance(count: int, total: int, squares: int) -> float:
    return (count * squares - total * total) / (count * count)


def _measure_sharpness(pixels: npt.NDArray[np.uint8]) -> float:
    import cv2

    total = squares = count = 0
    for frame in pixels.reshape(-1, *pixels.shape[-3:]):
        luma = convert_to_greyscale(frame) if frame.shape[2] == 3 else frame
        edges = cv2.Laplacian(luma, cv2.CV_16S, ksize=1, borderType=cv2.BORDER_REFLECT_101)
        sums = _sum_exactly(edges)
        total, squares, count = total + sums[0], squares + sums[1], count + edges.size
    return _variance(count, total, squares)
