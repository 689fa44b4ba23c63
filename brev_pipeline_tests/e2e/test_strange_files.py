"""Links, pipes, devices, giants and swapped files: each ends with its true reason, and no label goes astray."""

import hashlib
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from brev_pipeline.audit import verify_version
from brev_pipeline_tests.e2e.test_bad_input import LENIENT, excluded, in_two_runs, quarantine
from brev_pipeline_tests.pipelines import SETTINGS, Run, configure, draw_photos, run

BITMAPS = SETTINGS.replace(r"\.png$", r"\.(?:png|bmp)$")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 5})
    return tmp_path


def metadata(done: Run, stage: str) -> dict[str, Any]:
    (event,) = [one for one in done.result.get_asset_materialization_events() if one.asset_key.path[-1] == stage]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def version_id(done: Run) -> str:
    assert done.success, done.failures
    _, version = done.store.newest_version()  # type: ignore[misc]
    return version.id


def put_strange_files(photos: Path) -> None:
    os.mkfifo(photos / "good/90_0.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(photos / "good/90_1.png"))
    (photos / "good/91_0.png").symlink_to("/dev/zero")
    (photos / "good/91_1.png").symlink_to("nowhere")
    (photos / "bad/92_0.png").symlink_to("/etc/hostname")
    (photos / "bad/92_1.png").symlink_to("92_1.png")
    with open(photos / "bad/93_0.png", "wb") as giant:
        giant.truncate(8 << 30)
    (photos / "elsewhere").symlink_to("/etc")
    (photos / "good/up").symlink_to("..")


STRANGE = {
    "photos/good/90_0.png": "not_a_file",
    "photos/good/90_1.png": "not_a_file",
    "photos/good/91_0.png": "not_a_file",
    "photos/good/91_1.png": "not_a_file",
    "photos/bad/92_0.png": "link_outside",
    "photos/bad/92_1.png": "not_a_file",
    "photos/bad/93_0.png": "object_too_large",
}


@pytest.mark.slow
def test_strange_files_stand_in_the_version_with_their_reason(folder: Path) -> None:
    photos = folder / "photos"
    without = version_id(run(configure(folder)))
    put_strange_files(photos)
    (photos / "scratch").mkdir()
    (photos / "scratch/1_0.png").write_bytes(b"not read")
    listing = {"classes": ["good", "bad"]}
    done = run(configure(folder, listing=listing))
    assert version_id(done) != without
    said = {path: rule for path, rule in excluded(done).items() if rule != "not_drawn"}
    assert said == STRANGE | {"photos/scratch/1_0.png": "class_filter"}

    version = done.store.newest_version()[1]  # type: ignore[index]
    assert version.read_manifest()["counts"]["listed"] == 26 + len(said)
    assert "file_stamp" not in version.read_table("listing").column_names
    assert "/etc" not in str(version.read_table("exclusions").to_pylist())
    assert verify_version(done.store).problems == []
    page = (Path(version.path) / "report/index.html").read_text(encoding="utf-8")
    assert "it is a link to outside of the dataset" in page
    assert "each of these has its reason: nothing was lost" in page

    told = metadata(done, "raw_listing")
    assert told["left out"] == len(said)
    assert told["other files"] == 1  # the folder behind a link; the images that are left out are told as such
    assert "photos/bad/93_0.png | object_too_large | 8,589,934,592 bytes" in told["refused"]
    assert "scratch" not in told["refused"]
    assert "link to a folder" in told["not listed by ending and reason"]

    # What is no image does not make another version.
    (photos / "README.md").write_text("photos of parts")
    again = run(configure(folder, listing=listing))
    assert version_id(again) == version.id
    assert metadata(again, "raw_listing")["other files"] == 2
    assert len(again.store.publications.read_all()) == 2


def fifo(photo: Path) -> None:
    os.mkfifo(photo)


def link(photo: Path) -> None:
    photo.symlink_to(shutil.copy(photo.parent.parent / "good/1_0.png", photo.parent.parent.parent / "secret.png"))


def giant(photo: Path) -> None:
    with open(photo, "wb") as file:
        file.truncate(8 << 30)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("put", "words"),
    [
        (fifo, "is a named pipe, no file"),
        (link, "is a link, or lies behind one, that leaves the dataset"),
        (giant, "has 8,589,934,592 bytes, more than listing.max_object_mb allows"),
    ],
)
def test_a_photo_that_is_swapped_after_the_listing_is_told(
    folder: Path, put: Callable[[Path], None], words: str
) -> None:
    photo = folder / "photos/good/0_0.png"

    def swap() -> None:
        photo.unlink()
        put(photo)

    done = in_two_runs(configure(folder, validation=LENIENT), swap)
    assert done.success, done.failures
    assert quarantine(done) == {"photos/good/0_0.png": ("changed", quarantine(done)["photos/good/0_0.png"][1])}
    assert words in quarantine(done)["photos/good/0_0.png"][1]
    assert verify_version(done.store).problems == []


