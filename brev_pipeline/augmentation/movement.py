"""What one augmentation does to places: one matrix and one field for pixels, masks, boxes and polygons.

A polygon's corners go through the inverse of the matrix, in whole numbers: where a corner lies between two steps of
1/256 px it is rounded, and a flip or quarter turn is exact. A corner lies half a pixel beside the centre that the
matrix speaks of.

An elastic deformation says where each pixel comes from, and has no closed way back. So a polygon is drawn as the
pixels whose centres it holds, and these are moved by the very map that moves masks; what comes out is bounded by a box.
The map is looked up beyond the image too, where the field goes on as at the image's border: that tells how much of the
object has left the image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.augmentation.geometry import (
    AffineMatrix,
    Border,
    Image,
    Integers,
    NearestPixels,
    find_nearest,
    find_positions,
    move_pixels,
    remap_image,
    warp_image,
)
from brev_pipeline.labels.base import MovedPolygon
from brev_pipeline.labels.polygons import (
    HALF,
    ONE,
    Place,
    Points,
    Rectangle,
    as_places,
    as_points,
    bounds,
    box_places,
    clip_polygon,
    divide,
    double_area,
    pixel_bounds,
    rasterize_polygon,
)

_NOWHERE: Points = np.zeros((0, 2), np.int64)
_PIXEL = 2 * ONE * ONE  # twice the area of a pixel, in (1/256 px)²


@dataclass(frozen=True, eq=False)
class ImageMovement:
    """See `brev_pipeline.labels.base.Movement`; it moves images too. Any number of pictures of one size."""

    height: int  # px
    width: int  # px
    matrix: AffineMatrix
    field: Integers | None  # (2, height, width), see `geometry.warp_image`
    border: Border
    min_visible: Fraction
    seed: int | None = None  # that the geometry was drawn by
    parameters: Mapping[str, Any] = dataclass_field(
        default_factory=dict
    )  # name → value of all that is applied by this seed

    def move_image(self, image: Image) -> Image:
        """`geometry.warp_image` of an image (height, width) or (height, width, 3)."""
        if self.field is None:
            return warp_image(image, self.matrix, None, self.border)
        return remap_image(image, *self._positions, self.border)

    def move_mask(self, mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """`geometry.warp_labels` of labels of any integer type, (height, width) or (height, width, c)."""
        if self.field is None and (moved := move_pixels(mask, self.matrix)) is not None:
            return moved
        return self._nearest.take(mask)

    def move_polygon(self, points: Points) -> MovedPolygon:
        """Move a polygon (n, 2), 1/256 px; under an elastic deformation what comes out is a box."""
        places = as_places(points)
        moved = [self._move_place(place) for place in places]
        if self.field is not None:
            return self._move_drawn(places, bounds(moved))
        clipped = clip_polygon(moved, Rectangle(0, 0, self.width * ONE, self.height * ONE))
        return MovedPolygon(as_points(clipped), double_area(clipped), double_area(moved))

    @cached_property
    def _positions(self) -> tuple[Integers, Integers]:
        return find_positions(self.matrix, self.field, self.height, self.width)

    @cached_property
    def _nearest(self) -> NearestPixels:
        return find_nearest(*self._positions, self.border)

    def _move_place(self, place: Place) -> Place:
        """Where a place of the source goes, without the field."""
        xx, xy, x0, yx, yy, y0 = self.matrix
        x, y = place[0] - HALF - x0, place[1] - HALF - y0
        area = xx * yy - xy * yx
        sign = 1 if area > 0 else -1
        return (
            divide(sign * ONE * (yy * x - xy * y), abs(area)) + HALF,
            divide(sign * ONE * (xx * y - yx * x), abs(area)) + HALF,
        )

    def _move_drawn(self, places: list[Place], around: Rectangle) -> MovedPolygon:
        """Move a polygon pixel by pixel.

        Args:
            places: of the source.
            around: bounds of where it goes without the field.
        """
        assert self.field is not None
        # Displacements are added to places of the result, and a pixel reaches no farther than one beside the polygon.
        xx, xy, _, yx, yy, _ = self.matrix
        pixel = max(abs(xx) + abs(yx), abs(yy) + abs(xy)) * ONE // abs(xx * yy - xy * yx) + 1
        reach = int(np.abs(self.field).max()) + (pixel + 1) * ONE
        left, top = (around.left - reach) // ONE, (around.top - reach) // ONE
        right, bottom = -((-around.right - reach) // ONE), -((-around.bottom - reach) // ONE)
        rows = np.arange(top, bottom).clip(0, self.height - 1)
        columns = np.arange(left, right).clip(0, self.width - 1)
        field = self.field[:, rows[:, None], columns]
        x, y = find_positions(self.matrix, field, len(rows), len(columns), top=top, left=left)
        drawn = rasterize_polygon(places, self.height, self.width)
        moved = find_nearest(x, y, "constant", (self.height, self.width)).take(drawn)
        inside = moved[max(0, -top) : max(0, self.height - top), max(0, -left) : max(0, self.width - left)]
        if (box := pixel_bounds(inside)) is None:
            return MovedPolygon(_NOWHERE, 0, int(moved.sum()) * _PIXEL)
        across, along = max(0, left) * ONE, max(0, top) * ONE
        corners = box_places(box.left + across, box.top + along, box.right + across, box.bottom + along)
        return MovedPolygon(as_points(corners), int(inside.sum()) * _PIXEL, int(moved.sum()) * _PIXEL)
