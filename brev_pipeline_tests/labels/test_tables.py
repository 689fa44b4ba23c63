"""Tables: what their columns become, how a row finds its photo, and what is wrong with them, by line."""

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import LabelError
from brev_pipeline.labels.read import label_schema, read_labels
from brev_pipeline.texts import TEXT
from brev_pipeline_tests.labels.datasets import Fetcher, column_of, configure, counts_of, list_objects, read

TABLE = {"kind": "table", "file": "t.csv", "numbers": ["n"], "texts": ["s"]}


def rows_of(data: str | bytes, *photos: str, **more: Any) -> Any:
    """Photo → (n, s) of a table; and what is told."""
    source = {**TABLE, **more}
    files = {source["file"]: data.encode() if isinstance(data, str) else data} | dict.fromkeys(photos, b"")
    labels = read(files, source)
    columns = [*source["numbers"], *source["texts"]]
    return {row["key"]: tuple(row[name] for name in columns) for row in labels.rows.to_pylist()}, counts_of(labels)


def refused(data: str | bytes, *photos: str, **more: Any) -> str:
    with pytest.raises(LabelError) as error:
        rows_of(data, *(photos or ("1.jpg",)), **more)
    return str(error.value).partition("labels[0] (table): ")[2]


@pytest.mark.parametrize(
    ("data", "more"),
    [
        ("file_name,n,s\n1.jpg,0.5,a\n2.jpg,,\n", {}),
        ("\ufefffile_name;n;s\r\n1.jpg;0.5;a\r\n2.jpg;;\r\n", {}),
        ("sep=|\nfile_name|n|s\n1.jpg|5e-1|a\n2.jpg||\n", {}),
        ("file_name\tn\ts\n1.jpg\t.5\ta\n2.jpg\t\t\n", {"file": "t.tsv"}),
        ('file_name\tn,m\ts\n1.jpg\t0.5\t"a"\n2.jpg\t\t\n', {"file": "t.tsv", "numbers": ["n,m"]}),
        ('"file_name" , "n" ,s\n1.jpg, 0.5 ,a\n2.jpg, ,\n'.replace(" ,", ","), {"separator": ","}),
        ("1.jpg:0.5:a\n2.jpg::\n", {"header": False, "columns": ["file_name", "n", "s"], "separator": ":"}),
        ('{"file_name": "1.jpg", "n": 0.5, "s": "a"}\n\n{"file_name": "2.jpg", "n": null}\n', {"file": "t.jsonl"}),
    ],
)
def test_a_table_is_read_by_its_ending_and_its_head_line(data: str, more: dict[str, Any]) -> None:
    assert rows_of(data, "1.jpg", "2.jpg", **more) == ({"1.jpg": (0.5, "a"), "2.jpg": (None, None)}, {})


def test_parquet_keeps_its_numbers_and_dictionaries() -> None:
    table = pa.table(
        {
            "file_name": pa.array(["1.jpg", "2.jpg"]).dictionary_encode(),
            "n": pa.array([3, None], pa.int16()),
            "s": pa.array(["a", ""]),
            "more": [1, 2],
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    assert rows_of(out.getvalue(), "1.jpg", "2.jpg", file="t.parquet") == (
        {"1.jpg": (3, "a"), "2.jpg": (None, None)},
        {"unused_column": 1},
    )


@pytest.mark.parametrize("file", ["metadata.csv", "train/metadata.jsonl", "train/metadata.parquet"])
def test_metadata_of_hugging_face_works_without_configuration_and_its_columns_are_told(file: str) -> None:
    folder = file.rpartition("/")[0]
    rows = [{"file_name": "1.jpg", "text": "a vial"}, {"file_name": "sub/2.jpg", "text": "another"}]
    if file.endswith("csv"):
        data = b"file_name,text\n1.jpg,a vial\nsub/2.jpg,another\n"
    elif file.endswith("jsonl"):
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    else:
        out = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), out)
        data = out.getvalue()
    photos = [f"{folder}/{row['file_name']}".lstrip("/") for row in rows]
    labels = read({file: data, **dict.fromkeys(photos, b"")}, {"kind": "table", "file": file})
    assert labels.rows.column_names == ["key"]
    (told,) = labels.findings.rows
    assert (told.kind, told.examples) == ("unused_column", ("text",))


