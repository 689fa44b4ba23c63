"""Thumbnails: every picture of the page, read once, augmented by its record's own seed, and small.

Sections ask for pictures while they are made; `ThumbnailCache.render` then reads the prepared pixels in one pass, in
the order in which they lie in the store, and encodes thumbnails as WebP (half the bytes of JPEG) at the largest of a
few sizes with which all pictures together keep to the page's budget.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.frames import Augmenter, PixelReader, Pixels, augment_frames, stack_frames
from brev_pipeline.report.rows import TableView
from brev_pipeline.tables import Columns
from brev_pipeline.texts import TEXT

BUDGET: Final = 2_600_000  # bytes of all encoded pictures together, before base64 makes them a third longer
_RUNGS: Final = ((128, 78), (112, 72), (96, 66), (80, 58), (64, 48), (48, 36))  # longer side in px, WebP quality
_SPEED: Final = 2  # of WebP's methods 0..6: 1 ms a picture; 4 is twice as slow and 5 % smaller
_EVERY: Final = 8  # one picture in so many is encoded to guess the bytes of all
_THREADS: Final = 8  # that read, each some rows at a time
_ROWS: Final = 8
_PLACES: Final = ["file", "offset", "length"]


@dataclass(frozen=True)
class PictureRequest:
    """A wish: the prepared pixels of a content, or with a seed what a record's augmentation makes of them."""

    content_id: str
    seed: int | None = None


@dataclass(frozen=True)
class Thumbnail:
    """A picture as the page has it: a data URI, and the size in px of what it shows."""

    src: str
    width: int
    height: int

    @property
    def is_tiny(self) -> bool:
        """Whether single pixels should be seen when it is shown larger."""
        return max(self.width, self.height) < 64


class ThumbnailCache:
    """The pictures of one page.

    Args:
        images: prepared_images.
        pixels: reads them; None: there are no pictures.
        augmenter: makes the augmented ones.
        withheld: tells those of some contents that may not be looked at.
    """

    def __init__(
        self,
        images: Columns,
        pixels: PixelReader | None,
        augmenter: Augmenter,
        withheld: Callable[[Iterable[str]], frozenset[str]],
    ) -> None:
        self._images, self._pixels, self._augmenter = TableView(images), pixels, augmenter
        self._ask_withheld, self._withheld = withheld, frozenset[str]()
        self._requests: dict[PictureRequest, None] = {}
        self._thumbnails: dict[PictureRequest, Thumbnail] = {}

    @property
    def has_pictures(self) -> bool:
        """Whether there are pictures at all."""
        return self._pixels is not None and set(_PLACES) <= set(self._images.names)

    def request(self, content_id: str, seed: int | None = None) -> PictureRequest:
        """Ask for a picture."""
        picture = PictureRequest(content_id, seed)
        self._requests[picture] = None
        return picture

    def is_withheld(self, picture: PictureRequest) -> bool:
        """Whether a picture may not be looked at; known when they are rendered."""
        return picture.content_id in self._withheld

    def __getitem__(self, picture: PictureRequest) -> Thumbnail | None:
        return self._thumbnails.get(picture)

    def render(self) -> None:
        """Read, augment, shrink and encode everything that was asked for.

        Raises:
            StoreError: the prepared pixels are gone or damaged.
        """
        small = dict(self._read_small())
        pictures = [picture for picture in self._requests if picture in small]
        encoded = _encode_within_budget([small[picture] for picture in pictures])
        for picture, (data, width, height) in zip(pictures, encoded, strict=True):
            src = "data:image/webp;base64," + base64.b64encode(data).decode()
            self._thumbnails[picture] = Thumbnail(src, width, height)

    def _read_small(self) -> Iterator[tuple[PictureRequest, Pixels]]:
        """Each picture, at most as large as the largest rung."""
        self._withheld = self._ask_withheld({picture.content_id for picture in self._requests})
        if self._pixels is None or not self.has_pictures:
            return
        wishes: dict[str, list[PictureRequest]] = {}
        for picture in self._requests:
            if not self.is_withheld(picture):
                wishes.setdefault(picture.content_id, []).append(picture)
        wanted = pc.is_in(self._images.read_column("content_id"), value_set=pa.array(wishes, TEXT))
        rows = self._images.read_rows(self._images.names, np.flatnonzero(wanted))
        rows = rows.filter(pc.and_(pc.equal(rows["status"], "ok"), pc.is_valid(rows["file"])))
        rows = rows.sort_by([(name, "ascending") for name in _PLACES])
        for content, image in zip(rows["content_id"].to_pylist(), _read_batches(self._pixels, rows), strict=True):
            for picture in wishes[content]:
                drawn = image if picture.seed is None else augment_frames(self._augmenter, image, picture.seed)
                yield picture, shrink_image(stack_frames(drawn), _RUNGS[0][0])


def _read_batches(pixels: PixelReader, rows: pa.Table) -> Iterator[Pixels]:
    """Pixels of the rows, in order; a few rows per thread, and never more than a batch in memory."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, rows.num_rows, _THREADS * _ROWS):
            parts = [rows.slice(start + _ROWS * one, _ROWS) for one in range(_THREADS)]
            # A batch is cut off where the table ends.
            for images in pool.map(lambda part: list(pixels.read(part)), [part for part in parts if part.num_rows]):
                yield from images


def shrink_image(image: Pixels, side: int) -> Pixels:
    """An image whose longer side is at most ``side`` px; smaller ones stay as they are."""
    import cv2

    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    to = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, to, interpolation=cv2.INTER_AREA)).reshape(to[1], to[0], -1)


def encode_webp(image: Pixels, side: int, quality: int) -> tuple[bytes, int, int]:
    """WebP bytes, width and height of an image at a size."""
    from PIL import Image

    small = shrink_image(image, side)
    sink = BytesIO()
    Image.fromarray(small[..., 0] if small.shape[-1] == 1 else small).save(sink, "WEBP", quality=quality, method=_SPEED)
    return sink.getvalue(), small.shape[1], small.shape[0]


def _encode_within_budget(images: Sequence[Pixels]) -> list[tuple[bytes, int, int]]:
    sample = images[::_EVERY]
    for rung in _RUNGS[:-1]:
        guess = sum(len(encode_webp(image, *rung)[0]) for image in sample) * len(images) / max(1, len(sample))
        if guess <= 0.9 * BUDGET:
            done = _encode_all(images, *rung)
            if sum(len(data) for data, _, _ in done) <= BUDGET:
                return done
    return _encode_all(images, *_RUNGS[-1])


def _encode_all(images: Sequence[Pixels], side: int, quality: int) -> list[tuple[bytes, int, int]]:
    # Pillow lets other threads run while it encodes.
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda image: encode_webp(image, side, quality), images))
