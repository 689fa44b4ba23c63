"""What was decided before stays so."""

import pyarrow as pa
import pytest

from brev_pipeline.errors import SplitError
from brev_pipeline.release.assignments import build_next_ledger
from brev_pipeline.split import PriorAssignments, assign_purposes, build_split_report, read_known_assignments
from brev_pipeline_tests.split.listings import Photo, listing, plain, sides
from brev_pipeline_tests.split.test_properties import configured

THREE = {"test": 0.2, "train": 0.6}
SETTINGS = configured(uniqueness_scope="stratum", purposes=THREE)
GLOBAL = configured(purposes=THREE)


def item_of(split: pa.Table, purpose: str) -> int:
    return int(next(row["item"] for row in split.to_pylist() if row["purpose"] == purpose))


def grown(before: list[Photo], *new: Photo) -> pa.Table:
    return listing([*before, *new])


ITEMS: list[Photo] = [("a", item, None, None) for item in range(20) for _ in range(2)]


def test_an_old_assignment_wins_over_a_new_draw() -> None:
    old = assign_purposes(listing(ITEMS), SETTINGS)
    other = SETTINGS.model_copy(update={"seed": 99, "method": "murmurhash3"})
    assert sides(assign_purposes(listing(ITEMS), other, PriorAssignments(ledger=old))) == sides(old)
    assert sides(assign_purposes(listing(ITEMS), other)) != sides(old)


def test_a_new_photo_of_a_known_item_follows_it() -> None:
    old = assign_purposes(listing(ITEMS), SETTINGS)
    for purpose in SETTINGS.names:
        item = item_of(old, purpose)
        new = assign_purposes(grown(ITEMS, ("a", item, None, None)), SETTINGS, PriorAssignments(ledger=old)).to_pylist()
        added = next(row for row in new if row["path"].endswith("_0040.bmp"))
        assert (added["purpose"], added["assigned_by"]) == (purpose, "ledger")


def test_a_copy_under_another_items_name_follows_its_original() -> None:
    photos: list[Photo] = [("a", item, item, None) for item in range(20)]
    old = assign_purposes(listing(photos), SETTINGS)
    item = item_of(old, "test")
    split = assign_purposes(
        grown(photos, ("b", 77, item, None), ("b", 78, None, None)), SETTINGS, PriorAssignments(ledger=old)
    )
    by_item = {row["item"]: row for row in split.to_pylist()}
    assert (by_item["77"]["purpose"], by_item["77"]["assigned_by"]) == ("test", "duplicate")
    assert by_item["78"]["assigned_by"] == "new"
    assert by_item["77"]["leak_group"] == by_item[str(item)]["path"]


def test_an_item_that_left_returns_to_its_side() -> None:
    first = assign_purposes(listing(ITEMS), SETTINGS)
    fewer = listing(ITEMS).slice(10)
    second = assign_purposes(fewer, SETTINGS, PriorAssignments(ledger=first))
    report = build_split_report(second, SETTINGS, PriorAssignments(ledger=first))
    assert (report.absent, report.moved.num_rows) == (10, 0)
    ledger = build_next_ledger(second, first, SETTINGS)
    assert sides(ledger) == sides(first)
    assert ledger.schema == second.schema
    again = assign_purposes(listing(ITEMS), SETTINGS.model_copy(update={"seed": 5}), PriorAssignments(ledger=ledger))
    assert sides(again) == sides(first)


def test_new_items_fill_what_the_old_ones_left_open() -> None:
    old = assign_purposes(listing(ITEMS), SETTINGS)
    more = grown(ITEMS, *[("a", item, None, None) for item in range(20, 60)])
    shares = build_split_report(
        assign_purposes(more, SETTINGS, PriorAssignments(ledger=old)), SETTINGS
    ).shares.to_pylist()
    assert {row["purpose"]: row["images"] for row in shares} == {"test": 16, "train": 48, "devel": 16}