def test_columns_become_classes_purpose_and_item() -> None:
    data = b"file_name,a,b,side,serial\n1.jpg,x,y,train,7\n2.jpg,x,x,test,7\n3.jpg,,,,\n"
    source = {"category": ["a", "b"], "purpose": "side", "item": "serial"}
    labels = read(
        {"t.csv": data, "1.jpg": b"", "2.jpg": b"", "3.jpg": b""}, {"kind": "table", "file": "t.csv", **source}
    )
    assert column_of(labels, "category") == {"1.jpg": ["x", "y"], "2.jpg": ["x"], "3.jpg": None}
    assert column_of(labels, "purpose") == {"1.jpg": "train", "2.jpg": "test", "3.jpg": None}
    assert column_of(labels, "item") == {"1.jpg": "7", "2.jpg": "7", "3.jpg": None}
    assert labels.rows.schema.names[1:] == ["category", "purpose", "item"]


def test_the_schema_is_that_of_the_rows() -> None:
    dataset = configure(
        TABLE,
        {"kind": "masks", "path": "{stem}.png", "threshold": 1},
        {"kind": "boxes", "path": "{stem}.txt", "columns": ["x", "y", "w", "h"]},
    )
    files = {"t.csv": b"file_name,n,s\n1.jpg,1,a\n", "1.jpg": b"", "1.png": b"", "1.txt": b"1 2 3 4"}
    photos = pa.table({"key": pa.array(["1.jpg"], TEXT)})
    rows = read_labels(dataset, photos, list_objects(files), Fetcher(files)).rows
    assert pa.schema([(field.name, field.type) for field in rows.schema][1:]) == label_schema(dataset.labels)
    assert rows.column_names == ["key", "mask", "objects", "n", "s"]


def test_rows_find_photos_by_item_name_or_stem() -> None:
    photos = pa.table({"key": pa.array(["a/1.jpg", "a/2.jpg", "b/3.jpg"]), "item": ["x", "x", "y"]})
    files = {"t.csv": b"serial,n,s\nx,1,one\ny,2,two\nz,3,three\n"}
    dataset = configure({**TABLE, "key": "serial", "match": "item"})
    labels = read_labels(dataset, photos, list_objects(files), Fetcher(files))
    assert column_of(labels, "n") == {"a/1.jpg": 1, "a/2.jpg": 1, "b/3.jpg": 2}
    assert counts_of(labels) == {"no_photo": 1}
    by_stem = rows_of("f,n,s\n1.x,1,a\nq/2.jpg,2,b\n", "p/1.x.jpg", "p/2.jpg", key="f", match="stem")
    assert by_stem[0] == {"p/1.x.jpg": (1, "a"), "p/2.jpg": (2, "b")}


def test_photos_without_a_row_are_refused_or_unlabelled_and_told() -> None:
    data = "file_name,n,s\n1.jpg,1,a\n9.jpg,2,b\n"
    assert refused(data, "1.jpg", "2.jpg").startswith("1 photos have no label: 2.jpg: add them")
    assert rows_of(data, "1.jpg", "2.jpg", absent="unlabelled") == (
        {"1.jpg": (1, "a"), "2.jpg": (None, None)},
        {"no_photo": 1, "no_label": 1},
    )


