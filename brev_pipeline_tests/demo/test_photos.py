"""The photos: the same whenever they are drawn, different where they should differ, and told apart by class."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__

from brev_pipeline.demo import DemoSummary, draw_demo
from brev_pipeline.demo.folder import DemoFile, draw_file, list_demo_files
from brev_pipeline.demo.items import Draws, Fault, draw_item, draw_shot
from brev_pipeline.demo.photo import take_photo

# One of each kind of cap and contents, and one of each kind of flaw.
_SAMPLE = [0, 6, 9, 146, 148, 150, 168, 170, 180, 182, 183]

_RESTRICTED = {
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
    "OPENCV_CPU_DISABLE": "SSE4_1,SSE4_2,AVX,FP16,AVX2,AVX512_SKX",
    "OPENCV_IPP": "disabled",
}

_SCRIPT = """
import sys
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
assert not [name for name in __cpu_dispatch__ if __cpu_features__[name]], "NumPy still uses the newer instructions"
from brev_pipeline.demo.folder import draw_file, list_demo_files
files = list_demo_files(flaws=True)
for number in map(int, sys.argv[1:]):
    sys.stdout.buffer.write(draw_file(files[number], 0)[-200_000:])
"""


def _fault(fault: Fault, number: int = 0, seed: int = 0) -> np.ndarray:
    draws = Draws(seed, ("test", number))
    return take_photo(draw_item(draws, fault), draw_shot(draws))


@pytest.mark.slow
def test_a_second_drawing_gives_the_same_bytes(demo: DemoSummary) -> None:
    for number in _SAMPLE:
        planned = list_demo_files(flaws=True)[number]
        assert draw_file(planned, 0) == (demo.folder / planned.path).read_bytes()


@pytest.mark.slow
def test_the_oldest_instruction_set_draws_the_same_pictures(demo: DemoSummary) -> None:
    """Not the same bytes: float32 blurs round as the CPU's instructions add."""
    photos = [number for number in _SAMPLE if number < 180]
    output = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *map(str, photos)],
        env={**os.environ, **_RESTRICTED},
        capture_output=True,
        check=True,
    ).stdout
    files = list_demo_files(flaws=True)
    expected = b"".join((demo.folder / files[number].path).read_bytes()[-200_000:] for number in photos)
    change = np.frombuffer(output, np.uint8).astype(int) - np.frombuffer(expected, np.uint8)
    assert np.abs(change).max() <= 2


def test_order_does_not_matter(demo: DemoSummary) -> None:
    for planned in reversed([list_demo_files(flaws=True)[number] for number in _SAMPLE[:4]]):
        assert draw_file(planned, 0) == (demo.folder / planned.path).read_bytes()


@pytest.mark.slow
def test_the_whole_demo_drawn_anew_is_the_same(demo: DemoSummary, tmp_path) -> None:
    again = draw_demo(tmp_path / "again", flaws=True)
    for planned in list_demo_files(flaws=True):
        assert (again.folder / planned.path).read_bytes() == (demo.folder / planned.path).read_bytes()


def test_another_seed_draws_other_photos_under_the_same_names() -> None:
    planned = list_demo_files(flaws=False)[0]
    assert draw_file(planned, 0) != draw_file(planned, 1)


def test_only_the_flaws_are_copies(demo: DemoSummary) -> None:
    digests = [
        hashlib.sha256((demo.folder / planned.path).read_bytes()).digest() for planned in list_demo_files(flaws=False)
    ]
    assert len(set(digests)) == 180


def test_photos_are_exposed_within_the_sensors_range(demo: DemoSummary) -> None:
    for planned in list_demo_files(flaws=False)[::9]:
        pixels = _pixels(demo, planned)
        assert pixels.shape == (320, 240, 3)
        assert 90 < pixels.mean() < 190
        assert pixels.std() > 30
        assert (pixels == 255).mean() < 0.01


def test_the_photos_of_one_item_show_the_same_vial_in_another_pose() -> None:
    draws = Draws(0, ("good", 3))
    item, first, second = draw_item(draws, "none"), draw_shot(draws.narrow_to("a")), draw_shot(draws.narrow_to("b"))
    assert not np.array_equal(take_photo(item, first), take_photo(item, second))
    assert np.array_equal(take_photo(draw_item(draws, "none"), first), take_photo(item, first))


def test_items_differ_in_filling_shade_and_marks() -> None:
    items = [draw_item(Draws(0, ("good", number)), "none") for number in range(48)]
    assert {item.product for item in items} == {"saline", "powder", "serum"}
    assert len({item.fill for item in items}) == len({item.button for item in items}) == 48
    assert {item.labelled for item in items} == {True, False}


def test_a_fault_changes_the_closure_and_leaves_the_vial_alone() -> None:
    good = _fault("none").astype(int)
    for fault in ("tilted", "dented", "loose", "stoppered", "open"):
        change = np.abs(_fault(fault).astype(int) - good).max(axis=2)
        assert (change[:120] > 24).sum() > 150, fault
        assert (change[140:] > 24).mean() < 0.001, fault


@pytest.mark.parametrize("number", range(6))
def test_a_missing_cap_shows_no_colour_where_the_button_was(number: int) -> None:
    def colourful(pixels: np.ndarray) -> int:
        top = pixels[20:110, 60:180].astype(int)
        return int((top.max(axis=2) - top.min(axis=2) > 70).sum())

    with_cap = colourful(_fault("none", number))
    assert with_cap > 400
    assert max(colourful(_fault("open", number)), colourful(_fault("stoppered", number))) < with_cap / 4


def test_classes_are_told_apart_by_their_nearest_neighbour_of_another_item(demo: DemoSummary) -> None:
    files = list_demo_files(flaws=False)
    # (180, 18 · 32 · 3): the closure, shrunk by averaging
    looks = np.stack([_closure(_pixels(demo, planned)) for planned in files])
    distance = ((looks[:, None] - looks[None]) ** 2).sum(axis=2)
    items = [(planned.view.folder, planned.view.item) for planned in files]
    distance[np.array([[a == b for a in items] for b in items])] = np.inf
    found = [items[nearest][0] for nearest in distance.argmin(axis=1)]
    right = {
        folder: _share(lambda f, g, name=folder: f[0] == name and g == name, items, found) for folder in demo.photos
    }
    assert right["good"] > 0.9
    assert right["missing_cap"] > 0.9
    assert right["bad_cap"] > 0.4  # by chance: 0.12


def _share(hit: Callable[[tuple[str, int], str], bool], items: list[tuple[str, int]], found: list[str]) -> float:
    hits = sum(hit(item, name) for item, name in zip(items, found, strict=True))
    return hits / sum(any(hit(item, name) for name in ("good", "bad_cap", "missing_cap")) for item in items)


def _closure(pixels: np.ndarray) -> np.ndarray:
    return pixels[20:110, 40:200].reshape(18, 5, 32, 5, 3).mean(axis=(1, 3)).reshape(-1)


def _pixels(demo: DemoSummary, planned: DemoFile) -> np.ndarray:
    from PIL import Image

    with Image.open(demo.folder / planned.path) as image:
        return np.asarray(image)
