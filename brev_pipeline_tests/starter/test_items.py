"""Which part of a file name tells the item: the usual ways of naming are found, and a person sees what they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import SplitError
from brev_pipeline.starter import items_of, shared_between_folders, suggestions
from brev_pipeline.starter.items import OWN_ITEM


@pytest.mark.parametrize(
    ("names", "items"),
    [
        (["good/17_1531483200123.bmp", "good/17_1531483200456.bmp", "good/18_1.bmp"], ["17", "17", "18"]),
        (["good/line2_vial17_1.png", "good/line2_vial17_2.png", "good/line2_vial8_1.png"], ["line2_vial17"] * 2),
        (["a/17-a.jpg", "a/17-b.jpg", "a/9-a.jpg"], ["17", "17", "9"]),
        (["a/17 (1).jpg", "a/17 (2).jpg", "a/9 (1).jpg"], ["17", "17", "9"]),
        (["a/17top.png", "a/17side.png", "a/9top.png"], ["17", "17", "9"]),
        (["ä/glas_17_1.png", "ä/glas_17_2.png", "ä/glas_9_1.png"], ["glas_17", "glas_17", "glas_9"]),
    ],
)
def test_the_usual_ways_of_naming_are_proposed_first(names: list[str], items: list[str]) -> None:
    best = suggestions(names)[0]
    found = items_of(names, best.pattern)
    assert [item.lstrip("gla_") if item else item for item in found][: len(items)] == [
        item.lstrip("gla_") for item in items
    ]
    assert best.most == 2


def test_photos_without_siblings_are_items_of_their_own() -> None:
    found = suggestions(["a/one.png", "a/two.png", "b/three.png"])
    assert [way.pattern for way in found] == [OWN_ITEM]
    assert found[0].items == 3


def test_a_folder_per_item_is_seen_where_there_are_many_folders() -> None:
    paths = [f"good/vial{item}/{view}.png" for item in range(30) for view in ("top", "side")]
    best = suggestions(paths)[0]
    assert items_of(paths, best.pattern)[:3] == ["vial0", "vial0", "vial1"]


def test_numbers_that_begin_anew_in_each_class_are_told() -> None:
    paths = ["good/1_1.png", "good/2_1.png", "bad/1_1.png", "bad/3_1.png"]
    assert shared_between_folders(paths, r"/(\d+)_") == ["1"]


def test_a_pattern_that_cannot_be_used_says_why() -> None:
    with pytest.raises(SplitError, match="no group"):
        items_of(["a/1.png"], r"\d+")
    with pytest.raises(SplitError, match="not a regular expression"):
        items_of(["a/1.png"], "(")
    assert items_of(["a/x.png"], r"(\d+)") == [None]


@given(st.lists(st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1), max_size=8))
def test_any_file_names_lead_to_proposals_that_find_an_item_in_each(names: list[str]) -> None:
    paths = [f"good/{name}.png" for name in names]
    for way in suggestions(paths):
        assert None not in items_of([path for path in paths if "\n" not in path and "/." not in path], way.pattern)