def test_photos_that_the_source_is_not_about_get_nothing_of_it() -> None:
    data = "file_name,n,s\na/1.jpg,1,a\nb/1.jpg,2,b\n"
    assert rows_of(data, "a/1.jpg", "b/1.jpg", "b/2.jpg", photos="^/a/")[0] == {
        "a/1.jpg": (1, "a"),
        "b/1.jpg": (None, None),
        "b/2.jpg": (None, None),
    }


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        ("", {}, "t.csv: is empty"),
        ("file_name,n,s\n", {}, "t.csv: has columns and no row"),
        ("file_name n s\n1.jpg 1 a\n", {}, "t.csv: its first line has none of , ; | and tab, and spaces: say which"),
        ("file_name,n;s\n", {}, "t.csv: its first line may be separated by , or ;: say which"),
        ("file_name,n,n,s\n1.jpg,1,1,a\n", {}, "t.csv, line 1: two columns are named 'n'"),
        ("name,n,s\n1.jpg,1,a\n", {}, "t.csv: has no column 'file_name'; its columns are name, n, s"),
        ("file_name,n,s\n1.jpg,1,a,b\n", {}, "t.csv, line 2: has 4 fields, and the table 3 columns"),
        ('file_name,n,s\n1.jpg,1,"a\n', {}, "t.csv, line 2: not a line of a table"),
        ("file_name,n,s\n\n1.jpg,x,a\n", {}, "t.csv, line 3, column 'n': 'x' is no number"),
        ("file_name,n,s\n1.jpg,nan,a\n", {}, "t.csv, line 2, column 'n': 'nan' is no number: leave the field empty"),
        ('file_name,n,s\n1.jpg,"0,5",a\n', {}, "t.csv, line 2, column 'n': '0,5' is no number; write a decimal point"),
        ("file_name,n,s\n,1,a\n", {}, "t.csv, line 2: its 'file_name' is empty"),
        ("file_name,n,s\n1.jpg,1,a\n\n1.jpg,1,a\n", {}, "t.csv: line 2 and line 4 both mean the photo 1.jpg (1"),
        ("file_name,n,s\nx.jpg,1,a\n", {}, "t.csv: none of its 1 names means a photo by path: they are 'x.jpg'; the"),
        ("file_name,n,s\n1.jpg,1,\xe9\n".encode("cp1252"), {}, "t.csv, line 2: byte 0xe9 is not UTF-8, as Latin-1"),
        ("file_name,n,s\n1.jpg,1,a\n".encode("utf-16"), {}, "t.csv: is UTF-16"),
        (b"PK\x03\x04rest", {}, "t.csv: is a workbook or an archive"),
        (b"PAR1", {"file": "t.parquet"}, "t.parquet: is no Parquet file, or damaged"),
        ("a", {"file": "t.xlsx"}, "t.xlsx: what it holds is told by its ending, which is none of"),
        ('{"file_name": "1.jpg", "n": 1, "s": "a"}\n{"file', {"file": "t.jsonl"}, "t.jsonl, line 2: not JSON, or"),
        ("[1]", {"file": "t.jsonl"}, "t.jsonl, line 1: a line holds an object"),
        ('{"file_name": "1.jpg", "n": NaN, "s": "a"}', {"file": "t.jsonl"}, "t.jsonl, line 1: 'n' is nan, no number"),
        ('{"file_name": "1.jpg", "n": [1], "s": "a"}', {"file": "t.jsonl"}, "t.jsonl, line 1: 'n' holds a list"),
        (
            '{"file_name": "1.jpg", "n": 1, "s": "a"}\n{"file_name": "2", "n": ""}',
            {"file": "t.jsonl"},
            "t.jsonl: column 'n",
        ),
        ("file_name,n,s\n1.jpg,1,a\n", {"match": "item"}, "t.csv: match: item, and the photos' items are not known"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(data: str | bytes, more: dict[str, Any], said: str) -> None:
    assert refused(data, **more).startswith(said)


def test_a_table_that_is_not_there_is_named() -> None:
    with pytest.raises(LabelError, match=r"labels\[0\] \(table\): the dataset has no file t\.csv"):
        read({"1.jpg": b""}, TABLE)


def test_a_name_that_means_two_paths_is_refused() -> None:
    said = refused("file_name,n,s\n1.jpg,1,a\n", "d/1.jpg", "1.jpg", file="d/t.csv")
    assert said == "d/t.csv, line 2: 1.jpg may mean 1.jpg and d/1.jpg: write the whole path"


@pytest.mark.parametrize("name", ["a\u2028b.jpg", "a\u3000b.jpg", "a\x85b.jpg", "a\xa0b.jpg"])
@pytest.mark.parametrize("separator", [",", "whitespace"])
def test_other_scripts_spaces_and_line_ends_stand_within_names(name: str, separator: str) -> None:
    between = " " if separator == "whitespace" else separator
    data = f"file_name{between}n{between}s\n{name}{between}1{between}x\n"
    assert rows_of(data, name, separator=separator) == ({name: (1, "x")}, {})


def test_columns_that_every_listing_has_are_refused() -> None:
    with pytest.raises(LabelError, match=r"labels\[0\] \(table\)\.texts: a column 'path' stands in every listing"):
        read(
            {"1.jpg": b"", "t.csv": b"file_name,path\n1.jpg,a\n"}, {"kind": "table", "file": "t.csv", "texts": ["path"]}
        )


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cs", "Cc"])).map(
    lambda text: text.strip(" ")
)


@given(
    st.lists(st.tuples(st.none() | st.floats(allow_nan=False, allow_infinity=False), TEXTS), min_size=1, max_size=9),
    st.sampled_from(",;\t|"),
)
def test_what_is_written_is_read(rows: list[tuple[float | None, str]], separator: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(["file_name", "n", "s"])
    for place, (number, text) in enumerate(rows):
        writer.writerow([f"{place}.jpg", "" if number is None else repr(number), text])
    found, _ = rows_of(out.getvalue(), *(f"{place}.jpg" for place in range(len(rows))))
    assert found == {f"{place}.jpg": (number, text or None) for place, (number, text) in enumerate(rows)}
