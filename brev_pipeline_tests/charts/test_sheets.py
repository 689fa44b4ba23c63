"""Sheets show the pixels that they say they show, and nothing that they read can end a run."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from brev_pipeline import tables
from brev_pipeline.charts import quarantine_sheet, sample_sheet
from brev_pipeline.charts.figure import SHEET_BYTES, WIDTH
from brev_pipeline.charts.sheets import decode_thumbnail
from brev_pipeline.errors import SourceError
from brev_pipeline.storage.fetcher import SourceRow

RED, GREEN = (200, 30, 30), (30, 160, 30)


class Files:
    """A fetcher over bytes in memory that remembers what it was asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []

    def fetch_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, bytes | SourceError]]:
        for row in rows:
            self.asked.append(row.path)
            yield row, self.files.get(row.path) or SourceError("missing", "not there")


class Pixels:
    """Prepared pixels of one colour, and how many were asked for."""

    def __init__(self, shape: tuple[int, ...] = (24, 32, 3)) -> None:
        self.shape = shape
        self.asked = 0

    def read(self, rows: pa.Table) -> Iterable[np.ndarray]:
        self.asked += rows.num_rows
        for _ in range(rows.num_rows):
            yield np.full(self.shape, RED if self.shape[-1] == 3 else 120, np.uint8)


class Paint:
    """An augmenter that paints over everything, and notes its seeds."""

    def __init__(self) -> None:
        self.seeds: list[int] = []

    def augment(self, image: np.ndarray, seed: int) -> np.ndarray:
        self.seeds.append(seed)
        return np.full_like(image, GREEN if image.shape[-1] == 3 else 40)


def records(labels: Sequence[int], augmented: bool = True) -> pa.Table:
    rows = [
        {"content_id": f"{n:032x}", "path": f"b/{n}.png", "label": label, "seed": 1000 + n, "augmented": augmented}
        for n, label in enumerate(labels)
    ]
    filled = [{"purpose": "train", "epoch": 0, "file": "f", "item": "i", "group": "g"} | row for row in rows]
    return pa.Table.from_pylist(filled, schema=tables.TFRECORD_SHARDS)


def prepared(count: int) -> pa.Table:
    rows = [{"content_id": f"{n:032x}", "status": "ok", "source_path": "p"} for n in range(count)]
    return pa.Table.from_pylist(rows, schema=tables.PREPARED_IMAGES)


def colours(data: bytes) -> set[tuple[int, ...]]:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return {colour for count, colour in image.getcolors(1 << 20) if count > 400}


def near(found: set[tuple[int, ...]], colour: tuple[int, int, int]) -> bool:
    return any(max(abs(a - b) for a, b in zip(one, colour, strict=True)) < 12 for one in found)


def test_a_sample_sheet_shows_prepared_and_augmented_pixels_by_the_records_own_seeds() -> None:
    paint, pixels = Paint(), Pixels()
    data = sample_sheet(records([0, 0, 1, 1]), prepared(4), pixels=pixels, augmenter=paint, classes=["bad", "good"])
    assert paint.seeds == [1000, 1001, 1002, 1003]
    assert near(colours(data), RED)
    assert near(colours(data), GREEN)
    assert len(data) <= SHEET_BYTES


def test_a_sample_sheet_reads_a_few_records_of_a_few_classes_only() -> None:
    pixels = Pixels()
    table = records([number % 40 for number in range(4000)])
    sample_sheet(table, prepared(4000), pixels=pixels, augmenter=Paint(), classes=[str(n) for n in range(40)])
    assert pixels.asked <= 15


@pytest.mark.parametrize("shape", [(24, 32, 1), (300, 20, 3), (2, 2, 3), (5, 24, 32, 3)])
def test_a_sample_sheet_takes_grey_tall_tiny_images_and_time_series(shape: tuple[int, ...]) -> None:
    data = sample_sheet(records([0]), prepared(1), pixels=Pixels(shape), augmenter=Paint(), classes=["one"])
    assert Image.open(io.BytesIO(data)).width == WIDTH


def test_a_sample_sheet_of_no_records_or_of_unaugmented_ones_says_so() -> None:
    paint = Paint()
    for table in (records([]), records([0, 1], augmented=False)):
        assert sample_sheet(table, prepared(2), pixels=Pixels(), augmenter=paint, classes=["a", "b"])
    assert paint.seeds == []


def png(colour: tuple[int, int, int]) -> bytes:
    return bytes(cv2.imencode(".png", np.full((60, 80, 3), colour[::-1], np.uint8))[1])


def quarantine(files: dict[str, tuple[str, bytes]]) -> tuple[pa.Table, pa.Table, Files]:
    """Name → status and bytes, as tables and the fetcher that has them."""
    rows, samples = [], []
    for path, (status, data) in files.items():
        content = hashlib.md5(data or path.encode()).hexdigest()
        rows.append({"content_id": content, "status": status, "reason": f"why {path}", "source_path": path})
        sample = {"path": path, "bucket": "b", "etag": None, "etag_source": "none", "content_id": content}
        samples.append(sample | {"size": len(data)})
    types = pa.schema([("content_id", pa.large_string()), ("status", pa.large_string()), ("reason", pa.large_string())])
    schema = types.append(pa.field("source_path", pa.large_string()))
    kept = pa.schema([(name, pa.large_string()) for name in SourceRow._fields] + [("size", pa.int64())])
    fetcher = Files({path: data for path, (_, data) in files.items() if data})
    return pa.Table.from_pylist(rows, schema=schema), pa.Table.from_pylist(samples, schema=kept), fetcher


def test_a_quarantine_sheet_shows_what_can_be_decoded_of_a_damaged_file() -> None:
    whole = png(GREEN)
    data = quarantine_sheet(*quarantine({"a.png": ("corrupt", whole), "gone.png": ("missing", b"")}))
    assert near(colours(data), GREEN)


def test_a_quarantine_sheet_reads_twelve_images_at_most_some_of_each_status() -> None:
    many = {f"{n:03}.png": ("corrupt", b"no image %d" % n) for n in range(500)}
    table, samples, files = quarantine(many | {"x.png": ("unsupported", b"nor this")})
    data = quarantine_sheet(table, samples, files)
    assert len(files.asked) <= 12
    assert "x.png" in files.asked
    assert len(data) <= SHEET_BYTES


def test_what_no_decoder_came_to_an_end_with_is_given_to_none() -> None:
    stopped = {f"{status}.png": (status, png(GREEN)) for status in ("stopped", "interrupted")}
    table, samples, files = quarantine(stopped)
    assert not near(colours(quarantine_sheet(table, samples, files)), GREEN)
    assert files.asked == []


def test_an_empty_quarantine_is_a_card_that_says_so() -> None:
    assert quarantine_sheet(*quarantine({}))


def test_looking_at_damaged_files_gives_pixels_or_nothing_and_never_raises(shared: Path) -> None:
    files = sorted(file for file in (shared / "data" / "corrupt_formats").rglob("*") if file.is_file())
    seen = [decode_thumbnail(file.read_bytes()) for file in files[::6]]
    assert any(one is not None for one in seen)
    for one in filter(lambda one: one is not None, seen):
        assert one.dtype == np.uint8
        assert one.shape[2] == 3
        assert max(one.shape) <= 320


def test_looking_leaves_pillow_as_strict_as_it_was() -> None:
    from PIL import ImageFile

    decode_thumbnail(png(RED)[:-30])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
