"""Each rule passes on good tables and fails on the fault that it is there for, naming the rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from brev_pipeline import tables
from brev_pipeline.config import PipelineConfig
from brev_pipeline.expectations import SUITES, Finding
from brev_pipeline.expectations.frames import Baseline, build_frames
from brev_pipeline.expectations.rules import describe_finding
from brev_pipeline.expectations.validate import validate_frames
from brev_pipeline.split import read_known_assignments
from brev_pipeline.split.given_names import read_given_file
from brev_pipeline.split.label_map import attach_classes
from brev_pipeline_tests.held import held
from brev_pipeline_tests.pipelines import configure

PATHS = [f"photos/{folder}/{item}_{photo}.png" for folder in ("bad", "good") for item in range(5) for photo in range(2)]
CONTENT = {path: f"{number:032x}" for number, path in enumerate(PATHS)}


def purpose_of(path: str) -> str:
    return {"3": "test", "4": "devel"}.get(path.split("/")[2][0], "train")


def build() -> dict[str, pa.Table]:
    """Good tables of every stage: two classes, five items each, two photos per item."""
    rows = [_image(path) for path in PATHS]
    split = [row | _assignment(row) for row in rows]
    weights = [
        {
            "purpose": purpose,
            "group": folder,
            "folder": folder,
            "samples": n,
            "weight": 1.0,
            "probability": 0.5,
            "draws": n,
        }
        for purpose, n in (("devel", 2), ("test", 2), ("train", 6))
        for folder in ("bad", "good")
    ]
    records = [_record(row, split) for row in split]
    schemas = {
        "raw_listing": (rows, tables.RAW_LISTING),
        "sample_integrity": (rows, tables.SAMPLE_INTEGRITY),
        "prepared_images": (rows, tables.PREPARED_IMAGES),
        "sample_split": (split, tables.SAMPLE_SPLIT),
        "sampling_weights": (weights, tables.sampling_weights_schema(["folder"])),
        "tfrecord_shards": (records, tables.TFRECORD_SHARDS),
    }
    found = {name: pa.Table.from_pylist(own, schema=schema) for name, (own, schema) in schemas.items()}
    return found | {"sample_split": attach_classes(found["sample_split"], ["bad", "good"])}


def _image(path: str) -> dict[str, Any]:
    folder = path.split("/")[1]
    texts = {"folder": folder, "path": path, "bucket": "photos", "dataset": "d", "dataset_id": "d", "reference": "N/A"}
    numbers = {
        "size": 9,
        "length": 9,
        "offset": 0,
        "copies": 1,
        "prepared_height": 24,
        "prepared_width": 32,
        "prepared_channels": 3,
    }
    identity = {"content_id": CONTENT[path], "etag": CONTENT[path], "etag_source": "md5", "content_source": "etag"}
    pixels = {"status": "ok", "pixel_id": CONTENT[path], "std": 5.0, "file": "f", "source_path": path}
    return (
        {"category": [folder], "url": path, "modified": 0, "label_conflict": False}
        | texts
        | numbers
        | identity
        | pixels
    )


def _assignment(row: dict[str, Any]) -> dict[str, Any]:
    item = row["path"].split("/")[2][0]
    group = f"photos/{row['folder']}/{item}_0.png"
    return {
        "item": item,
        "stratum": row["folder"],
        "leak_group": group,
        "purpose": purpose_of(row["path"]),
        "assigned_by": "new",
    }


def _record(row: dict[str, Any], split: list[dict[str, Any]]) -> dict[str, Any]:
    own = [other["path"] for other in split if other["purpose"] == row["purpose"]]
    place = {"epoch": 0, "shard": 0, "position": own.index(row["path"]), "file": "f", "offset": 0, "length": 1}
    label = 1 if row["folder"] == "good" else 0
    return row | place | {"group": row["folder"], "label": label, "ordinal": 0, "seed": 1, "augmented": False, "crc": 0}


def change(table: pa.Table, column: str, value: Any, row: int = 0) -> pa.Table:
    field = table.schema.field(column)
    values = table[column].to_pylist()
    values[row] = value
    return table.set_column(table.column_names.index(column), field, pa.array(values, field.type))


def put(table: pa.Table, column: str, value: Any, where: Callable[[dict[str, Any]], bool]) -> pa.Table:
    """A value in every row where something is so."""
    values = [value if where(row) else row[column] for row in table.to_pylist()]
    place = table.column_names.index(column)
    return table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type))


def find(stage: str, own: dict[str, pa.Table], config: PipelineConfig, published: Baseline) -> dict[str, Finding]:
    findings = validate_frames(SUITES[stage](config), build_frames(stage, held(own), config, published))
    return {finding.rule.name: finding for finding in findings}


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    return configure(tmp_path, sampling={"groupby": ["folder"]})


@pytest.fixture
def published() -> Baseline:
    good = build()
    return Baseline(good["sample_integrity"], good["sample_split"], classes=["bad", "good"])


@pytest.mark.parametrize("stage", SUITES)
def test_good_tables_pass_every_rule(stage: str, config: PipelineConfig, published: Baseline) -> None:
    found = find(stage, build(), config, published)
    assert list(found) == [rule.name for rule in SUITES[stage](config)]
    assert {name: finding for name, finding in found.items() if not finding.passed} == {}


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("raw_listing", {"raw_listing": lambda t: t.slice(0, 0)}, "enough_images"),
    ("raw_listing", {"raw_listing": lambda t: change(t, "path", PATHS[1])}, "paths_unique"),
    ("raw_listing", {"raw_listing": lambda t: change(t, "category", [])}, "category_known"),
    ("raw_listing", {"raw_listing": lambda t: change(t, "size", 0)}, "not_empty"),
    ("raw_listing", {"raw_listing": lambda t: t.slice(3)}, "paths_kept"),
    ("sample_integrity", {"sample_integrity": lambda t: t.slice(3)}, "not_shrunk"),
    ("sample_integrity", {"sample_integrity": lambda t: t.slice(1)}, "nothing_lost"),
    ("sample_integrity", {"sample_integrity": lambda t: change(t, "content_id", "unknown")}, "identity_known"),
    ("sample_integrity", {"sample_integrity": lambda t: change(t, "content_source", "unreadable")}, "readable"),
    ("sample_integrity", {"sample_integrity": lambda t: change(t, "label_conflict", True)}, "no_label_conflict"),
    ("prepared_images", {"prepared_images": lambda t: t.slice(1)}, "nothing_lost"),
    ("prepared_images", {"prepared_images": lambda t: change(t, "content_id", CONTENT[PATHS[1]])}, "contents_unique"),
    ("prepared_images", {"prepared_images": lambda t: change(t, "status", "strange")}, "status_known"),
    ("prepared_images", {"prepared_images": lambda t: change(t, "status", "corrupt")}, "reason_given"),
    ("prepared_images", {"prepared_images": lambda t: change(t, "file", None)}, "pixels_kept"),
    ("prepared_images", {"prepared_images": lambda t: change(t, "prepared_width", 31)}, "pixels_kept"),
    ("prepared_images", {"prepared_images": lambda t: change(t, "prepared_channels", 1)}, "pixels_kept"),
    (
        "prepared_images",
        {"prepared_images": lambda t: change(change(t, "status", "corrupt"), "status", "corrupt", 1)},
        "few_quarantined",
    ),
    ("prepared_images", {"prepared_images": lambda t: change(t, "std", 0.0)}, "not_blank"),
    (
        "prepared_images",
        {"prepared_images": lambda t: change(t, "note", "read in spite of a warning: damaged")},
        "read_cleanly",
    ),
    (
        "prepared_images",
        {"prepared_images": lambda t: change(t, "pixel_id", CONTENT[PATHS[-1]])},
        "no_pixel_label_conflict",
    ),
    ("sample_split", {"sample_split": lambda t: t.slice(1)}, "nothing_lost"),
    ("sample_split", {"sample_split": lambda t: change(t, "purpose", "holiday")}, "purpose_known"),
    ("sample_split", {"sample_split": lambda t: change(t, "purpose", "test")}, "leak_groups_whole"),
    ("sample_split", {"sample_split": lambda t: change(t, "content_id", CONTENT[PATHS[-1]])}, "contents_whole"),
    ("sample_split", {"sample_split": lambda t: change(t, "pixel_id", CONTENT[PATHS[-1]])}, "pixels_whole"),
    ("sample_split", {"sample_split": lambda t: change(t, "purpose", "test")}, "ledger_kept"),
    (
        "sample_split",
        {"sample_split": lambda t: put(t, "purpose", "train", lambda row: row["item"] == "3")},
        "given_kept",
    ),
    ("sample_split", {"sample_split": lambda t: attach_classes(t, ["good", "bad"])}, "labels_kept"),
    ("sample_split", {"sample_split": lambda t: attach_classes(t, ["good"])}, "labels_kept"),
    ("sample_split", {"sample_split": lambda t: put(t, "purpose", "train", lambda _: True)}, "purposes_filled"),
    (
        "sample_split",
        {"sample_split": lambda t: put(t, "purpose", "train", lambda row: row["folder"] == "bad")},
        "classes_divided",
    ),
    (
        "sample_split",
        {"sample_split": lambda t: put(t, "stratum", "all", lambda _: True)},
        "strata_are_classes",
    ),
    (
        "sample_split",
        {"sample_split": lambda t: put(t, "stratum", "x", lambda row: row["item"] == "0")},
        "strata_are_classes",
    ),
    ("sampling_weights", {"sampling_weights": lambda t: change(t, "purpose", "holiday")}, "purpose_known"),
    ("sampling_weights", {"sampling_weights": lambda t: change(t, "probability", 0.0)}, "weights_positive"),
    ("sampling_weights", {"sampling_weights": lambda t: change(t, "probability", 0.6)}, "probabilities_sum"),
    ("sampling_weights", {"sampling_weights": lambda t: change(t, "samples", 1)}, "nothing_lost"),
    ("sampling_weights", {"sampling_weights": lambda t: change(t, "draws", 9, 4)}, "draws_follow_weights"),
    ("tfrecord_shards", {"tfrecord_shards": lambda t: change(t, "purpose", "holiday")}, "purpose_known"),
    ("tfrecord_shards", {"tfrecord_shards": lambda t: change(t, "path", PATHS[6])}, "purpose_of_split"),
    ("tfrecord_shards", {"tfrecord_shards": lambda t: change(t, "position", 1)}, "places_unique"),
    ("tfrecord_shards", {"tfrecord_shards": lambda t: change(t, "label", 2)}, "label_known"),
    (
        "tfrecord_shards",
        {"tfrecord_shards": lambda t: change(t, "path", PATHS[7], PATHS.index(PATHS[6]))},
        "nothing_lost",
    ),
    (
        "tfrecord_shards",
        {"tfrecord_shards": lambda t: change(change(t, "group", "good"), "group", "good", 1)},
        "frequencies_met",
    ),
    (
        "tfrecord_shards",
        {"tfrecord_shards": lambda t: change(t, "shard", 1)},
        "shards_even",
    ),
    (
        "tfrecord_shards",
        {"tfrecord_shards": lambda t: t.filter(~(pc.field("group") == "bad") | (pc.field("purpose") != "train"))},
        "classes_drawn",
    ),
]


GIVEN = {"pattern": r"/(?P<purpose>3)_", "words": {"3": "test"}}
NEEDED = {"given_kept": {"split": {"uniqueness": r"/(\d+)_", "purposes": {"train": 0.6, "test": 0.2}, "given": GIVEN}}}
"""Settings without which a rule has nothing to say."""


@pytest.mark.parametrize(
    ("stage", "faults", "rule"), FAULTS, ids=[f"{s}.{r}-{i}" for i, (s, _, r) in enumerate(FAULTS)]
)
def test_each_fault_fails_its_rule(
    stage: str, faults: dict[str, Any], rule: str, tmp_path: Path, published: Baseline
) -> None:
    own = build()
    config = configure(tmp_path, sampling={"groupby": ["folder"]}, **NEEDED.get(rule, {}))
    if rule in NEEDED:
        assert find(stage, own, config, published)[rule].passed
    found = find(stage, own | {name: fault(own[name]) for name, fault in faults.items()}, config, published)
    finding = found[rule]
    assert not finding.passed
    assert finding.reason is None
    if finding.rule.frame == "rows":
        assert finding.offending >= 1
        assert 1 <= len(finding.rows) <= 20


def test_a_stratum_far_from_its_fractions_fails(config: PipelineConfig, published: Baseline) -> None:
    own = build()
    split = own["sample_split"]
    # Every item of one stratum on the same side: four items of five too many.
    for row, path in enumerate(PATHS):
        if "/bad/" in path:
            split = change(split, "purpose", "test", row)
    found = find("sample_split", own | {"sample_split": split}, config, published)
    assert not found["fractions_met"].passed
    assert [row["stratum"] for row in found["fractions_met"].rows] == ["bad"]
    assert not found["strata_on_every_side"].passed
    assert found["strata_on_every_side"].rule.severity == "warn"


def test_a_leak_group_larger_than_the_quota_is_named(config: PipelineConfig, published: Baseline) -> None:
    own = build()
    split = own["sample_split"]
    # One item of a stratum has all photos of it that go to test, and more than the quota of two.
    for row, path in enumerate(PATHS):
        if "/bad/" in path and path.split("/")[2][0] in "23":
            for column, value in (("item", "3"), ("leak_group", "photos/bad/3_0.png"), ("purpose", "test")):
                split = change(split, column, value, row)
    found = find("sample_split", own | {"sample_split": split}, config, Baseline())
    assert not found["groups_fit"].passed
    assert [row["leak_group"] for row in found["groups_fit"].rows] == ["photos/bad/3_0.png"]


def test_an_addition_to_a_locked_purpose_fails(tmp_path: Path, published: Baseline) -> None:
    own = build()
    locked = configure(
        tmp_path, split={"uniqueness": "/(\\d+)_", "purposes": {"train": 0.6, "test": 0.2}, "locked": ["test"]}
    )
    assert published.assignments is not None
    first_test = next(row for row, path in enumerate(PATHS) if purpose_of(path) == "test")
    before = pa.concat_tables([published.assignments.slice(0, first_test), published.assignments.slice(first_test + 1)])
    found = find("sample_split", own, locked, Baseline(published.listing, before))
    assert not found["locks_kept"].passed
    assert [row["path"] for row in found["locks_kept"].rows] == [PATHS[first_test]]


def test_a_missing_column_fails_with_the_reason(config: PipelineConfig, published: Baseline) -> None:
    own = build()
    whole = build_frames("raw_listing", held(own), config, published)
    whole["rows"] = whole["rows"].drop(columns="path")
    found = {finding.rule.name: finding for finding in validate_frames(SUITES["raw_listing"](config), whole)}
    assert not found["paths_unique"].passed
    assert "path" in (found["paths_unique"].reason or "")


def deepened(table: pa.Table, *ranges: tuple[int, int, int, int, float]) -> pa.Table:
    """The first images as 16-bit ones of these ranges."""
    for row, values in enumerate(ranges):
        for column, value in zip(RANGE, (16, *values), strict=True):
            table = change(table, column, value, row)
    return table


RANGE = ["bit_depth", "sample_min", "sample_low", "sample_high", "sample_max", "range_used"]
DARK, DARKER, WIDE = (3, 12, 200, 250, 0.003), (9, 20, 235, 260, 0.003), (0, 0, 60_000, 65_535, 0.9)


def test_images_that_use_little_of_their_range_are_named_with_the_window_that_would_fit(
    config: PipelineConfig, published: Baseline
) -> None:
    own = build()
    images = deepened(own["prepared_images"], DARK, DARKER)
    found = find("prepared_images", own | {"prepared_images": images}, config, published)["range_used"]
    assert (found.passed, found.rule.severity, found.offending) == (False, "warn", 2)
    assert [row["source_path"] for row in found.rows] == PATHS[:2]
    assert [(row["sample_low"], row["sample_high"]) for row in found.rows] == [(12, 200), (20, 235)]
    assert found.advice is not None
    assert "12..235 (extremes 3..260): write image: {intensity: {window: [12, 235]}}" in found.advice
    assert "clip" not in found.advice
    images = deepened(own["prepared_images"], DARK, WIDE)
    found = find("prepared_images", own | {"prepared_images": images}, config, published)["range_used"]
    assert [row["source_path"] for row in found.rows] == PATHS[:1]
    assert "window: [12, 200]" in (found.advice or "")
    assert "clip 1 other image(s), which reach 0..60000" in (found.advice or "")


@pytest.mark.parametrize(
    ("window", "least", "ranges", "named"),
    [
        (None, 0.0, [DARK], 0),  # switched off
        (None, 0.003, [DARK], 0),
        (None, 0.3, [], 0),  # all have 8 bits
        ([12, 235], 0.3, [(3, 12, 235, 250, 1.0)], 0),
        ([0, 100], 0.3, [(0, 0, 1000, 1200, 1.0)], 1),  # it shows a tenth of the image
        ([0, 400], 0.3, [(0, 0, 1000, 1200, 1.0)], 0),
    ],
)
def test_who_is_named_follows_tolerance_and_window(
    tmp_path: Path, published: Baseline, window: Any, least: float, ranges: list[Any], named: int
) -> None:
    tolerance = {"prepared_images": {"min_range_used": least}}
    image = {"target_size": [24, 32], "intensity": {"window": window} if window else "full_range"}
    config = configure(tmp_path, image=image, validation=tolerance)
    own = build()
    images = deepened(own["prepared_images"], *ranges)
    found = find("prepared_images", own | {"prepared_images": images}, config, published)["range_used"]
    assert (found.offending, found.passed, found.advice is None) == (named, not named, not named)


def test_a_table_that_does_not_know_ranges_is_judged_by_the_other_rules(
    config: PipelineConfig, published: Baseline
) -> None:
    own = build()
    own["prepared_images"] = own["prepared_images"].drop_columns(RANGE[1:])
    assert all(finding.passed for finding in find("prepared_images", own, config, published).values())


def test_policies_decide_what_a_label_conflict_does(tmp_path: Path) -> None:
    severity = {
        policy: next(
            rule.severity
            for rule in SUITES["sample_integrity"](configure(tmp_path, integrity={"label_conflicts": policy}))
            if rule.name == "no_label_conflict"
        )
        for policy in ("fail", "quarantine", "keep")
    }
    assert severity == {"fail": "error", "quarantine": "warn", "keep": "warn"}


def test_what_is_only_renamed_is_told_and_no_shrinkage(config: PipelineConfig, published: Baseline) -> None:
    own = build()
    moved = {
        name: table.set_column(
            table.column_names.index("path"),
            table.schema.field("path"),
            pa.array([path.replace("photos/bad", "other/worse") for path in PATHS], pa.large_string()),
        )
        for name, table in own.items()
        if name in ("raw_listing", "sample_integrity")
    }
    kept = find("raw_listing", own | moved, config, published)["paths_kept"]
    assert (kept.passed, kept.observed, kept.rule.severity) == (False, 0.5, "warn")
    assert "10 of 20 paths are gone. 10 images were renamed and count as there: photos/bad/0_0.png → " in str(
        kept.advice
    )
    assert kept.rows[0] == {
        "change": "renamed",
        "path": "photos/bad/0_0.png",
        "now": "other/worse/0_0.png",
        "class": "bad",
        "class_now": "bad",
    }
    shrunk = find("sample_integrity", own | moved, config, published)["not_shrunk"]
    assert (shrunk.passed, shrunk.observed, shrunk.rows) == (True, 0.0, [])


def test_shrinkage_says_what_is_gone_what_was_replaced_and_what_has_another_class(
    config: PipelineConfig, published: Baseline
) -> None:
    own = build()
    table = own["sample_integrity"].slice(2)
    table = change(table, "content_id", "f" * 32)  # the third image holds other bytes
    table = change(change(table, "path", "photos/good/x.png", 1), "category", ["good"], 1)
    shrunk = find("sample_integrity", own | {"sample_integrity": table}, config, published)["not_shrunk"]
    assert (shrunk.passed, shrunk.observed) == (False, 0.15)
    said = describe_finding(shrunk)
    assert f"3 of 20 contents are gone: {PATHS[0]}, {PATHS[1]}, {PATHS[2]}. 1 paths of them hold other bytes" in said
    assert f"{PATHS[3]} (bad) → photos/good/x.png (good)" in said
    assert "found 15%" in said
    assert [(row["change"], row["path"], row["now"]) for row in shrunk.rows] == [
        ("gone", PATHS[0], None),
        ("gone", PATHS[1], None),
        ("replaced", PATHS[2], None),
        ("relabelled", PATHS[3], "photos/good/x.png"),
    ]


def test_a_copy_that_remains_counts_its_content_as_there(config: PipelineConfig) -> None:
    own = build()
    twice = change(own["sample_integrity"], "content_id", CONTENT[PATHS[0]], 1)
    before = Baseline(pa.concat_tables([twice, twice.slice(0, 1)]))
    for kept in (twice.slice(1), twice):
        assert find("sample_integrity", own | {"sample_integrity": kept}, config, before)["not_shrunk"].observed == 0.0


def test_a_label_conflict_names_both_paths_with_their_classes(config: PipelineConfig) -> None:
    own = build()
    table = own["sample_integrity"]
    for row in (0, 19):
        for column, value in (("content_id", "a" * 32), ("label_conflict", True), ("copies", 2)):
            table = change(table, column, value, row)
    found = find("sample_integrity", own | {"sample_integrity": table}, config, Baseline())["no_label_conflict"]
    assert (found.passed, found.offending) == (False, 2)
    assert found.rows == [{"paths": f"{PATHS[0]} (bad), {PATHS[19]} (good)"}]
    images = change(own["prepared_images"], "pixel_id", CONTENT[PATHS[-1]])
    found = find("prepared_images", own | {"prepared_images": images}, config, Baseline())["no_pixel_label_conflict"]
    assert found.rows == [{"paths": f"{PATHS[0]} (bad), {PATHS[19]} (good)"}]


def test_entries_of_accept_unjudged_that_mean_nothing_are_named_with_the_closest(tmp_path: Path) -> None:
    entries = [PATHS[0], CONTENT[PATHS[1]], "photos/BAD/0_0.png", "0" * 31 + "f0"]
    config = configure(tmp_path, validation={"prepared_images": {"accept_unjudged": entries}})
    found = find("prepared_images", build(), config, Baseline())["accepted_matched"]
    assert (found.passed, found.rule.severity, found.offending) == (False, "warn", 2)
    assert found.rows == [
        {"entry": "photos/BAD/0_0.png", "closest": PATHS[0]},
        {"entry": "0" * 31 + "f0", "closest": None},
    ]
    assert "photos/BAD/0_0.png" in describe_finding(found)
    config = configure(tmp_path, validation={"prepared_images": {"accept_unjudged": entries[:2]}})
    assert find("prepared_images", build(), config, Baseline())["accepted_matched"].passed


def test_rows_of_known_assignments_that_mean_nothing_are_named(config: PipelineConfig, published: Baseline) -> None:
    own = build()
    known = read_known_assignments(f"path,purpose\n{PATHS[0]},train\nphotos/bad/0-0.png,train\n".encode(), "k.csv")
    before = Baseline(published.listing, published.assignments, known)
    found = find("sample_split", own, config, before)["known_matched"]
    assert (found.passed, found.observed, found.rule.severity) == (False, 1, "warn")
    assert found.rows == [{"key": "photos/bad/0-0.png", "purpose": "train", "closest": PATHS[0]}]
    assert "1 of 2 rows mean no listed image: 'photos/bad/0-0.png' (the closest is" in describe_finding(found)
    good = read_known_assignments(f"path,purpose\n{PATHS[0]},train\n".encode(), "k.csv")
    assert find("sample_split", own, config, Baseline(known=good))["known_matched"].passed


def test_names_of_a_given_list_that_mean_nothing_are_named(tmp_path: Path) -> None:
    given = {"lists": {"train": "t.txt", "devel": "d.txt"}}
    config = configure(tmp_path, split={"uniqueness": r"/(\d+)_\d+\.png$", "given": given})

    def judge(names: str) -> Finding:
        files = {"lists.train": read_given_file(names.encode(), "t.txt", "lists.train")}
        files["lists.devel"] = read_given_file(b"", "d.txt", "lists.devel")
        return find("sample_split", build(), config, Baseline(given=files))["given_matched"]

    found = judge(f"{PATHS[0]}\nbad/0_0.PNG\n")
    assert (found.passed, found.observed, found.rule.severity) == (False, 1, "warn")
    assert found.rows == [{"where": "split.given.lists.train", "key": "bad/0_0.PNG", "closest": "bad/0_0.png"}]
    assert "1 of 2 names mean no listed image: 'bad/0_0.PNG' (the closest is 'bad/0_0.png')" in describe_finding(found)
    assert judge(f"{PATHS[0]}\n").passed


def test_keys_of_given_words_that_nothing_has_are_named(tmp_path: Path) -> None:
    given = {"folder": 0, "words": {"bad": None, "good": None, "goood": "train"}}
    config = configure(tmp_path, split={"uniqueness": r"/(\d+)_\d+\.png$", "given": given})
    found = find("sample_split", build(), config, Baseline())["given_matched"]
    assert (found.passed, found.observed, found.rule.severity) == (False, 1, "warn")
    assert found.rows == [{"where": "split.given.words", "key": "goood", "closest": "good"}]
    assert "1 of 3 keys are no word that is found: 'goood' (the closest is 'good')" in describe_finding(found)


def test_numbers_are_said_as_people_say_them(config: PipelineConfig) -> None:
    rule = next(rule for rule in SUITES["sample_integrity"](config) if rule.name == "not_shrunk")
    assert "found 30%" in describe_finding(Finding(rule, passed=False, observed=0.1 + 0.2))
    assert "found 33.33%" in describe_finding(Finding(rule, passed=False, observed=1 / 3))
    lost = next(rule for rule in SUITES["sample_integrity"](config) if rule.name == "nothing_lost")
    assert "found 1,200" in describe_finding(Finding(lost, passed=False, observed=1200))
