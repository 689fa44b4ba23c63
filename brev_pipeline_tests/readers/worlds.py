"""Small published versions: pixels made on the spot, planned, written and published by the real code."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from brev_pipeline.config import PipelineConfig, parse_config
from brev_pipeline.engine import SerialEngine
from brev_pipeline.records import plan_shards, shard_files, write_shards
from brev_pipeline.records.label_encoder import LabelSource
from brev_pipeline.release.publishing import publish_version
from brev_pipeline.seeds import seed64
from brev_pipeline.split.label_map import list_present_classes
from brev_pipeline.store import Folder, PipelineStore, Version
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.table_metadata import read_label_features

YAML = """
name: parts
store: store
datasets:
  - {name: Parts, id: parts, bucket: photos}
split: {purposes: {train: 0.6, test: 0.2}}
"""


class Brighten:
    """Changes pixels by their seed, so that each draw of a content looks another way."""

    def augment(self, image: np.ndarray, seed: int) -> np.ndarray:
        return image + np.uint8(seed % 100)


@dataclass(frozen=True)
class World:
    """Contents with their pixels, drawn into purposes and epochs.

    Args:
        root: where the store is made, unless ``folder`` is given.
        counts: records of each (purpose, epoch).
        shapes: ([frames,] height, width, channels) of the contents, in turn.
        several: give every third content two categories.
        augmenter: changes the photos of train.
        labels: labels of the photos.
    """

    root: Path
    counts: dict[tuple[str, int], int] = field(default_factory=lambda: {("train", 0): 23, ("devel", 0): 5})
    shapes: tuple[tuple[int, ...], ...] = ((12, 16, 3),)
    several: bool = False
    shards: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    folder: Folder | None = None
    augmenter: Any = field(default_factory=Brighten)
    labels: LabelSource | None = None

    @cached_property
    def config(self) -> PipelineConfig:
        config = parse_config(YAML, "parts.yaml", self.root)
        merged = config.model_dump(mode="json")
        merged["shards"] |= {"records_per_shard": 6} | self.shards
        merged["split"] |= self.split
        return PipelineConfig.model_validate(merged).with_base(self.root)

    @cached_property
    def store(self) -> PipelineStore:
        return PipelineStore(self.folder) if self.folder else PipelineStore.from_config(self.config)

    @cached_property
    def draws(self) -> pa.Table:
        rows = [self._draw(*key, i) for key, count in self.counts.items() for i in range(count)]
        categories = pa.list_(pa.large_string())
        return pa.table({name: pa.array([row[name] for row in rows], _TYPES.get(name, categories)) for name in rows[0]})

    def _draw(self, purpose: str, epoch: int, number: int) -> dict[str, Any]:
        name = f"{purpose}{number}"
        kinds = ["good", "bad"] if self.several and number % 3 == 0 else [("good", "bad", "odd")[number % 3]]
        return {
            "purpose": purpose,
            "epoch": epoch,
            "path": f"photos/{kinds[0]}/ü {name}.bmp",
            "content_id": hashlib.md5(name.encode()).hexdigest(),
            "item": f"item {number // 2}",
            "category": kinds,
            "group": kinds[0],
            "ordinal": 0,
            "seed": seed64(5, purpose, epoch, number),
            "augmented": purpose == "train",
        }

    @cached_property
    def prepared(self) -> pa.Table:
        contents = sorted(set(self.draws["content_id"].to_pylist()))
        shapes = [self.shape(content) for content in contents]
        sides = {"prepared_height": -3, "prepared_width": -2, "prepared_channels": -1}
        return pa.table(
            {
                "content_id": contents,
                "status": ["ok"] * len(contents),
                "file": ["none"] * len(contents),
                "offset": [0] * len(contents),
                "length": pa.array([int(np.prod(shape)) for shape in shapes], pa.int64()),
                "prepared_frames": pa.array([s[0] if len(s) == 4 else None for s in shapes], pa.int32()),
                **{name: pa.array([shape[at] for shape in shapes], pa.int32()) for name, at in sides.items()},
            }
        )

    def shape(self, content: str) -> tuple[int, ...]:
        return self.shapes[int(content[:4], 16) % len(self.shapes)]

    def pixels(self, content: str) -> np.ndarray:
        """Smooth made-up pixels that depend on the content's name."""
        *frames, height, width, channels = self.shape(content)
        a = int(content[:4], 16) % 7
        planes = np.mgrid[: int(np.prod(frames or [1])) * height, :width, :channels]
        image = (planes * np.array([3 + a, 5, 40 + a]).reshape(3, 1, 1, 1)).sum(0).astype(np.uint8)
        return image.reshape(*frames, height, width, channels)

    def image(self, row: dict[str, Any]) -> np.ndarray:
        """The pixels that a record of this row must hold."""
        image = self.pixels(row["content_id"])
        return self.augmenter.augment(image, row["seed"]) if row["augmented"] else image

    def read(self, rows: pa.Table) -> Iterator[np.ndarray]:
        return (self.pixels(content) for content in rows["content_id"].to_pylist())

    def publish(self) -> Version:
        split = self.draws.select(["category"])
        plan = plan_shards(self.draws, self.prepared, self.config.shards, class_names=list_present_classes(split))
        staging = self.store.staging_area / "now"
        records = write_shards(
            plan,
            self.prepared,
            pipeline=self.config.name,
            settings=self.config.shards,
            augmenter=self.augmenter,
            pixels=self,
            folder=staging,
            engine=SerialEngine(),
            fingerprint="",
            labels=self.labels,
        )
        described = read_label_features(records)
        shards = {row.pop("file"): row for row in shard_files(staging).to_pylist()}
        release = publish_version(
            self.store,
            shards_in=staging,
            shards={name: {key: facts[key] for key in ("bytes", "sha256")} for name, facts in shards.items()},
            extras={"records.parquet": to_parquet(records), "images.parquet": to_parquet(self.prepared)},
            account={
                "format": 1,
                "pipeline": self.config.name,
                "configuration": self.config.content_settings(),
                "classes": list_present_classes(split),
                **({"label_features": described} if described else {}),
            },
            run_id="test",
        )
        return release.version


_TYPES = {name: pa.large_string() for name in ("purpose", "path", "content_id", "item", "group")} | {
    "epoch": pa.int32(),
    "ordinal": pa.int32(),
    "seed": pa.uint64(),
    "augmented": pa.bool_(),
}
