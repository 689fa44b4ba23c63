"""What the sheet shows: some photos of each class, prepared and augmented as the pipeline would."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from brev_pipeline.augmentation import ImageAugmenter
from brev_pipeline.charts.preview.depth import Depth, measure_depth
from brev_pipeline.charts.preview.describe import describe_augmentation
from brev_pipeline.config import ImageSettings, PipelineConfig
from brev_pipeline.errors import DecodeError, SourceError
from brev_pipeline.frames import augment_frames, stack_frames
from brev_pipeline.images import ImagePipeline, decode_image
from brev_pipeline.listing import list_dataset
from brev_pipeline.seeds import seed64, seeds64
from brev_pipeline.storage import Sources
from brev_pipeline.storage.fetcher import SourceRow

Pixels = npt.NDArray[np.uint8]
DRAWS: Final = 6
"""Augmentations shown of each photo."""
_TRIES: Final = 8  # photos that are looked at for each that is shown, where some cannot be used


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A photo, and what becomes of it."""

    path: str
    source: Pixels
    """As it lies in the bucket, upright: (height, width, channels); more than 8 bits by the same intensity."""
    prepared: Pixels
    """(height, width, channels); the frames of a time series one below the other."""
    augmented: list[Pixels]
    """One per draw, shaped like ``prepared``."""
    words: list[str]
    """What each augmentation did."""
    depth: Depth | None = None
    """What the photo holds, if that is more than 8 bits."""


@dataclass(frozen=True, eq=False)
class Preview:
    """All exhibits of a configuration."""

    config: PipelineConfig
    counts: dict[str, int]
    """Class → images listed."""
    exhibits: dict[str, list[Exhibit]]
    """Class → its photos on show; empty if none of those looked at can be used."""
    refused: list[str]
    """Photos that were looked at and cannot be used, each with the reason."""

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


def first_purpose(config: PipelineConfig) -> str:
    """The purpose whose draws are shown: the first that is augmented."""
    return next(iter(config.sampling.purposes), "train")


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
    for path, data in _read(rows[: images * _TRIES], sources):
        try:
            if isinstance(data, SourceError):
                raise data
            shown.append(_exhibit(path, data, config))
        except (DecodeError, SourceError) as error:
            refused.append(f"{path}: {error}")
        if len(shown) == images:
            break
    return shown


def _read(rows: Sequence[SourceRow], sources: Sources) -> Iterator[tuple[str, bytes | SourceError]]:
    # One by one: reading ahead would read photos that are never shown.
    for row in rows:
        for _, data in sources.fetch_many([row]):
            yield row.path, data


def _exhibit(path: str, data: bytes, config: PipelineConfig) -> Exhibit:
    prepared = ImagePipeline(config.image).prepare(data)
    content = hashlib.md5(data, usedforsecurity=False).hexdigest()
    seeds = [seed64(config.sampling.seed, 0, content, ordinal) for ordinal in range(DRAWS)]
    augmenter = ImageAugmenter(config.augmentation)
    height, width = prepared.shape[-3:-1]
    photo = decode_image(data, _as_it_lies(config.image))
    return Exhibit(
        path,
        photo.pixels,
        stack_frames(prepared),
        [stack_frames(augment_frames(augmenter, prepared, seed)) for seed in seeds],
        [describe_augmentation(augmenter.parameters(seed, height, width)) for seed in seeds],
        measure_depth(photo),
    )


def _as_it_lies(settings: ImageSettings) -> ImageSettings:
    return ImageSettings(background=settings.background, intensity=settings.intensity, max_pixels=settings.max_pixels)
