"""Tables in the store: the same bytes for the same content, and no more read than is wanted."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import StoreError
from brev_pipeline.store import Folder, StoredTable, parquet
from brev_pipeline.store.parquet import from_parquet, to_parquet
from brev_pipeline.texts import NAMES, TEXT

ROWS = st.lists(st.tuples(st.text(), st.lists(st.text(), max_size=3), st.booleans()), max_size=20)
SCHEMA = pa.schema([("path", TEXT), ("category", NAMES), ("listed", pa.bool_())])


def table(rows: list[tuple[str, list[str], bool]]) -> pa.Table:
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[], [], []], schema=SCHEMA)


@given(ROWS, ROWS)
def test_bytes_depend_on_content_alone(first: list, second: list) -> None:
    whole, pieces = table(first + second), pa.concat_tables([table(first), table(second)])
    assert to_parquet(whole) == to_parquet(pieces)
    assert to_parquet(from_parquet(to_parquet(whole))) == to_parquet(whole)
    assert from_parquet(to_parquet(whole)).equals(whole)


@given(ROWS, st.integers(1, 7))
def test_bytes_of_several_row_groups_do_not_depend_on_the_pieces_in_memory(rows: list, size: int) -> None:
    whole = table(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "ROWS", size)
        pieces = pa.concat_tables([whole.slice(start, 1) for start in range(len(rows))] or [whole])
        assert to_parquet(pieces) == to_parquet(whole)
        assert from_parquet(to_parquet(whole)).equals(whole)
        assert pq.ParquetFile(pa.BufferReader(to_parquet(whole))).num_row_groups == max(1, -(-len(rows) // size))


@pytest.fixture(params=["disk", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return Folder(str(tmp_path)) if request.param == "disk" else request.getfixturevalue("s3_folder")


@pytest.fixture
def stored(folder: Folder) -> StoredTable:
    content = table([("a/1.png", ["good"], True), ("ü/2.png", ["bad", "worse"], False)])
    folder.write("one.parquet", to_parquet(content.replace_schema_metadata({"made": "of"})))
    return StoredTable(folder, "one.parquet")


def test_wanted_columns_come_in_the_wanted_order_with_the_metadata(stored: StoredTable) -> None:
    found = stored.read(["listed", "path"])
    assert found.to_pydict() == {"listed": [True, False], "path": ["a/1.png", "ü/2.png"]}
    assert found.schema.metadata == {b"made": b"of"}
    assert stored.read().schema.names == SCHEMA.names
    assert stored.read(["path", "unknown", "path"]).schema.names == ["path"]


@pytest.mark.parametrize("size", [1, 16 << 20])
def test_a_small_table_in_a_bucket_is_fetched_once_and_a_large_one_by_columns(
    s3_folder: Folder, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(parquet, "SMALL", size)
    s3_folder.write("one.parquet", to_parquet(table([("a/1.png", ["good"], True)])))
    stored = StoredTable(s3_folder, "one.parquet")
    assert stored.read(["path"]).to_pydict() == {"path": ["a/1.png"]}
    assert stored.names == SCHEMA.names
    s3_folder.remove("one.parquet")
    if size == 1:
        with pytest.raises(StoreError, match=r"one\.parquet cannot be read"):
            stored.read(["listed"])
    else:
        assert stored.read(["listed"]).to_pydict() == {"listed": [True]}


def test_text_of_an_older_table_comes_as_it_is_now(folder: Folder) -> None:
    older = pa.table({"path": pa.array(["a"], pa.string()), "category": pa.array([["b"]], pa.list_(pa.string()))})
    folder.write("old.parquet", to_parquet(older))
    assert StoredTable(folder, "old.parquet").read().schema.types == [TEXT, NAMES]
    assert from_parquet(folder.read("old.parquet")).schema.types == [TEXT, NAMES]


@pytest.mark.parametrize("left", [0, 3, 200])
def test_a_damaged_table_is_named(stored: StoredTable, folder: Folder, left: int) -> None:
    data = folder.read("one.parquet")
    folder.remove("one.parquet")
    folder.write("one.parquet", data[:left])
    with pytest.raises(StoreError, match=r"one\.parquet: damaged, or not a whole Parquet file.*restore the file"):
        stored.read()


def test_a_table_that_is_gone_is_named(stored: StoredTable, folder: Folder) -> None:
    folder.remove("one.parquet")
    with pytest.raises(StoreError, match=r"one\.parquet cannot be read"):
        stored.read(["path"])
