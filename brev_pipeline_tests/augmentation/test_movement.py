"""Masks, boxes and polygons move with the image: the same place under every geometry, exactly or to within a pixel."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.augmentation import ImageAugmenter, ImageDeformation, RandomTransformer
from brev_pipeline.augmentation.geometry import ONE, affine_matrix, warp_image, warp_labels
from brev_pipeline.augmentation.movement import ImageMovement
from brev_pipeline.errors import AugmentError
from brev_pipeline.labels.polygons import as_points, box_places, double_area
from brev_pipeline_tests.augmentation.images import numbered, picture
from brev_pipeline_tests.augmentation.test_exact import Exact, matrices, rounded
from brev_pipeline_tests.labels import oracle

SILENT = {"filtering": None, "noise": None}
GEOMETRIES = {
    "affine": ImageAugmenter(transform=RandomTransformer(chance=0.8, rotate_chance=0.8, rotate=180), **SILENT),
    "elastic": ImageAugmenter(transform=None, deformation=ImageDeformation(chance=1), **SILENT),
    "both": ImageAugmenter(
        transform=RandomTransformer(chance=0.8, rotate=180), deformation=ImageDeformation(chance=1), **SILENT
    ),
}
seeds = st.integers(0, 2**64 - 1)


def movement(height, width, field=None, border="mirror", **parts):
    return ImageMovement(height, width, affine_matrix(height, width, **parts), field, border, Fraction(1, 4))


def constant_bilinear(image, matrix):
    """The exact bilinear sum, with 0 outside."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width]
    at_x = matrix.xx * x + matrix.xy * y + matrix.x0
    at_y = matrix.yx * x + matrix.yy * y + matrix.y0

    def grey(row: Exact, column: Exact) -> Exact:
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return image.astype(np.int64)[row.clip(0, height - 1), column.clip(0, width - 1)] * inside

    left, upper, a, b = at_x // ONE, at_y // ONE, at_x % ONE, at_y % ONE
    total = (ONE - b) * ((ONE - a) * grey(upper, left) + a * grey(upper, left + 1))
    total = total + b * ((ONE - a) * grey(upper + 1, left) + a * grey(upper + 1, left + 1))
    return rounded(total, ONE * ONE).astype(np.uint8)


@settings(max_examples=200, deadline=None)
@given(matrices, st.integers(0, 255))
def test_a_warp_with_a_constant_border_is_the_exact_bilinear_sum_with_0_outside(how, salt):
    height, width, parts = how
    matrix, image = affine_matrix(height, width, **parts), picture(height, width, salt=salt)
    assert np.array_equal(warp_image(image, matrix, None, "constant"), constant_bilinear(image, matrix))


@settings(max_examples=200, deadline=None)
@given(matrices)
def test_labels_with_a_constant_border_are_the_nearest_pixels_and_0_outside(how):
    height, width, parts = how
    matrix = affine_matrix(height, width, **parts)
    y, x = np.mgrid[:height, :width]
    column = (matrix.xx * x + matrix.xy * y + matrix.x0 + 128) // 256
    row = (matrix.yx * x + matrix.yy * y + matrix.y0 + 128) // 256
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    labels = numbered(height, width) + 1
    wanted = np.where(inside, labels[row.clip(0, height - 1), column.clip(0, width - 1)], 0)
    assert np.array_equal(warp_labels(labels, matrix, None, "constant"), wanted)


