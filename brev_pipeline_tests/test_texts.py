"""Texts: joined whatever their type, and their bytes found in any slice."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline import texts
from brev_pipeline.tables import give_memory_back
from brev_pipeline.texts import (
    NAMES,
    TEXT,
    join_names,
    join_texts,
    mix_bits,
    number_values,
    row_digests,
    text_bytes,
    text_offsets,
    widen_texts,
)
from brev_pipeline_tests.pipelines import configure, draw_photos, run

TEXTS = st.lists(st.text(max_size=5) | st.none(), max_size=8)
KINDS = [pa.string(), TEXT, pa.binary(), pa.large_binary()]


@given(TEXTS, st.sampled_from(KINDS), st.integers(0, 8), st.integers(0, 8))
def test_the_bytes_of_a_slice_lie_between_its_ends(texts: list, kind: pa.DataType, start: int, count: int) -> None:
    part = pa.array(texts, pa.string()).cast(kind).slice(start, count)
    raw, edges = text_bytes(part).tobytes(), text_offsets(part)
    assert len(edges) == len(part) + 1
    found = [raw[one - edges[0] : two - edges[0]] for one, two in pairwise(edges)]
    assert found == [b"" if text is None else text.encode() for text in texts[start : start + count]]


@given(TEXTS, st.sampled_from([pa.string(), TEXT]), st.text(max_size=2))
def test_joining_is_pythons_join_and_null_where_a_part_is(texts: list, kind: pa.DataType, by: str) -> None:
    column = pa.chunked_array([pa.array(texts, kind)])
    found = join_texts(column, "é", column, by=by)
    assert found.type == TEXT
    assert found.to_pylist() == [None if text is None else by.join((text, "é", text)) for text in texts]


@given(st.lists(st.lists(st.text(max_size=3), max_size=3), max_size=6), st.sampled_from([pa.string(), TEXT]))
def test_names_of_a_row_are_joined(rows: list, kind: pa.DataType) -> None:
    found = join_names(pa.chunked_array([pa.array(rows, pa.list_(kind))]), ", ")
    assert (found.type, found.to_pylist()) == (TEXT, [", ".join(names) for names in rows])


def test_widening_leaves_all_else_as_it_is() -> None:
    schema = pa.schema(
        [pa.field("a", pa.string(), False), ("b", pa.list_(pa.string())), ("c", pa.int8()), ("d", TEXT), ("e", NAMES)],
        {"x": "y"},
    )
    table = pa.table([["ü"], [["a", None]], [1], ["d"], [["e"]]], schema)
    assert widen_texts(table).schema.types == [TEXT, NAMES, pa.int8(), TEXT, NAMES]
    assert widen_texts(table).schema.metadata == schema.metadata
    assert not widen_texts(table).schema.field("a").nullable
    assert widen_texts(table).to_pydict() == table.to_pydict()


def text_types(schema: pa.Schema) -> set[pa.DataType]:
    inner = [field.type.value_type if pa.types.is_list(field.type) else field.type for field in schema]
    return {kind for kind in inner if pa.types.is_string(kind) or pa.types.is_large_string(kind)}


@pytest.mark.slow
def test_no_table_that_a_run_leaves_has_text_that_ends_at_two_gibibytes(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 5, "bad": 5})
    done = run(configure(tmp_path))
    assert done.success, done.failures
    files = list(tmp_path.rglob("*.parquet"))
    assert {text_types(pq.read_schema(file)) == {TEXT} for file in files if text_types(pq.read_schema(file))} == {True}
    assert len(files) >= 12


@given(st.lists(TEXTS, max_size=4))
def test_equal_texts_have_one_number_over_all_pieces_of_a_column(pieces: list) -> None:
    column = pa.chunked_array([pa.array(texts, TEXT) for texts in pieces], TEXT)
    codes, values = number_values(column)
    assert [None if code < 0 else values[int(code)].as_py() for code in codes] == column.to_pylist()
    assert len(set(values.to_pylist())) == len(values)


def test_memory_goes_back_where_arrow_can_give_it_back() -> None:
    give_memory_back()
    if "jemalloc" in pa.supported_memory_backends():
        assert pa.default_memory_pool().backend_name == "jemalloc"


COLUMNS = st.lists(st.tuples(st.text(max_size=30) | st.none(), st.text(max_size=3)), max_size=20)


def mixed(number: int) -> int:
    """SplitMix64's last step, on Python's integers."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB % 2**64
    return number ^ (number >> 31)


def digest(texts: tuple[str | None, ...]) -> int:
    found = 0
    for data in ((text or "").encode() for text in texts):
        found = mixed((found + len(data)) % 2**64)
        for start in range(0, len(data), 8):
            found = mixed(found ^ int.from_bytes(data[start : start + 8].ljust(8, b"\0"), "little"))
    return found


def test_the_mixing_is_splitmix64() -> None:
    # First outputs of the published generator, seed 0: its state grows by the golden ratio.
    states = (np.arange(1, 4, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    assert [hex(number) for number in mix_bits(states).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


@given(COLUMNS, st.integers(1, 7), st.integers(0, 3))
def test_digests_of_rows_are_the_same_however_the_texts_lie(rows: list, size: int, start: int) -> None:
    whole = [pa.array(column, TEXT) for column in zip(*rows, strict=True)] or [pa.array([], TEXT)] * 2
    parts = [pa.chunked_array([one.slice(at, size) for at in range(0, len(rows), size)] or [one]) for one in whole]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "_AT_ONCE", 3)
        found = row_digests(*parts)
    assert found.tolist() == [digest(row) for row in rows]
    rest = row_digests(*(pa.chunked_array([one.slice(start)]) for one in whole))
    assert rest.tolist() == found[start:].tolist()


def test_texts_that_join_alike_have_other_digests() -> None:
    rows = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc", ""),
        ("", "abc"),
        ("ab\0", "c"),
        ("ab", "c\0"),
        ("a" * 8, ""),
        ("a" * 9, ""),
    ]
    columns = [pa.chunked_array([pa.array(column, TEXT)]) for column in zip(*rows, strict=True)]
    assert len(set(row_digests(*columns).tolist())) == len(rows)
    many = pa.chunked_array([pa.array([f"p/{number}" for number in range(200_000)], TEXT)])
    assert len(np.unique(row_digests(many, many))) == 200_000
