"""The label map: numbers are for good, whatever comes, goes, comes back, or is spelled otherwise."""

from unicodedata import normalize

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import SplitError
from brev_pipeline.split.label_map import (
    attach_classes,
    build_label_map,
    count_labels,
    explain_class_order,
    list_present_classes,
    number_classes,
    read_split_classes,
)
from brev_pipeline.texts import NAMES, TEXT

COMPOSED, DECOMPOSED = "\u00e9", "e\u0301"
NAME = st.text("abcé\u00e9e\u0301 /", min_size=1, max_size=3)
SETS = st.lists(NAME, max_size=6, unique=True)


def split(*categories: list[str]) -> pa.Table:
    return pa.table({"category": pa.array(categories, NAMES)})


def test_the_first_version_follows_the_configuration_then_the_code_points() -> None:
    assert build_label_map(["b", "a", "d", "c"], [], None) == ["a", "b", "c", "d"]
    assert build_label_map(["b", "a", "d", "c"], [], ["d", "b"]) == ["d", "b", "a", "c"]


def test_a_class_without_images_gets_no_number() -> None:
    assert build_label_map(["b"], [], ["a", "b", "c"]) == ["b"]


def test_new_classes_are_appended_in_the_order_of_the_configuration() -> None:
    assert build_label_map(["a", "c", "d", "m"], ["m", "z"], ["d", "c", "z", "m"]) == ["m", "z", "d", "c", "a"]


def test_a_class_that_left_and_came_back_has_its_number() -> None:
    first = build_label_map(["good", "bad"], [], ["good", "bad"])
    without = build_label_map(["good"], first, ["good"])
    more = build_label_map(["good", "cracked"], without, None)
    assert (first, without, more) == (["good", "bad"], ["good", "bad"], ["good", "bad", "cracked"])
    assert build_label_map(["bad", "cracked", "good"], more, ["bad", "good"]) == more


def test_another_spelling_of_a_name_is_the_same_class_and_the_kept_one_stays() -> None:
    assert build_label_map([COMPOSED, "a"], [DECOMPOSED], None) == [DECOMPOSED, "a"]
    assert build_label_map([DECOMPOSED], [], None) == [COMPOSED]


@given(histories=st.lists(st.tuples(SETS, st.none() | SETS), min_size=1, max_size=6))
def test_over_any_history_no_class_changes_its_number_or_is_lost(
    histories: list[tuple[list[str], list[str] | None]],
) -> None:
    classes: list[str] = []
    numbers: dict[str, int] = {}
    seen: set[str] = set()
    for present, order in histories:
        before, classes = classes, build_label_map(present, classes, order)
        assert classes[: len(before)] == before
        seen |= {normalize("NFC", name) for name in present}
        now = {normalize("NFC", name): number for number, name in enumerate(classes)}
        assert len(now) == len(classes)  # one number for each
        assert set(now) == seen  # what was there once, and nothing that never was
        assert all(now[name] == number for name, number in numbers.items())
        numbers = now


@given(present=SETS, earlier=SETS, order=st.none() | SETS, data=st.data())
def test_the_order_of_the_images_is_no_matter(
    present: list[str], earlier: list[str], order: list[str] | None, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(present))
    again = [*shuffled, *shuffled[:2]]
    assert build_label_map(again, earlier, order) == build_label_map(present, earlier, order)


@given(present=SETS, order=SETS)
def test_a_second_run_over_the_same_images_gives_the_same_map(present: list[str], order: list[str]) -> None:
    first = build_label_map(present, [], order)
    assert build_label_map(present, first, order) == first
    assert build_label_map(present, first, list(reversed(order))) == first


def test_a_split_carries_its_map() -> None:
    table = attach_classes(split(["a"]).replace_schema_metadata({b"other": b"1"}), ["é", "a"])
    assert read_split_classes(table) == ["é", "a"]
    assert table.schema.metadata[b"other"] == b"1"
    with pytest.raises(SplitError, match="materialize sample_split and everything after it"):
        read_split_classes(split(["a"]))


def test_images_are_counted_in_each_of_their_classes() -> None:
    table = split(["b", "a"], ["b"], [DECOMPOSED], [])
    assert list_present_classes(table) == sorted(["a", "b", DECOMPOSED])
    assert count_labels(table, ["gone", COMPOSED, "b", "a"]) == [0, 1, 2, 1]
    assert number_classes(pa.array([DECOMPOSED, "x"], TEXT), ["a", COMPOSED]).to_pylist() == [1, None]


def test_an_order_that_is_not_that_of_the_labels_is_told() -> None:
    assert explain_class_order(["a", "b", "c"], None) is None
    assert explain_class_order(["a", "b", "c"], ["x", "b", "c"]) is None
    said = explain_class_order(["a", "b", "c"], ["c", "a"])
    assert said is not None
    assert "begins c, a, and the labels stand in the order a, c: a class keeps its number for good" in said
