"""A small world for the tests of shards: prepared pixels in a file, a reader, augmenters, draws."""

import hashlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from brev_pipeline.config import SamplingSettings, ShardSettings
from brev_pipeline.engine import SerialEngine
from brev_pipeline.records import plan_shards, write_shards
from brev_pipeline.sampling import compute_sampling_weights, plan_draws
from brev_pipeline.seeds import seed64
from brev_pipeline.store import Folder

PIXELS = "prepared.bin"


@dataclass(frozen=True)
class RawReader:
    """Reads uint8 pixels that lie in a file one after the other."""

    folder: Folder

    def read(self, rows: pa.Table) -> Iterator[np.ndarray]:
        for row in rows.to_pylist():
            frames = [row["prepared_frames"]] if row["prepared_frames"] else []
            shape = (*frames, row["prepared_height"], row["prepared_width"], row["prepared_channels"])
            data = self.folder.read(row["file"], row["offset"], row["length"])
            yield np.frombuffer(data, dtype=np.uint8).reshape(shape)


@dataclass(frozen=True)
class Invert:
    """Turns pixels into others that depend on the seed only."""

    def augment(self, image: np.ndarray, seed: int) -> np.ndarray:
        return image ^ np.uint8(seed & 255)


@dataclass(frozen=True)
class DieOnce:
    """Ends its process the moment it sees a certain seed; only the first time."""

    seed: int
    marker: Path

    def augment(self, image: np.ndarray, seed: int) -> np.ndarray:
        if seed == self.seed and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Invert().augment(image, seed)


@dataclass(frozen=True)
class Refuse:
    """Fails at a certain seed."""

    seed: int

    def augment(self, image: np.ndarray, seed: int) -> np.ndarray:
        if seed == self.seed:
            raise RuntimeError("as the test wants")
        return Invert().augment(image, seed)


def photo(content: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Smooth made-up pixels that depend on the content's name; made of integers, so the same everywhere."""
    height, width, channels = shape
    a, b, c = (seed64(7, content, part) % 251 for part in "abc")
    y, x = np.mgrid[:height, :width]
    planes = [(y * y + a * x + (b + 40 * k) * y // 3 + c) // 2 for k in range(channels)]
    return np.stack(planes, axis=-1).astype(np.uint8)


@dataclass(frozen=True)
class World:
    """A split, its prepared pixels, and everything that is written from them."""

    root: Path
    split: pa.Table
    prepared: pa.Table

    def plan(self, settings: ShardSettings, sampling: SamplingSettings | None = None) -> pa.Table:
        asked = sampling or SamplingSettings(group_weighing="logx+1", seed=3)
        draws = plan_draws(self.split, compute_sampling_weights(self.split, asked), asked, epochs=settings.epochs)
        names = sorted({name for row in self.split["category"].to_pylist() for name in row})
        return plan_shards(draws, self.prepared, settings, class_names=names)

    def write(self, settings: ShardSettings, where: str = "out", **changes) -> pa.Table:
        arguments = {
            "pipeline": "demo",
            "settings": settings,
            "augmenter": Invert(),
            "pixels": RawReader(Folder(str(self.root))),
            "folder": self.folder(where),
            "engine": SerialEngine(),
            "fingerprint": "test",
        }
        plan = changes.pop("plan", None) or self.plan(settings)
        return write_shards(plan, self.prepared, **arguments | changes)

    def folder(self, where: str = "out") -> Folder:
        return Folder(str(self.root / where))

    def files(self, where: str = "out") -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.root / where).iterdir() if path.is_file()}


def build(root: Path, sizes: dict[str, int], *, devel: int = 5, shape: tuple[int, int, int] = (12, 16, 3)) -> World:
    """A world with a train image for each of the folders' sizes, and some devel images of the first folder."""
    rows = [("train", folder, f"{folder}{i}") for folder, size in sizes.items() for i in range(size)]
    rows += [("devel", next(iter(sizes)), f"devel{i}") for i in range(devel)]
    split = pa.table(
        {
            "path": [f"bucket/{folder}/{content}.bmp" for _, folder, content in rows],
            "content_id": [hashlib.md5(content.encode()).hexdigest() for _, _, content in rows],
            "item": [content[:-1] for _, _, content in rows],
            "category": [[folder] for _, folder, _ in rows],
            "folder": [folder for _, folder, _ in rows],
            "purpose": [purpose for purpose, _, _ in rows],
        }
    )
    length = shape[0] * shape[1] * shape[2]
    data = b"".join(photo(content, shape).tobytes() for _, _, content in rows)
    Folder(str(root)).write(PIXELS, data)
    prepared = pa.table(
        {
            "content_id": split["content_id"],
            "status": ["ok"] * len(rows),
            "prepared_frames": pa.nulls(len(rows), pa.int32()),
            "prepared_height": pa.array([shape[0]] * len(rows), pa.int32()),
            "prepared_width": pa.array([shape[1]] * len(rows), pa.int32()),
            "prepared_channels": pa.array([shape[2]] * len(rows), pa.int32()),
            "file": [PIXELS] * len(rows),
            "offset": [i * length for i in range(len(rows))],
            "length": pa.array([length] * len(rows), pa.int64()),
        }
    )
    return World(root, split, prepared)
