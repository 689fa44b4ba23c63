"""The stage: every content once in its life, a row for each, and never a lost one; statistics are exact."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from brev_pipeline.config import ImageSettings, StorageSettings
from brev_pipeline.engine import LocalEngine, SerialEngine
from brev_pipeline.errors import BrevPipelineError, SourceError
from brev_pipeline.images import ImagePipeline, prepare, prepare_images, read_prepared_pixels
from brev_pipeline.images.pixel_cache import settings_id
from brev_pipeline.images.prepare_task import measure_pixels
from brev_pipeline.storage import Sources
from brev_pipeline.storage.places import parse_place
from brev_pipeline.store import Folder
from brev_pipeline.tables import PREPARED_IMAGES
from brev_pipeline_tests.images import worlds

SETTINGS = ImageSettings(target_size=(16, 20))
KINDS = worlds.one_of_each_kind(height=40, width=50)


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "prepared"))


def world(files):
    """Samples and source of files in memory."""
    return worlds.table([worlds.sample(path, data) for path, data in files.items()]), worlds.Memory(files)


def prepared(files, folder, settings=SETTINGS, source=None, samples=None):
    table, memory = world(files)
    return prepare_images(
        table if samples is None else samples, settings, fetch=source or memory, folder=folder, engine=SerialEngine()
    )


def by_path(table):
    return {row["source_path"]: row for row in table.to_pylist()}


def many(count, start=0):
    return {f"b/{n}.png": worlds.encode(worlds.photo(n, 20, 24), "PNG") for n in range(start, start + count)}


def test_every_kind_of_file_gets_its_row_and_its_pixels(folder):
    files = {f"b/{name}": data for name, data in KINDS.items()}
    table = prepared(files, folder)
    assert table.schema.equals(PREPARED_IMAGES)
    assert table["content_id"].to_pylist() == sorted(hashlib.md5(data).hexdigest() for data in files.values())
    assert set(table["status"].to_pylist()) == {"ok"}
    for row, image in zip(table.to_pylist(), read_prepared_pixels(folder, table), strict=True):
        assert np.array_equal(image, ImagePipeline(SETTINGS).prepare(files[row["source_path"]]))
        assert row["length"] == image.nbytes
        assert row["mean"] == pytest.approx(image.mean())
        assert row["prepared_frames"] is None
        assert (row["prepared_height"], row["prepared_width"], row["prepared_channels"]) == (16, 20, 3)
        assert (row["height"], row["width"]) == (40, 50)


def test_an_unusable_image_is_a_row_with_a_status_and_a_reason(folder):
    files = {
        "b/cut.png": KINDS["png"][:-30],
        "b/empty.bmp": b"",
        "b/icon.bmp": b"\0\0\1\0\1\0" + bytes(40),
        "b/large.png": worlds.encode(worlds.photo(1, 60, 50), "PNG"),
        "b/good.png": KINDS["png"],
    }
    rows = by_path(prepared(files, folder, ImageSettings(target_size=(8, 8), max_pixels=2999)))
    assert {path: row["status"] for path, row in rows.items()} == {
        "b/cut.png": "corrupt",
        "b/empty.bmp": "corrupt",
        "b/icon.bmp": "unsupported",
        "b/large.png": "too_large",
        "b/good.png": "ok",
    }
    assert rows["b/large.png"]["reason"] == "PNG: 50×60 px are more than the limit max_pixels = 2999"
    assert (rows["b/large.png"]["format"], rows["b/large.png"]["height"]) == ("png", 60)
    assert (rows["b/cut.png"]["format"], rows["b/cut.png"]["width"]) == ("png", 50)
    for path, row in rows.items():
        usable = path == "b/good.png"
        assert (row["reason"] is None) == usable
        assert (row["file"] is not None) == usable
        assert (row["pixel_id"] is not None) == usable


def test_copies_are_prepared_once(folder):
    files = {"b/one.png": KINDS["png"], "b/two.png": KINDS["png"]}
    samples, source = world(files)
    table = prepared(files, folder, source=source, samples=samples)
    assert table.num_rows == 1
    assert source.read == ["b/one.png"]


def test_another_copy_is_tried_where_one_is_gone_or_changed(folder):
    files = {f"b/{name}.png": KINDS["png"] for name in ("a", "b", "c")}
    samples, _ = world(files)
    source = worlds.Memory({**files, "b/b.png": b"other bytes"}, {"b/a.png": SourceError("missing", "gone")})
    table = prepared(files, folder, source=source, samples=samples)
    assert by_path(table)["b/c.png"]["status"] == "ok"
    assert source.read == ["b/a.png", "b/b.png", "b/c.png"]


def test_what_cannot_be_had_is_missing_or_changed_and_tried_again_next_time(folder):
    files = {"b/gone.png": KINDS["png"], "b/changed.png": KINDS["bmp"], "b/refused.png": KINDS["gif"]}
    samples, _ = world(files)
    source = worlds.Memory(
        {"b/changed.png": KINDS["jpeg"]}, {"b/refused.png": SourceError("changed", "its entity tag is another one")}
    )
    rows = by_path(prepared(files, folder, source=source, samples=samples))
    assert rows["b/gone.png"]["status"] == "missing"
    assert rows["b/gone.png"]["reason"] == "b/gone.png is not there"
    assert rows["b/changed.png"]["status"] == "changed"
    assert "MD5" in rows["b/changed.png"]["reason"]
    assert rows["b/refused.png"]["reason"] == "its entity tag is another one"
    assert set(prepared(files, folder)["status"].to_pylist()) == {"ok"}


def test_what_could_not_be_read_when_it_was_listed_gets_one_try(folder):
    rows = [worlds.sample("b/still.png", b"1"), worlds.sample("b/now.png", b"2")]
    for number, row in enumerate(rows):
        row["content_id"] = f"unread-{number}"
    source = worlds.Memory({"b/now.png": KINDS["png"]}, {"b/still.png": SourceError("changed", "access denied")})
    found = by_path(prepared({}, folder, source=source, samples=worlds.table(rows)))
    assert (found["b/still.png"]["status"], found["b/still.png"]["reason"]) == ("missing", "access denied")
    assert found["b/now.png"]["status"] == "changed"


def test_a_second_run_reads_nothing_and_gives_the_same_table(folder):
    files = {**many(30), "b/cut.png": KINDS["png"][:-30]}
    samples, source = world(files)
    first = prepared(files, folder)
    again = prepared(files, folder, source=source, samples=samples)
    assert source.read == []
    assert again.equals(first)


def test_only_new_contents_are_read(folder):
    files = many(100)
    prepared(files, folder)
    more = {**files, **many(1, start=500)}
    samples, source = world(more)
    table = prepared(more, folder, source=source, samples=samples)
    assert source.read == ["b/500.png"]
    assert table.num_rows == 101


def test_contents_that_are_listed_no_more_leave_the_table_and_come_back_unread(folder):
    files = many(4)
    first = prepared(files, folder)
    fewer = dict(list(files.items())[:2])
    assert prepared(fewer, folder).num_rows == 2
    samples, source = world(files)
    assert prepared(files, folder, source=source, samples=samples).equals(first)
    assert source.read == []


def test_a_content_that_moved_is_found_under_its_new_path(folder):
    prepared({"b/old.png": KINDS["png"]}, folder)
    table = prepared({"b/new.png": KINDS["png"], "b/newer.png": KINDS["png"]}, folder)
    assert table["source_path"].to_pylist() == ["b/new.png"]


def test_a_path_that_holds_another_content_now_is_not_mistaken_for_the_old_one(folder):
    prepared({"b/a.png": KINDS["png"]}, folder)
    files = {"b/a.png": KINDS["bmp"], "b/b.png": KINDS["png"]}
    rows = {row["content_id"]: row["source_path"] for row in prepared(files, folder).to_pylist()}
    assert rows == {worlds.sample(path, data)["content_id"]: path for path, data in files.items()}


def test_other_settings_prepare_anew_and_lie_elsewhere(folder):
    files = many(3)
    first, second = prepared(files, folder), prepared(files, folder, ImageSettings(target_size=(9, 9)))
    assert set(first["file"].to_pylist()).isdisjoint(second["file"].to_pylist())
    assert {image.shape for image in read_prepared_pixels(folder, second)} == {(9, 9, 3)}
    assert settings_id(SETTINGS) in folder.list_names()


def test_frames_of_a_time_series_come_back_as_frames(folder):
    settings = ImageSettings(rois=[((0, 0), (8, 6)), ((10, 5), (18, 11))], roi_mode="as_timeseries")
    files = many(3)
    table = prepared(files, folder, settings)
    assert table["prepared_frames"].to_pylist() == [2, 2, 2]
    for row, image in zip(table.to_pylist(), read_prepared_pixels(folder, table), strict=True):
        assert image.shape == (2, 6, 8, 3)
        assert np.array_equal(image, ImagePipeline(settings).prepare(files[row["source_path"]]))


def test_a_roi_outside_is_quarantined_or_an_error_as_configured(folder):
    files = {"b/small.png": worlds.encode(worlds.photo(1, 10, 10), "PNG"), "b/large.png": KINDS["png"]}
    rois = [((0, 0), (20, 20))]
    rows = by_path(prepared(files, folder, ImageSettings(rois=rois)))
    assert rows["b/large.png"]["status"] == "ok"
    assert rows["b/small.png"]["status"] == "unsupported"
    assert "the roi [[0, 0], [20, 20]] reaches outside of the image of 10×10 px" in rows["b/small.png"]["reason"]
    with pytest.raises(BrevPipelineError, match=r"b/small\.png: the roi .* or set image\.roi_outside: quarantine"):
        prepared(files, folder, ImageSettings(rois=rois, roi_outside="error"))


def test_no_samples_give_an_empty_table(folder):
    assert prepared({}, folder).equals(PREPARED_IMAGES.empty_table())


def test_chunks_depend_on_the_samples_only_and_are_bounded(monkeypatch):
    rows = [{**worlds.sample(f"b/{n}", str(n).encode()), "size": 1000 + n} for n in range(5000)]
    samples = worlds.table(rows).sort_by("content_id")
    chunks = list(prepare._cut_chunks(samples))
    assert [content[0].content_id for chunk in chunks for content in chunk] == samples["content_id"].to_pylist()
    assert {len(chunk) for chunk in chunks[:-1]} == {79}  # 5000 in 64 chunks
    large = worlds.table([{**row, "size": 30 << 20} for row in rows[:10]]).sort_by("content_id")
    assert [len(chunk) for chunk in prepare._cut_chunks(large)] == [2] * 5


@pytest.fixture
def on_disk(tmp_path):
    """A folder of files, its samples and a real source."""
    for path, data in {**many(40), "b/cut.png": KINDS["png"][:-30], **{f"b/{k}": v for k, v in KINDS.items()}}.items():
        place = tmp_path / "photos" / path.removeprefix("b/")
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
    source = Sources({"photos": parse_place("photos", str(tmp_path / "photos"), StorageSettings())})
    return worlds.samples(tmp_path / "photos"), source


@pytest.mark.slow
def test_workers_and_the_order_of_the_samples_change_nothing(on_disk, tmp_path):
    samples, source = on_disk
    draw = np.random.default_rng(1).permutation(samples.num_rows)
    tables = [
        prepare_images(rows, SETTINGS, fetch=source, folder=Folder(str(tmp_path / name)), engine=engine)
        for name, rows, engine in (
            ("serial", samples, SerialEngine()),
            ("two", samples, LocalEngine(2)),
            ("shuffled", samples.take(pa.array(draw)), LocalEngine(2)),
        )
    ]
    assert tables[0].num_rows == 70
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    listings = [sorted(Folder(str(tmp_path / name)).walk()) for name in ("serial", "two", "shuffled")]
    assert listings[0] == listings[1] == listings[2]


def test_a_run_that_was_killed_leaves_its_finished_chunks(on_disk, tmp_path):
    samples, source = on_disk
    folder = Folder(str(tmp_path / "prepared"))

    class Killed(SerialEngine):
        def map(self, function, tasks, **options):
            for number, task in enumerate(tasks):
                if number == 2:
                    raise KeyboardInterrupt
                yield task, function(task)

    with pytest.raises(KeyboardInterrupt):
        prepare_images(samples, SETTINGS, fetch=source, folder=folder, engine=Killed())
    memory = worlds.Memory({})
    again = prepare_images(samples, SETTINGS, fetch=memory, folder=folder, engine=SerialEngine())
    assert sum(status != "missing" for status in again["status"].to_pylist()) == 64
    whole = prepare_images(samples, SETTINGS, fetch=source, folder=folder, engine=SerialEngine())
    fresh = prepare_images(samples, SETTINGS, fetch=source, folder=Folder(str(tmp_path / "new")), engine=SerialEngine())
    assert whole.drop(["file", "offset"]).equals(fresh.drop(["file", "offset"]))
    assert all(
        np.array_equal(a, b)
        for a, b in zip(
            read_prepared_pixels(folder, usable(whole)),
            read_prepared_pixels(Folder(str(tmp_path / "new")), usable(fresh)),
            strict=True,
        )
    )


def usable(table):
    return table.filter([status == "ok" for status in table["status"].to_pylist()])


def test_nothing_is_lost_silently_where_a_source_leaves_a_file_out(folder):
    class Forgetful(worlds.Memory):
        def fetch_many(self, rows):
            yield from list(super().fetch_many(rows))[1:]

    files = many(3)
    with pytest.raises(BrevPipelineError, match="3 contents were to be prepared, 2 came back"):
        prepared(files, folder, source=Forgetful(files))


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 1, 3), (7, 5, 3), (128, 128, 3), (2, 9, 8, 3), (3, 40, 30, 1), (700, 900, 3)]
)
def test_mean_and_deviation_are_those_of_all_values(shape):
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    found = measure_pixels(pixels)
    values = pixels.astype(float)
    assert found.mean == pytest.approx(values.mean(), rel=1e-14)
    assert found.std == pytest.approx(values.std(), rel=1e-12)
    assert found.clipped == ((pixels == 0) | (pixels == 255)).mean()


def test_extremes_do_not_overflow():
    found = measure_pixels(np.full((4000, 3000, 3), 255, np.uint8))
    assert (found.mean, found.std, found.sharpness, found.clipped) == (255.0, 0.0, 0.0, 1.0)


def test_sharpness_is_the_variance_of_the_laplacian():
    grey = worlds.photo(2, 30, 40, 1)
    p = np.pad(grey[:, :, 0].astype(int), 1, mode="reflect")
    laplacian = p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - 4 * p[1:-1, 1:-1]
    assert measure_pixels(grey).sharpness == pytest.approx(laplacian.var(), rel=1e-12)


def test_a_blurred_photo_is_less_sharp():
    import cv2

    photo = worlds.photo(3)
    assert measure_pixels(cv2.blur(photo, (5, 5))).sharpness < measure_pixels(photo).sharpness / 4


def test_sharpness_of_frames_is_over_all_of_them():
    frames = np.stack([worlds.photo(number, 30, 40) for number in range(3)])
    assert measure_pixels(frames).sharpness > 0
    assert measure_pixels(frames[:1]) == measure_pixels(frames[0])