@pytest.mark.parametrize(("one", "other", "winner"), [("test", "train", "test"), ("train", "devel", "devel")])
def test_where_a_copy_joins_two_sides_the_stricter_wins_and_moves_are_listed(one: str, other: str, winner: str) -> None:
    photos: list[Photo] = [("a", item, item, None) for item in range(20)]
    old = assign_purposes(listing(photos), SETTINGS)
    first, second = item_of(old, one), item_of(old, other)
    # One new item with a copy of a photo on either side.
    both = grown(photos, ("a", 50, first, None), ("a", 50, second, None))
    split = assign_purposes(both, SETTINGS, PriorAssignments(ledger=old))
    joined = {row["purpose"] for row in split.to_pylist() if int(row["item"]) in (first, second, 50)}
    assert joined == {winner}
    report = build_split_report(split, SETTINGS, PriorAssignments(ledger=old))
    loser = first if winner == other else second
    assert report.moved.to_pylist() == [
        {
            "path": f"bucket/a/{loser}_{loser:04d}.bmp",
            "item": str(loser),
            "was": one if winner == other else other,
            "now": winner,
            "present": True,
        }
    ]
    assert "1 images changed their side" in report.failure_messages[0]
    assert not build_split_report(
        split, SETTINGS.model_copy(update={"allow_moves": True}), PriorAssignments(ledger=old)
    ).failure_messages
    assert sides(build_next_ledger(split, old, SETTINGS)) == sides(split)


def test_an_absent_photo_still_shows_that_two_items_hang_together() -> None:
    # Item 1 and 2 share bytes 7 in a photo of item 2 that has left; then item 1 leaves, too.
    first: list[Photo] = [("a", 1, 7, None), ("a", 2, 7, None), ("a", 2, 8, None), *ITEMS[6:]]
    old = assign_purposes(listing(first), SETTINGS)
    only_bytes: list[Photo] = [("a", 90, 8, None), ("a", 91, 7, None), *ITEMS[6:]]
    split = assign_purposes(listing(only_bytes), SETTINGS, PriorAssignments(ledger=old))
    by_item = {row["item"]: row for row in split.to_pylist()}
    assert by_item["90"]["leak_group"] == by_item["91"]["leak_group"]
    assert by_item["90"]["purpose"] == sides(old)["bucket/a/1_0000.bmp"]


def test_an_absent_image_moves_with_its_leak_group() -> None:
    photos: list[Photo] = [("a", item, item, None) for item in range(20)]
    old = assign_purposes(listing(photos), SETTINGS)
    tested, trained = item_of(old, "test"), item_of(old, "train")
    present = [photo for photo in photos if photo[1] != trained]
    split = assign_purposes(
        grown(present, ("a", 50, tested, None), ("a", 50, trained, None)), SETTINGS, PriorAssignments(ledger=old)
    )
    moved = build_split_report(split, SETTINGS, PriorAssignments(ledger=old)).moved.to_pylist()
    assert [(row["item"], row["was"], row["now"], row["present"]) for row in moved] == [
        (str(trained), "train", "test", False)
    ]
    assert sides(build_next_ledger(split, old, SETTINGS))[moved[0]["path"]] == "test"


def test_a_locked_purpose_takes_nothing_new() -> None:
    locked = SETTINGS.model_copy(update={"locked": ["test"]})
    old = assign_purposes(listing(ITEMS), locked)
    assert "test" in sides(old).values()
    split = assign_purposes(
        grown(ITEMS, *[("a", item, None, None) for item in range(20, 60)]), locked, PriorAssignments(ledger=old)
    )
    tested = {path for path, purpose in sides(split).items() if purpose == "test"}
    assert tested == {path for path, purpose in sides(old).items() if purpose == "test"}
    report = build_split_report(split, locked, PriorAssignments(ledger=old))
    assert not report.locked_additions.num_rows
    shares = {row["purpose"]: row["images"] for row in report.shares.to_pylist()}
    assert shares == {"test": 8, "train": 48, "devel": 24}


