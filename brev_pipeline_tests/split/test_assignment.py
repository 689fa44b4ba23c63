"""The split of a listing, as the pipeline calls it."""

import csv
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.errors import SplitError
from brev_pipeline.split import SELECTED_SAMPLES, assign_purposes, build_split_report
from brev_pipeline.tables import SAMPLE_SPLIT
from brev_pipeline_tests.split.listings import digest, listing, plain, sides
from brev_pipeline_tests.split.test_properties import configured

# The folder's README gives this pattern.
INSPECTION = r"(?:\d{2}_\d{12}_(\d{6}_\d{3})|(KGT\d-[SV]-\d{3}-A\d{2}))_crop_\d\.jpg$"


def test_the_table_has_the_stages_columns_sorted_by_path() -> None:
    split = assign_purposes(plain({"b": [1, 2], "a": [3]}), configured())
    assert split.schema.equals(SAMPLE_SPLIT)
    assert split["path"].to_pylist() == sorted(split["path"].to_pylist())
    assert split["item"].to_pylist() == ["0", "0", "0", "0", "1", "1"]
    assert split["stratum"].to_pylist() == ["a"] * 3 + ["b"] * 3


def test_without_uniqueness_each_content_is_an_item() -> None:
    split = assign_purposes(
        listing([("a", 0, 1, None), ("b", 0, 1, None), ("a", 0, 2, None)]), configured(uniqueness=None)
    )
    assert split["item"].to_pylist() == split["content_id"].to_pylist()
    assert len(set(split["leak_group"].to_pylist())) == 2


def test_the_same_key_in_two_strata_is_one_item_or_two_as_configured() -> None:
    table = plain({"a": [1] * 9, "b": [1] * 9})
    for scope, groups in [("stratum", 18), ("global", 9)]:
        split = assign_purposes(table, configured(uniqueness_scope=scope))
        assert len(set(split["leak_group"].to_pylist())) == groups


def test_copies_join_over_items_strata_and_kinds_of_copy() -> None:
    photos = [("a", 1, 5, None), ("b", 2, 5, None), ("b", 2, None, 3), ("c", 3, None, 3), ("c", 4, None, None)]
    for method in ("ranked_hash", "sorted_permutation", "murmurhash3"):
        split = assign_purposes(listing(photos), configured(uniqueness_scope="stratum", method=method))
        groups = dict(zip(split["item"].to_pylist(), split["leak_group"].to_pylist(), strict=True))
        assert {groups["1"], groups["2"], groups["3"]} == {"bucket/a/1_0000.bmp"}
        assert groups["4"] == "bucket/c/4_0004.bmp"


def test_real_photos_are_split_without_a_leak(shared: Path) -> None:
    with (shared / "data" / "inspection" / "labels.csv").open() as file:
        labels = list(csv.DictReader(file))
    rows = [
        {
            "path": f"inspection/{row['file']}",
            "category": [row["label"]],
            "folder": row["file"].split("/")[-2],
            "etag": row["md5"],
            "content_id": row["md5"],
            "pixel_id": digest(row["md5"]),
            **dict.fromkeys(["bucket", "dataset", "dataset_id", "reference"], "inspection"),
        }
        for row in labels
    ]
    settings = configured(uniqueness=INSPECTION, stratification=["category"], purposes={"test": 0.15, "train": 0.7})
    split = assign_purposes(pa.Table.from_pylist(rows, SELECTED_SAMPLES), settings)
    report = build_split_report(split, settings)
    assert (split.num_rows, len(set(split["item"].to_pylist()))) == (278, 70)
    assert not report.failure_messages
    by_item: dict[str, set[str]] = {}
    for row, purpose in zip(labels, (sides(split)[f"inspection/{row['file']}"] for row in labels), strict=True):
        by_item.setdefault(row["item"], set()).add(purpose)
    assert all(len(purposes) == 1 for purposes in by_item.values())
    for row in report.shares.to_pylist():
        assert row["error"] <= row["largest_group"], row


@pytest.mark.parametrize("method", ["ranked_hash", "sorted_permutation", "murmurhash3"])
def test_one_image_goes_where_most_go(method: str) -> None:
    split = assign_purposes(plain({"a": [1]}), configured(method=method, purposes={"test": 0.0, "train": 1.0}))
    assert split["purpose"].to_pylist() == ["train"]


def test_no_images_are_refused() -> None:
    with pytest.raises(SplitError, match="there are no samples to split"):
        assign_purposes(SELECTED_SAMPLES.empty_table(), configured())


def test_one_item_only_is_refused_by_name() -> None:
    with pytest.raises(SplitError, match=r"puts all 3 images into one item, '0', and one item cannot be divided"):
        assign_purposes(plain({"a": [3]}), configured())


def test_a_pattern_that_gives_one_key_everywhere_is_refused() -> None:
    with pytest.raises(SplitError, match=r"puts all 12 images into one item, 'bmp'"):
        assign_purposes(
            plain({"a": [2] * 3, "b": [2] * 3}), configured(uniqueness="(bmp)$", uniqueness_scope="stratum")
        )


def test_a_path_that_is_listed_twice_is_refused() -> None:
    table = plain({"a": [1, 1]})
    with pytest.raises(SplitError, match=r"1 paths stand in the listing more than once: bucket/a/0_0000.bmp"):
        assign_purposes(pa.concat_tables([table, table.slice(0, 1)]), configured())


def test_a_stratum_of_one_item_is_named_in_the_report() -> None:
    settings = configured(uniqueness_scope="stratum")
    report = build_split_report(assign_purposes(plain({"a": [1] * 10, "rare": [2]}), settings), settings)
    assert report.missing_sides.to_pylist() == [
        {"stratum": "rare", "purpose": "devel", "leak_groups": 1, "enough": False}
    ]
    assert report.warning_messages[0] == "stratum 'rare' has no image of devel (1 leak groups)"
    assert not report.failure_messages


def test_a_leak_that_someone_made_by_hand_is_found() -> None:
    settings = configured(uniqueness_scope="stratum")
    split = assign_purposes(
        listing([("a", 1, 5, None), ("b", 2, 5, 6), ("b", 3, None, 6), ("b", 4, None, None)]), settings
    )
    purposes = split["purpose"].to_pylist()
    purposes[0] = "devel" if purposes[0] == "train" else "train"
    broken = split.set_column(split.column_names.index("purpose"), "purpose", pa.array(purposes))
    leaks = build_split_report(broken, settings).leaks.to_pylist()
    assert [leak["kind"] for leak in leaks] == ["leak_group", "content_id"]
    assert leaks[1] == {"kind": "content_id", "id": digest("bytes", 5), "purposes": ["train", "devel"]}
    assert "2 ids stand on more than one side" in build_split_report(broken, settings).failure_messages[0]


def test_importing_the_package_is_cheap() -> None:
    script = (
        "import sys, brev_pipeline.split; print([m for m in ('pandas', 'scipy', 'mmh3', 'numpy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"
