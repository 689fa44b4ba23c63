import pyarrow as pa
import pytest

from brev_pipeline.integrity import check_integrity, compare_listings, duplicate_groups, label_conflicts, shrinkage
from brev_pipeline_tests.integrity.listings import MemoryWithHeads, listing, md5

A, B, C = md5(b"a"), md5(b"b"), md5(b"c")


@pytest.fixture
def integrity() -> pa.Table:
    rows = listing(
        {"key": "good/2.png", "etag": A},
        {"key": "good/1.png", "etag": A},
        {"key": "bad/9.png", "etag": B, "dataset": "Other"},
        {"key": "bad/8.png", "etag": C},
        {"key": "good/7.png", "etag": B},
    )
    return check_integrity(rows, fetch=MemoryWithHeads())


def test_duplicate_groups_tell_who_is_a_copy_of_whom(integrity: pa.Table) -> None:
    assert duplicate_groups(integrity).to_pylist() == [
        {
            "content_id": B,
            "copies": 2,
            "folders": ["bad", "good"],
            "datasets": ["Other", "Vials"],
            "paths": ["s3://b/bad/9.png", "s3://b/good/7.png"],
        },
        {
            "content_id": A,
            "copies": 2,
            "folders": ["good"],
            "datasets": ["Vials"],
            "paths": ["s3://b/good/1.png", "s3://b/good/2.png"],
        },
    ]


def test_label_conflicts_name_each_path_with_its_category(integrity: pa.Table) -> None:
    assert label_conflicts(integrity).to_pylist() == [
        {"content_id": B, "paths": ["s3://b/bad/9.png", "s3://b/good/7.png"], "categories": ["bad", "good"]}
    ]


def test_without_findings_the_tables_are_empty_with_their_columns() -> None:
    single = check_integrity(listing({"key": "good/1.png", "etag": A}), fetch=MemoryWithHeads())
    assert duplicate_groups(single).num_rows == label_conflicts(single).num_rows == 0
    assert duplicate_groups(single).column_names == ["content_id", "copies", "folders", "datasets", "paths"]


def test_what_appeared_vanished_and_was_replaced_is_told_by_path() -> None:
    old = listing({"key": "1", "etag": A}, {"key": "2", "etag": A}, {"key": "3"}, {"key": "4"}, {"key": "5", "etag": A})
    new = listing({"key": "0", "etag": A}, {"key": "2", "etag": B}, {"key": "3"}, {"key": "4", "size": 9}, {"key": "5"})
    changes = [(row["path"], row["change"]) for row in compare_listings(old, new).to_pylist()]
    assert changes == [
        ("s3://b/0", "appeared"),
        ("s3://b/1", "vanished"),
        ("s3://b/2", "replaced"),
        ("s3://b/4", "replaced"),
    ]


def test_a_listing_has_not_changed_against_itself() -> None:
    same = listing({"key": "1", "etag": A}, {"key": "2"})
    assert compare_listings(same, same).num_rows == 0


@pytest.mark.parametrize(
    ("old", "new", "share"), [("1234", "1234", 0), ("1234", "45", 0.75), ("", "1", 0), ("12", "", 1)]
)
def test_shrinkage_is_the_share_that_is_gone(old: str, new: str, share: float) -> None:
    assert shrinkage(listing(*({"key": key} for key in old)), listing(*({"key": key} for key in new))) == share