def test_a_new_photo_of_a_locked_item_joins_it_and_fails_the_check_unless_allowed() -> None:
    locked = SETTINGS.model_copy(update={"locked": ["test"]})
    old = assign_purposes(listing(ITEMS), locked)
    item = item_of(old, "test")
    split = assign_purposes(grown(ITEMS, ("a", item, None, None)), locked, PriorAssignments(ledger=old))
    report = build_split_report(split, locked, PriorAssignments(ledger=old))
    path = f"bucket/a/{item}_0040.bmp"
    assert report.locked_additions.to_pylist() == [{"path": path, "item": str(item), "purpose": "test"}]
    assert f"1 new images belong to items of a locked purpose: {path}" in report.failure_messages[0]
    assert not build_split_report(
        split, locked.model_copy(update={"allow_additions": True}), PriorAssignments(ledger=old)
    ).failure_messages


def test_additions_that_are_allowed_are_drawn_as_ever() -> None:
    unlocked = SETTINGS.model_copy(update={"locked": ["test"], "allow_additions": True})
    old = assign_purposes(listing(ITEMS), unlocked)
    more = grown(ITEMS, *[("a", item, None, None) for item in range(20, 60)])
    shares = build_split_report(
        assign_purposes(more, unlocked, PriorAssignments(ledger=old)), unlocked
    ).shares.to_pylist()
    assert {row["purpose"]: row["images"] for row in shares} == {"test": 16, "train": 48, "devel": 16}


@pytest.mark.parametrize("method", ["ranked_hash", "sorted_permutation", "murmurhash3"])
def test_a_locked_remainder_passes_its_share_on(method: str) -> None:
    locked = SETTINGS.model_copy(update={"locked": ["devel"], "method": method})
    old = assign_purposes(listing(ITEMS), locked)
    split = assign_purposes(
        grown(ITEMS, *[("a", item, None, None) for item in range(20, 60)]), locked, PriorAssignments(ledger=old)
    )
    assert not build_split_report(split, locked, PriorAssignments(ledger=old)).locked_additions.num_rows


def test_all_purposes_locked_is_refused() -> None:
    locked = SETTINGS.model_copy(update={"locked": SETTINGS.names})
    old = assign_purposes(listing(ITEMS), locked)
    with pytest.raises(SplitError, match="all purposes are locked"):
        assign_purposes(grown(ITEMS, ("a", 99, None, None)), locked, PriorAssignments(ledger=old))


def test_a_purpose_that_the_configuration_lost_is_refused() -> None:
    old = assign_purposes(listing(ITEMS), SETTINGS)
    with pytest.raises(SplitError, match=r"the ledger holds the purposes \['test'\]"):
        assign_purposes(listing(ITEMS), configured(uniqueness_scope="stratum"), PriorAssignments(ledger=old))


def test_a_changed_pattern_is_applied_to_the_ledger_too() -> None:
    old = assign_purposes(listing(ITEMS), SETTINGS)
    renamed = SETTINGS.model_copy(update={"uniqueness": r"/(\d*_\d*)\.bmp$"})  # now each photo is an item
    split = assign_purposes(grown(ITEMS, ("a", 3, None, None)), renamed, PriorAssignments(ledger=old))
    assert sides(old).items() <= sides(split).items()
    assert split["assigned_by"].to_pylist().count("new") == 1


def test_the_least_ledger_is_enough() -> None:
    old = assign_purposes(listing(ITEMS), SETTINGS)
    least = old.select(["path", "content_id", "pixel_id", "item", "stratum", "purpose"])
    by_columns = SETTINGS.model_copy(update={"uniqueness": ["folder", "path"], "seed": 8})
    for settings in (SETTINGS.model_copy(update={"seed": 8}), by_columns):
        assert sides(assign_purposes(listing(ITEMS), settings, PriorAssignments(ledger=least))) == sides(old)