@pytest.mark.slow
def test_a_class_folder_that_becomes_a_link_after_the_listing_is_not_followed(folder: Path) -> None:
    def swap() -> None:
        (folder / "photos/bad").rename(folder / "away")
        (folder / "photos/bad").symlink_to(folder / "away")

    done = in_two_runs(configure(folder, validation=LENIENT), swap)
    assert done.success, done.failures
    found = quarantine(done)
    assert len(found) == 10
    assert {status for status, _ in found.values()} == {"changed"}
    assert all("lies behind one, that leaves the dataset" in reason for _, reason in found.values())


@pytest.mark.slow
def test_bitmaps_of_one_size_and_time_that_are_swapped_get_the_right_labels(folder: Path) -> None:
    photos = folder / "photos"
    for png in sorted(photos.rglob("*_0.png")):
        bitmap = png.with_suffix(".bmp")
        assert cv2.imwrite(str(bitmap), cv2.imread(str(png)))
        png.unlink()
        os.utime(bitmap, ns=(10**18, 10**18))
    one, other = photos / "good/3_0.bmp", photos / "bad/2_0.bmp"
    pixels = {name: name.read_bytes() for name in (one, other)}
    before = version_id(run(configure(folder, BITMAPS)))

    one.rename(folder / "t")
    other.rename(one)
    (folder / "t").rename(other)
    states = [(name.stat().st_size, name.stat().st_mtime_ns) for name in (one, other)]
    assert states == [(len(pixels[one]), 10**18)] * 2
    assert one.read_bytes() == pixels[other] != pixels[one]

    done = run(configure(folder, BITMAPS))
    assert version_id(done) != before
    version = done.store.newest_version()[1]  # type: ignore[index]
    contents = {row["path"]: row["content_id"] for row in version.read_table("listing").to_pylist()}
    for name in (one, other):
        path = name.relative_to(folder).as_posix()
        assert contents[path] == hashlib.md5(name.read_bytes(), usedforsecurity=False).hexdigest()
    assert verify_version(done.store).problems == []


@pytest.mark.slow
def test_a_pipeline_of_refused_images_alone_fails_with_the_reason(tmp_path: Path) -> None:
    draw_photos(tmp_path / "elsewhere", {"good": 3})
    (tmp_path / "photos/good").mkdir(parents=True)
    for photo in (tmp_path / "elsewhere/good").iterdir():
        (tmp_path / "photos/good" / photo.name).symlink_to(photo)
    done = run(configure(tmp_path))
    assert not done.success
    assert "left out are 6 by link_outside (the first good/0_0.png: a link to a file outside" in done.failures
    assert "listing.follow_links: true would follow it" in done.failures
    followed = run(configure(tmp_path, listing={"follow_links": True}))
    assert version_id(followed)
