"""What every kind of labels keeps, the toy kind too: it goes where the pixels go, comes back, and says all features."""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.augmentation import ImageAugmenter, ImageDeformation, RandomTransformer
from brev_pipeline.augmentation.geometry import affine_matrix
from brev_pipeline.augmentation.movement import ImageMovement
from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import LabelError
from brev_pipeline.images.arrangement import PhotoArrangement
from brev_pipeline.labels import KINDS
from brev_pipeline.labels.base import UNLABELLED
from brev_pipeline.labels.mask import count_classes
from brev_pipeline.labels.objects import from_rows, to_rows
from brev_pipeline_tests.labels.keypoint import KeypointKind

SIDE = 48
CLASSES = {"dent": 0, "scratch": 1}
FLIPS = [{"flip_up_down": True}, {"flip_left_right": True}, {"flip_up_down": True, "flip_left_right": True}]
SILENT: dict[str, Any] = {"filtering": None, "noise": None, "border": "constant", "min_visible": 0}
AUGMENTERS = {
    "affine": ImageAugmenter(transform=RandomTransformer(chance=0.8, rotate_chance=0.8, rotate=180), **SILENT),
    "elastic": ImageAugmenter(transform=RandomTransformer(), deformation=ImageDeformation(chance=1), **SILENT),
}


class Case(NamedTuple):
    """A kind, and what it is given of a photo of SIDE × SIDE px."""

    kind: Any
    given: Any


