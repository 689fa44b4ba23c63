"""Photos of 12 bits in files of 16 through the whole chain: without a window, and with one as the check names it."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from brev_pipeline.audit import remake, verify_store
from brev_pipeline.config import PipelineConfig
from brev_pipeline.images import read_prepared_pixels
from brev_pipeline.store import StoredTable
from brev_pipeline_tests.pipelines import Run, configure, draw_photos, run, table_name

SIZE = [24, 32]
WINDOW = [0, 4095]


def write_photos(folder: Path) -> dict[str, npt.NDArray[np.int64]]:
    """Photos that need no resizing, by path: (24, 32) samples of 12 bits."""
    draw_photos(folder, {"good": 5, "bad": 5})
    written = {}
    for file in sorted(folder.rglob("*.png")):
        samples = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[: SIZE[0], : SIZE[1], 0].astype(np.uint16) * 15 + 100
        cv2.imwrite(str(file), samples)
        written[f"photos/{file.parent.name}/{file.name}"] = samples.astype(np.int64)
    return written


def prepared(done: Run, config: PipelineConfig) -> dict[str, tuple[dict[str, Any], npt.NDArray[np.uint8]]]:
    """Row and pixels of each image, by path."""
    assert done.success, done.failures
    name = table_name(done.store, done.result.run_id, "prepared_images")
    table = StoredTable(done.store.tables, name).read()
    pixels = read_prepared_pixels(done.store.prepared_pixels, table)
    return {row["source_path"]: (row, image) for row, image in zip(table.to_pylist(), pixels, strict=True)}


@pytest.mark.slow
def test_a_window_brings_out_what_the_full_range_leaves_dark(tmp_path: Path) -> None:
    written = write_photos(tmp_path / "photos")
    config = configure(tmp_path, image={"target_size": SIZE})
    dark = run(config)
    images = prepared(dark, config)
    assert images.keys() == written.keys()
    for path, (row, pixels) in images.items():
        samples = written[path]
        assert np.array_equal(pixels[..., 0], (2 * 255 * samples + 65_535) // (2 * 65_535))
        assert (row["sample_min"], row["sample_max"]) == (samples.min(), samples.max())
        assert row["range_used"] == (row["sample_high"] - row["sample_low"]) / 65_535 < 0.3
    assert dark.failed_checks == ["prepared_images.range_used"]
    (check,) = (check for check in dark.checks if check.check_name == "range_used")
    assert f"{len(written)} rows break this: photos/" in check.description
    assert ". Their samples lie at" in check.description
    assert "window: [0, 4095] for all that 12 bits can hold" in check.description
    low, high = (
        min(row["sample_low"] for row, _ in images.values()),
        max(row["sample_high"] for row, _ in images.values()),
    )
    assert f"write image: {{intensity: {{window: [{low}, {high}]}}}}" in check.metadata["what to do"].value

    windowed = configure(tmp_path, image={"target_size": SIZE, "intensity": {"window": WINDOW}})
    bright = run(windowed)
    again = prepared(bright, windowed)
    for path, (row, pixels) in again.items():
        assert np.array_equal(pixels[..., 0], (2 * 255 * written[path] + 4095) // (2 * 4095))
        assert row["pixel_id"] == images[path][0]["pixel_id"]
        assert row["range_used"] > 0.3
    assert bright.failed_checks == []
    found = verify_store(bright.store, every=True)
    assert [version.problems for version in found.versions] == [[], []]
    newest = bright.store.newest_version()
    assert newest is not None
    assert remake(windowed, newest[1], records=None).is_whole
