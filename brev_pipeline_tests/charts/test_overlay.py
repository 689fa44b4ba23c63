"""Labels drawn over photos lie where they should, hide nothing that they enclose, and are named."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from brev_pipeline.charts import (
    LabelledPair,
    ShownLabels,
    ShownObject,
    add_labelled_picture,
    colour_classes,
    draw_labelled_photo,
    draw_labels,
    label_sheet,
)
from brev_pipeline.charts.figure import PURPOSES, SHEET_BYTES, Sheet
from brev_pipeline.charts.overlay import draw_label_sheet
from brev_pipeline.demo.folder import draw_file, list_demo_files
from brev_pipeline.demo.labels import VALUES
from brev_pipeline.labels.objects import PlacedObject

LINE, HALO = 2, 1
RED, BLUE = "#ff0000", "#0000ff"
COLOURS = {"scratch": RED, "dent": BLUE}
CLASSES = ("background", "scratch", "dent")
GREY = 90

masks = hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.sampled_from([0, 0, 0, 1]))


def _grey(height: int, width: int, *channels: int) -> np.ndarray:
    return np.full((height, width, *channels), GREY, np.uint8)


def _where(pixels: np.ndarray, colour: str) -> np.ndarray:
    return (pixels == tuple(bytes.fromhex(colour[1:]))).all(axis=-1)


def _distance(region: np.ndarray) -> np.ndarray:
    """How many pixels, in the larger of both directions, each lies from a region; one by one."""
    ys, xs = np.nonzero(region)
    return np.array(
        [
            [
                min((max(abs(y - a), abs(x - b)) for a, b in zip(ys, xs, strict=True)), default=99)
                for x in range(region.shape[1])
            ]
            for y in range(region.shape[0])
        ]
    )


@given(masks, st.integers(1, 4))
def test_a_contour_surrounds_its_region_pixel_for_pixel_and_hides_none_of_it(mask: np.ndarray, factor: int) -> None:
    drawn = draw_labels(_grey(*mask.shape), ShownLabels(mask, CLASSES), COLOURS, factor=factor)
    region = np.kron(mask, np.ones((factor, factor), np.uint8)) == 1
    distance = _distance(region)
    # At the picture's border there is no room outside: there the line lies within.
    height, width = region.shape
    y, x = np.indices(region.shape)
    within = region & (
        (region[0] & (y < LINE))
        | (region[-1] & (y >= height - LINE))
        | (region[:, :1] & (x < LINE))
        | (region[:, -1:] & (x >= width - LINE))
    )
    assert np.array_equal(_where(drawn, RED), (~region & (distance <= LINE)) | within)
    free = (distance > LINE + HALO) | (region & (_from_border(region.shape) >= LINE + HALO))
    assert (drawn[free] == GREY).all()


def _from_border(shape: tuple[int, ...]) -> np.ndarray:
    y, x = np.indices(shape)
    return np.minimum(np.minimum(y, shape[0] - 1 - y), np.minimum(x, shape[1] - 1 - x))


def test_a_box_is_drawn_around_the_pixels_that_it_covers() -> None:
    labels = ShownLabels(objects=[ShownObject("dent", (4, 3, 8, 6))])
    drawn = draw_labels(_grey(12, 15), labels, COLOURS)
    blue = _where(drawn, BLUE)
    expected = np.zeros((12, 15), np.bool_)
    expected[1:8, 2:10] = True
    expected[3:6, 4:8] = False
    assert np.array_equal(blue, expected)
    assert (drawn[3:6, 4:8] == GREY).all()


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_a_box_a_polygon_and_a_mask_of_the_same_pixels_look_the_same(x: int, y: int, w: int, h: int, f: int) -> None:
    mask = np.zeros((12, 12), np.uint8)
    mask[y : y + h, x : x + w] = 2
    corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    ways = [
        ShownLabels(mask, CLASSES),
        ShownLabels(objects=[ShownObject("dent", (x, y, x + w, y + h))]),
        ShownLabels(objects=[ShownObject("dent", (0, 0, 1, 1), corners)]),
    ]
    first, *others = [draw_labels(_grey(12, 12), labels, COLOURS, factor=f) for labels in ways]
    for other in others:
        assert np.array_equal(first, other)


def test_a_photo_is_enlarged_in_whole_pixels_and_grey_becomes_rgb() -> None:
    photo = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for shaped in (photo, photo[..., None], np.repeat(photo[..., None], 3, axis=2)):
        drawn = draw_labels(shaped, ShownLabels(), {}, factor=3)
        assert drawn.shape == (9, 12, 3)
        assert np.array_equal(drawn, np.repeat(np.kron(photo, np.ones((3, 3), np.uint8))[..., None], 3, axis=2))


def test_the_photo_that_is_given_stays_as_it_is() -> None:
    photo = _grey(8, 8, 3)
    draw_labels(photo, ShownLabels(np.eye(8, dtype=np.uint8), CLASSES), COLOURS)
    assert (photo == GREY).all()


def test_where_nobody_labelled_it_is_hatched_and_has_no_contour() -> None:
    mask = np.zeros((24, 24), np.uint8)
    mask[:, 12:] = 255
    labels = ShownLabels(mask, CLASSES)
    drawn = draw_labels(_grey(24, 24), labels, COLOURS)
    assert (drawn[:, :12] == GREY).all()
    assert 0.1 < (drawn[:, 12:] != GREY).any(axis=-1).mean() < 0.3
    assert labels.list_classes() == []


def test_objects_outside_of_the_photo_and_of_no_size_are_drawn_at_its_border() -> None:
    outside = [
        ShownObject("dent", (-9, -9, -5, -5)),
        ShownObject("dent", (40, 2, 50, 2)),
        ShownObject("dent", (3, 3, 3, 3)),
    ]
    assert draw_labels(_grey(8, 9), ShownLabels(objects=outside), COLOURS).shape == (8, 9, 3)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mask has \(4, 5\) pixels, the photo \(5, 4\)"):
        draw_labels(_grey(5, 4), ShownLabels(np.zeros((4, 5), np.uint8), CLASSES), COLOURS)


def test_classes_have_the_houses_colours_in_their_order() -> None:
    names = [f"class {number}" for number in range(10)]
    assert list(colour_classes([*names, names[0]]).values()) == [*PURPOSES, *PURPOSES[:2]]
    assert ShownLabels(np.array([[1, 7]], np.uint8), CLASSES).list_classes() == ["scratch", "value 7"]


def test_on_a_sheet_pixels_lines_and_names_lie_where_they_should() -> None:
    mask = np.zeros((50, 60), np.uint8)
    mask[20:30, 10:40] = 1
    sheet = Sheet(200, 160)
    size = add_labelled_picture(sheet, 20, 10, _grey(50, 60), ShownLabels(mask, CLASSES), (130, 130), COLOURS)
    assert size == (120, 100)  # twice as large: three times would not fit
    drawn = np.asarray(sheet.to_image())
    picture = drawn[10:110, 20:140]
    assert (drawn[:10] == 255).all()
    assert (drawn[:, 140:] == 255).all()
    red = _where(picture, RED)
    assert red[40:60, 18:20].all()  # left of the region
    assert red[40:60, 80:82].all()  # right of it
    assert red[60:62, 20:80].all()  # below it
    assert (picture[40:60, 20:80] == GREY).all()
    tag = picture[24:38, 18:60]  # above it, with a name in white
    assert _where(tag, RED).mean() > 0.5
    assert (tag > 200).all(axis=-1).sum() > 20


def test_a_large_photo_is_made_smaller_and_its_lines_stay_as_thick() -> None:
    mask = np.zeros((400, 200), np.uint8)
    mask[200:300, 100:160] = 1
    sheet = Sheet(120, 120)
    labels = ShownLabels(mask, CLASSES, [ShownObject("dent", (20, 40, 60, 80))])
    assert add_labelled_picture(sheet, 0, 0, _grey(400, 200), labels, (100, 100), COLOURS) == (50, 100)
    drawn = np.asarray(sheet.to_image())
    assert _where(drawn, RED)[60, 23:25].all()
    assert (drawn[50:75, 25:40] == GREY).all()
    assert _where(drawn, BLUE)[15, 3:5].all()
    assert (drawn[10:20, 5:15] == GREY).all()


@pytest.mark.parametrize("name", ["", "x" * 300, "$x^2$", "Kratzer ä\n", "\u202e"])
def test_any_name_can_be_shown(name: str) -> None:
    labels = ShownLabels(np.ones((9, 9), np.uint8), ("", name), [ShownObject(name, (1, 1, 4, 4))])
    assert draw_labelled_photo(_grey(9, 9), labels).width == 639
    assert draw_labelled_photo(_grey(9, 9), labels, longest=8).size[0] == 8


def test_prepared_labels_are_drawn_where_they_lie() -> None:
    """Places are whole numbers of 1/256 px; of a time series the frame that is asked for."""
    mask = np.zeros((2, 12, 15), np.uint8)
    mask[1, 2:4, 2:4] = 1
    places = ((4 * 256, 3 * 256), (8 * 256, 3 * 256), (8 * 256, 6 * 256), (4 * 256, 6 * 256))
    objects = [
        PlacedObject("dent", frame, places if frame else ((0, 0), (9, 0), (9, 9)), 2 * 12 * 256**2) for frame in (0, 1)
    ]
    labels = ShownLabels.from_prepared(mask, CLASSES, objects, frame=1)
    by_hand = ShownLabels(mask[1], CLASSES, [ShownObject("dent", (4, 3, 8, 6))])
    drawn = [draw_labels(_grey(12, 15), each, COLOURS) for each in (labels, by_hand)]
    assert np.array_equal(*drawn)
    assert labels.objects[0].box == (4, 3, 8, 6)
    assert ShownLabels.from_prepared(None, ()).list_classes() == []


def test_one_photo_has_its_legend_below() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[10:20, 10:20] = 1
    image = draw_labelled_photo(_grey(40, 40), ShownLabels(mask, CLASSES), longest=200)
    assert image.size == (200, 230)
    legend = np.asarray(image)[200:]
    assert _where(legend, PURPOSES[0]).sum() >= 100
    assert draw_labelled_photo(_grey(40, 40), ShownLabels(), longest=200).size == (200, 200)


def _turned(pair: Callable[[np.ndarray], np.ndarray], name: str, photo: np.ndarray, mask: np.ndarray) -> LabelledPair:
    return LabelledPair(
        name, photo, ShownLabels(mask, ("", *VALUES)), pair(photo), ShownLabels(pair(mask), ("", *VALUES))
    )


def test_a_sheet_shows_pairs_of_each_class_within_its_size() -> None:
    rng = np.random.default_rng(1)
    pairs = {}
    for number in range(8):
        photo, mask = rng.integers(0, 255, (60, 80, 3), np.uint8), np.zeros((60, 80), np.uint8)
        mask[10:20, 20:60] = 1 + number % 5
        pairs[f"class {number}"] = [_turned(np.fliplr, f"{number}_{turn}.png", photo, mask) for turn in range(3)]
    data = label_sheet(pairs)
    assert len(data) <= SHEET_BYTES
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
    assert label_sheet({}) != label_sheet({"empty": []})


def test_on_the_sheet_the_augmented_photo_stands_right_of_the_prepared_one_with_its_own_labels() -> None:
    photo = _grey(84, 84, 3)
    mask = np.zeros((84, 84), np.uint8)
    mask[40:60, 10:30] = 1
    pair = LabelledPair(
        "a.png", photo, ShownLabels(mask, CLASSES), photo + 40, ShownLabels(mask[:, ::-1].copy(), CLASSES)
    )
    card = np.asarray(draw_label_sheet({"bad": [pair]}).to_image())
    left, top = 24, 78 + 30 + 22
    colour = PURPOSES[0]
    before, after = card[top : top + 168, left : left + 168], card[top : top + 168, left + 174 : left + 342]
    for picture, from_x, grey in ((before, 20, GREY), (after, 2 * (84 - 30), GREY + 40)):
        assert (picture[80:120, from_x : from_x + 40] == grey).all()
        assert _where(picture, colour)[80:120, from_x - 2 : from_x].all()
        assert _where(picture, colour)[80:120, from_x + 40 : from_x + 42].all()


@pytest.mark.parametrize("number", [146, 148, 150, 168, 170])
def test_the_demos_labels_are_drawn_around_its_defects(number: int) -> None:
    photo = list_demo_files(flaws=False)[number]
    pixels, values = (
        np.asarray(Image.open(io.BytesIO(draw_file(file, 0)))) for file in (photo, replace(photo, kind="mask"))
    )
    drawn = draw_labels(pixels, ShownLabels((values > 0).astype(np.uint8), CLASSES), COLOURS)
    changed = (drawn != pixels).any(axis=-1)
    assert not changed[values > 0].any()
    assert 300 < changed.sum() < 2500
