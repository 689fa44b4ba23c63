"""The data of bench/read.py: one version, and the same records in other formats and by a bare loop."""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from brev_pipeline.config import parse_config
from brev_pipeline.engine import SerialEngine
from brev_pipeline.readers.pixels import find_bytes_feature
from brev_pipeline.records import plan_shards, shard_files, write_shards
from brev_pipeline.release.publishing import publish_version
from brev_pipeline.seeds import seed64
from brev_pipeline.store import PipelineStore
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.tfrecord import HEADER_BYTES, masked_crc

CLASSES = ["bad", "good"]
YAML = "{name: bench, store: store, datasets: [{name: B, id: b, bucket: b}], shards: {encoding: %s}}"


class Photos:
    """Smooth pictures with a little noise, which encode about as photographs do."""

    def __init__(self, size: int) -> None:
        rng = np.random.default_rng(0)
        self._base = cv2.GaussianBlur(rng.integers(0, 256, (size, size, 3), np.uint8), (0, 0), 3)

    def read(self, rows: pa.Table) -> Iterator[NDArray[np.uint8]]:
        """One picture per row."""
        for content in rows["content_id"].to_pylist():
            rng = np.random.default_rng(int(content[:8], 16))
            yield cv2.add(self._base, rng.integers(0, 6, self._base.shape, np.uint8))


def publish(root: Path, encoding: str, count: int, size: int) -> int:
    """Publish a version of ``count`` records in ``root/store/bench``; gives the mean size of a record in bytes."""
    config = parse_config(YAML % encoding, "bench.yaml", root)
    names = [f"{number:06d}" for number in range(count)]
    text = {"purpose": "train", "group": "good", "item": "12"}
    draws = pa.table(
        {
            **{name: pa.array([value] * count) for name, value in text.items()},
            "epoch": pa.array([0] * count, pa.int32()),
            "path": [f"bucket/dataset/good/{name}_1700000000.bmp" for name in names],
            "content_id": [hashlib.md5(name.encode()).hexdigest() for name in names],
            "category": [[CLASSES[number % 2]] for number in range(count)],
            "ordinal": pa.array([0] * count, pa.int32()),
            "seed": pa.array([seed64(0, name) for name in names], pa.uint64()),
            "augmented": [False] * count,
        }
    )
    shape = {"height": size, "width": size, "channels": 3}
    prepared = pa.table(
        {
            "content_id": draws["content_id"],
            "status": ["ok"] * count,
            "file": ["none"] * count,
            "offset": pa.array([0] * count, pa.int64()),
            "length": pa.array([size * size * 3] * count, pa.int64()),
            "prepared_frames": pa.nulls(count, pa.int32()),
            **{f"prepared_{side}": pa.array([value] * count, pa.int32()) for side, value in shape.items()},
        }
    )
    store = PipelineStore.from_config(config)
    records = write_shards(
        plan_shards(draws, prepared, config.shards, class_names=CLASSES),
        prepared,
        pipeline=config.name,
        settings=config.shards,
        augmenter=None,
        pixels=Photos(size),
        folder=store.staging_area / "now",
        engine=SerialEngine(),
        fingerprint="",
    )
    shards = {row.pop("file"): row for row in shard_files(store.staging_area / "now").to_pylist()}
    publish_version(
        store,
        shards_in=store.staging_area / "now",
        shards={name: {key: facts[key] for key in ("bytes", "sha256")} for name, facts in shards.items()},
        extras={"records.parquet": to_parquet(records), "images.parquet": to_parquet(prepared)},
        account={"format": 1, "pipeline": "bench", "configuration": config.content_settings(), "classes": CLASSES},
        run_id="bench",
    )
    return int(np.mean(records["length"].to_numpy()))


def decoder(encoding: str, side: int) -> Callable[[bytes], NDArray[np.uint8]]:
    """Decodes as one would by hand."""
    if encoding == "raw":
        return lambda data: np.frombuffer(data, np.uint8).copy().reshape(side, side, 3)
    return lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


class BareSet:
    """Seek, read, check the record's checksum, cut out the image, decode, label."""

    def __init__(self, records: Any, encoding: str) -> None:
        table = records.records
        self._files = {name: open(Path(records.path) / name, "rb") for name in set(table["file"].to_pylist())}  # noqa: SIM115
        self._decode = decoder(encoding, records.shape.height)
        self._key = b"image/raw" if encoding == "raw" else b"image/encoded"
        starts = (table["offset"].to_numpy() + HEADER_BYTES).tolist()
        files = [self._files[name] for name in table["file"].to_pylist()]
        rows = files, starts, *(table[name].to_pylist() for name in ("length", "crc", "label"))
        self._rows = list(zip(*rows, strict=True))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import torch

        data, label = self.stored(index)
        return torch.from_numpy(self._decode(data)).permute(2, 0, 1), label

    def stored(self, index: int) -> tuple[bytes, int]:
        """The image's stored bytes, and the label."""
        file, start, length, crc, label = self._rows[index]
        file.seek(start)
        record = file.read(length)
        assert masked_crc(record) == crc
        data = find_bytes_feature(record, self._key)
        assert data is not None
        return data, label


def write_tar(place: Path, records: Any, encoding: str) -> Path:
    """The records as webdataset wants them."""
    bare = BareSet(records, encoding)
    with tarfile.open(place, "w") as tar:
        for index in range(len(bare)):
            data, label = bare.stored(index)
            for suffix, content in (("bin", bytes(data)), ("cls", str(label).encode())):
                member = tarfile.TarInfo(f"{index:06d}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return place


def write_mds(place: Path, records: Any, encoding: str) -> Path:
    """The records as MosaicML's streaming wants them."""
    from streaming import MDSWriter

    bare = BareSet(records, encoding)
    with MDSWriter(out=str(place), columns={"image": "bytes", "label": "int"}) as writer:
        for index in range(len(bare)):
            data, label = bare.stored(index)
            writer.write({"image": bytes(data), "label": label})
    return place
