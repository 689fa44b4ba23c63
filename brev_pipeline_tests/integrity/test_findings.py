import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.integrity import (
    check_integrity,
    compare_contents,
    compare_listings,
    find_gone_contents,
    list_duplicate_groups,
    list_label_conflicts,
)
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
    assert list_duplicate_groups(integrity).to_pylist() == [
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
    assert list_label_conflicts(integrity).to_pylist() == [
        {"content_id": B, "paths": ["s3://b/bad/9.png", "s3://b/good/7.png"], "categories": ["bad", "good"]}
    ]


def test_without_findings_the_tables_are_empty_with_their_columns() -> None:
    single = check_integrity(listing({"key": "good/1.png", "etag": A}), fetch=MemoryWithHeads())
    assert list_duplicate_groups(single).num_rows == list_label_conflicts(single).num_rows == 0
    assert list_duplicate_groups(single).column_names == ["content_id", "copies", "folders", "datasets", "paths"]


def test_what_appeared_vanished_was_replaced_and_renamed_is_told_by_path() -> None:
    old = listing({"key": "1", "etag": A}, {"key": "2", "etag": A}, {"key": "3"}, {"key": "4"}, {"key": "5", "etag": A})
    new = listing({"key": "0", "etag": B}, {"key": "2", "etag": B}, {"key": "3"}, {"key": "4", "size": 9}, {"key": "5"})
    changes = [(row["path"], row["change"]) for row in compare_listings(old, new).to_pylist()]
    assert changes == [
        ("s3://b/0", "appeared"),
        ("s3://b/1", "vanished"),
        ("s3://b/2", "replaced"),
        ("s3://b/4", "replaced"),
    ]


def told(changes: pa.Table) -> list[tuple[str | None, ...]]:
    return [
        tuple(row[name] for name in ("change", "was", "path", "category_was", "category"))
        for row in changes.to_pylist()
    ]


@pytest.mark.parametrize("by", ["tag", "content"])
def test_a_renamed_image_is_known_by_its_bytes_and_a_new_class_told(by: str) -> None:
    old = listing({"key": "good/1", "etag": A}, {"key": "good/2", "etag": B}, {"key": "good/3", "etag": C})
    new = listing({"key": "fine/1", "etag": A, "category": ["good"]}, {"key": "bad/2", "etag": B}, {"key": "good/4"})
    if by == "content":
        old, new = (check_integrity(table, fetch=MemoryWithHeads({"good/4": b"d"})) for table in (old, new))
    changes = (compare_listings if by == "tag" else compare_contents)(old, new)
    assert told(changes) == [
        ("relabelled", "s3://b/good/2", "s3://b/bad/2", "good", "bad"),
        ("renamed", "s3://b/good/1", "s3://b/fine/1", "good", "good"),
        ("vanished", None, "s3://b/good/3", None, "good"),
        ("appeared", None, "s3://b/good/4", None, "good"),
    ]


def test_copies_are_paired_once_each_and_within_their_class_first() -> None:
    old = listing({"key": "a/1", "etag": A}, {"key": "a/2", "etag": A}, {"key": "b/1", "etag": A})
    new = listing({"key": "b/9", "etag": A}, {"key": "c/1", "etag": A, "category": ["a"]})
    assert told(compare_listings(old, new)) == [
        ("vanished", None, "s3://b/a/2", None, "a"),
        ("renamed", "s3://b/b/1", "s3://b/b/9", "b", "b"),
        ("renamed", "s3://b/a/1", "s3://b/c/1", "a", "a"),
    ]


def test_a_listing_has_not_changed_against_itself() -> None:
    same = listing({"key": "1", "etag": A}, {"key": "2"})
    assert compare_listings(same, same).num_rows == 0
    none = same.slice(0, 0)
    assert set(compare_listings(none, same)["change"].to_pylist()) == {"appeared"}
    assert set(compare_listings(same, none)["change"].to_pylist()) == {"vanished"}


CONTENTS = st.lists(st.tuples(st.integers(0, 6), st.sampled_from("ab")), max_size=8)


def contents(rows: list[tuple[int, str]], root: str) -> pa.Table:
    table = listing(*({"key": f"{root}/{label}/{at}", "category": [label]} for at, (_, label) in enumerate(rows)))
    return table.append_column("content_id", pa.array([f"{content:032x}" for content, _ in rows], pa.large_string()))


@given(CONTENTS, CONTENTS, st.booleans())
def test_every_image_is_accounted_for_once(
    before: list[tuple[int, str]], after: list[tuple[int, str]], same_root: bool
) -> None:
    old, new = contents(before, "x"), contents(after, "x" if same_root else "y")
    paths = {row["path"]: row["content_id"] for row in old.to_pylist()}
    now = {row["path"]: row["content_id"] for row in new.to_pylist()}
    rows = compare_contents(old, new).to_pylist()
    moved = [row for row in rows if row["change"] in ("renamed", "relabelled")]
    assert all(paths[row["was"]] == now[row["path"]] for row in moved)
    assert all((row["category"] == row["category_was"]) == (row["change"] == "renamed") for row in moved)
    gone_paths, new_paths = set(paths) - set(now), set(now) - set(paths)
    assert sorted([row["was"] for row in moved] + [r["path"] for r in rows if r["change"] == "vanished"]) == sorted(
        gone_paths
    )
    assert sorted(row["path"] for row in rows if row["change"] in ("renamed", "relabelled", "appeared")) == sorted(
        new_paths
    )
    # As many of each content are renamed as can be.
    for content in set(paths.values()):
        lost = sum(paths[path] == content for path in gone_paths)
        came = sum(now[path] == content for path in new_paths)
        assert sum(paths[row["was"]] == content for row in moved) == min(lost, came)
    gone, known = find_gone_contents(old, new)
    assert set(gone["content_id"].to_pylist()) == set(paths.values()) - set(now.values())
    assert known == len(set(paths.values()))


def test_contents_that_are_not_known_are_neither_gone_nor_replaced() -> None:
    old, new = contents([(1, "a"), (2, "a"), (3, "a")], "x"), contents([(1, "a"), (2, "a"), (3, "a")], "x")
    unread = pa.array([f"unread-{at:032x}" for at in range(3)], pa.large_string())
    at = new.column_names.index("content_id")
    later = new.set_column(at, "content_id", unread)
    assert [find_gone_contents(*pair)[0].num_rows for pair in ((old, later), (later, old))] == [0, 0]
    assert find_gone_contents(later, old)[1] == 0
    assert compare_contents(old, later).num_rows == 0
