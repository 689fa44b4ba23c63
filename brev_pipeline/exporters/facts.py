"""What all files for other readers tell of, gathered once: counts, shapes, shards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig, ShardSettings
from brev_pipeline.errors import ShardError
from brev_pipeline.parts import AUGMENTED, part_names

RECORD_TABLE: Final = "records.parquet"
_SIDES: Final = ["prepared_frames", "prepared_height", "prepared_width", "prepared_channels"]
OF_RECORDS: Final = ["purpose", "epoch", "shard", "file", "path", "content_id", "label", "augmented", "ordinal"]
"""Columns of the record table that are read."""
OF_IMAGES: Final = ["content_id", *_SIDES]
"""Columns of ``prepared_images`` that are read."""
_KEY: Final = [("part", "ascending"), ("shard", "ascending")]


class ImageShape(NamedTuple):
    """Of all images of a version, as far as they have one shape."""

    frames: int | None
    """Of a time series; None: single images."""
    height: int | None
    """px, of one frame; None where images differ."""
    width: int | None
    """px; None where images differ."""
    channels: int
    """1 grey, 3 RGB."""

    @property
    def stored(self) -> tuple[int | None, int | None, int]:
        """(height, width, channels) as stored: the frames of a time series stand one below the other."""
        return self.height and self.height * (self.frames or 1), self.width, self.channels


@dataclass(frozen=True)
class Shard:
    """A file of records."""

    file: str
    records: int
    epoch: int
    bytes: int
    """Size of the file."""


@dataclass(frozen=True)
class Purpose:
    """A side of the split; of a fold, its photos as they are, or the draws of them."""

    name: str
    shards: tuple[Shard, ...]
    """In the order of their numbers; empty where nothing was drawn."""
    classes: tuple[int, ...]
    """Records of each class, by label."""
    augmented: int
    """Records that were augmented."""

    @property
    def records(self) -> int:
        """Records of all epochs."""
        return sum(shard.records for shard in self.shards)

    @property
    def epochs(self) -> tuple[int, ...]:
        """Records of each written epoch; the shards are numbered through the epochs."""
        written = max((shard.epoch for shard in self.shards), default=-1) + 1
        return tuple(sum(s.records for s in self.shards if s.epoch == epoch) for epoch in range(written))


@dataclass(frozen=True)
class Facts:
    """Of a version."""

    name: str
    settings: ShardSettings
    classes: tuple[str, ...]
    several: bool
    """Whether the records have multi-hot labels."""
    shape: ImageShape | None
    """None: there are no records."""
    purposes: tuple[Purpose, ...]
    """In the configuration's order, those without records included."""
    files: Mapping[str, Mapping[str, Any]]
    """Name → bytes and sha256."""

    @property
    def series(self) -> bool:
        """Whether the images are time series."""
        return self.shape is not None and self.shape.frames is not None


def gather(
    config: PipelineConfig,
    *,
    classes: Sequence[str],
    split: pa.Table,
    images: pa.Table,
    records: pa.Table,
    files: Mapping[str, Mapping[str, Any]],
) -> Facts:
    """See `files.consumer_files` for arguments and errors."""
    if missing := sorted({*pc.unique(records["file"]).to_pylist(), RECORD_TABLE} - set(files)):
        raise ShardError(f"{len(missing)} files that records stand in are not listed, the first {missing[0]}")
    records = records.append_column("part", part_names(records))
    return Facts(
        config.name,
        config.shards,
        tuple(classes),
        _several(split, records),
        _shape(images, records),
        _purposes(_part_names(config), len(classes), records, files),
        files,
    )


def _part_names(config: PipelineConfig) -> list[str]:
    """The purposes in the configuration's order; behind each fold the part with its draws."""
    drawn = {*config.split.fold_names} & {*config.sampling.purposes}
    return [part for name in config.split.names for part in ([name, name + AUGMENTED] if name in drawn else [name])]


def _several(split: pa.Table, records: pa.Table) -> bool:
    drawn = split.filter(pc.is_in(split["path"], value_set=pc.unique(records["path"])))
    return (pc.max(pc.list_value_length(drawn["category"])).as_py() or 0) > 1


def _shape(images: pa.Table, records: pa.Table) -> ImageShape | None:
    if not records.num_rows:
        return None
    own = images.filter(pc.is_in(images["content_id"], value_set=pc.unique(records["content_id"])))
    frames, height, width, channels = (pc.unique(own[side]).to_pylist() for side in _SIDES)
    if len(frames) != 1 or len(channels) != 1:
        raise ShardError(f"images of {channels} channels and {frames} frames stand beside each other in the records")
    (height_,), (width_,) = (sides if len(sides) == 1 else [None] for sides in (height, width))
    return ImageShape(frames[0], height_, width_, channels[0])


def _purposes(
    names: Sequence[str], classes: int, records: pa.Table, files: Mapping[str, Mapping[str, Any]]
) -> tuple[Purpose, ...]:
    shards: dict[str, list[Shard]] = {name: [] for name in names}
    counted = records.group_by([*(name for name, _ in _KEY), "file", "epoch"]).aggregate([([], "count_all")])
    for row in counted.sort_by(_KEY).to_pylist():
        shard = Shard(row["file"], row["count_all"], row["epoch"], files[row["file"]]["bytes"])
        shards.setdefault(row["part"], []).append(shard)
    hot, augmented = _labels(records, classes), _augmented(records)
    none = (0,) * classes
    return tuple(Purpose(name, tuple(own), hot.get(name, none), augmented.get(name, 0)) for name, own in shards.items())


def _labels(records: pa.Table, classes: int) -> dict[str, tuple[int, ...]]:
    """Purpose → records of each class."""
    found: dict[str, list[int]] = {}
    for row in records.group_by(["part", "label"]).aggregate([([], "count_all")]).to_pylist():
        if not 0 <= row["label"] < classes:
            raise ShardError(f"a record has the label {row['label']}, and there are {classes} class names")
        found.setdefault(row["part"], [0] * classes)[row["label"]] = row["count_all"]
    return {name: tuple(counts) for name, counts in found.items()}


def _augmented(records: pa.Table) -> dict[str, int]:
    changed = records.filter(records["augmented"]).group_by("part").aggregate([([], "count_all")])
    return {row["part"]: row["count_all"] for row in changed.to_pylist()}
