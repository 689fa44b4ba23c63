"""What the sheet shows: some photos of each class, prepared and augmented as the pipeline would, and their depth."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.augmentation import ImageAugmenter
from brev_pipeline.charts.preview.describe import describe_augmentation
from brev_pipeline.config import ImageSettings, Intensity, PercentileIntensity, PipelineConfig, WindowIntensity
from brev_pipeline.errors import DecodeError, SourceError
from brev_pipeline.frames import Pixels, augment_frames, stack_frames
from brev_pipeline.images import ImagePipeline, decode_image
from brev_pipeline.images.decoding import DecodedImage, convert_channels
from brev_pipeline.images.geometry import apply_orientation
from brev_pipeline.images.intensity import (
    HighDepthSamples,
    SampleRange,
    SampleRanges,
    advise_window,
    fitting_window,
    measure_fit,
)
from brev_pipeline.listing import list_dataset
from brev_pipeline.seeds import seed64, seeds64
from brev_pipeline.storage import Sources
from brev_pipeline.storage.fetcher import SourceRow

DRAWS: Final = 6  # augmentations shown of each photo
_TRIES: Final = 8  # photos that are looked at for each that is shown, where some cannot be used
_THINNED: Final = 400  # px, shorter side of what is kept of a photo, at least


@dataclass(frozen=True, eq=False)
class Depth:
    """A photo of more than 8 bits."""

    bits: int  # per sample, as stored
    range: SampleRange  # what it uses
    interval: tuple[int, int]  # stored values that become black and white
    scale: tuple[int, int]  # stored values that are black and white by the file's own depth
    counts: npt.NDArray[np.int64]  # how often each value of ``scale`` occurs
    thinned: HighDepthSamples  # some of its pixels
    settings: ImageSettings

    def picture(self, window: tuple[int, int] | None = None) -> Pixels:
        """(height, width, 3) by a window, or by the configuration's intensity."""
        # What one image holds may end beyond what a configuration takes.
        black_to_white = WindowIntensity.model_construct(window=window or self.interval)
        levels = replace(self.thinned, intensity=black_to_white).to_8_bits()
        return apply_orientation(convert_channels(levels, self.settings), self.thinned.raster.orientation)


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A photo, and what becomes of it."""

    path: str
    source: Pixels
    """As it lies in the bucket, upright: (height, width, channels); more than 8 bits by the same intensity."""
    prepared: Pixels  # (height, width, channels); the frames of a time series one below the other
    augmented: list[Pixels]  # one per draw, shaped like ``prepared``
    words: list[str]  # what each augmentation did
    depth: Depth | None = None  # what the photo holds, if that is more than 8 bits


@dataclass(frozen=True, eq=False)
class Preview:
    """All exhibits of a configuration."""

    config: PipelineConfig
    counts: dict[str, int]  # class → images listed
    exhibits: dict[str, list[Exhibit]]  # class → its photos on show; empty if none of those looked at can be used
    refused: list[str]  # photos that were looked at and cannot be used, each with the reason

    @property
    def shown(self) -> list[Exhibit]:
        """All photos on show."""
        return [exhibit for exhibits in self.exhibits.values() for exhibit in exhibits]

    @property
    def depths(self) -> list[Depth]:
        """What those of them hold that have more than 8 bits."""
        return [exhibit.depth for exhibit in self.shown if exhibit.depth]


def gather_exhibits(config: PipelineConfig, images: int = 2) -> Preview:
    """Look up some photos of each class, the same ones each time, and prepare and augment them.

    Args:
        config: the pipeline; its datasets are listed, and only the photos on show are read.
        images: photos of each class.

    Raises:
        ListingError: a dataset is not there or holds no image.
        BrevPipelineError: nothing can be read at all.
    """
    sources = Sources.from_config(config)
    listed = [list_dataset(one, config.listing, sources, hashed=False) for one in config.datasets]
    classes = _by_class(pa.concat_tables(listed), config.sampling.seed)
    refused: list[str] = []
    exhibits = {name: _exhibits(rows, images, config, sources, refused) for name, rows in classes.items()}
    return Preview(config, {name: len(rows) for name, rows in classes.items()}, exhibits, refused)


def _by_class(listing: pa.Table, seed: int) -> dict[str, list[SourceRow]]:
    """Images of each class, classes by name, images by hash: no folder or date comes first."""
    columns = listing.select(["path", "bucket", "etag", "etag_source", "category"]).to_pylist()
    keys = seeds64(seed, ("preview",), [row["path"] for row in columns])
    classes: dict[str, list[SourceRow]] = {}
    for _, row in sorted(zip(keys, columns, strict=True), key=lambda pair: pair[0]):
        name = ", ".join(row.pop("category"))
        classes.setdefault(name, []).append(SourceRow(**row, content_id="unread-"))
    return dict(sorted(classes.items()))


def _exhibits(
    rows: Sequence[SourceRow], images: int, config: PipelineConfig, sources: Sources, refused: list[str]
) -> list[Exhibit]:
    shown: list[Exhibit] = []
    for row in rows[: images * _TRIES]:
        # One by one: reading ahead would read photos that are never shown.
        ((_, data),) = sources.fetch_many([row])
        try:
            if isinstance(data, SourceError):
                raise data
            shown.append(_exhibit(row.path, data, config))
        except (DecodeError, SourceError) as error:
            refused.append(f"{row.path}: {error}")
        if len(shown) == images:
            break
    return shown


def _exhibit(path: str, data: bytes, config: PipelineConfig) -> Exhibit:
    prepared = ImagePipeline(config.image).prepare(data)
    content = hashlib.md5(data, usedforsecurity=False).hexdigest()
    seeds = [seed64(config.sampling.seed, 0, content, ordinal) for ordinal in range(DRAWS)]
    augmenter = ImageAugmenter(config.augmentation, border=config.border)
    height, width = prepared.shape[-3:-1]
    image = config.image
    # As it lies: neither cut nor resized nor in other colours.
    plain = ImageSettings(background=image.background, intensity=image.intensity, max_pixels=image.max_pixels)
    photo = decode_image(data, plain)
    return Exhibit(
        path,
        photo.pixels,
        stack_frames(prepared),
        [stack_frames(augment_frames(augmenter, prepared, seed)) for seed in seeds],
        [describe_augmentation(augmenter.parameters(seed, height, width)) for seed in seeds],
        measure_depth(photo),
    )


def measure_depth(photo: DecodedImage) -> Depth | None:
    """What a photo holds; None for one of 8 bits or less."""
    deep = photo.samples
    if deep is None:
        return None
    raster = deep.raster
    step = max(1, min(raster.samples.shape[:2]) // _THINNED)
    return Depth(
        photo.header.bit_depth,
        deep.sample_range,
        deep.stored_interval,
        (raster.zero, raster.white + raster.zero),
        deep.value_counts,
        HighDepthSamples(raster._replace(samples=raster.samples[::step, ::step].copy()), deep.intensity),
        photo.settings,
    )


def ranges_of(depths: Sequence[Depth]) -> SampleRanges:
    """What several photos use."""
    bits = np.array([depth.bits for depth in depths])
    return SampleRanges(bits, *(np.array(column) for column in zip(*(depth.range for depth in depths), strict=True)))


def describe_depths(depths: Sequence[Depth], photos: int, config: PipelineConfig) -> tuple[str, str]:
    """What the photos on show use, and which window would fit them, if theirs does not: two sentences.

    Args:
        depths: of those of more than 8 bits, at least one.
        photos: on show, whatever they hold.
        config: its image.intensity and least range that is to be used count.
    """
    ranges, intensity = ranges_of(depths), config.image.intensity
    least, most = (f"{share:.1%}" for share in (ranges.used.min(), ranges.used.max()))
    used = f"use {least} of" if least == most else f"use {least} to {most} of"
    clipped = int((measure_fit(ranges, intensity) < np.minimum(ranges.used, 0.5)).sum())
    lost = f"; {clipped} of them have most of their own range outside of it" if clipped else ""
    setting = name_intensity(intensity)
    said = f"{len(depths)} of {photos} photos here have more than 8 bits. With image.intensity {setting} they "
    enough = config.validation.prepared_images.min_range_used
    advice = advise_window(ranges, ranges.select_images(ranges.bits < 0), enough)
    if measure_fit(ranges, intensity).min() >= enough:
        advice = "Their samples lie at {}..{}, which fits".format(*fitting_window(ranges))
    return f"{said}{used} what becomes black to white{lost}.", f"{advice}."


def name_intensity(intensity: Intensity) -> str:
    """An intensity in a few words."""
    if isinstance(intensity, WindowIntensity):
        return "window [{}, {}]".format(*intensity.window)
    if isinstance(intensity, PercentileIntensity):
        return "percentile [{:g}, {:g}]".format(*intensity.percentile)
    return intensity
