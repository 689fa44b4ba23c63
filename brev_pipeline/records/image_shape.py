"""The shape that all images of some records have, as far as they have one: exporters and readers state it."""

from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import ShardError

_SIDES: Final = ("prepared_frames", "prepared_height", "prepared_width", "prepared_channels")
SHAPE_COLUMNS: Final = ["content_id", *_SIDES]  # what `find_image_shape` needs of the table of images


class ImageShape(NamedTuple):
    """Of the images of some records."""

    frames: int | None  # of a time series; None: single images
    height: int | None  # px, of one frame; None where images differ
    width: int | None  # px; None where images differ
    channels: int  # 1 grey, 3 RGB

    @property
    def is_known(self) -> bool:
        """Whether all images have the same height and width."""
        return self.height is not None and self.width is not None

    @property
    def stored_shape(self) -> tuple[int | None, int | None, int]:
        """(height, width, channels) as stored: the frames of a time series stand one below the other."""
        return self.height and self.height * (self.frames or 1), self.width, self.channels

    @property
    def array_shape(self) -> tuple[int | None, ...]:
        """([frames,] height, width, channels)."""
        return tuple(self[1:] if self.frames is None else self)


def find_image_shape(images: pa.Table, content_ids: pa.ChunkedArray) -> ImageShape:
    """The shape of the images of some contents.

    Args:
        images: `SHAPE_COLUMNS` of the images.
        content_ids: of one record at least.

    Raises:
        ShardError: they differ in their number of channels or frames.
    """
    own = images.filter(pc.is_in(images["content_id"], value_set=pc.unique(content_ids)))
    frames, height, width, channels = (pc.unique(own[side]).to_pylist() for side in _SIDES)
    if len(frames) != 1 or len(channels) != 1:
        raise ShardError(f"images of {channels} channels and {frames} frames stand beside each other in the records")
    (common_height,), (common_width,) = (sides if len(sides) == 1 else [None] for sides in (height, width))
    return ImageShape(frames[0], common_height, common_width, channels[0])
