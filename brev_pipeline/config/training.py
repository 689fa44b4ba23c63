"""The sections `sampling`, `augmentation`, `shards` and `card`: what training reads, and how a version is described."""

from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from brev_pipeline.config.base import Columns, Fraction, Section, Seed

Weighing = Literal["uniform", "count", "square root", "log", "logx+1"]


class SamplingSettings(Section):
    """How often each group of images is drawn for training."""

    groupby: Columns = Field(["category"], description="Columns that make a sampling group.")
    group_weighing: Weighing = Field("uniform", description="Weight of a group as a function of its size.")
    seed: Seed = Field(0, description="Of the draws, of their order, and of each record's augmentation.")
    max_epoch_samples: int | None = Field(None, gt=0, description="Draws per epoch at most; default: one per image.")
    purposes: list[str] = Field(
        ["train"],
        description="Drawn by weight and augmented; other purposes once each, as they are. Folds, which are the "
        "default where there are some, are both.",
    )


Range = tuple[float, float]


def _ascending(span: Range) -> Range:
    if span[0] > span[1]:
        raise ValueError(f"{list(span)}: the lower end comes first")
    return span


AscendingRange = Annotated[Range, AfterValidator(_ascending)]


class RandomTransformer(Section):
    """Geometry: all parts become one affine warp. Each part has its own coin."""

    chance: Fraction = Field(0.5, description="Of flips, scale, translation and shear, each.")
    flip_up_down: bool = Field(True, description="Mirror top and bottom.")
    flip_left_right: bool = Field(True, description="Mirror left and right.")
    scale: float = Field(0.2, ge=0, le=0.9, description="Zoom by up to ± this fraction.")
    rotate_chance: Fraction = Field(0.5, description="Of a rotation.")
    rotate: float = Field(90, ge=0, le=180, description="Degrees, up to ± this.")
    translate_horizontal: Fraction = Field(0.1, description="Fraction of the width, up to ± this.")
    translate_vertical: Fraction = Field(0.1, description="Fraction of the height, up to ± this.")
    shear: float = Field(0.04, ge=0, lt=1, description="Tangent of the shear angle, up to ± this.")


class ImageDeformation(Section):
    """Elastic deformation by a smoothed random field."""

    alpha: float = Field(0.1, ge=0, le=1, description="Largest displacement, fraction of the shorter side.")
    sigma: float = Field(0.1, gt=0, le=1, description="Smoothness of the field, fraction of the shorter side.")
    chance: Fraction = Field(0.5, description="Of a deformation.")


class ImageFiltering(Section):
    """Filters; each has its own coin."""

    emboss: AscendingRange = Field(
        (0.0, 0.25), description="Strength of the relief along each axis, 0 to 1; its sign is drawn too."
    )
    mean: Literal[0, 3, 5, 7] = Field(3, description="Side of the mean filter in px; 0 switches it off.")
    gaussian: float = Field(0.5, ge=0, le=20, description="Sigma of the Gaussian blur in px; 0 switches it off.")
    chance: Fraction = Field(0.5, description="Of each filter.")

    @field_validator("emboss")
    @classmethod
    def _strengths(cls, span: Range) -> Range:
        if not 0 <= span[0] <= span[1] <= 1:
            raise ValueError(f"{list(span)}: a strength is between 0 and 1")
        return span


class ImageNoise(Section):
    """Colour and white noise; each part has its own coin. Magnitudes are fractions of full scale."""

    brightness: Fraction = Field(0.25, description="Added, up to ± this fraction of full scale.")
    contrast: AscendingRange = Field((0.5, 1.25), description="Factor about the image's mean grey.")
    hue: float = Field(0.05, ge=0, le=0.5, description="Rotation about the grey axis, up to ± this fraction of a turn.")
    saturation: AscendingRange = Field((0.0, 2.0), description="Factor on the distance from the grey axis.")
    stddev: Fraction = Field(0.01, description="Standard deviation of white noise, fraction of full scale.")
    chance: Fraction = Field(0.5, description="Of each part.")

    @field_validator("contrast", "saturation")
    @classmethod
    def _factors(cls, span: Range) -> Range:
        # Above 5 the colour matrix could leave the range in which its arithmetic is exact.
        if not 0 <= span[0] <= span[1] <= 5:
            raise ValueError(f"{list(span)}: a factor is between 0 and 5")
        return span


class ImageSaltAndPepper(Section):
    """Single bright and dark specks."""

    fraction: Fraction = Field(0.0002, description="Share of the pixels at which a speck is centred.")
    scale: list[Literal[1, 3, 5]] = Field(
        [1, 3, 5], min_length=1, description="Sides of the specks in px; one is drawn for each image."
    )
    chance: Fraction = Field(0.5, description="Of specks.")


MIN_VISIBLE: Final = 0.25


class AugmentationSettings(Section):
    """The parts of the augmentation, in the order in which they act; null switches a part off."""

    transform: RandomTransformer | None = RandomTransformer()
    deformation: ImageDeformation | None = None
    filtering: ImageFiltering | None = ImageFiltering()
    noise: ImageNoise | None = ImageNoise()
    salt_and_pepper: ImageSaltAndPepper | None = None
    # It came with labels of objects: left out as it is by default, versions without any are what they were before.
    min_visible: Fraction = Field(
        MIN_VISIBLE,
        exclude_if=lambda share: share == MIN_VISIBLE,
        description="Share of a box or polygon that must be left in the augmented image for it to stay a label.",
    )


class ShardSettings(Section):
    """The files that training reads."""

    encoding: Literal["png", "jpeg", "raw"] = Field(
        "png", description="How a record holds its image; png and raw keep every pixel, jpeg does not."
    )
    jpeg_quality: int = Field(95, ge=1, le=100, description="Of encoding jpeg, as libjpeg counts it.")
    compression: Literal["none", "gzip"] = Field("none", description="gzip shards cannot be opened by tfds.")
    records_per_shard: int = Field(1000, gt=0, description="At most; the shards of a purpose differ by one record.")
    target_shard_mb: float | None = Field(
        None, gt=0, description="About so many megabytes per shard, as estimated from the pixels; no records_per_shard."
    )
    epochs: int = Field(1, gt=0, description="Epochs of differently drawn and augmented records, written ahead.")

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.target_shard_mb is not None and "records_per_shard" in self.model_fields_set:
            raise ValueError("give records_per_shard or target_shard_mb, not both")
        return self


class CardSettings(Section):
    """What a version says of itself to others, in ``croissant.json`` and to tfds; where this is silent, so is it."""

    license: str | None = Field(
        None, min_length=1, description="Licence of the images, best an address such as one of spdx.org/licenses."
    )
    citation: str | None = Field(
        None, min_length=1, description="How to cite the data; default: the names and references of the datasets."
    )
    published: date | None = Field(None, description="Date of publication, such as 2026-11-30.")
