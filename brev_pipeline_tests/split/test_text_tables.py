"""Tables are read as spreadsheets write them, and their rows find the images that they mean."""

import csv
import io
import unicodedata
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import SplitError
from brev_pipeline.split import PriorAssignments, assign_purposes, read_known_assignments
from brev_pipeline.split.known_assignments import count_known_matches
from brev_pipeline.split.matching import BASE_FOLDER, match_rows, resolve_paths
from brev_pipeline.split.text_tables import read_text_table
from brev_pipeline_tests.split.listings import Photo, listing, sides
from brev_pipeline_tests.split.test_ledger import GLOBAL, ITEMS, SETTINGS

_TABLES = Path(__file__).parents[2].parent / "shared" / "cases" / "tables"
Form = Literal["NFC", "NFD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD")
FIELDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=8)
ROWS = st.lists(st.tuples(FIELDS, FIELDS).filter(any), max_size=6)


def written(rows: list[tuple[str, ...]], separator: str, ending: str, quoting: int) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=ending, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return out.getvalue()


@given(
    ROWS,
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_spreadsheet_writes_is_read_back(
    rows: list[tuple[str, str]], separator: str, ending: str, quoting: int, encoding: str
) -> None:
    text = written([("item", "purpose"), *rows], separator, ending, quoting)
    table = read_text_table(text.encode(encoding), "x.csv")
    assert table.column_names == ["item", "purpose"]
    assert table["item"].to_pylist() == [row[0] or None for row in rows]
    assert table["purpose"].to_pylist() == [row[1] or None for row in rows]


@pytest.mark.parametrize(
    "text",
    [
        "item,purpose\n0001,test\n1e5,train",
        "\ufeffitem;purpose\r\n0001;test\r\n1e5;train\r\n",
        "sep=;\r\nitem;purpose\r\n0001;test\r\n1e5;train\r\n",
        '"sep=|"\nitem|purpose\n0001|test\n1e5|train\n',
        "item,purpose,,\n0001,test,,\n\n,,,\n1e5,train\n",
        ' item , purpose \n"0001","test"\n"1e5","train"\n',
        "item\tpurpose\r0001\ttest\r1e5\ttrain\r",
        "item,purpose,note\n0001,test\n1e5,train,\n",
        "\n\r\nitem,purpose\n0001,test\n1e5,train\n",
    ],
)
def test_keys_are_text_and_what_surrounds_them_is_left_out(text: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        table = read_text_table(text.encode(encoding), "x.csv")
        assert table.select(["item", "purpose"]).to_pydict() == {"item": ["0001", "1e5"], "purpose": ["test", "train"]}
        assert set(map(str, table.schema.types)) == {"large_string"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.csv: is empty"),
        (b"\n,,\n", "x.csv: is empty"),
        (b"a,a\n1,2\n", "two columns are named 'a'"),
        (b"a,b\n1,2\n3,4,5\n", "x.csv, row 2 below the head line: has a value in a column without a name"),
        (b"a,,b\n1,2,3\n", "row 1 below the head line: has a value in a column without a name"),
        (b'a,b\n1,"2\n', "x.csv, line 2: not a line of a table"),
        ("a,b\nz,Prüf\n".encode("cp1252"), "x.csv, line 2: its letters are not in UTF-8: save it as CSV in UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "as UTF-16 without its mark does"),
        (b"PK\x03\x04 and so on", "a workbook"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        read_text_table(data, "x.csv")


def test_long_tables_come_in_pieces_and_whole() -> None:
    keys = [f"{row:07d}" for row in range(140_001)]
    table = read_text_table("".join(["k,p\n", *(f"{key},x\n" for key in keys)]).encode(), "x.csv")
    assert table["k"].to_pylist() == keys
    with pytest.raises(SplitError, match="row 140002 below"):
        read_text_table("".join(["k,p\n", *(f"{key},x\n" for key in keys), "a,b,c\n"]).encode(), "x.csv")


def images(*places: tuple[str, str]) -> pa.Table:
    return pa.table({"path": [f"{bucket}/{key}" for bucket, key in places], "bucket": [one for one, _ in places]})


@pytest.mark.parametrize(
    "text",
    [
        "../photos/a/0001.png",
        "a/0001.png",
        "./a/0001.png",
        "a/../a//0001.png",
        "/data/photos/a/0001.png",
        "/data/conf/../photos/a/0001.png",
    ],
)
def test_a_path_may_be_given_in_any_way_that_a_person_would(text: str) -> None:
    there = images(("../photos", "a/0001.png"), ("../photos", "b/0001.png"))
    assert resolve_paths(pa.chunked_array([[text]]), there, "/data/conf", "x").to_pylist() == ["../photos/a/0001.png"]


def test_whole_and_configured_places_meet() -> None:
    there = images(("/data/conf/photos", "a/1.png"), ("s3://shop/parts", "a/2.png"))
    given_so = [
        "photos/a/1.png",
        "/data/conf/photos/a/1.png",
        "shop/parts/a/2.png",
        "s3://shop/parts/a/2.png",
        "a/2.png",
    ]
    found = resolve_paths(pa.chunked_array([given_so]), there, "/data/conf", "x").to_pylist()
    assert found == ["/data/conf/photos/a/1.png"] * 2 + ["s3://shop/parts/a/2.png"] * 3
    assert resolve_paths(pa.chunked_array([["else/1.png"]]), there, None, "x").to_pylist() == ["else/1.png"]


def test_a_relative_path_that_means_two_images_is_refused() -> None:
    there = images(("one", "a/1.png"), ("two", "a/1.png"))
    with pytest.raises(SplitError, match=r"a/1\.png is one/a/1\.png and two/a/1\.png; write the whole path"):
        resolve_paths(pa.chunked_array([["two/a/1.png", "a/1.png"]]), there, None, "x")
    inside = images(("one", "a/1.png"), ("one", "one/a/1.png"))
    with pytest.raises(SplitError, match=r"1 of its paths mean two images each: one/a/1\.png is"):
        resolve_paths(pa.chunked_array([["one/a/1.png"]]), inside, "/conf", "x")
    whole = resolve_paths(pa.chunked_array([["/conf/one/a/1.png", "/conf/one/one/a/1.png"]]), inside, "/conf", "x")
    assert whole.to_pylist() == ["one/a/1.png", "one/one/a/1.png"]


def test_a_key_with_doubled_slashes_is_itself() -> None:
    there = images(("s3://b", "a//1.png"), ("s3://b", "a/1.png"))
    assert resolve_paths(there["path"], there, None, "x").to_pylist() == there["path"].to_pylist()


@pytest.mark.parametrize("ours", FORMS)
@pytest.mark.parametrize("theirs", FORMS)
def test_names_are_compared_in_normal_form_c(ours: Form, theirs: Form) -> None:
    listed, given_so = (unicodedata.normalize(form, "prüfling/é_1.png") for form in (ours, theirs))
    there = images(("photos", listed), ("photos", "prufling/e_1.png"))
    for text in (given_so, f"photos/{given_so}"):
        found = match_rows(pa.table({"path": [text]}), ["path"], there, {}, "x")
        assert (found.row.tolist(), found.found.tolist()) == ([0, -1], [True])


def test_an_empty_key_means_no_image() -> None:
    there = pa.table({"etag": pa.array([None, "x"], pa.large_string())})
    found = match_rows(read_text_table(b"etag,purpose\n,test\nx,train\n", "x"), ["etag"], there, {}, "x")
    assert (found.row.tolist(), found.found.tolist()) == ([-1, 1], [False, True])


def test_the_rows_of_a_file_of_known_assignments_are_counted_and_the_closest_names_told() -> None:
    photos: list[Photo] = [("a", item, None, None) for item in range(100, 120)]
    whole = listing(photos)
    split = assign_purposes(whole.slice(1), SETTINGS)
    left_out, first = whole["path"][0].as_py(), split["path"][0].as_py()
    text = (
        f"path,purpose\n{first},test\n{left_out},test\n{first.upper()},test\nnothing/like/it,train\n,train\n{first},\n"
    )
    known = read_known_assignments(text.encode(), "k.csv")
    found = count_known_matches(known, split, whole, SETTINGS)
    assert found is not None
    assert (found.rows, found.matched, found.left_out, found.unmatched_count) == (5, 1, 1, 3)
    assert found.unmatched.to_pydict() == {
        "key": [first.upper(), "nothing/like/it", None],
        "purpose": ["test", "train", "train"],
        "closest": [first, None, None],
    }
    by_item = read_known_assignments(b"item,purpose\n100,test\n00101,test\n", "k.csv")
    found = count_known_matches(by_item, split, whole, SETTINGS)
    assert found is not None
    assert (found.matched, found.left_out) == (0, 1)
    assert found.unmatched.to_pylist() == [{"key": "00101", "purpose": "test", "closest": "101"}]


def test_nothing_known_is_nothing_to_tell() -> None:
    split = assign_purposes(listing(ITEMS), SETTINGS)
    assert count_known_matches(None, split, listing(ITEMS), SETTINGS) is None
    empty = read_known_assignments(b"item,purpose\n", "k.csv")
    assert count_known_matches(empty, split, listing(ITEMS), SETTINGS) is None
    assert sides(assign_purposes(listing(ITEMS), SETTINGS, PriorAssignments(known=empty))) == sides(split)


@pytest.mark.skipif(not _TABLES.is_dir(), reason="the shared cases are not at hand")
@pytest.mark.parametrize("name", ["bom.csv", "nobom.csv"])
def test_the_shared_tables_give_five_items(name: str) -> None:
    table = read_text_table((_TABLES / name).read_bytes(), name)
    assert table.to_pydict() == {"item": [f"{item:04d}" for item in range(5)], "purpose": ["test"] * 5}


@pytest.mark.skipif(not _TABLES.is_dir(), reason="the shared cases are not at hand")
def test_the_shared_table_that_means_nothing_is_refused() -> None:
    known = read_known_assignments((_TABLES / "nomatch.csv").read_bytes(), "nomatch.csv", "/data/conf")
    with pytest.raises(SplitError, match="none of its 5 rows means an image"):
        assign_purposes(listing(ITEMS), SETTINGS, PriorAssignments(known=known))


# --- twins in Unicode ---------------------------------------------------------------------------------------------


def renamed(samples: pa.Table, form: Form) -> pa.Table:
    """The listing with an accented folder in each path, in one of Unicode's normal forms."""
    name = unicodedata.normalize(form, "/prüf_é/")
    paths = [path.replace("/a/", name) for path in samples["path"].to_pylist()]
    return samples.set_column(samples.column_names.index("path"), "path", pa.array(paths, pa.large_string()))


@pytest.mark.parametrize("pattern", [r"/(\d+)_\d+\.bmp$", r"/([^/]*/\d+)_\d+\.bmp$"])
def test_a_folder_that_was_renamed_to_its_twin_moves_no_assignment(pattern: str) -> None:
    settings = GLOBAL.model_copy(update={"uniqueness": pattern})
    old = assign_purposes(renamed(listing(ITEMS), "NFD"), settings)
    other = settings.model_copy(update={"seed": 17})
    fresh = listing(ITEMS)
    fresh = fresh.set_column(
        fresh.column_names.index("content_id"), "content_id", pa.array([f"{at:032x}" for at in range(len(fresh))])
    )
    new = assign_purposes(renamed(fresh, "NFC"), other, PriorAssignments(ledger=old))
    assert new["purpose"].to_pylist() == old["purpose"].to_pylist()
    assert set(new["assigned_by"].to_pylist()) == {"ledger"}


def test_twins_are_one_item_and_keep_the_spelling_that_comes_first() -> None:
    some = renamed(listing(ITEMS), "NFC"), renamed(listing(ITEMS), "NFD")
    both = pa.concat_tables([some[0].slice(0, 20), some[1].slice(20)])
    settings = GLOBAL.model_copy(update={"uniqueness": r"/([^/]*)/\d+_\d+\.bmp$|/(x)"})
    with pytest.raises(SplitError, match="into one item"):
        assign_purposes(both, settings)
    by_number = GLOBAL.model_copy(update={"uniqueness": r"/([^/]*/\d+)_\d+\.bmp$"})
    split = assign_purposes(both, by_number)
    assert len(set(split["item"].to_pylist())) == 20
    # Where there are no twins the label is what the path says, whatever its form.
    assert all(row["item"] in row["path"] for row in assign_purposes(some[1], by_number).to_pylist())


def test_a_pattern_matches_however_the_path_is_stored() -> None:
    pattern = unicodedata.normalize("NFC", r"/prüf_é/(\d+)_")
    settings = GLOBAL.model_copy(update={"uniqueness": pattern})
    first, second = (assign_purposes(renamed(listing(ITEMS), form), settings) for form in FORMS)
    assert first["item"].to_pylist() == second["item"].to_pylist()
    assert first["purpose"].to_pylist() == second["purpose"].to_pylist()


def test_the_base_of_relative_paths_stands_with_the_table() -> None:
    known = read_known_assignments(b"item,purpose\n1,test\n", "k.csv", "/data/conf")
    assert (known.schema.metadata or {})[BASE_FOLDER] == b"/data/conf"


def test_a_file_that_means_only_images_that_have_left_is_no_mistake() -> None:
    known = read_known_assignments(b"item,purpose\n3,test\n", "k.csv")
    first = assign_purposes(listing(ITEMS), SETTINGS, PriorAssignments(known=known))
    rest: list[Photo] = [photo for photo in ITEMS if photo[1] != 3]
    assert len(assign_purposes(listing(rest), SETTINGS, PriorAssignments(ledger=first, known=known))) == len(rest)
    with pytest.raises(SplitError, match="none of its 1 rows means an image"):
        assign_purposes(listing(rest), SETTINGS, PriorAssignments(known=known))
