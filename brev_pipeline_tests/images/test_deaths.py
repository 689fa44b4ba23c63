"""A decoder that dies, hangs or eats the memory costs one image, once; who is to blame is found out, and remembered."""

import os
import resource

import numpy as np
import pytest

from brev_pipeline.config import ImageSettings
from brev_pipeline.engine import LocalEngine, SerialEngine
from brev_pipeline.images import prepare, prepare_images, prepare_task
from brev_pipeline.images.limits import cpu_time_limit, decoding_limits
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline.store import Folder
from brev_pipeline_tests.images import deadly, worlds

pytestmark = pytest.mark.slow

SETTINGS = ImageSettings(target_size=(8, 8), max_seconds=0.5)
SHORT = ImageSettings(target_size=(8, 8), max_seconds=0.25)
STOPPED = "its decoding was stopped after {} s of CPU time (image.max_seconds)"


def files(count):
    return {f"b/{n}.bmp": worlds.encode(worlds.photo(n, 10, 12), "BMP") for n in range(count)}


@pytest.fixture(scope="module")
def slow_files():
    """Nine small images, and a good one whose decoding takes a second."""
    large = np.tile(worlds.photo(1, 600, 600), (10, 10, 1))
    return files(9) | {"b/slow.png": worlds.encode(large, "PNG", compress_level=1)}


def prepared(source, folder, settings=SETTINGS, engine=None):
    samples = worlds.table([worlds.sample(path, data) for path, data in source.files.items()])
    return prepare_images(samples, settings, fetch=source, folder=folder, engine=engine or LocalEngine(2))


def unusable(table):
    rows = [row for row in table.to_pylist() if row["status"] != "ok"]
    return {row["source_path"]: (row["status"], row["reason"]) for row in rows}


class Gone(worlds.Memory):
    """Nothing can be read from it any more: what has a row nevertheless was remembered."""

    def fetch_many(self, rows):
        self.files, files = {}, self.files
        yield from super().fetch_many(rows)
        self.files = files


def test_what_takes_too_long_is_stopped_and_remembered_until_the_limit_is_another(slow_files, tmp_path):
    folder = Folder(str(tmp_path))
    stopped = {"b/slow.png": ("stopped", STOPPED.format(0.25))}
    first = prepared(worlds.Memory(slow_files), folder, SHORT)
    assert first.num_rows == 10
    assert unusable(first) == stopped
    assert unusable(prepared(Gone(slow_files), folder, SHORT)) == stopped
    # A longer limit is no other way to prepare: only what was stopped is tried again.
    long = ImageSettings(target_size=(8, 8), max_seconds=60)
    assert unusable(prepared(Gone(slow_files), folder, long)) == {"b/slow.png": ("missing", "b/slow.png is not there")}
    assert unusable(prepared(worlds.Memory(slow_files), folder, long)) == {}
    # And what was decoded once stays so.
    assert unusable(prepared(Gone(slow_files), folder, SHORT)) == {}


def test_the_process_of_the_user_has_no_clock(slow_files, tmp_path):
    assert unusable(prepared(worlds.Memory(slow_files), Folder(str(tmp_path)), SHORT, SerialEngine())) == {}
    with cpu_time_limit(0.001):
        assert sum(range(1_000_000)) > 0


@pytest.mark.parametrize("signal", ["SIGSEGV", "SIGABRT", "SIGFPE"])
def test_an_image_that_crashes_the_decoder_is_the_only_one_lost_and_is_remembered(
    tmp_path, monkeypatch, caplog, signal
):
    deadly.install(monkeypatch, tmp_path)
    folder = Folder(str(tmp_path / "prepared"))
    source = files(20)
    source["b/7.bmp"] += f"{signal:8}".encode()
    crashed = {"b/7.bmp": ("stopped", f"the decoder crashed on it ({signal})")}
    assert unusable(prepared(worlds.Memory(source), folder)) == crashed
    tries = deadly.decoded(tmp_path)
    # The chunk, one division, the one by itself.
    assert 22 <= tries <= 42
    assert unusable(prepared(worlds.Memory(source), folder)) == crashed
    assert deadly.decoded(tmp_path) == tries