def mask_of(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for number in (1, 2, UNLABELLED):
        x, y = rng.integers(0, SIDE - 12, 2)
        mask[y : y + rng.integers(6, 12), x : x + rng.integers(6, 12)] = number
    return mask


def objects_of(seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(3):
        x, y, w, h = (round(float(value), 2) for value in (*rng.uniform(0, 35, 2), *rng.uniform(6, 12, 2)))
        corners = [x, y, x + w, y + h] if number % 2 else [x, y, x + w, y + h / 2, x + w / 3, y + h]
        rows.append(
            {"label": ("dent", "other")[number % 2], "kind": ("polygon", "box")[number % 2], "points": corners,
             "relative": False}
        )  # fmt: skip
    return rows


def keypoints_of(seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [{"label": "dent", "x": float(x), "y": float(y)} for x, y in rng.integers(4, SIDE - 4, (4, 2))]


MAKERS = {"mask": mask_of, "objects": objects_of, "keypoint": keypoints_of}
EVERY = {**KINDS, "keypoint": KeypointKind()}
cases = st.builds(
    lambda name, seed: Case(EVERY[name], MAKERS[name](seed)), st.sampled_from(sorted(EVERY)), st.integers(0, 10**6)
)
WHOLE = PhotoArrangement(SIDE, SIDE, ImageSettings())


def movement(height: int = SIDE, width: int = SIDE, **parts: Any) -> ImageMovement:
    return ImageMovement(height, width, affine_matrix(height, width, **parts), None, "constant", Fraction(0))


def same(one: Any, other: Any) -> bool:
    """Whether two values show the same: corners may come in another order."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return [canonical(part) for part in one] == [canonical(part) for part in other]


def canonical(part: Any) -> tuple[Any, ...]:
    places = getattr(part, "places", None)
    return tuple(part) if places is None else (part.label, part.frame, sorted(places), part.area)


def shown(case: Case, value: Any) -> np.ndarray:
    """The pixels that it draws on black."""
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    return case.kind.draw(black, value, {}).any(axis=-1)


@settings(deadline=None)
@given(cases, st.sampled_from(FLIPS))
def test_two_flips_give_everything_back(case, flip):
    value, flipping = case.kind.prepare(case.given, WHOLE), movement(**flip)
    assert same(case.kind.move(case.kind.move(value, flipping), flipping), value)


@settings(deadline=None)
@given(cases)
def test_four_quarter_turns_give_everything_back(case):
    value, quarter = case.kind.prepare(case.given, WHOLE), movement(rotate=90)
    turned = value
    for number in range(4):
        turned = case.kind.move(turned, quarter)
        assert number == 3 or not same(turned, value)
    assert same(turned, value)


@settings(deadline=None)
@given(cases, st.sampled_from([*FLIPS, {"rotate": 90}, {"rotate": -90}]))
def test_flips_and_quarter_turns_move_what_is_drawn_as_they_move_pixels(case, parts):
    value, found = case.kind.prepare(case.given, WHOLE), movement(**parts)
    drawn, moved = shown(case, value), shown(case, case.kind.move(value, found))
    # A place on the border between two pixels is drawn in the one to the right and below, whichever way it came.
    strange = moved & ~_grown(found.move_mask(drawn.astype(np.uint8)) > 0)
    assert not strange.any()


@settings(deadline=None, max_examples=60)
@given(cases, st.sampled_from(sorted(AUGMENTERS)), st.integers(0, 2**63))
def test_under_every_geometry_it_stays_where_the_pixels_go_to_within_a_pixel(case, name, seed):
    value = case.kind.prepare(case.given, WHOLE)
    found = AUGMENTERS[name].plan_movement(seed, SIDE, SIDE)
    moved = case.kind.move(value, found)
    again = case.kind.move(value, AUGMENTERS[name].plan_movement(seed, SIDE, SIDE))
    assert same(moved, again)
    if case.kind.name == "mask":
        assert set(np.unique(moved)) <= set(np.unique(value)) | {0}
        return
    # What is drawn lies within the box around what the mask's warp makes of the photo's own drawing, and a pixel.
    filled = _filled(case, value)
    for one in moved if name == "affine" else ():
        left, top, right, bottom = _box_of(one)
        warped = found.move_mask(filled)
        inside = warped[max(0, int(top) - 1) : int(bottom) + 2, max(0, int(left) - 1) : int(right) + 2]
        assert inside.any() or (right - left) * (bottom - top) < 2


def _grown(drawn: np.ndarray) -> np.ndarray:
    padded = np.pad(drawn, 1)
    return np.any([padded[y : y + SIDE, x : x + SIDE] for y in range(3) for x in range(3)], axis=0)


def _box_of(one: Any) -> tuple[float, float, float, float]:
    places = getattr(one, "places", None) or [one.place]
    across, along = [x / 256 for x, _ in places], [y / 256 for _, y in places]
    return min(across), min(along), max(across), max(along)


def _filled(case: Case, value: Any) -> np.ndarray:
    filled = np.zeros((SIDE, SIDE), np.uint8)
    for one in value:
        left, top, right, bottom = _box_of(one)
        filled[int(top) : int(bottom) + 1, int(left) : int(right) + 1] = 1
    return filled


@settings(deadline=None)
@given(cases)
def test_labels_are_the_same_in_whatever_order_they_are_listed(case):
    if case.kind.name == "mask":
        return
    assert case.kind.identify(case.given) == case.kind.identify(case.given[::-1])
    assert case.kind.prepare(case.given, WHOLE) == case.kind.prepare(case.given[::-1], WHOLE)
    assert case.kind.identify(case.given) != case.kind.identify(case.given[1:])


@settings(deadline=None)
@given(cases)
def test_every_record_has_every_feature_also_where_nobody_labelled(case):
    value = case.kind.prepare(case.given, WHOLE)
    wanted = case.kind.encode(value, (SIDE, SIDE), CLASSES).keys()
    assert case.kind.encode(None, (SIDE, SIDE), CLASSES).keys() == wanted
    assert all(name.startswith(f"{case.kind.name}/") for name in wanted)


def read_back(kind: Any, value: Any, size: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Through what a record's lists hold."""
    features = {
        name: found.tolist() if isinstance(found, np.ndarray) else found if isinstance(found, list) else [found]
        for name, found in kind.encode(value, size, CLASSES).items()
    }
    return kind.decode(features, size)


class TestMask:
    kind = KINDS["mask"]

    @pytest.mark.parametrize("frames", [(), (3,)])
    def test_what_is_encoded_is_read_back(self, frames):
        mask = np.random.default_rng(1).integers(0, 4, (*frames, 20, 30)).astype(np.uint8)
        found = read_back(self.kind, mask, mask.shape)
        assert np.array_equal(found["encoded"], mask)
        assert found["labelled"]

    def test_a_photo_that_nobody_labelled_has_255_everywhere(self):
        found = read_back(self.kind, None, (20, 30))
        assert (found["encoded"] == 255).all()
        assert not found["labelled"]

    def test_a_mask_of_another_size_is_refused_with_both(self):
        with pytest.raises(LabelError, match="the mask is of 30×20 px, its photo of 48×48 px"):
            self.kind.prepare(np.zeros((20, 30), np.uint8), WHOLE)

    def test_its_identity_is_its_file_s_and_not_where_that_lies(self):
        one = {"path": "a/b.png", "etag": "12"}
        assert self.kind.identify(one) == self.kind.identify(one | {"path": "c.png"})
        assert self.kind.identify(one) != self.kind.identify(one | {"etag": "13"})
        assert self.kind.identify({"path": "", "etag": None}) == b"mask empty"

    def test_classes_are_counted_and_only_they_are_outlined(self):
        mask = np.zeros((8, 9), np.uint8)
        mask[2:6, 3:8], mask[7] = 2, 255
        assert count_classes(mask) == {0: 43, 2: 20, 255: 9}
        drawn = self.kind.draw(np.zeros((8, 9, 3), np.uint8), mask, {2: (1, 2, 3)})
        wanted = np.zeros((8, 9), np.bool_)
        wanted[2:6, 3:8] = True
        wanted[3:5, 4:7] = False
        assert np.array_equal((drawn == (1, 2, 3)).all(axis=-1), wanted)
        assert not drawn[~wanted].any()

    def test_the_frames_of_a_time_series_move_alike(self):
        frames = np.stack([mask_of(1), mask_of(2)])
        found = movement(rotate=90)
        assert np.array_equal(self.kind.move(frames, found), np.stack([np.rot90(mask) for mask in frames]))


class TestObjects:
    kind = KINDS["objects"]
    rows = (
        {"label": "scratch", "kind": "box", "points": [12.0, 6.0, 36.0, 12.0], "relative": False},
        {"label": "burr", "kind": "polygon", "points": [0.0, 0.0, 0.5, 0.0, 0.0, 0.25], "relative": True},
    )

    def test_boxes_are_fractions_of_the_sides_y_first_and_a_class_that_is_none_is_minus_1(self):
        found = read_back(self.kind, self.kind.prepare(self.rows, WHOLE), (SIDE, SIDE))
        assert found["bbox"].tolist() == [[0, 0, 0.25, 0.5], [0.125, 0.25, 0.25, 0.75]]
        assert found["label"].tolist() == [-1, 1]
        assert found["area"].tolist() == [144, 144]
        assert {name: part.dtype for name, part in found.items()} == {
            "area": np.float32, "bbox": np.float32, "label": np.int64,
        }  # fmt: skip

    @pytest.mark.parametrize("value", [None, ()])
    def test_no_objects_are_empty_lists(self, value):
        found = read_back(self.kind, value, (2, SIDE, SIDE))
        assert {name: part.shape for name, part in found.items()} == {
            "area": (0,), "bbox": (0, 4), "label": (0,), "frame": (0,),
        }  # fmt: skip

    def test_frames_of_a_time_series_are_told(self):
        rois = [((0, 0), (24, 24)), ((24, 0), (48, 24))]
        arrangement = PhotoArrangement(SIDE, SIDE, ImageSettings(rois=rois, roi_mode="as_timeseries"))
        found = read_back(self.kind, self.kind.prepare(self.rows, arrangement), (2, 24, 24))
        assert found["frame"].tolist() == [0, 0, 1]
        assert found["bbox"][1:].tolist() == [[0.25, 0.5, 0.5, 1], [0.25, 0, 0.5, 0.5]]

    def test_prepared_objects_are_stored_in_whole_numbers_and_read_back(self):
        placed = self.kind.prepare(self.rows, WHOLE)
        assert from_rows(to_rows(placed)) == placed

    def test_too_little_of_an_object_is_no_label_any_more(self):
        placed = self.kind.prepare(self.rows[:1], WHOLE)
        # 24 px wide, from 12 on: after a move by 18 px to the right there are 18 of them left.
        moved = movement(translate_horizontal=18 / SIDE)
        (kept,) = self.kind.move(placed, moved)
        assert kept.area == 2 * 18 * 6 * 256 * 256
        strict = ImageMovement(SIDE, SIDE, moved.matrix, None, "constant", Fraction(3, 4) + Fraction(1, 1000))
        assert self.kind.move(placed, strict) == ()
        assert (
            len(self.kind.move(placed, ImageMovement(SIDE, SIDE, moved.matrix, None, "constant", Fraction(3, 4)))) == 1
        )

    def test_its_outline_is_drawn(self):
        drawn = self.kind.draw(np.zeros((SIDE, SIDE, 3), np.uint8), self.kind.prepare(self.rows[:1], WHOLE), {})
        painted = drawn.any(axis=-1)
        wanted = np.zeros((SIDE, SIDE), np.bool_)
        wanted[6:12, 12:36] = True
        wanted[7:11, 13:35] = False
        assert np.array_equal(painted, wanted)
