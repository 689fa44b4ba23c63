import unicodedata
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.config import DatasetSettings, ListingSettings
from brev_pipeline.listing import image_table
from brev_pipeline.listing.folder_walk import FOLDER_OUTSIDE
from brev_pipeline.listing.image_table import build_raw_listing, select_images
from brev_pipeline.listing.s3_pages import OBJECTS
from brev_pipeline.storage import LocalPlace, Place, S3Place
from brev_pipeline.tables import RAW_LISTING
from brev_pipeline.texts import TEXT

WHEN = datetime(2024, 5, 6, tzinfo=UTC)
DATASET = DatasetSettings(name="Vials", id="v1", bucket="s3://photos/line 7", reference="QA-12")
PLACE = S3Place(DATASET.bucket, "photos", "line 7/", DATASET.storage)
PARTS = st.text(st.sampled_from("ab.é %"), min_size=1, max_size=3)
KEYS = st.lists(
    st.tuples(st.lists(PARTS, max_size=3).map("/".join), st.sampled_from([".png", ".txt", ".BMP", ""])).map("".join),
    max_size=40,
    unique=True,
)
MAPPINGS = st.dictionaries(
    st.sampled_from(["a", "b", "ab", "__root__"]), st.lists(st.sampled_from("xyz"), min_size=1), max_size=3
)
CLASSES = st.none() | st.lists(st.sampled_from(["x", "y", "a", "b"]), min_size=1)


def objects(keys: list[str]) -> pa.Table:
    rows = [{"key": key, "etag": f"{len(key):032x}", "size": len(key), "modified": WHEN} for key in keys]
    return pa.Table.from_pylist(rows, OBJECTS)


def listing(
    keys: list[str], settings: ListingSettings, dataset: DatasetSettings = DATASET, place: Place = PLACE
) -> pa.Table:
    pieces = select_images(objects(keys), settings)
    empty = RAW_LISTING.empty_table()
    sources = (pa.repeat("s3", piece.objects.num_rows) for piece in pieces)
    tables = [
        build_raw_listing(p, dataset, place, settings.url_template, s) for p, s in zip(pieces, sources, strict=True)
    ]
    return pa.concat_tables([empty, *tables])


def row_by_row(keys: list[str], settings: ListingSettings) -> list[dict[str, Any]]:
    rows = []
    for key in sorted(keys):
        folder, _, name = key.rpartition("/")
        parts = ["__root__", *(part for part in folder.split("/") if part)]
        mapped = [settings.class_mapping[part] for part in parts if part in settings.class_mapping]
        found = [*mapped[-1]] if mapped else [parts[-1]]
        found = [unicodedata.normalize("NFC", one) for one in dict.fromkeys(found)]
        found = [one for one in found if settings.classes is None or one in settings.classes]
        hidden = any(part.startswith(".") for part in key.split("/"))
        if hidden or not name.lower().endswith((".png", ".bmp")) or not found:
            continue
        path = f"s3://photos/line 7/{key}"
        rows.append(
            {
                "category": found,
                "folder": parts[-1],
                "path": path,
                "etag": f"{len(key):032x}",
                "bucket": "s3://photos/line 7",
                "dataset": "Vials",
                "dataset_id": "v1",
                "reference": "QA-12",
                "url": f"https://photos.example/{quote('line 7/' + key)}?of={path}",
                "size": len(key),
                "modified": WHEN,
                "etag_source": "s3",
                "file_stamp": None,
            }
        )
    return rows


@given(KEYS, MAPPINGS, CLASSES, st.sampled_from([1, 3, 1000]))
def test_the_table_is_what_a_row_by_row_loop_makes(
    keys: list[str], mapping: dict[str, list[str]], classes: list[str] | None, rows_at_once: int
) -> None:
    template = "https://{bucket}.example/{quoted_key}?of={path}"
    settings = ListingSettings(class_mapping=mapping, classes=classes, url_template=template)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_table, "_ROWS_AT_ONCE", rows_at_once)
        table = listing(keys, settings)
    assert table.schema == RAW_LISTING
    assert table.to_pylist() == row_by_row(keys, settings)


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("{path}", "s3://photos/line 7/good/1+1.png"),
        ("https://{bucket}.s3.amazonaws.com/{quoted_key}", "https://photos.s3.amazonaws.com/line%207/good/1%2B1.png"),
        ("s3://{bucket}/{key}", "s3://photos/line 7/good/1+1.png"),
        ("{bucket:>8}|{key!r}", "  photos|'line 7/good/1+1.png'"),
        ("https://viewer.example/", "https://viewer.example/"),
        ("{{{bucket}}}", "{photos}"),
    ],
)
def test_urls_follow_the_template(template: str, url: str) -> None:
    assert listing(["good/1+1.png"], ListingSettings(url_template=template))["url"].to_pylist() == [url]


def test_urls_of_local_files_are_filled_with_the_configured_folder() -> None:
    dataset = DatasetSettings(name="Vials", id="v1", bucket="../photos")
    settings = ListingSettings(url_template="https://viewer/{bucket}|{quoted_key}")
    table = listing(["a b.png"], settings, dataset, LocalPlace("../photos", "/somewhere/photos"))
    assert table["url"].to_pylist() == ["https://viewer/../photos|a%20b.png"]
    assert table["path"].to_pylist() == ["../photos/a b.png"]


