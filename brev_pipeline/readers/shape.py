"""The shape that all images of a version have, as far as they have one."""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import ReadError

_COLUMNS = ("prepared_frames", "prepared_height", "prepared_width", "prepared_channels")
COLUMNS = ["content_id", *_COLUMNS]
"""What `shape_of` needs of the table of images."""


class Shape(NamedTuple):
    """Of the images of some records."""

    frames: int | None
    """Of a time series; None: single images."""
    height: int | None
    """px; None where images differ."""
    width: int | None
    """px; None where images differ."""
    channels: int
    """1 grey, 3 RGB."""

    @property
    def is_known(self) -> bool:
        """Whether all images have the same height and width."""
        return self.height is not None and self.width is not None

    @property
    def stored(self) -> tuple[int | None, int | None, int]:
        """(height, width, channels) as stored: the frames of a time series stand one below the other."""
        tall = self.height and self.height * (self.frames or 1)
        return tall, self.width, self.channels

    @property
    def array(self) -> tuple[int | None, ...]:
        """([frames,] height, width, channels)."""
        return tuple(self[1:] if self.frames is None else self)


def shape_of(images: pa.Table, contents: pa.ChunkedArray) -> Shape:
    """The shape of the images of some contents.

    Args:
        images: `COLUMNS` of the version's images.
        contents: content ids.

    Raises:
        ReadError: they differ in their number of channels or frames.
    """
    own = images.filter(pc.is_in(images["content_id"], pc.unique(contents)))
    frames, height, width, channels = (pc.unique(own[side]).to_pylist() for side in _COLUMNS)
    if len(frames) != 1 or len(channels) != 1:
        raise ReadError(
            f"images of {channels} channels and {frames} frames stand beside each other in one purpose: read them one "
            "by one"
        )
    (height_,), (width_,) = (sides if len(sides) == 1 else [None] for sides in (height, width))
    return Shape(frames[0], height_, width_, channels[0])
