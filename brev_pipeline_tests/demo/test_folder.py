"""The demo's folder: what lies in it, drawing into it again, and folders that are not ours."""

import io
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brev_pipeline.config import ListingSettings
from brev_pipeline.demo import DemoSummary, draw_demo
from brev_pipeline.demo.folder import RECORD, list_demo_files
from brev_pipeline.errors import BrevPipelineError

_KEY = re.compile(r"/(\d*)_\d*\.(?:bmp|png)$")  # the demo configuration's `uniqueness`


class StoppedError(Exception):
    """What the tests raise to interrupt a drawing."""


def _files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != RECORD
    }


def test_the_demo_has_the_numbers_of_the_data_set_that_it_stands_for(demo: DemoSummary) -> None:
    assert demo.photos == {"good": 146, "bad_cap": 22, "missing_cap": 12}
    assert demo.drawn == 184
    assert demo.size < 60e6
    photos = [planned.view for planned in list_demo_files(flaws=False)]
    assert [view.item for view in photos if view.folder == "bad_cap"] == [i for i in range(11) for _ in range(2)]
    assert [view.item for view in photos if view.folder == "missing_cap"] == [i for i in range(6) for _ in range(2)]
    per_item = Counter(view.item for view in photos if view.folder == "good")
    assert per_item == {item: 4 if item in (10, 11) else 3 for item in range(48)}


def test_names_are_item_and_time_in_milliseconds_and_times_are_distinct(demo: DemoSummary) -> None:
    names = [re.fullmatch(r"(?:recheck/)?\w+/(\d+)_(\d{13})\.(?:bmp|png)", path) for path in _files(demo.folder)]
    assert all(names)
    assert len({match[2] for match in names if match}) == 184
    for planned in list_demo_files(flaws=True):
        assert _KEY.search(f"/{planned.path}")


def test_photos_of_an_item_follow_one_another_in_time() -> None:
    times = [int(planned.path.partition("_")[2][-17:-4]) for planned in list_demo_files(flaws=False)]
    assert times == sorted(times)


def test_every_photo_is_a_sound_24_bit_bmp(demo: DemoSummary) -> None:
    for planned in list_demo_files(flaws=False):
        with Image.open(demo.folder / planned.path) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("BMP", "RGB", (240, 320))


def test_the_flaws_are_two_byte_copies_one_pixel_copy_and_one_truncated_file(demo: DemoSummary) -> None:
    files = _files(demo.folder)
    assert [flaw.kind for flaw in demo.flaws] == ["byte copy", "byte copy", "pixel copy", "truncated"]
    for flaw in demo.flaws[:2]:
        assert files[flaw.path] == files[flaw.of]
    png = demo.flaws[2]
    assert png.path.endswith(".png")
    assert np.array_equal(_decoded(files[png.path]), _decoded(files[png.of]))
    cut = files[demo.flaws[3].path]
    assert len(cut) == int(0.6 * int.from_bytes(cut[2:6], "little"))
    with pytest.raises(OSError, match="truncated"):
        _decoded(cut)


def test_copies_stay_within_their_class_so_that_no_label_conflict_stops_the_run(demo: DemoSummary) -> None:
    copies = [flaw for flaw in demo.flaws if flaw.of]
    assert len(copies) == 3
    for flaw in copies:
        assert Path(flaw.path).parent.name == Path(flaw.of).parent.name
    joined = {(_KEY.search("/" + flaw.path)[1], _KEY.search("/" + flaw.of)[1]) for flaw in copies}
    assert joined == {("31", "17"), ("23", "23"), ("9", "4")}


def test_without_flaws_there_are_180_files() -> None:
    assert len(list_demo_files(flaws=False)) == 180
    assert list_demo_files(flaws=True)[:180] == list_demo_files(flaws=False)


def test_the_record_is_hidden_and_no_image(demo: DemoSummary) -> None:
    assert RECORD.startswith(".")
    assert not re.search(ListingSettings().sample_filter, RECORD)
    record = json.loads((demo.folder / RECORD).read_text())
    assert set(record["sha256"]) == set(_files(demo.folder))
    assert "/tmp" not in (demo.folder / RECORD).read_text()


