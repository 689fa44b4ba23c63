"""Arrangement: where the places of a photo lie in its prepared image, for labels.

Masks go the way of the pixels themselves, by the nearest neighbour; corners of boxes and polygons by the same numbers,
in 1/256 px.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.geometry import arrange_regions, check_region, inner_size, padding_before
from brev_pipeline.labels.base import ArrangedPolygon
from brev_pipeline.labels.polygons import (
    ONE,
    Place,
    Points,
    Rectangle,
    as_places,
    as_points,
    clip_polygon,
    divide,
)

_Pixels = npt.NDArray[np.uint8]


class _Region(NamedTuple):
    """One part of the photo, and where it lies in the prepared image."""

    frame: int
    left: int  # px in the photo
    top: int
    right: int
    bottom: int
    above: int  # px of the regions that stand above it before they are resized
    old: tuple[int, int]  # height and width, px, of what is resized with it
    new: tuple[int, int]  # height and width, px, that it is resized to
    offset: tuple[int, int]  # padding above and left of that, px

    def map_place(self, x: int, y: int) -> Place:
        """A place of the photo, 1/256 px, in the prepared image."""
        down = y - (self.top - self.above) * ONE
        return (
            divide((x - self.left * ONE) * self.new[1], self.old[1]) + self.offset[1] * ONE,
            divide(down * self.new[0], self.old[0]) + self.offset[0] * ONE,
        )


@dataclass(frozen=True)
class PhotoArrangement:
    """How `arrange_regions` arranges a photo of this size, for its labels: a `brev_pipeline.labels.base.Arrangement`.

    Args:
        height: of the upright photo, px.
        width: of the upright photo, px.
        settings: how the photo is prepared.

    Raises:
        RoiOutsideError: (the methods) a roi reaches outside of the photo.
    """

    height: int
    width: int
    settings: ImageSettings

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright photo, px."""
        return self.height, self.width

    @property
    def prepared_size(self) -> tuple[int, int]:
        """Height and width of the prepared image, or of one frame, px."""
        region = self._regions[-1]
        return self.settings.target_size or (region.old[0], region.old[1])

    def arrange_mask(self, mask: _Pixels) -> _Pixels:
        """A mask (height, width) as the photo is arranged, by the nearest neighbour; constant padding is 0.

        Returns:
            C-contiguous (height, width), or (frames, height, width) with roi_mode as_timeseries.
        """
        arranged = arrange_regions(mask[:, :, None], self._nearest_settings)
        return arranged.reshape(arranged.shape[:-1])

    def arrange_polygon(self, points: Points) -> list[ArrangedPolygon]:
        """A polygon (n, 2) of the photo, 1/256 px: what lies in each region that it touches, in the prepared image.

        Corners are rounded half up to 1/256 px of the prepared image, and clipped to the region there.
        """
        places, found = as_places(points), []
        for region in self._regions:
            frame = Rectangle(
                *region.map_place(region.left * ONE, region.top * ONE),
                *region.map_place(region.right * ONE, region.bottom * ONE),
            )
            if inside := clip_polygon([region.map_place(*place) for place in places], frame):
                found.append(ArrangedPolygon(region.frame, as_points(inside)))
        return found

    @cached_property
    def _nearest_settings(self) -> ImageSettings:
        return self.settings.model_copy(update={"resize_method": "nearest", "antialias": False})

    @cached_property
    def _regions(self) -> tuple[_Region, ...]:
        return tuple(self._find_regions())

    def _find_regions(self) -> Iterator[_Region]:
        rois = self.settings.rois or [((0, 0), (self.width, self.height))]
        is_series = self.settings.roi_mode == "as_timeseries"
        for (x1, y1), (x2, y2) in rois:
            check_region(((x1, y1), (x2, y2)), self.height, self.width)
        above = 0
        for number, ((x1, y1), (x2, y2)) in enumerate(rois):
            rows = y2 - y1 if is_series else sum(bottom - top for (_, top), (_, bottom) in rois)
            new, offset = placement((rows, x2 - x1), self.settings)
            frame = number if is_series else 0
            yield _Region(frame, x1, y1, x2, y2, above, (rows, x2 - x1), new, offset)
            above += 0 if is_series else y2 - y1


def placement(size: tuple[int, int], settings: ImageSettings) -> tuple[tuple[int, int], tuple[int, int]]:
    """What `fit_to_target` makes of an image of (height, width) px: the size to which it is resized, and the padding
    above and to the left of it, px.
    """
    target = settings.target_size
    if target is None:
        return size, (0, 0)
    if not settings.keep_aspect_ratio:
        return target, (0, 0)
    inner = inner_size(size, target)
    return inner, padding_before(inner, target, settings)
