"""Tables are read a column at a time, and counted by numbers as they would be by their texts."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.report import build_report
from brev_pipeline.report.rows import TableView, count_values, encode_column, first_rows, pick_rows
from brev_pipeline.store import Folder, StoredTable
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.texts import NAMES, TEXT
from brev_pipeline_tests.held import Held
from brev_pipeline_tests.report.world import inputs_of, photos, published

PIECES = st.lists(st.lists(st.sampled_from(["a", "b", "é", ""]) | st.none(), max_size=6), max_size=4)


@dataclasses.dataclass(frozen=True)
class Watched:
    """A table that remembers what was asked of it."""

    table: pa.Table
    asked: list[Sequence[str] | None] = dataclasses.field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return self.table.column_names

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        self.asked.append(columns)
        return Held(self.table).read(columns)


def test_no_section_reads_more_than_one_column_of_a_long_table_at_once(tmp_path: Path) -> None:
    inputs = inputs_of(photos(90, ["good", "bad"]))
    tables = {name: Watched(getattr(inputs, name).read()) for name in ("listing", "images", "split", "records")}
    watched = dataclasses.replace(inputs, **tables, parent=published(tmp_path, inputs))
    assert build_report(watched) == build_report(dataclasses.replace(inputs, parent=watched.parent))
    for name, table in tables.items():
        assert table.asked, name
        assert all(columns is not None and len(columns) == 1 for columns in table.asked), name


@given(PIECES)
def test_numbers_stand_for_the_values_whatever_the_pieces(pieces: list[list[str | None]]) -> None:
    column = pa.chunked_array(pieces, TEXT)
    found = encode_column(column)
    assert [found.values[code].as_py() if code >= 0 else None for code in found.codes] == column.to_pylist()
    assert found.match_any(["é", "not there"]).tolist() == [value == "é" for value in column.to_pylist()]
    counts = Counter(column.to_pylist())
    rows = count_values({"value": found})
    assert {row["value"]: row["count"] for row in rows} == counts
    assert rows == sorted(rows, key=lambda row: (-row["count"], row["value"] is None, (row["value"] or "").encode()))


@given(PIECES, st.randoms())
def test_picked_rows_come_in_the_order_asked_for(pieces: list[list[str | None]], chance) -> None:  # type: ignore[no-untyped-def]
    column = pa.chunked_array(pieces, TEXT)
    rows = [chance.randrange(len(column)) for _ in range(9)] if len(column) else []
    values = column.to_pylist()
    assert pick_rows(column, np.array(rows, np.int64)).to_pylist() == [values[row] for row in rows]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.booleans())), st.integers(0, 9))
def test_the_first_rows_are_those_of_a_stable_sort(rows: list[tuple[str, int, bool]], most: int) -> None:
    texts, numbers, chosen = zip(*rows, strict=True) if rows else ((), (), ())
    keys = pa.table({"text": pa.array(texts, TEXT), "number": pa.array(numbers, pa.int32())})
    expected = sorted((row for row in range(len(rows)) if chosen[row]), key=lambda row: rows[row][:2])[:most]
    assert first_rows(keys, most, np.array(chosen, bool)).tolist() == expected
    assert first_rows(keys, most).tolist() == sorted(range(len(rows)), key=lambda row: rows[row][:2])[:most]


@pytest.mark.parametrize("stored", [False, True])
def test_rows_know_their_class_and_leave_out_what_is_not_listed(tmp_path: Path, stored: bool) -> None:
    columns = {"path": pa.array(list("wxyz"), TEXT), "category": pa.array([["a"], ["b", "a"], [], ["a"]], NAMES)}
    table = pa.table(columns | {"listed": pa.array([True, True, True, False])})
    folder = Folder(str(tmp_path))
    folder.write("rows.parquet", to_parquet(table))
    rows = TableView(StoredTable(folder, "rows.parquet") if stored else Held(table))
    assert rows.names == ["path", "category", "listed"]
    assert rows.read_column("class").to_pylist() == ["a", "b, a", ""]
    assert rows.read_column("path", np.array([False, True, True])).to_pylist() == ["x", "y"]
    assert rows.read_rows(["class", "path"], np.array([2, 1])).to_pylist() == [
        {"class": "", "path": "y"},
        {"class": "b, a", "path": "x"},
    ]
    assert rows.count_values("class")[0] == {"class": "", "count": 1}
