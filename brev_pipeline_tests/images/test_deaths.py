"""A decoder that dies, hangs or eats the memory costs one image."""

import resource

import numpy as np
import pytest

from brev_pipeline.config import ImageSettings
from brev_pipeline.engine import LocalEngine
from brev_pipeline.images import prepare, prepare_images
from brev_pipeline.images.limits import decoding_limits
from brev_pipeline.store import Folder
from brev_pipeline_tests.images import worlds

SETTINGS = ImageSettings(target_size=(8, 8))


def files(count):
    return {f"b/{n}.bmp": worlds.encode(worlds.photo(n, 10, 12), "BMP") for n in range(count)}


def prepared(source, folder):
    samples = worlds.table([worlds.sample(path, data) for path, data in source.files.items()])
    return prepare_images(samples, SETTINGS, fetch=source, folder=folder, engine=LocalEngine(2))


def test_an_image_on_which_the_decoder_dies_is_the_only_one_lost(tmp_path, caplog):
    source = worlds.Deadly(files(20), ["b/7.bmp"])
    table = prepared(source, Folder(str(tmp_path)))
    rows = {row["source_path"]: row for row in table.to_pylist()}
    assert len(rows) == 20
    assert {path for path, row in rows.items() if row["status"] != "ok"} == {"b/7.bmp"}
    assert rows["b/7.bmp"]["status"] == "corrupt"
    # How it died is for the log: the table is the same whatever ran the decoder.
    assert rows["b/7.bmp"]["reason"].startswith("the decoder died on it, or came to no end")
    assert "SIGSEGV" in caplog.text


def test_what_killed_a_decoder_is_tried_again_by_the_next_run(tmp_path):
    folder = Folder(str(tmp_path))
    deadly = worlds.Deadly(files(1), ["b/0.bmp"])
    assert prepared(deadly, folder)["status"].to_pylist() == ["corrupt"]
    assert prepared(worlds.Memory(files(1)), folder)["status"].to_pylist() == ["ok"]


@pytest.mark.slow
def test_an_image_on_which_the_decoder_hangs_is_the_only_one_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "_seconds", lambda contents: 4.0)
    table = prepared(worlds.Deadly(files(5), ["b/2.bmp"], "hang"), Folder(str(tmp_path)))
    status = dict(zip(table["source_path"].to_pylist(), table["status"].to_pylist(), strict=True))
    assert status == {**dict.fromkeys(files(5), "ok"), "b/2.bmp": "corrupt"}


def test_a_worker_may_take_a_bounded_amount_of_memory_while_it_decodes():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with decoding_limits(1_000_000):
        assert resource.getrlimit(resource.RLIMIT_AS)[0] < 1 << 40
        with pytest.raises(MemoryError):
            np.ones(8 << 30, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_opencv_has_its_threads_back_afterwards():
    import cv2

    before = cv2.getNumThreads()
    with decoding_limits(1):
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before