def left_out(found: pa.Table, settings: ListingSettings) -> list[dict[str, Any]]:
    return pa.concat_tables([piece.left_out for piece in select_images(found, settings)]).to_pylist()


def sized(**sizes: int) -> pa.Table:
    found = objects([f"good/{name}.png" for name in sizes])
    return found.set_column(2, OBJECTS.field("size"), pa.array(sizes.values(), pa.int64()))


def test_images_larger_than_allowed_are_left_out_with_their_size() -> None:
    settings = ListingSettings(max_object_mb=1.5)
    found = sized(a=1_500_000, b=1_500_001, c=8 << 30)
    assert left_out(found, settings) == [
        {
            "key": f"good/{name}.png",
            "etag": f"{len('good/a.png'):032x}",
            "category": ["good"],
            "rule": "object_too_large",
            "reason": f"{size} bytes, more than listing.max_object_mb allows (1.5)",
        }
        for name, size in (("b", "1,500,001"), ("c", "8,589,934,592"))
    ]
    (piece,) = select_images(found, settings)
    assert piece.objects["key"].to_pylist() == ["good/a.png"]


def test_the_largest_object_has_512_mb_where_nothing_else_is_said() -> None:
    (row,) = left_out(sized(a=512_000_000, b=512_000_001), ListingSettings())
    assert row["key"] == "good/b.png"


def test_what_is_refused_is_no_matter_of_classes_and_sizes() -> None:
    found = sized(a=1, b=10**10, c=10**10).append_column("rule", pa.array(["link_outside", "not_a_file", None], TEXT))
    found = found.append_column("reason", pa.array(["a link", "a pipe", None], TEXT))
    rows = left_out(found, ListingSettings(classes=["bad"], class_mapping={"good": ["x", "y"]}))
    assert [(row["rule"], row["reason"], row["category"]) for row in rows] == [
        ("link_outside", "a link", ["x", "y"]),
        ("not_a_file", "a pipe", ["x", "y"]),
        ("object_too_large", "10,000,000,000 bytes, more than listing.max_object_mb allows (512)", ["x", "y"]),
    ]


def test_what_is_not_listed_is_counted_by_ending_and_reason() -> None:
    keys = ["README", "a/README.md", "b/Notes.MD", "Thumbs.db", ".DS_Store", "a/.x/1.png", "a/", "1.png", "a.b/c"]
    keys += ["a/2024.unusuallylong", "ü.ü", "large.PNG", "none.txt", "good/x.png"]
    found = objects(sorted(keys))
    sizes = pa.array([{"large.PNG": 2_000_000, "none.txt": 0}.get(key, 7) for key in sorted(keys)], pa.int64())
    found = found.set_column(2, OBJECTS.field("size"), sizes)
    (piece,) = select_images(found, ListingSettings(max_object_mb=1, classes=["good"]))
    usual = {
        (".md", "filter"): 2,
        (".db", "filter"): 1,
        (".png", "hidden"): 1,
        (".ds_store", "hidden"): 1,
        ("no ending", "filter"): 3,
        (".ü", "filter"): 1,
        (".txt", "empty"): 1,
        ("no ending", "folder marker"): 1,
        (".png", "too large"): 1,
        (".png", "class filter"): 1,
    }
    assert piece.unlisted == usual
    rules = {"README": ("not_a_file", "a pipe"), "1.png": ("link_outside", "a link"), "ü.ü": FOLDER_OUTSIDE}
    columns = [pa.array([rules.get(key, (None, None))[part] for key in sorted(keys)], TEXT) for part in (0, 1)]
    refused = found.append_column("rule", columns[0]).append_column("reason", columns[1])
    (piece,) = select_images(refused, ListingSettings(max_object_mb=1, classes=["good"]))
    others = {("no ending", "filter"): 2, ("no ending", "not a file"): 1, (".png", "link"): 1, (".ü", "filter"): 0}
    others |= {(".ü", "link to a folder"): 1, (".png", "class filter"): 0}
    assert piece.unlisted == {kind: count for kind, count in (usual | others).items() if count}
    assert sorted(piece.left_out["key"].to_pylist()) == ["1.png", "large.PNG"]
    assert sum(piece.unlisted.values()) + piece.objects.num_rows == len(keys)


def test_a_million_rows_take_less_than_a_kilobyte_each() -> None:
    keys = pa.array([f"line{n % 7}/good/{n:07d}_1543412161923.bmp" for n in range(200_000)])
    found = pa.table(
        {
            "key": keys,
            "etag": pa.repeat("0" * 32, len(keys)),
            "size": pa.repeat(pa.scalar(1, pa.int64()), len(keys)),
            "modified": pa.repeat(pa.scalar(WHEN, OBJECTS.field("modified").type), len(keys)),
        }
    )
    before = pa.total_allocated_bytes()
    pool = pa.default_memory_pool()
    pieces = select_images(found, ListingSettings())
    tables = [build_raw_listing(p, DATASET, PLACE, "{path}", pa.repeat("s3", p.objects.num_rows)) for p in pieces]
    assert sum(table.num_rows for table in tables) == len(keys)
    assert pa.total_allocated_bytes() - before < 500 * len(keys)
    del pool