def test_drawing_again_keeps_every_file(small, tmp_path: Path) -> None:
    first = draw_demo(tmp_path / "demo", flaws=True)
    before = _files(tmp_path / "demo")
    second = draw_demo(tmp_path / "demo", flaws=True)
    assert (first.drawn, first.kept, second.drawn, second.kept) == (7, 0, 0, 7)
    assert _files(tmp_path / "demo") == before


def test_what_is_missing_or_altered_is_drawn_again_and_what_is_not_ours_is_left(small, tmp_path: Path) -> None:
    draw_demo(tmp_path, flaws=True)
    before = _files(tmp_path)
    missing, altered, *_ = before
    (tmp_path / missing).unlink()
    (tmp_path / altered).write_bytes(b"BM nonsense")
    (tmp_path / "good" / "mine.bmp").write_bytes(b"mine")
    assert draw_demo(tmp_path, flaws=True).drawn == 2
    assert _files(tmp_path) == before | {"good/mine.bmp": b"mine"}


def test_an_interrupted_drawing_is_finished_by_the_same_call(small, tmp_path: Path) -> None:
    def stop(done: int, _all: int) -> None:
        if done == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        draw_demo(tmp_path / "a", flaws=True, on_progress=stop)
    assert len(_files(tmp_path / "a")) == 3
    draw_demo(tmp_path / "a", flaws=True)
    draw_demo(tmp_path / "b", flaws=True)
    assert _files(tmp_path / "a") == _files(tmp_path / "b")


def test_a_killed_drawing_is_finished_by_the_same_call(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from brev_pipeline.demo import draw_demo\n"
        "draw_demo(Path(sys.argv[1]), on_progress=lambda done, _: os.kill(os.getpid(), 9) if done == 2 else None)"
    )
    process = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert process.returncode == -9
    # What a kill in the middle of a write leaves behind:
    (tmp_path / "good" / f".tmp-{list_demo_files(flaws=False)[2].path.partition('/')[2]}").write_bytes(b"half")

    def stop(done: int, _all: int) -> None:
        if done == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        draw_demo(tmp_path, on_progress=stop)
    assert sorted(_files(tmp_path)) == sorted(planned.path for planned in list_demo_files(flaws=False)[:3])


def test_a_kill_before_the_record_is_finished_leaves_a_folder_that_can_be_drawn_into(small, tmp_path: Path) -> None:
    (tmp_path / f".tmp-{RECORD}").write_text("{")
    assert draw_demo(tmp_path).drawn == 5


def test_progress_counts_every_file(small, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    draw_demo(tmp_path, flaws=True, on_progress=lambda done, of: seen.append((done, of)))
    assert seen == [(done, 7) for done in range(1, 8)]


def test_a_folder_that_holds_something_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(BrevPipelineError, match=r"is not empty.*nothing was written; choose an empty folder"):
        draw_demo(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("record", ["", "{", "[]", "{}", '{"seed": 0, "flaws": true, "drawing": 1, "sha256": 3}'])
def test_a_folder_with_an_unreadable_record_is_refused(record: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(record)
    with pytest.raises(BrevPipelineError, match="no readable"):
        draw_demo(tmp_path)


def test_a_folder_of_another_seed_or_without_flaws_is_refused(small, tmp_path: Path) -> None:
    draw_demo(tmp_path, seed=3)
    with pytest.raises(BrevPipelineError, match="seed 3 without flaws, not of seed 0 with flaws"):
        draw_demo(tmp_path, flaws=True)


def test_a_folder_that_an_earlier_package_drew_is_drawn_anew(small, tmp_path: Path) -> None:
    draw_demo(tmp_path)
    record = json.loads((tmp_path / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps(record | {"drawing": 0}))
    assert draw_demo(tmp_path).drawn == 5


def test_a_file_in_the_folders_place_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("")
    with pytest.raises(BrevPipelineError, match=r"cannot be drawn into .*demo.*choose another folder"):
        draw_demo(tmp_path / "demo")


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused_before_anything_is_written(seed: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=str(seed)):
        draw_demo(tmp_path / "demo", seed=seed)
    assert not (tmp_path / "demo").exists()


def test_importing_the_demo_imports_no_image_library() -> None:
    script = "import sys, brev_pipeline.demo; print({'cv2', 'PIL', 'scipy', 'tensorflow', 'pandas'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"


def _decoded(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)
