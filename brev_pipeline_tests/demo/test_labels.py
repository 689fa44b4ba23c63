"""What the demo says of its defects: that masks show what a defect changed, and boxes and outlines what masks show."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from brev_pipeline.demo import DemoSummary, draw_demo
from brev_pipeline.demo.defect import find_defect
from brev_pipeline.demo.folder import RECORD, list_demo_files
from brev_pipeline.demo.items import Draws, Fault, draw_item, draw_shot
from brev_pipeline.demo.labels import OBJECTS, TABLE, VALUES, place_mask, trace_outlines
from brev_pipeline.demo.photo import take_photo

FAULTS: list[Fault] = ["tilted", "dented", "loose", "stoppered", "open"]
Polygon = list[tuple[int, int]]


@pytest.fixture(scope="module")
def labelled(demo: DemoSummary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with flaws and labels; the photos are those of the demo without, linked."""
    folder = tmp_path_factory.mktemp("labelled") / "vials"
    for file in [*(planned.path for planned in list_demo_files(flaws=True)), RECORD]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).hardlink_to(demo.folder / file)
    drawn = draw_demo(folder, flaws=True, labels=True)
    assert (drawn.kept, drawn.drawn) == (184, 184 + 2)
    assert drawn.defects == {"tilted": 8, "dented": 9, "loose": 6, "stoppered": 6, "open": 6}
    return folder


@pytest.fixture(scope="module")
def objects(labelled: Path) -> dict[str, Any]:
    return json.loads((labelled / OBJECTS).read_bytes())


def _mask(folder: Path, photo: str) -> np.ndarray:
    with Image.open(folder / place_mask(photo)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (240, 320))
        return np.asarray(image)


