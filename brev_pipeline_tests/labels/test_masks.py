"""What the values of a mask mean: classes by value, palette or colour, and values that nobody named."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brev_pipeline.config.labels import MaskSource
from brev_pipeline.errors import LabelError
from brev_pipeline.labels import classify_mask


def classify(samples: Any, classes: list[str], **settings: Any) -> list[Any]:
    source = MaskSource.model_validate({"kind": "masks", "path": "{stem}.png", **settings})
    return classify_mask(np.asarray(samples), source, classes, "m.png").tolist()


def test_values_are_classes_and_zero_is_background() -> None:
    samples = np.array([[0, 1, 255]], np.uint8)
    assert classify(samples, ["dent", "scratch"], values={"1": "scratch", "255": "dent"}) == [[0, 2, 1]]
    assert classify(samples, ["a", "b", "c"], values={"0": "a", "1": "b", "255": "c"}) == [[1, 2, 3]]


def test_from_the_threshold_on_everything_is_the_class() -> None:
    assert classify(np.array([[0, 127, 128, 255]], np.uint8), ["x", "defect"], threshold=128) == [[0, 0, 2, 2]]
    assert classify(np.array([[0, 999, 1000]], np.uint16), ["hole"], threshold=1000, class_name="hole") == [[0, 0, 1]]
    assert classify(np.array([[False, True]]), ["defect"], threshold=1) == [[0, 1]]


def test_colours_are_classes_and_black_is_background() -> None:
    samples = np.array([[[255, 0, 0], [0, 0, 0], [1, 2, 3]]], np.uint8)
    assert classify(samples, ["a", "b"], values={"#FF0000": "a", "#010203": "b"}) == [[1, 0, 2]]
    transparent = np.concatenate([samples, np.zeros((1, 3, 1), np.uint8)], axis=2)
    assert classify(transparent, ["a", "b"], values={"#ff0000": "a", "#010203": "b"}) == [[1, 0, 2]]


def test_grey_stored_as_colour_is_grey() -> None:
    assert classify(np.full((1, 2, 3), 7, np.uint8), ["a"], values={"7": "a"}) == [[1, 1]]


@pytest.mark.parametrize(
    ("samples", "settings", "said"),
    [
        (np.array([[0, 1], [9, 9]], np.uint8), {"values": {"1": "a"}}, r"the values 9 \(2 px\), .*row 1, column 0"),
        (np.array([[[0, 0, 9]]], np.uint8), {"values": {"#010203": "a"}}, r"m\.png: holds the values #000009 \(1 px\)"),
        (np.array([[[0, 0, 9]]], np.uint8), {"threshold": 1, "class_name": "a"}, r"m\.png: is a colour image, and"),
        (np.array([[0]], np.uint8), {"values": {"#010203": "a"}}, r"m\.png: is no 8-bit colour image"),
    ],
)
def test_values_that_mean_nothing_are_refused(samples: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(LabelError, match=said):
        classify(samples, ["a"], **settings)


@given(arrays(np.uint8, (5, 7)), st.lists(st.integers(1, 255), min_size=1, unique=True))
def test_every_pixel_is_its_values_class(samples: Any, values: list[int]) -> None:
    classes = [f"class {value}" for value in values]
    samples = np.where(np.isin(samples, values), samples, 0).astype(np.uint8)
    found = classify(samples, classes, values=dict(zip(map(str, values), classes, strict=True)))
    assert found == [[0 if value == 0 else 1 + values.index(value) for value in row] for row in samples.tolist()]
