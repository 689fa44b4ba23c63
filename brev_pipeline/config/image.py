"""The section `image`: how bytes become the pixels that are stored."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from brev_pipeline.config.base import Section

Box = tuple[tuple[int, int], tuple[int, int]]


class WindowIntensity(Section):
    """Samples of more than 8 bits by a fixed window."""

    window: tuple[int, int] = Field(
        description="[low, high] in stored values: low and all below become 0, high and all above 255."
    )

    @field_validator("window")
    @classmethod
    def _rising(cls, window: tuple[int, int]) -> tuple[int, int]:
        if not -32_768 <= window[0] < window[1] <= 65_535:
            raise ValueError(f"[low, high] must rise within -32768..65535, got {list(window)}")
        return window


class PercentileIntensity(Section):
    """Samples of more than 8 bits by what each image holds."""

    percentile: tuple[float, float] = Field(
        description="[p, q] in percent: the sample that p % lie at or below becomes 0, that of q % 255."
    )

    @field_validator("percentile")
    @classmethod
    def _rising(cls, percentile: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= percentile[0] < percentile[1] <= 100:
            raise ValueError(f"[p, q] must rise within 0..100 percent, got {list(percentile)}")
        return percentile


def _kind_of_intensity(value: Any) -> str:
    if isinstance(value, PercentileIntensity) or (isinstance(value, dict) and "percentile" in value):
        return "percentile"
    return "window" if isinstance(value, (WindowIntensity, dict)) else "name"


def _check_form(value: Any) -> Any:
    """Refuse what has none of the forms here, where all of them can be named."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, pair),) = value.items()
        kinds = {"window": (int,), "percentile": (int, float)}.get(name, ())
        # Not by isinstance: true is an int to Python.
        if isinstance(pair, list | tuple) and len(pair) == 2 and all(type(bound) in kinds for bound in pair):
            return value
    elif isinstance(value, WindowIntensity | PercentileIntensity) or value in ("full_range", "min_max"):
        return value
    raise ValueError("takes full_range, min_max, {window: [low, high]} in whole numbers or {percentile: [p, q]}")


Intensity = Annotated[
    Annotated[Literal["full_range", "min_max"], Tag("name")]
    | Annotated[WindowIntensity, Tag("window")]
    | Annotated[PercentileIntensity, Tag("percentile")],
    Discriminator(_kind_of_intensity),
    BeforeValidator(_check_form),
]


NO_INGREDIENTS: Final = frozenset({"max_seconds"})
"""Fields of `ImageSettings` that make no other pixels: how long an image may take."""


class ImageSettings(Section):
    """How bytes become the pixels that are stored. Names and defaults follow the reference's ImagePipeline."""

    target_size: tuple[int, int] | None = Field(
        None, description="[height, width] in px; without it images keep their size."
    )
    rois: list[Box] = Field([], description="Regions to cut out: [[x1, y1], [x2, y2]] in px, x2 and y2 exclusive.")
    roi_mode: Literal["concatenate_height", "as_timeseries"] = Field(
        "concatenate_height", description="Put the rois below each other, or make each a frame of a time series."
    )
    color_mode: Literal["rgb", "greyscale", "bayer"] = Field(
        "rgb", description="Channels that are kept; bayer: a grey image holds a Bayer pattern, and becomes RGB."
    )
    keep_aspect_ratio: bool = Field(False, description="Fit into target_size and pad the rest.")
    resize_method: Literal["bilinear", "nearest", "area"] = Field(
        "bilinear", description="How pixels are interpolated; with half-pixel centres."
    )
    antialias: bool = Field(False, description="Average over the source area when shrinking.")
    padding_mode: Literal["constant", "reflect", "symmetric"] = Field(
        "constant", description="What the padding holds: black, or the image mirrored without or with its edge pixel."
    )
    center_padding: bool = Field(False, description="Pad on both sides instead of below and right.")
    background: tuple[int, int, int] = Field((0, 0, 0), description="RGB behind transparent pixels, 0..255.")
    intensity: Intensity = Field(
        "full_range",
        description="How samples of more than 8 bits become 8: full_range of the declared depth, min_max of each "
        "image, {window: [low, high]} in stored values, {percentile: [p, q]} of each image; others stay as they are.",
    )
    roi_outside: Literal["error", "quarantine"] = Field("quarantine", description="A roi outside of an image.")
    strict_jpeg: bool = Field(
        False, description="Refuse JPEGs with damaged data that can be read to the end; otherwise they get a note."
    )
    max_pixels: int = Field(
        100_000_000, gt=0, description="Images with more pixels are refused from their header, before decoding."
    )
    max_seconds: float = Field(
        10,
        gt=0,
        le=86_400,
        description="CPU seconds after which the decoding of one image is stopped, in an engine's workers; such an "
        "image blocks publication unless validation.prepared_images.accept_unjudged lists it.",
    )

    @field_validator("target_size")
    @classmethod
    def _positive(cls, size: tuple[int, int] | None) -> tuple[int, int] | None:
        if size is not None and not all(1 <= side <= 32_767 for side in size):
            raise ValueError(f"[height, width] must each be 1..32767 px, got {list(size)}")
        return size

    @field_validator("rois")
    @classmethod
    def _boxes(cls, rois: list[Box]) -> list[Box]:
        for (x1, y1), (x2, y2) in rois:
            if not (0 <= x1 < x2 and 0 <= y1 < y2):
                raise ValueError(f"[[{x1}, {y1}], [{x2}, {y2}]] is empty or negative: want x1 < x2 and y1 < y2")
        return rois

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        sizes = [(y2 - y1, x2 - x1) for (x1, y1), (x2, y2) in self.rois]
        if self.roi_mode == "concatenate_height" and len({width for _, width in sizes}) > 1:
            raise ValueError(f"rois under each other must be equally wide, got widths {[width for _, width in sizes]}")
        if self.roi_mode == "as_timeseries" and self.target_size is None and len(set(sizes)) > 1:
            raise ValueError("the frames of a time series must be equally large: give target_size, or equal rois")
        return self

    @field_validator("background")
    @classmethod
    def _bytes(cls, colour: tuple[int, int, int]) -> tuple[int, int, int]:
        if not all(0 <= value <= 255 for value in colour):
            raise ValueError(f"each value must be 0..255, got {list(colour)}")
        return colour
