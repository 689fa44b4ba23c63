"""What a kind of labels is, and what it is given: how prepared pixels came about, and what an augmentation did.

Labels of pixels go the way of the pixels. A kind knows its own form only; how places of a photo become places of the
prepared image is the affair of an `Arrangement`, and where they go under one augmentation that of a `Movement`. So a
new kind needs to know of neither, and whatever is added to the geometry serves all kinds.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.labels.polygons import Points
from brev_pipeline.record_features import FeatureValue, RecordFeature

Mask: TypeAlias = npt.NDArray[np.uint8]
Pixels: TypeAlias = npt.NDArray[np.uint8]
Colours: TypeAlias = Mapping[int | str, tuple[int, int, int]]

BACKGROUND = 0
"""Class index of a mask's pixels that show nothing."""
UNLABELLED = 255
"""Class index of a mask's pixels of which nobody said what they show."""


class ArrangedPolygon(NamedTuple):
    """What of a polygon lies in one region of interest, in the prepared image."""

    frame: int  # of a time series; else 0
    points: Points  # (m, 2) in 1/256 px of the frame


class MovedPolygon(NamedTuple):
    """What an augmentation made of a polygon, clipped to the image."""

    points: Points  # (m, 2) in 1/256 px; (0, 2) where nothing of it is left in the image
    area: int  # twice the area that is left, in (1/256 px)²
    whole: int  # twice the area that it would have if the image had no end, likewise

    def is_visible(self, least: Fraction) -> bool:
        """Whether at least this share of it is left in the image; what has no area is not."""
        return self.area > 0 and self.area * least.denominator >= self.whole * least.numerator


class Arrangement(Protocol):
    """How prepared pixels were made of a photo: regions of interest, resizing, padding."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright photo, px."""
        ...

    def arrange_mask(self, mask: Mask) -> Mask:
        """A mask (height, width) as the photo's pixels were arranged, by nearest neighbour: no value that it had not.

        Returns:
            C-contiguous (height, width), or (frames, height, width) of a time series.
        """
        ...

    def arrange_polygon(self, points: Points) -> list[ArrangedPolygon]:
        """A polygon (n, 2) of the photo, in 1/256 px: what lies in each region of interest that it touches."""
        ...


class Movement(Protocol):
    """What one augmentation does to the places of one prepared image."""

    @property
    def min_visible(self) -> Fraction:
        """The share of an object that must be left in the image for it to stay labelled."""
        ...

    def move_mask(self, mask: Mask) -> Mask:
        """A mask (height, width) moved with the image, by nearest neighbour."""
        ...

    def move_polygon(self, points: Points) -> MovedPolygon:
        """A polygon (n, 2) moved with the image, in 1/256 px."""
        ...


Value = TypeVar("Value")
Listed_contra = TypeVar("Listed_contra", contravariant=True)
Given_contra = TypeVar("Given_contra", contravariant=True)


class LabelKind(Protocol[Listed_contra, Given_contra, Value]):
    """A kind of labels, from the listing to the record and out again.

    Type parameters: what the listing holds of a photo, what is prepared (for a mask its classes, else what the listing
    holds), and a prepared value.
    """

    @property
    def name(self) -> str:
        """Column of the listing, and how the features of a record begin."""
        ...

    @property
    def listed_type(self) -> pa.DataType:
        """Of the column of the listing; null there means that nobody labelled the photo."""
        ...

    def features(self, classes: Sequence[str], *, is_time_series: bool) -> tuple[RecordFeature, ...]:
        """The features of a record, all of which every record of a version has.

        Args:
            classes: names of the classes that labels name, by number.
            is_time_series: whether the images are time series.
        """
        ...

    def identify(self, listed: Listed_contra) -> bytes:
        """Canonical bytes of one photo's labels: the same for the same labels, in whatever order they stand."""
        ...

    def prepare(self, given: Given_contra, arrangement: Arrangement) -> Value:
        """Arrange the labels of a photo as its pixels were arranged."""
        ...

    def move(self, value: Value, movement: Movement) -> Value:
        """Move prepared labels with the image; every frame of a time series alike."""
        ...

    def encode(self, value: Value | None, size: tuple[int, ...], classes: Mapping[str, int]) -> dict[str, FeatureValue]:
        """All of `features` of one record.

        Args:
            value: prepared and perhaps moved; None: not labelled.
            size: ([frames,] height, width) of the image in the record, px.
            classes: name → number of the classes that labels name.
        """
        ...

    def decode(self, features: Mapping[str, Any], size: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
        """What `encode` wrote, as arrays; a feature's name less the kind's → its value."""
        ...

    def draw(self, pixels: Pixels, value: Value, colours: Colours) -> Pixels:
        """A copy of the RGB pixels ([frames,] height, width, 3) that a value belongs to, with its outlines.

        Args:
            pixels: uint8.
            value: of as many frames, of the same size.
            colours: RGB of each class, by number for a mask, else by name; those that are missing are `UNNAMED`.
        """
        ...


UNNAMED = (255, 64, 64)


def draw_outline(pixels: Pixels, shape: npt.NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    """Paint the pixels of a shape (height, width) that have a neighbour outside of it, or of the image, in place."""
    inner = np.zeros_like(shape)
    inner[1:-1, 1:-1] = shape[1:-1, 1:-1] & shape[:-2, 1:-1] & shape[2:, 1:-1] & shape[1:-1, :-2] & shape[1:-1, 2:]
    pixels[shape & ~inner] = colour