def test_known_assignments_of_the_reference_are_taken_over() -> None:
    samples = listing(ITEMS)
    etags = samples["etag"].to_pylist()
    file = f"etag,purpose\n{etags[0]},devel\n{etags[8]},test\n{etags[20]},\nunknown,train\n"
    known = read_known_assignments(file.encode(), "ids.csv")
    split = assign_purposes(samples, SETTINGS, PriorAssignments(known=known))
    rows = {row["etag"]: row for row in split.to_pylist()}
    assert [(rows[etags[at]]["purpose"], rows[etags[at]]["assigned_by"]) for at in (0, 1, 8, 9)] == [
        ("devel", "ledger"),
        ("devel", "ledger"),
        ("test", "ledger"),
        ("test", "ledger"),
    ]
    assert rows[etags[20]]["assigned_by"] == "new"
    assert not build_split_report(split, SETTINGS, PriorAssignments(known=known)).failure_messages


@pytest.mark.parametrize("columns", ["item", "stratum,item", "folder,item", "path"])
def test_known_assignments_can_be_given_by_any_key(columns: str) -> None:
    split = assign_purposes(listing(ITEMS), SETTINGS)
    lines = [",".join(str(row[name]) for name in columns.split(",")) for row in split.to_pylist()[:6]]
    known = read_known_assignments("\n".join([f"{columns},purpose", *(f"{line},test" for line in lines)]).encode(), "x")
    again = assign_purposes(listing(ITEMS), SETTINGS, PriorAssignments(known=known))
    assert again["purpose"].to_pylist()[:6] == ["test"] * 6


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("etag,side\nx,train\n", "and 'purpose'; this one has etag, side"),
        ("purpose\ntrain\n", "has the columns of a key"),
        ("path,purpose\nx\n", "ids.csv: none of its 1 rows has a purpose"),
        ("path,purpose\nx,test,3\n", "ids.csv, row 1 below the head line: has a value in a column without a name"),
        ("", "ids.csv: is empty"),
        ("path,purpose\n/old/a/0_0.bmp,test\n", "none of its 1 rows means an image. .* /old/a/0_0.bmp; .* bucket/a/0_"),
        ("vial,purpose\nx,train\n", "has the column 'vial', which is neither item nor stratum"),
        ("path,purpose\nx,train\nx,test\n", "gives 1 keys more than one purpose: x"),
        ("path,purpose\nx,validation\n", r"known assignments holds the purposes \['validation'\]"),
    ],
)
def test_a_file_of_known_assignments_that_cannot_be_used_is_refused(file: str, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        assign_purposes(
            listing(ITEMS), SETTINGS, PriorAssignments(known=read_known_assignments(file.encode(), "ids.csv"))
        )


def test_ledger_and_known_assignments_stand_side_by_side() -> None:
    old = assign_purposes(listing(ITEMS), SETTINGS)
    item = item_of(old, "train")
    known = read_known_assignments(f"item,purpose\n{item},test\n".encode(), "ids.csv")
    split = assign_purposes(listing(ITEMS), SETTINGS, PriorAssignments(ledger=old, known=known))
    assert {row["purpose"] for row in split.to_pylist() if row["item"] == str(item)} == {"test"}
    assert [
        row["now"]
        for row in build_split_report(split, SETTINGS, PriorAssignments(ledger=old, known=known)).moved.to_pylist()
    ] == ["test", "test"]


def test_a_global_item_is_remembered_over_strata() -> None:
    old = assign_purposes(plain({"pitting": [2] * 20}), GLOBAL)
    later = assign_purposes(
        listing([("no_pitting", item, 100 + item, None) for item in range(20)]),
        GLOBAL.model_copy(update={"seed": 4}),
        PriorAssignments(ledger=old),
    )
    purpose = {row["item"]: row["purpose"] for row in old.to_pylist()}
    assert all(row["purpose"] == purpose[row["item"]] for row in later.to_pylist())