@pytest.mark.parametrize("shape", [(40, 50), (33, 33), (1, 20), (20, 1), (1, 1), (2, 3)])
@pytest.mark.parametrize("border", ["mirror", "constant"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_movement_moves_images_and_labels_as_the_warps_of_its_matrix_and_field_do(shape, border, geometry):
    for seed in range(12):
        found = GEOMETRIES[geometry].plan_movement(seed, *shape, border=border)
        image, labels = picture(*shape, 3), numbered(*shape)
        assert np.array_equal(found.move_image(image), warp_image(image, found.matrix, found.field, border))
        assert np.array_equal(found.move_mask(labels), warp_labels(labels, found.matrix, found.field, border))


@settings(max_examples=150, deadline=None)
@given(seeds, st.integers(1, 50), st.integers(1, 50), st.sampled_from(sorted(GEOMETRIES)), st.booleans())
def test_a_photo_that_is_a_copy_of_its_mask_stays_one_where_it_is_not_mixed(seed, height, width, name, is_constant):
    """Of two values bilinear makes mixed ones: the nearest of both is then at the same place as the mask's."""
    mask = (picture(height, width, salt=seed % 97) > 120).astype(np.uint8)
    augmenter = ImageAugmenter(GEOMETRIES[name].settings, border="constant" if is_constant else "mirror")
    photo, moved = augmenter.augment(mask * 255, seed, mask)
    pure = (photo == 0) | (photo == 255)
    assert np.array_equal(photo[pure] // 255, moved[pure])
    assert set(np.unique(moved)) <= {0, 1}


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.booleans(), st.booleans(), st.integers(0, 3), st.sampled_from(["mirror", "constant"]))
def test_flips_and_quarter_turns_take_photo_and_mask_to_the_same_pixels(side, up_down, left_right, turns, border):
    image = picture(side, side)
    found = movement(
        side, side, border=border, flip_up_down=up_down, flip_left_right=left_right, rotate=90 * turns - 90
    )
    assert np.array_equal(found.move_image(image), found.move_mask(image))
    assert np.array_equal(np.sort(found.move_mask(image), axis=None), np.sort(image, axis=None))


outlines = st.lists(st.tuples(st.integers(0, 40 * ONE), st.integers(0, 30 * ONE)), min_size=3, max_size=6).filter(
    lambda places: double_area(places) > 0
)


@settings(deadline=None)
@given(outlines, st.sampled_from([{"flip_up_down": True}, {"flip_left_right": True}]), st.booleans())
def test_two_flips_give_every_corner_back(places, flip, is_both):
    found = movement(30, 40, **(flip | {"flip_up_down": True, "flip_left_right": True} if is_both else flip))
    once = found.move_polygon(as_points(places))
    assert once.area == once.whole == double_area(places)
    assert found.move_polygon(once.points).points.tolist() == [list(place) for place in places]


@settings(deadline=None)
@given(outlines, st.integers(41, 60))
def test_four_quarter_turns_give_every_corner_back(places, side):
    found, points = movement(side, side, rotate=90), as_points(places)
    for _ in range(4):
        moved = found.move_polygon(points)
        assert moved.area == double_area(places)
        points = moved.points
    assert points.tolist() == [list(place) for place in places]


def test_a_quarter_turn_takes_a_corner_where_the_pixels_go():
    # Counter-clockwise: what is at the right end of the first row comes to the top of the first column.
    box = movement(10, 10, rotate=90).move_polygon(as_points(box_places(7 * ONE, 0, 10 * ONE, 1 * ONE)))
    assert sorted(map(tuple, box.points.tolist())) == [(0, 0), (0, 3 * ONE), (ONE, 0), (ONE, 3 * ONE)]


@settings(max_examples=150, deadline=None)
@given(matrices, st.data())
def test_a_box_drawn_and_warped_as_a_mask_covers_the_moved_box_to_within_a_pixel(how, data):
    height, width, parts = how
    x, y = (sorted(data.draw(st.tuples(st.integers(0, side), st.integers(0, side)))) for side in (width, height))
    if x[0] == x[1] or y[0] == y[1]:
        return
    mask = np.zeros((height, width), np.uint8)
    mask[y[0] : y[1], x[0] : x[1]] = 1
    found = movement(height, width, border="constant", **parts)
    warped = found.move_mask(mask)
    moved = found.move_polygon(as_points(box_places(x[0] * ONE, y[0] * ONE, x[1] * ONE, y[1] * ONE)))
    if not moved.area:
        assert not warped.any()
        return
    places = [tuple(place) for place in moved.points.tolist()]
    exact = oracle.corners(places)
    centres = [[(Fraction(2 * x + 1, 2), Fraction(2 * y + 1, 2)) for x in range(width)] for y in range(height)]
    drawn = np.array([[oracle.holds(exact, *centre) for centre in row] for row in centres])
    # A corner is rounded by half a step at most: pixels whose centres lie that near to an edge may differ.
    strange = (warped != drawn) & ~_near_edge(places, height, width)
    assert not strange.any()
    if warped.any():
        rows, columns = np.flatnonzero(warped.any(axis=1)), np.flatnonzero(warped.any(axis=0))
        left, top, right, bottom = (value / ONE for value in (*moved.points.min(axis=0), *moved.points.max(axis=0)))
        assert left - 1 <= columns[0] <= columns[-1] + 1 <= right + 1
        assert top - 1 <= rows[0] <= rows[-1] + 1 <= bottom + 1


def _near_edge(places, height, width):
    """Whether a pixel's centre lies within 2 steps of an edge of a polygon, along x or y."""
    y, x = np.mgrid[:height, :width] * ONE + ONE // 2
    near = np.zeros((height, width), np.bool_)
    for (x1, y1), (x2, y2) in zip(places, places[1:] + places[:1], strict=True):
        length = max(np.hypot(x2 - x1, y2 - y1), 1)
        near |= np.abs((x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)) <= 2 * length
    return near


@settings(max_examples=100, deadline=None)
@given(matrices, outlines)
def test_without_a_field_a_polygon_has_the_area_that_the_matrix_says(how, places):
    height, width, parts = how
    found = movement(height, width, **parts)
    xx, xy, _, yx, yy, _ = found.matrix
    moved = found.move_polygon(as_points(places))
    exact = Fraction(double_area(places) * ONE * ONE, abs(xx * yy - xy * yx))
    perimeter = sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in zip(places, places[1:] + places[:1], strict=True))
    assert abs(moved.whole - exact) <= 40 * perimeter + 100
    if len(places) == 3:  # of an outline that crosses itself, what is left may have more area than the whole
        assert 0 <= moved.area <= moved.whole + 400 * (height + width) * ONE


@pytest.mark.parametrize("geometry", ["elastic", "both"])
def test_under_a_deformation_a_box_bounds_the_pixels_that_the_mask_s_map_gives_it(geometry):
    for seed in range(60):
        left, top = seed % 23 * 2, seed % 17 * 2
        corners = as_points(box_places(left * ONE, top * ONE, (left + 9) * ONE, (top + 6) * ONE))
        mask = np.zeros((50, 60), np.uint8)
        mask[top : top + 6, left : left + 9] = 1
        found = GEOMETRIES[geometry].plan_movement(seed, 50, 60, border="constant")
        warped, moved = found.move_mask(mask), found.move_polygon(corners)
        assert moved.area == int(warped.sum()) * 2 * ONE * ONE
        if not warped.any():
            assert moved.points.shape == (0, 2)
            continue
        rows, columns = np.flatnonzero(warped.any(axis=1)), np.flatnonzero(warped.any(axis=0))
        wanted = [columns[0] * ONE, rows[0] * ONE, (columns[-1] + 1) * ONE, (rows[-1] + 1) * ONE]
        assert [*moved.points.min(axis=0), *moved.points.max(axis=0)] == wanted


def test_under_a_deformation_the_whole_is_what_an_image_without_end_would_show():
    """An image with room on all sides, whose field is the other's with its border repeated, is the judge."""
    for seed in range(40):
        found = GEOMETRIES["both"].plan_movement(seed, 40, 50, border="constant")
        left, top = seed % 20 * 2, seed % 16 * 2
        corners = as_points(box_places(left * ONE, top * ONE, (left + 10) * ONE, (top + 8) * ONE))
        moved = found.move_polygon(corners)
        room = 120
        xx, xy, x0, yx, yy, y0 = found.matrix
        y, x = np.mgrid[-room : 40 + room, -room : 50 + room]
        field = np.pad(found.field, ((0, 0), (room, room), (room, room)), mode="edge").astype(np.int64)
        at_x, at_y = x * ONE + field[0], y * ONE + field[1]
        column = ((xx * at_x + xy * at_y + 128 >> 8) + x0 + 128) >> 8
        row = ((yx * at_x + yy * at_y + 128 >> 8) + y0 + 128) >> 8
        count = int(((column >= left) & (column < left + 10) & (row >= top) & (row < top + 8)).sum())
        assert moved.whole == count * 2 * ONE * ONE


def test_what_leaves_the_image_is_visible_by_the_share_that_is_left():
    found = movement(40, 40, translate_horizontal=0.5)
    half = found.move_polygon(as_points(box_places(10 * ONE, 0, 30 * ONE, 10 * ONE)))
    assert (half.area, half.whole) == (2 * 100 * ONE * ONE, 2 * 200 * ONE * ONE)
    assert half.is_visible(Fraction(1, 2))
    assert not half.is_visible(Fraction(1, 2) + Fraction(1, 10**9))
    gone = found.move_polygon(as_points(box_places(20 * ONE, 0, 30 * ONE, 10 * ONE)))
    assert gone.points.shape == (0, 2)
    assert not gone.is_visible(Fraction(0))


def test_images_without_objects_keep_their_mirrored_border_and_others_get_a_black_one():
    image = np.full((60, 60, 3), 200, np.uint8)
    geometry = GEOMETRIES["affine"].settings
    mirrored, black = ImageAugmenter(geometry), ImageAugmenter(geometry, border="constant")
    assert min(mirrored.augment(image, seed).min() for seed in range(30)) == 200
    assert min(black.augment(image, seed).min() for seed in range(30)) == 0
    assert "constant" in repr(black)
    assert "border" not in repr(mirrored)


def test_a_movement_of_another_size_or_seed_and_an_unknown_border_are_refused():
    augmenter = GEOMETRIES["affine"]
    with pytest.raises(AugmentError, match="for seed 1 and 40×50 px, the image has seed 1 and 40×60 px"):
        augmenter.augment(picture(40, 60), 1, movement=augmenter.plan_movement(1, 40, 50))
    with pytest.raises(AugmentError, match=r"for seed 1 and .* the image has seed 2"):
        augmenter.augment(picture(40, 60), 2, movement=augmenter.plan_movement(1, 40, 60))
    with pytest.raises(AugmentError, match="'mirror' or 'constant', not 'wrap'"):
        ImageAugmenter(border="wrap")  # type: ignore[arg-type]


class TestSample:
    box = np.array([[0.1, 0.2, 0.5, 0.6], [0, 0, 0.1, 0.1]], np.float32)

    def test_mask_and_objects_move_with_the_image_from_one_seed(self):
        augmenter = ImageAugmenter(GEOMETRIES["affine"].settings, min_visible=0)
        mask = np.zeros((100, 100), np.uint8)
        mask[10:50, 20:60] = 3
        sample = {"img": picture(100, 100, 3), "mask": mask, "objects": {"bbox": self.box[:1], "label": np.array([7])}}
        for seed in range(20):
            out = augmenter(sample, seed)
            rows, columns = np.flatnonzero(out["mask"].any(axis=1)), np.flatnonzero(out["mask"].any(axis=0))
            (box,) = out["objects"]["bbox"] * 100
            found = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
            assert np.abs(box - found).max() <= 1
            assert out["objects"]["area"][0] == pytest.approx((out["mask"] == 3).sum(), rel=0.03)
            assert np.array_equal(
                out["img"], ImageAugmenter(augmenter.settings, border="constant").augment(sample["img"], seed)
            )

    def test_dropped_objects_take_all_that_belongs_to_them_away(self):
        augmenter = ImageAugmenter(
            transform=RandomTransformer(chance=1, flip_up_down=False, flip_left_right=False, scale=0, shear=0,
                                        rotate_chance=0, translate_horizontal=0.3, translate_vertical=0), **SILENT,
        )  # fmt: skip
        seed = next(s for s in range(50) if augmenter.plan_movement(s, 100, 100).matrix.x0 > 12 * ONE)
        objects = {"bbox": self.box, "label": np.array([7, 8]), "name": ["dent", "scratch"]}
        out = augmenter({"img": picture(100, 100), "objects": objects}, seed)["objects"]
        assert out["label"].tolist() == [7]
        assert out["name"] == ["dent"]
        assert out["bbox"].shape == (1, 4)

    def test_polygons_count_before_boxes_and_are_given_back_in_px(self):
        flip = ImageAugmenter(
            transform=RandomTransformer(chance=1, flip_up_down=False, flip_left_right=True, scale=0, shear=0,
                                        rotate_chance=0, translate_horizontal=0, translate_vertical=0), **SILENT,
        )  # fmt: skip
        triangle = np.array([[10.0, 10.0], [30.0, 10.0], [10.0, 20.5]])
        out = flip({"img": picture(50, 100), "objects": {"polygon": [triangle]}}, 5)["objects"]
        assert out["polygon"][0].tolist() == [[90.0, 10.0], [70.0, 10.0], [90.0, 20.5]]
        assert out["bbox"].tolist() == [pytest.approx([0.2, 0.7, 0.41, 0.9])]
        assert out["area"].tolist() == [105.0]

    def test_a_time_series_moves_each_of_its_masks_alike(self):
        frames = np.stack([picture(30, 40, 3, salt=salt) for salt in range(3)])
        masks = np.stack([numbered(30, 40) + salt for salt in range(3)])
        augmenter = GEOMETRIES["both"]
        out = augmenter({"img": frames, "mask": masks}, 4)
        for frame in range(3):
            image, mask = augmenter.augment(frames[frame], 4, masks[frame])
            assert np.array_equal(out["img"][frame], image)
            assert np.array_equal(out["mask"][frame], mask)

    @pytest.mark.parametrize(
        ("objects", "message"),
        [
            ({"label": [1]}, "neither bbox nor polygon"),
            ({"bbox": np.array([[0.1, 0.2, 0.1, 0.6]])}, "object 0 has no area"),
            ({"bbox": np.array([[0.1, np.nan, 0.4, 0.6]])}, "nan"),
            ({"bbox": np.array([[0.1, 0.2, 0.4, 0.6]]), "label": [1, 2]}, "'label'.*2 entries, for 1 objects"),
        ],
    )
    def test_objects_that_are_none_are_refused_with_what_they_are(self, objects, message):
        with pytest.raises(AugmentError, match=message):
            GEOMETRIES["affine"]({"img": picture(20, 20), "objects": objects}, 1)
