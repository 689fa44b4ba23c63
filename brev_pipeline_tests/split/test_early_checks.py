"""Foresee: a given split that contradicts itself is refused by the paths alone, where the checks would block it."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.split import PriorAssignments, assign_purposes, build_split_report
from brev_pipeline.split.early_checks import check_split_early
from brev_pipeline.split.given_names import read_given_file
from brev_pipeline_tests.split.test_given import listing

PATHS = [f"data/ok/{item:04d}_{photo}.png" for item in range(1, 11) for photo in (0, 1)]

SIDES = {"x": range(1, 4), "y": range(4, 5)}


def early(samples: pa.Table) -> pa.Table:
    """What raw_listing knows of it."""
    listed = samples.select(["path", "bucket", "etag", "category", "folder"])
    return listed.append_column("size", pa.array(np.ones(len(listed), np.int64)))


def configured(given: dict[str, Any], **others: Any) -> SplitSettings:
    purposes = {"train": 0.6, "test": 0.2}
    return SplitSettings.model_validate(
        {"uniqueness": r"/(\d+)_\d\.png$", "purposes": purposes, "given": given, **others}
    )


def table(*rows: str, key: str = "path") -> dict[str, pa.Table]:
    return {"table": read_given_file("\n".join([f"{key},purpose", *rows]).encode(), "t.csv", "table")}


def test_an_item_that_is_given_two_sides_is_refused_with_both_images() -> None:
    samples, settings = listing(PATHS), configured({"table": "t.csv"})
    files = table("0001_0.png,train", "0001_1.png,test")
    with pytest.raises(
        SplitError,
        match=r"split\.given: 1 images of 1 items .*b/data/ok/0001_0\.png is given train, but its item 0001 stands in "
        r"test by b/data/ok/0001_1\.png.*split\.uniqueness.*split\.allow_moves: true",
    ):
        check_split_early(early(samples), settings, PriorAssignments(given=files))
    allowed = configured({"table": "t.csv"}, allow_moves=True)
    check_split_early(early(samples), allowed, PriorAssignments(given=files))
    assert (
        build_split_report(
            assign_purposes(samples, allowed, PriorAssignments(given=files)), allowed, PriorAssignments(given=files)
        ).overruled.num_rows
        == 1
    )
    check_split_early(early(samples), settings, PriorAssignments(given=table("0001_0.png,test", "0001_1.png,test")))


def test_the_ledger_and_known_assignments_that_say_otherwise_are_foreseen_too() -> None:
    samples, plain = listing(PATHS), SplitSettings.model_validate({"uniqueness": r"/(\d+)_\d\.png$"})
    before = assign_purposes(samples, plain)
    first = next(row for row in before.to_pylist() if row["purpose"] == "train")
    files = table(f"{first['path']},test")
    settings = configured({"table": "t.csv"})
    with pytest.raises(SplitError, match=f"its item {first['item']} stands in train by the ledger"):
        check_split_early(early(samples), settings, PriorAssignments(given=files, ledger=before))
    known = pa.table({"item": ["0001"], "purpose": ["train"]})
    with pytest.raises(SplitError, match=r"its item 0001 stands in train by split\.ledger_csv"):
        check_split_early(early(samples), settings, PriorAssignments(known=known, given=table("0001_0.png,test")))
    check_split_early(early(samples), settings, PriorAssignments(known=known, given=table("0001_0.png,train")))


def test_where_strata_part_items_and_only_contents_name_them_nothing_is_foreseen() -> None:
    samples = listing(["data/ok/0001_0.png", "data/bad/0001_0.png", *PATHS[2:]])
    files = table("ok/0001_0.png,train", "bad/0001_0.png,test")
    settings = configured({"table": "t.csv"}, stratification=["category"], uniqueness_scope="stratum")
    check_split_early(early(samples), settings, PriorAssignments(given=files))
    assert not build_split_report(
        assign_purposes(samples, settings, PriorAssignments(given=files)), settings, PriorAssignments(given=files)
    ).failure_messages
    settings = configured({"table": "t.csv"}, uniqueness=["content_id"])
    check_split_early(
        early(listing(PATHS)), settings, PriorAssignments(given=table("0001_0.png,train", "0001_1.png,test"))
    )


def test_a_purpose_that_words_name_and_nothing_can_get_is_refused() -> None:
    samples = listing([f"data/{side}/{item:04d}_0.png" for side, items in SIDES.items() for item in items])
    words = {"x": "train", "y": "train", "q": "test"}
    given = {"pattern": r"/(?P<purpose>x|y)/", "words": words}
    with pytest.raises(SplitError, match=re.escape("to test (split.given.words has q: test); 4 of 4 images are given")):
        check_split_early(early(samples), configured(given))
    # What is divided may fill it.
    more = pa.concat_tables([samples, listing([f"data/z/{item:04d}_0.png" for item in range(10, 30)])])
    check_split_early(early(more), configured(given))
    # A share of 0 adds nothing to it.
    none = configured(given, purposes={"train": 0.6, "test": 0})
    with pytest.raises(SplitError, match="to test"):
        check_split_early(early(more), none)
    # Fewer leak groups than purposes.
    check_split_early(early(samples.slice(0, 2)), none)


def test_what_later_stages_let_pass_is_not_refused_early() -> None:
    """Each is divided soundly: damage, conflicts and contents are known later."""
    files, settings = table("0001_0.png,train", "0001_1.png,test"), configured({"table": "t.csv"})
    # Either may be left out with its copy of another class.
    check_split_early(early(listing(PATHS)), settings, PriorAssignments(given=files), conflicts_leave=True)
    # The one that came since the last version may be damaged.
    old = listing([path for path in PATHS if not path.endswith("0001_1.png")])
    before = assign_purposes(old, settings, PriorAssignments(given=table("0001_0.png,train")))
    check_split_early(early(listing(PATHS)), settings, PriorAssignments(given=files, ledger=before))
    # A purpose that words name is filled by a file that names contents, or held by images under other names.
    samples = listing([f"data/{side}/{item:04d}_0.png" for side, items in SIDES.items() for item in items])
    words = {"x": "train", "y": None, "q": "test"}
    none = configured({"pattern": r"/(?P<purpose>x|y)/", "words": words}, purposes={"train": 0.6, "test": 0})
    with pytest.raises(SplitError, match="to test"):
        check_split_early(early(samples), none)
    known = pa.table({"content_id": samples["content_id"].slice(3), "purpose": ["test"]})
    check_split_early(early(samples), none, PriorAssignments(known=known))
    assert assign_purposes(samples, none, PriorAssignments(known=known))["purpose"].to_pylist().count("test") == 1
    whole = none.model_copy(update={"uniqueness": r"/([^/]+/\d+)_\d\.png$"})
    earlier = listing(
        [f"data/{side.replace('y', 'q')}/{item:04d}_0.png" for side, items in SIDES.items() for item in items]
    )
    ledger = assign_purposes(
        earlier.set_column(earlier.column_names.index("content_id"), "content_id", samples["content_id"]),
        sided(whole, "x|q"),
    )
    assert ledger["purpose"].to_pylist().count("test") == 1
    check_split_early(early(samples), whole, PriorAssignments(ledger=ledger))
    assert assign_purposes(samples, whole, PriorAssignments(ledger=ledger))["purpose"].to_pylist().count("test") == 1


def sided(settings: SplitSettings, words: str) -> SplitSettings:
    assert settings.given is not None
    given = settings.given.model_copy(update={"pattern": f"/(?P<purpose>{words})/"})
    return settings.model_copy(update={"given": given})


def test_keys_that_lost_their_zeros_are_shown_beside_the_items() -> None:
    with pytest.raises(
        SplitError,
        match=re.escape(
            "split.given.table: none of its 2 rows means an image. By item, its rows are: '1' (the closest is '0001'), "
            "'2' (the closest is '0002'); the images are, for example: 0001, 0002, 0003"
        ),
    ):
        check_split_early(
            early(listing(PATHS)),
            configured({"table": "t.csv"}),
            PriorAssignments(given=table("1,train", "2,test", key="item")),
        )


@pytest.mark.parametrize("way", [{"table": "t.csv"}, {"lists": {"test": "t.txt"}}], ids=["table", "list"])
def test_a_file_without_a_name_is_said_to_be_empty(way: dict[str, Any]) -> None:
    files = {"lists.test": read_given_file(b"\n", "t.txt", "lists.test")} if "lists" in way else table()
    with pytest.raises(SplitError, match=rf"^split\.given\.{next(iter(files))}: the file has no line, or no row"):
        check_split_early(early(listing(PATHS)), configured(way), PriorAssignments(given=files))
