"""Keys from columns and patterns, and what is refused."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import SplitError
from brev_pipeline.split.encoding import encode_column, pack_texts
from brev_pipeline.split.keys import extract_keys, find_items, find_key, find_strata


def paths(*names: str) -> pa.Table:
    return pa.table({"path": pa.array(names, pa.large_string())})


TEXTS = st.text(st.sampled_from("/ab0_.é\n\tıſK\x1c\xa0") | st.characters(codec="utf-8"), max_size=12)
PATTERNS = [
    r"/(\d*)_\d*.bmp",
    r"(?i)(K|s+)",
    r"(\w+)$",
    r"([^/]*)/",
    r"\b(.)\b",
    r"(?<=/)(\s*)",
    r"^(a*?)(?:b|$)",
    r"(?:(a)|(b))(?!\d)",
    r"(?P<key>[\x00-\xff]{2})",
    r"(\u0131|a)",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
def test_the_key_is_what_re_search_finds_in_the_text(pattern: str, texts: list[str]) -> None:
    def expected(text: str) -> str | None:
        match = re.search(pattern, text)
        return next((group for group in match.groups() if group is not None), None) if match else None

    found = extract_keys(pa.chunked_array([texts[:3], texts[3:]], pa.large_string()), pattern, "uniqueness").to_pylist()
    assert found == [expected(text) for text in texts]


def test_alternatives_give_the_group_that_takes_part() -> None:
    table = paths("x/12_000001_004_crop_1.jpg", "x/KGT2-S-017-A03_crop_2.jpg")
    key = find_key(table, r"(?:(\d{6}_\d{3})|(KGT\d-[SV]-\d{3}-A\d{2}))_crop_\d\.jpg$", "uniqueness")
    assert key.row_labels().to_pylist() == ["000001_004", "KGT2-S-017-A03"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"/(\d+_", "is not a regular expression"),
        (r"\d+", "has no group"),
        ("123", "has no group"),
        (r"(\d+)_(\d+)", r"2 groups .* take part in the match with 'x/1_2.bmp', so the key is not clear"),
        (r"/(z)\.", r"matches none of the 2 paths, for example x/1_2.bmp, x/3_4.bmp"),
        (r"/(1)_", r"does not match 1 of 2 paths: x/3_4.bmp; unmatched: own_item"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_the_reason(pattern: str, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        find_items(paths("x/1_2.bmp", "x/3_4.bmp"), pattern, "error")


def test_at_most_five_unmatched_paths_are_named() -> None:
    table = paths("x/1_0.bmp", *(f"x/odd{number}.bmp" for number in range(8)))
    with pytest.raises(SplitError, match=r"does not match 8 of 9 paths: x/odd0.bmp, .*x/odd4.bmp, and 3 more;"):
        find_items(table, r"/(\d*)_", "error")


def test_unmatched_paths_can_be_items_of_their_own() -> None:
    key = find_items(paths("x/odd2.bmp", "x/1_0.bmp", "x/1_1.bmp", "x/odd1.bmp"), r"/(\d*)_", "own_item")
    assert key.row_labels().to_pylist() == ["x/odd2.bmp", "1", "1", "x/odd1.bmp"]
    assert key.labels.to_pylist() == sorted(key.labels.to_pylist())


def test_a_pattern_that_matches_nothing_is_refused_even_then() -> None:
    with pytest.raises(SplitError, match=r"matches none of the 1 paths"):
        find_items(paths("x/odd.bmp"), r"/(\d+)_", "own_item")


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(SplitError, match=r"uniqueness: the samples have no column 'vial'; their columns are path"):
        find_items(paths("x/1_0.bmp"), ["vial"], "error")


def test_rows_without_a_stratum_are_refused_and_named() -> None:
    table = paths("x/1.bmp", "x/2.bmp").append_column("line", pa.array(["a", None]))
    with pytest.raises(SplitError, match=r"stratification: 1 of 2 images have no value in the columns \['line'\]: x/2"):
        find_strata(table, ["line"])


def test_without_stratification_all_is_one_stratum() -> None:
    assert find_strata(paths("a", "b"), None).row_labels().to_pylist() == ["all", "all"]


def test_several_columns_are_told_apart_and_sorted_by_each() -> None:
    table = pa.table({"one": ["a / b", "a", "a", "b"], "two": ["c", "b / c", "z", "a"]})
    key = find_key(table, ["one", "two"], "uniqueness")
    assert len(set(key.row_labels().to_pylist())) == 4
    assert key.codes.tolist() == [2, 0, 1, 3]
    assert key.spelled.to_pylist() == ["a_b / c", "a_z", "a / b_c", "b_a"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.large_string())])
def test_text_is_numbered_in_the_order_of_code_points(kind: pa.DataType) -> None:
    texts = ["b", "é", "B", "a" * 20, None, "𝔷", "b", ""]
    key = encode_column(pa.chunked_array([pa.array(texts[:3]).cast(kind), pa.array(texts[3:]).cast(kind)]))
    there = sorted({text for text in texts if text is not None})
    assert key.labels.to_pylist() == there
    assert key.codes.tolist() == [-1 if text is None else there.index(text) for text in texts]


def test_numbers_are_sorted_as_numbers_and_categories_as_lists() -> None:
    numbers = encode_column(pa.chunked_array([[10, 9, None, 100]]))
    assert (numbers.labels.to_pylist(), numbers.codes.tolist()) == (["9", "10", "100"], [1, 0, -1, 2])
    lists = encode_column(pa.chunked_array([[["b"], ["a", "c"], ["a"]]]))
    assert lists.codes.tolist() == [2, 1, 0]
    assert lists.spelled.to_pylist() == ["('a',)", "('a', 'c')", "('b',)"]


@given(st.lists(st.text(max_size=9), min_size=1))
def test_packed_words_sort_as_their_texts(texts: list[str]) -> None:
    words = pack_texts(pa.array(texts, pa.large_string()))
    if words is not None:
        assert max(len(text.encode()) for text in texts) <= 8
        assert np.argsort(words, kind="stable").tolist() == sorted(range(len(texts)), key=lambda at: texts[at])
        assert [len({*words.tolist()})] == [len({*texts})]


def test_many_different_keys_take_the_same_numbers_as_few() -> None:
    texts = [str(number * 7919 % 5000) for number in range(5000)]
    key = encode_column(pa.chunked_array([pa.array(texts)]))
    assert key.labels.to_pylist() == sorted(texts)
    assert key.row_labels().to_pylist() == texts
