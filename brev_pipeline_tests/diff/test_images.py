"""Images told apart by path and content, on small listings and on drawn ones."""

import random

import numpy as np
import pyarrow as pa
import pytest

from brev_pipeline.diff import compare_images
from brev_pipeline.diff.images import MAX_EXAMPLES
from brev_pipeline.integrity import compare_contents
from brev_pipeline.texts import NAMES, TEXT

SCHEMA = pa.schema([("path", TEXT), ("content_id", TEXT), ("category", NAMES)])


def listing(*rows: tuple[str, str, str]) -> pa.Table:
    """Rows of (path, content, classes with + between them)."""
    return pa.Table.from_pylist(
        [{"path": path, "content_id": content, "category": classes.split("+")} for path, content, classes in rows],
        SCHEMA,
    )


def kinds(before: pa.Table, after: pa.Table) -> dict[str, int]:
    found = compare_images(before, after).to_dict()
    names = ("new", "gone", "renamed", "changed", "relabelled")
    return {name: found[name] for name in names if found[name]}


def test_nothing_is_otherwise_in_the_same_listing() -> None:
    same = listing(("a", "1", "x"), ("b", "2", "y"))
    assert not any(mask.any() for mask in compare_images(same, same).masks.values())
    assert kinds(same, same.take(pa.array([1, 0]))) == {}


def test_each_kind_by_itself() -> None:
    before = listing(("a", "1", "x"), ("b", "2", "y"))
    assert kinds(before, listing(("a", "1", "x"), ("b", "2", "y"), ("c", "3", "x"))) == {"new": 1}
    assert kinds(before, listing(("a", "1", "x"))) == {"gone": 1}
    assert kinds(before, listing(("a", "1", "x"), ("d/b", "2", "y"))) == {"renamed": 1}
    assert kinds(before, listing(("a", "1", "x"), ("b", "9", "y"))) == {"changed": 1}
    assert kinds(before, listing(("a", "1", "x"), ("b", "2", "x"))) == {"relabelled": 1}
    assert kinds(before, before.slice(0, 0)) == {"gone": 2}
    assert kinds(before.slice(0, 0), before) == {"new": 2}


def test_copies_are_paired_one_to_one() -> None:
    before = listing(("a", "1", "x"), ("b", "1", "x"), ("c", "1", "x"))
    after = listing(("c", "1", "x"), ("e", "1", "x"))
    found = compare_images(before, after)
    assert kinds(before, after) == {"renamed": 1, "gone": 1}
    assert found.to_dict()["examples"]["renamed"] == [{"was": "a", "now": "e"}]
    assert found.to_dict()["examples"]["gone"] == [{"path": "b", "class": "x"}]


def test_copies_are_paired_within_their_class_first_as_the_checks_of_a_run_pair_them() -> None:
    """In the order of paths alone c would be a, and of another class."""
    before = listing(("a", "1", "x"), ("b", "1", "y"), ("k", "2", "x"), ("l", "2", "x"))
    after = listing(("c", "1", "y"), ("m", "2", "y"), ("n", "2", "x"))
    document = compare_images(before, after).to_dict()
    renamed = [(one["was"], one["now"]) for one in document["examples"]["renamed"]]
    assert renamed == [("b", "c"), ("l", "m"), ("k", "n")]
    assert document["examples"]["gone"] == [{"path": "a", "class": "x"}]
    assert document["examples"]["relabelled"] == [{"path": "m", "was": "x", "now": "y"}]
    assert pairs_of_checks(before, after) == renamed


def pairs_of_checks(before: pa.Table, after: pa.Table) -> list[tuple[str, str]]:
    """As ``not_shrunk`` tells them."""
    old, new = (
        table.append_column("folder", table["path"]).append_column("dataset", table["path"])
        for table in (before, after)
    )
    return [(row["was"], row["path"]) for row in compare_contents(old, new).to_pylist() if row["was"]]


def test_two_files_that_change_places_are_changed_and_not_renamed() -> None:
    assert kinds(listing(("a", "1", "x"), ("b", "2", "x")), listing(("a", "2", "x"), ("b", "1", "x"))) == {"changed": 2}


def test_an_image_of_two_classes_counts_in_both() -> None:
    document = compare_images(listing(("a", "1", "x")), listing(("a", "1", "x+y"), ("b", "2", "y+z"))).to_dict()
    rows = {row["class"]: (row["was"], row["now"], row["new"], row["relabelled"]) for row in document["by_class"]}
    assert rows == {"x": (1, 1, 0, 1), "y": (0, 2, 1, 1), "z": (0, 1, 1, 0)}


def test_what_was_not_read_is_neither_new_nor_changed_nor_renamed() -> None:
    before = listing(("a", "1", "x"), ("b", "2", "x"))
    after = listing(("a", "unread-1", "x"), ("c", "unread-2", "x"))
    document = compare_images(before, after, np.array([True, True])).to_dict()
    assert {kind: document[kind] for kind in ("new", "changed", "renamed", "gone", "unread")} == {
        "new": 0,
        "changed": 0,
        "renamed": 0,
        "gone": 1,
        "unread": 2,
    }


def test_examples_are_the_first_by_path() -> None:
    names = [f"{number:03}" for number in range(100)]
    random.Random(1).shuffle(names)
    document = compare_images(listing(), listing(*((name, name, "x") for name in names))).to_dict()
    assert [one["path"] for one in document["examples"]["new"]] == [f"{number:03}" for number in range(MAX_EXAMPLES)]


@pytest.mark.parametrize("seed", range(8))
def test_drawn_listings_against_dictionaries(seed: int) -> None:
    draw = random.Random(seed)

    def one() -> dict[str, tuple[str, str]]:
        paths = draw.sample(range(300), draw.randint(0, 200))
        return {f"p{path}": (str(draw.randint(0, 60)), draw.choice("xyz")) for path in paths}

    was, now = one(), one()
    partner = {path: path for path in now if path in was}
    for same_class in (True, False):
        for path in sorted(now):
            left = (old for old in sorted(was) if old not in partner.values() and was[old][0] == now[path][0])
            found = next((old for old in left if was[old][1] == now[path][1] or not same_class), None)
            if path not in partner and found:
                partner[path] = found
    expected = {
        "new": len(now) - len(partner),
        "gone": len(was) - len(partner),
        "renamed": sum(path != old for path, old in partner.items()),
        "changed": sum(now[path][0] != was[path][0] for path in now if path in was),
        "relabelled": sum(now[path][1] != was[old][1] for path, old in partner.items()),
    }
    tables = [listing(*((path, *facts) for path, facts in found.items())) for found in (was, now)]
    assert kinds(*tables) == {kind: count for kind, count in expected.items() if count}
    renamed = sorted((old, path) for path, old in partner.items() if path != old)
    assert sorted(pairs_of_checks(*tables)) == renamed