def test_a_loop_without_end_in_c_is_stopped(tmp_path, monkeypatch):
    deadly.install(monkeypatch, tmp_path)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    table = prepared(worlds.Memory(files(5) | {"b/5.bmp": files(1)["b/0.bmp"] + b"burns"}), Folder(str(tmp_path)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert unusable(table) == {"b/5.bmp": ("stopped", STOPPED.format(0.5))}
    # Three times its limit, and the start of some workers; it would have taken minutes.
    assert after.ru_utime - before.ru_utime < 30


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM", "SIGXCPU", "SIGRTMAX"])
def test_a_kill_from_outside_is_held_against_no_image(tmp_path, monkeypatch, signal):
    folder = Folder(str(tmp_path / "prepared"))
    source = files(3)
    source["b/1.bmp"] += f"{signal:8}".encode()
    with monkeypatch.context() as patch:
        deadly.install(patch, tmp_path)
        ((path, (status, reason)),) = unusable(prepared(worlds.Memory(source), folder)).items()
    assert (path, status) == ("b/1.bmp", "interrupted")
    assert (f"({signal})" if signal != "SIGRTMAX" else "signal 64") in reason
    assert unusable(prepared(worlds.Memory(source), folder)) == {}


def test_what_died_in_company_and_not_alone_is_a_good_image(tmp_path, monkeypatch):
    deadly.install(monkeypatch, tmp_path)
    source = {"b/0.bmp": files(1)["b/0.bmp"] + b"once!"}
    folder = Folder(str(tmp_path / "prepared"))
    assert unusable(prepared(worlds.Memory(source), folder)) == {}
    assert (tmp_path / "died").exists()
    assert unusable(prepared(Gone(source), folder)) == {}


def test_want_of_memory_is_held_against_no_image(tmp_path, monkeypatch):
    source = {"b/0.bmp": files(1)["b/0.bmp"] + b"hoard"}
    folder = Folder(str(tmp_path / "prepared"))
    with monkeypatch.context() as patch:
        deadly.install(patch, tmp_path)
        ((status, reason),) = unusable(prepared(worlds.Memory(source), folder)).values()
    assert status == "interrupted"
    assert "memory" in reason
    assert unusable(prepared(worlds.Memory(source), folder)) == {}


def test_one_that_waits_without_computing_is_given_up_and_not_judged(tmp_path, monkeypatch):
    deadly.install(monkeypatch, tmp_path)
    monkeypatch.setattr(prepare_task, "max_wait_seconds", lambda settings: 2.0)
    data = files(1)["b/0.bmp"] + b"waits"
    row, image = prepare_task.prepare_isolated(SourceRow("b/0.bmp", "b", None, "none", "id"), data, SETTINGS)
    assert (row["status"], image) == ("interrupted", None)
    assert "longer than 2 s" in row["reason"]


def test_a_chunk_that_waits_is_divided_and_costs_one_image(tmp_path, monkeypatch):
    deadly.install(monkeypatch, tmp_path)
    monkeypatch.setattr(prepare, "_chunk_timeout", lambda contents, settings: 5.0)
    source = files(5)
    source["b/2.bmp"] += b"waits"
    found = unusable(prepared(worlds.Memory(source), Folder(str(tmp_path / "prepared"))))
    assert found == {"b/2.bmp": ("interrupted", "the worker that had it decoded was lost")}


@pytest.mark.timeout(600)
def test_the_verdict_is_the_same_on_a_cluster(slow_files, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    from brev_pipeline.engine import RayEngine
    from brev_pipeline_tests.engine.clusters import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    deadly.install(monkeypatch, tmp_path)
    slow_files = slow_files | {"b/8.bmp": slow_files["b/8.bmp"] + b"SIGSEGV "}
    variables = {name: os.environ[name] for name in ("PYTHONPATH", "DEADLY_FOLDER")}
    cluster = Cluster(nodes=1)
    cluster.start()
    try:
        engine = RayEngine(cluster.address, runtime_env={"env_vars": variables})
        table = prepared(worlds.Memory(slow_files), Folder(str(tmp_path)), SHORT, engine)
    finally:
        cluster.stop()
    assert unusable(table) == {
        "b/slow.png": ("stopped", STOPPED.format(0.25)),
        "b/8.bmp": ("stopped", "the decoder crashed on it (SIGSEGV)"),
    }


def test_a_worker_may_take_a_bounded_amount_of_memory_while_it_decodes():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with decoding_limits(1_000_000):
        assert resource.getrlimit(resource.RLIMIT_AS)[0] < 1 << 40
        with pytest.raises(MemoryError):
            np.ones(8 << 30, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_what_the_widest_image_that_is_let_through_may_need_is_there():
    pixels = 10_000_000
    with decoding_limits(pixels):
        # Eight times four channels of 16 bits; not touched, so that it costs nothing.
        assert np.empty(8 * 4 * 2 * pixels, np.uint8).nbytes == 640_000_000


def test_opencv_has_its_threads_back_afterwards():
    import cv2

    before = cv2.getNumThreads()
    with decoding_limits(1):
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before
