"""What a version is made of has the same bytes for the same content."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.store.parquet import from_parquet, to_parquet
from brev_pipeline.store.versions import file_facts, to_json, version_id

ROWS = st.lists(st.tuples(st.text(), st.lists(st.text(), max_size=3), st.booleans()), max_size=20)


def table(rows: list[tuple[str, list[str], bool]]) -> pa.Table:
    names = pa.schema([("path", pa.large_string()), ("category", pa.list_(pa.large_string())), ("listed", pa.bool_())])
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[], [], []], schema=names)


@given(ROWS, ROWS)
def test_parquet_bytes_depend_on_content_alone(first: list, second: list) -> None:
    whole, pieces = table(first + second), pa.concat_tables([table(first), table(second)])
    assert to_parquet(whole) == to_parquet(pieces)
    assert to_parquet(from_parquet(to_parquet(whole))) == to_parquet(whole)
    assert from_parquet(to_parquet(whole)).equals(whole)


def test_json_bytes_depend_on_content_alone() -> None:
    assert to_json({"b": 1, "a": "ü"}) == to_json({"a": "ü", "b": 1})


def test_an_id_is_the_beginning_of_the_manifests_hash() -> None:
    assert version_id(b"") == file_facts(b"")["sha256"][:16] == "e3b0c44298fc1c14"