def _pair(fault: Fault, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Mask of a photo, and by how many levels the photo of the same vial without the fault differs in each pixel."""
    draws = Draws(0, ("test", number))
    item, shot = draw_item(draws, fault), draw_shot(draws)
    with_it, without = take_photo(item, shot), take_photo(replace(item, fault="none"), shot)
    return find_defect(item, shot), np.abs(with_it.astype(int) - without).max(axis=2)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(4))
def test_a_mask_covers_the_pixels_that_the_defect_changes_and_no_others(fault: Fault, number: int) -> None:
    """Drawn with and without: all that is seen to change lies within; what lies within changes, or is enclosed."""
    mask, change = _pair(fault, number)
    assert change[~mask].max() < 24  # of 255, where the outline cuts a bright edge
    assert (change >= 16)[mask].sum() > 0.995 * (change >= 16).sum()
    # Two pixels off there is only glare. A dent has no end: it runs out along the button.
    near = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert change[~near].max() <= (16 if fault == "dented" else 5)
    assert (change[mask] >= 1).mean() > (0.88 if fault == "dented" else 0.98)
    # The same region, made of the photos alone: what changed visibly, gaps of it closed.
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    seen = cv2.morphologyEx((change >= 5).astype(np.uint8), cv2.MORPH_CLOSE, disc)
    seen = cv2.morphologyEx(seen, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(seen, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    seen = cv2.drawContours(seen, outlines, -1, 1, -1) > 0
    assert (mask & seen).sum() / (mask | seen).sum() > (0.76 if fault == "dented" else 0.91)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mask_is_one_region_without_holes(fault: Fault) -> None:
    mask, _ = _pair(fault, 9)
    assert len(trace_outlines(mask)) == 1


def test_a_sound_vial_has_an_empty_mask() -> None:
    mask, change = _pair("none", 0)
    assert not mask.any()
    assert not change.any()


def test_a_mask_follows_its_photo() -> None:
    """Seen from 7 px farther left and 3 px lower, the mask lies there too."""
    draws = Draws(0, ("test", 1))
    item, shot = draw_item(draws, "tilted"), replace(draw_shot(draws), motion=0)
    here = find_defect(item, shot)
    there = find_defect(item, replace(shot, x=shot.x - 7, y=shot.y + 3))
    assert np.array_equal(here[:-3, 7:], there[3:, :-7])


def test_every_photo_has_a_mask_with_the_value_of_its_fault(labelled: Path) -> None:
    found = Counter[int]()
    for planned in list_demo_files(flaws=True):
        values = set(np.unique(_mask(labelled, planned.path))) - {0}
        assert len(values) == (planned.view.folder != "good")
        found.update(map(int, values))
    assert found == {51: 8, 102: 9, 153: 6, 204: 6, 255: 6}
    assert list(VALUES.values()) == sorted(found)


def test_copies_have_the_masks_of_their_originals(labelled: Path, demo: DemoSummary) -> None:
    for flaw in demo.flaws:
        if flaw.of:
            assert np.array_equal(_mask(labelled, flaw.path), _mask(labelled, flaw.of))


def test_boxes_outlines_and_areas_are_those_of_the_masks(labelled: Path, objects: dict[str, Any]) -> None:
    images = {image["id"]: image for image in objects["images"]}
    names = {category["id"]: category["name"] for category in objects["categories"]}
    assert len(objects["annotations"]) == 35
    for each in objects["annotations"]:
        with Image.open(labelled / place_mask(images[each["image_id"]]["file_name"])) as image:
            left, top, right, bottom = image.getbbox()
            assert each["bbox"] == [left, top, right - left, bottom - top]
            assert each["area"] == sum(image.histogram()[1:])
            mask = np.asarray(image)
        assert VALUES[names[each["category_id"]]] == mask.max()
        polygons = [list(zip(flat[::2], flat[1::2], strict=True)) for flat in each["segmentation"]]
        assert np.array_equal(_fill(polygons, mask.shape), mask > 0)
    assert {each["iscrowd"] for each in objects["annotations"]} == {0}
    assert [each["id"] for each in objects["annotations"]] == list(range(1, 36))


def test_the_coco_file_names_every_photo_and_the_classes_of_its_faults(objects: dict[str, Any]) -> None:
    assert [image["file_name"] for image in objects["images"]] == [file.path for file in list_demo_files(flaws=True)]
    assert {(image["width"], image["height"]) for image in objects["images"]} == {(240, 320)}
    files = {image["id"]: image["file_name"] for image in objects["images"]}
    kinds = {category["id"]: category["supercategory"] for category in objects["categories"]}
    assert all(files[each["image_id"]].startswith(kinds[each["category_id"]] + "/") for each in objects["annotations"])


def test_the_table_says_of_each_photo_how_high_its_vial_is_filled(labelled: Path) -> None:
    with (labelled / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file_name"] for row in rows] == [planned.path for planned in list_demo_files(flaws=True)]
    assert {row["product"] for row in rows} == {"saline", "powder", "serum"}
    vials = [planned.view.path.rpartition("_")[0] for planned in list_demo_files(flaws=True)]
    said = {(vial, row["fill_mm"], row["product"]) for vial, row in zip(vials, rows, strict=True)}
    assert len(said) == 48 + 11 + 6  # of all photos of a vial the same
    # Blue light ends where the yellow serum begins: the row of the steepest fall, seen in the photos.
    seen, told = [], []
    for row in rows:
        if row["product"] == "serum" and row["file_name"].startswith("good/"):
            middle = np.asarray(Image.open(labelled / row["file_name"]), float)[140:230, 108:132, 2].mean(axis=1)
            seen.append(-float(np.argmin(np.diff(middle))))
            told.append(float(row["fill_mm"]))
    assert len(told) >= 20
    assert np.corrcoef(seen, told)[0, 1] > 0.85


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_outlines_filled_are_the_region_and_enclose_its_area(region: np.ndarray) -> None:
    outlines = trace_outlines(region)
    assert np.array_equal(_fill(outlines, region.shape), region)
    assert sum(_area(outline) for outline in outlines) == region.sum()
    for outline in outlines:
        turns = zip(outline, outline[1:] + outline[:1], outline[2:] + outline[:2], strict=True)
        assert all((a[0] == b[0]) != (b[0] == c[0]) for a, b, c in turns)  # corners only


def test_outlines_run_clockwise_and_about_holes_the_other_way() -> None:
    ring = np.ones((3, 3), np.bool_)
    ring[1, 1] = False
    assert trace_outlines(ring) == [[(0, 0), (3, 0), (3, 3), (0, 3)], [(1, 1), (1, 2), (2, 2), (2, 1)]]
    assert trace_outlines(np.eye(2, dtype=np.bool_)) == [
        [(0, 0), (1, 0), (1, 1), (0, 1)],
        [(1, 1), (2, 1), (2, 2), (1, 2)],
    ]


def test_labels_are_added_to_a_drawn_demo_and_stay(small: None, tmp_path: Path) -> None:
    before = draw_demo(tmp_path)
    photos = {file: file.read_bytes() for file in tmp_path.rglob("*.bmp")}
    assert "labels" not in json.loads((tmp_path / RECORD).read_text())
    after = draw_demo(tmp_path, labels=True)
    assert (before.drawn, after.kept, after.drawn) == (5, 5, 5 + 2)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.bmp")} == photos
    missing = next(tmp_path.rglob("masks/*.png"))
    missing.unlink()
    again = draw_demo(tmp_path)
    assert (again.kept, again.drawn, again.defects) == (11, 1, after.defects)
    assert missing.exists()


def test_labels_drawn_at_once_or_later_are_the_same(small: None, tmp_path: Path) -> None:
    draw_demo(tmp_path / "at once", labels=True)
    draw_demo(tmp_path / "later")
    draw_demo(tmp_path / "later", labels=True)
    once, later = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for folder in (tmp_path / "at once", tmp_path / "later")
    )
    assert once == later


def _fill(outlines: list[Polygon], shape: tuple[int, ...]) -> np.ndarray:
    """Pixels whose middles lie inside: an odd number of borders to their right."""
    crossed = np.zeros((shape[0], shape[1] + 1), int)
    for outline in outlines:
        for (x, y), (x2, y2) in zip(outline, outline[1:] + outline[:1], strict=True):
            if x == x2:
                crossed[min(y, y2) : max(y, y2), x] += 1
    return crossed[:, :-1].cumsum(axis=1) % 2 == 1


def _area(outline: Polygon) -> float:
    """The surveyor's formula; negative if it runs anticlockwise in a picture."""
    after = outline[1:] + outline[:1]
    return sum(x * y2 - x2 * y for (x, y), (x2, y2) in zip(outline, after, strict=True)) / 2
