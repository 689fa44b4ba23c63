"""The split by what labels say: who takes part, strata, items, given purposes, and what is remembered of it."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.labels.columns import bin_areas
from brev_pipeline.labels.prepared import PREPARED_LABELS, PREPARED_LABELS_TYPE
from brev_pipeline.release.assignments import build_next_ledger
from brev_pipeline.split import SELECTED_SAMPLES, PriorAssignments, assign_purposes, build_split_report, select_samples
from brev_pipeline.split.early_checks import check_split_early
from brev_pipeline.split.given_names import count_given_matches, list_given_columns
from brev_pipeline.split.selection import list_integrity_columns, read_listed
from brev_pipeline.tables import LABEL_ID, PREPARED_IMAGES, SAMPLE_SPLIT, InMemoryTable
from brev_pipeline.texts import TEXT
from brev_pipeline_tests.split.listings import always, digest, listing, sides

Photo = dict[str, Any]
"""content (number of the bytes), label (its label id), and what labels say of it."""

KEEP = {"duplicates": "keep_all", "label_conflicts": "keep"}


def integrity_of(photos: list[Photo], **columns: pa.DataType) -> pa.Table:
    """``sample_integrity`` of photos that are named by their places, with the columns that labels say."""
    table = listing(("a", 0, photo.get("content", 1000 + place), None) for place, photo in enumerate(photos))
    ids = table["content_id"].to_pylist()
    first = {name: table["path"][ids.index(name)].as_py() for name in ids}
    copies = [
        None if first[name] == path else first[name] for path, name in zip(table["path"].to_pylist(), ids, strict=True)
    ]
    table = table.drop_columns("pixel_id").append_column("duplicate_of", pa.array(copies, TEXT))
    for name, kind in {"label_id": TEXT, **columns}.items():
        key = "label" if name == "label_id" else name
        table = table.append_column(name, pa.array([photo.get(key) for photo in photos], kind))
    return table


def prepared_of(integrity: pa.Table, labels: dict[tuple[int, str], dict[str, Any]]) -> pa.Table:
    """``prepared_images`` of all contents, with these labels: (number of the bytes, label id) → its fields."""
    of_content: dict[str, list[dict[str, Any]]] = {}
    for (content, label), fields in labels.items():
        own = {"label_id": label, "status": "ok", **fields}
        of_content.setdefault(digest("bytes", content), []).append(own)
    ids = list(dict.fromkeys(integrity["content_id"].to_pylist()))
    rows = [{"content_id": name, "status": "ok", "source_path": name, "pixel_id": f"pixels {name}"} for name in ids]
    lists = pa.array([of_content.get(name) for name in ids], PREPARED_LABELS_TYPE)
    return pa.Table.from_pylist(rows, PREPARED_IMAGES).append_column(PREPARED_LABELS, lists)


def numbers_of(table: pa.Table) -> list[int]:
    """The photos' places."""
    return [int(path[-8:-4]) for path in table["path"].to_pylist()]


IDS = ("bad", "good", "other")
LABELS = {
    (0, "bad"): {"status": "wrong", "reason": "the mask has 4x4 px, the photo 8x8"},
    (0, "good"): {"has_defect": True, "defect_area": 0.25},
    (1, "good"): {"has_defect": False, "defect_area": 0.0},
    (2, "numbers"): {},
}
PHOTOS: list[Photo] = [
    {"content": 0, "label": "bad", "weight": 1.5},
    {"content": 0, "label": "good", "batch": "x"},
    {"content": 1, "label": "good"},
    {"content": 2, "label": "numbers", "weight": 2.5},
    {"content": 3},
    {"content": 4, "label": "lost"},
]
SAID = {"weight": pa.float64(), "batch": TEXT}


def test_photos_whose_labels_cannot_be_used_have_no_part_and_others_of_the_same_bytes_do() -> None:
    integrity = integrity_of(PHOTOS, **SAID)
    usable, excluded = select_samples(integrity, prepared_of(integrity, LABELS), **KEEP)
    assert numbers_of(usable) == [1, 2, 3, 4]
    assert [(row["rule"], row["partner"], row["reason"]) for row in excluded.to_pylist()] == [
        ("label_quarantined", None, "wrong: the mask has 4x4 px, the photo 8x8"),
        ("label_quarantined", None, "missing: its labels were not prepared"),
    ]
    assert usable.schema.names == [*SELECTED_SAMPLES.names, "label_id", "has_defect", "defect_area", "weight", "batch"]
    said = [tuple(row[name] for name in usable.schema.names[-5:]) for row in usable.to_pylist()]
    assert said == [
        ("good", "yes", 0.25, None, "x"),
        ("good", "no", 0.0, None, None),
        ("numbers", None, None, 2.5, None),
        (None, None, None, None, None),
    ]


def test_the_first_copy_with_usable_labels_stands_for_its_content() -> None:
    photos = [PHOTOS[0], PHOTOS[1], PHOTOS[1], PHOTOS[2]]
    integrity = integrity_of(photos)
    usable, excluded = select_samples(
        integrity, prepared_of(integrity, LABELS), duplicates="keep_first", label_conflicts="keep"
    )
    assert numbers_of(usable) == [1, 3]
    assert [(row["rule"], row["partner"]) for row in excluded.to_pylist()] == [
        ("label_quarantined", None),
        ("duplicate", "bucket/a/0_0001.bmp"),
    ]


@pytest.mark.parametrize(("first", "second"), [("good", "other"), ("good", None)])
def test_the_same_bytes_with_other_labels_are_a_conflict(first: str, second: str | None) -> None:
    photos = [{"content": 0, "label": first}, {"content": 0, "label": second}, {"content": 1, "label": "good"}]
    integrity = integrity_of(photos)
    prepared = prepared_of(integrity, {**LABELS, (0, "other"): {}})
    usable, excluded = select_samples(integrity, prepared, duplicates="keep_all", label_conflicts="quarantine")
    assert numbers_of(usable) == [2]
    assert [(row["rule"], row["partner"]) for row in excluded.to_pylist()] == [
        ("label_conflict", "bucket/a/0_0001.bmp"),
        ("label_conflict", "bucket/a/0_0000.bmp"),
    ]
    with pytest.raises(SplitError, match=r"2 images have the same bytes .* another category, or with other labels"):
        select_samples(integrity, prepared, duplicates="keep_all", label_conflicts="fail")


@always(
    photos=st.lists(
        st.fixed_dictionaries({"content": st.integers(0, 3), "label": st.sampled_from([None, "bad", "good", "other"])}),
        min_size=1,
        max_size=12,
    ),
    duplicates=st.sampled_from(["keep_all", "keep_first"]),
    conflicts=st.sampled_from(["keep", "quarantine"]),
)
def test_listed_is_usable_and_excluded_whatever_labels_are(
    photos: list[Photo], duplicates: str, conflicts: str
) -> None:
    integrity = integrity_of(photos)
    prepared = prepared_of(
        integrity, {(content, name): LABELS[0, "bad"] if name == "bad" else {} for content in range(4) for name in IDS}
    )
    usable, excluded = select_samples(integrity, prepared, duplicates=duplicates, label_conflicts=conflicts)
    assert sorted([*numbers_of(usable), *numbers_of(excluded)]) == list(range(len(photos)))
    assert "bad" not in usable["label_id"].to_pylist()
    contents = {photos[number]["content"] for number in numbers_of(usable)}
    if duplicates == "keep_first":
        assert len(contents) == usable.num_rows
    if conflicts == "keep":  # then no content is lost of which one photo can be used
        assert contents == {photo["content"] for photo in photos if photo["label"] != "bad"}
    for row in excluded.to_pylist():
        if row["rule"] == "duplicate":
            assert row["partner"] in usable["path"].to_pylist()


def labelled(rows: list[Photo], **columns: pa.DataType) -> pa.Table:
    """Samples: one photo a row, each with labels of its own; ``has_defect`` and ``defect_area`` as they say."""
    photos = [row | {"content": place, "label": f"label {place}"} for place, row in enumerate(rows)]
    fields = ("has_defect", "defect_area")
    labels = {(place, f"label {place}"): {key: row.get(key) for key in fields} for place, row in enumerate(rows)}
    integrity = integrity_of(photos, **columns)
    return select_samples(integrity, prepared_of(integrity, labels), **KEEP)[0]


def configured(**settings: Any) -> SplitSettings:
    return SplitSettings.model_validate({"purposes": {"train": 0.5}, **settings})


@pytest.mark.parametrize(
    ("area", "name"),
    [
        (None, None),
        (0.0, "0"),
        (1e-9, "0..0.001"),
        (0.001, "0..0.001"),
        (0.0011, "0.001..0.01"),
        (0.1, "0.01..0.1"),
        (0.11, ">0.1"),
        (1.0, ">0.1"),
    ],
)
def test_areas_fall_into_bins_that_hold_their_upper_bound(area: float | None, name: str | None) -> None:
    assert bin_areas(pa.chunked_array([[area]], pa.float64()), [0.001, 0.01, 0.1]).to_pylist() == [name]


def test_strata_may_be_of_what_labels_say_and_each_is_divided() -> None:
    rows = [{"has_defect": said, "defect_area": area} for said, area in ((True, 0.2), (False, 0.0), (None, None)) * 8]
    by_defect = assign_purposes(labelled(rows), configured(stratification=["has_defect"]))
    by_area = assign_purposes(labelled(rows), configured(stratification=["defect_area_bin"], area_bins=[0.1]))
    assert by_defect.schema.names == [*SAMPLE_SPLIT.names, "label_id", "has_defect", "defect_area"]
    assert by_area.schema.names[-3:] == ["has_defect", "defect_area", "defect_area_bin"]
    for split, names in ((by_defect, {"yes", "no", "unlabelled"}), (by_area, {">0.1", "0", "unlabelled"})):
        assert set(split["stratum"].to_pylist()) == names
        pairs = [f"{row['stratum']} {row['purpose']}" for row in split.to_pylist()]
        assert {pair: pairs.count(pair) for pair in pairs} == {
            f"{name} {purpose}": 4 for name in names for purpose in ("train", "devel")
        }


def test_labels_may_name_the_item_and_one_that_they_do_not_name_is_missing() -> None:
    rows = [{"item": f"i{place // 4}"} for place in range(16)]
    split = assign_purposes(labelled(rows, item=TEXT), configured(uniqueness=["item"]))
    assert split["item"].to_pylist() == split["label_item"].to_pylist() == [row["item"] for row in rows]
    assert all(len({split["purpose"][4 * item + photo].as_py() for photo in range(4)}) == 1 for item in range(4))
    unnamed = labelled([*rows, {"item": None}], item=TEXT)
    with pytest.raises(SplitError, match=r"uniqueness: 1 of 17 images have no value in the columns \['item'\]"):
        assign_purposes(unnamed, configured(uniqueness=["item"]))
    own = assign_purposes(unnamed, configured(uniqueness=["item"], unmatched="own_item"))
    assert own["item"].to_pylist()[-1] == own["path"].to_pylist()[-1]


def test_an_item_of_the_labels_is_known_again_from_what_was_remembered() -> None:
    rows = [{"item": f"i{place // 4}"} for place in range(16)]
    settings = configured(uniqueness=["item", "folder"])
    old = assign_purposes(labelled(rows, item=TEXT), settings)
    # Other bytes under other names, of the items of before.
    new = labelled([{}] * 16 + rows, item=TEXT).slice(16)
    split = assign_purposes(new, settings.model_copy(update={"seed": 7}), PriorAssignments(ledger=old))
    assert set(split["assigned_by"].to_pylist()) == {"ledger"}
    assert split["purpose"].to_pylist() == old["purpose"].to_pylist()


@pytest.mark.parametrize("key", ["stratification", "uniqueness"])
@pytest.mark.parametrize(
    ("column", "advice"), [("defect_area", r"split\.area_bins: \[0\.001"), ("weight", "take a column of texts")]
)
def test_numbers_are_no_keys_by_the_split_and_by_the_listing_alone(key: str, column: str, advice: str) -> None:
    samples = labelled([{"weight": float(place)} for place in range(4)], weight=pa.float64())
    settings = configured(**{key: [column]})
    said = rf"{key}: the column '{column}' holds numbers.*{advice}"
    with pytest.raises(SplitError, match=said):
        assign_purposes(samples, settings)
    with pytest.raises(SplitError, match=said):
        check_split_early(early(samples), settings)


def early(samples: pa.Table) -> pa.Table:
    """What ``raw_listing`` knows of samples."""
    known = ["path", "bucket", "etag", "category", "folder", "weight", "batch", "label_item", "label_purpose"]
    table = samples.select([name for name in known if name in samples.column_names])
    table = table.rename_columns([name.removeprefix("label_") for name in table.column_names])
    return table.append_column("size", pa.array([1] * len(table), pa.int64()))


def test_what_is_known_only_later_is_no_fault_of_the_listing() -> None:
    rows = [{"has_defect": True, "batch": None, "item": f"i{place}"} for place in range(4)]
    listed = early(labelled(rows, batch=TEXT, item=TEXT))
    for names in (["has_defect"], ["batch"], ["defect_area_bin"], ["batch", "has_defect"]):
        check_split_early(listed, configured(stratification=names, uniqueness=["item"], area_bins=[0.5]))
    with pytest.raises(SplitError, match="have no column 'defect_area_bin'"):
        check_split_early(listed, configured(stratification=["defect_area_bin"]))
    with pytest.raises(SplitError, match="have no column 'has_defect'"):
        check_split_early(listed.drop_columns(["batch", "item"]), configured(stratification=["has_defect"]))


GIVEN = {"labels": True, "words": {"val": "devel", "none": None}}
WORDS = ["train"] * 5 + ["val"] * 3 + ["none"] * 4 + [None] * 4


def test_labels_give_purposes_and_the_rest_is_divided() -> None:
    samples = labelled([{"purpose": word} for word in WORDS], purpose=TEXT)
    settings = configured(given=GIVEN)
    check_split_early(early(samples), settings)
    split = assign_purposes(samples, settings)
    assert split["purpose"].to_pylist()[:8] == ["train"] * 5 + ["devel"] * 3
    assert split["label_purpose"].to_pylist() == WORDS
    rest = split["purpose"].to_pylist()[8:]
    assert rest.count("train") == rest.count("devel") == 4
    assert split["assigned_by"].to_pylist() == ["given"] * 8 + ["new"] * 8
    report = build_split_report(split, settings)
    assert report.given.to_pylist() == [{"purpose": "train", "images": 5}, {"purpose": "devel", "images": 3}]


def test_words_of_labels_are_refused_and_counted_as_those_of_paths_are() -> None:
    samples = labelled([{"purpose": word} for word in WORDS], purpose=TEXT)
    said = r"split\.given\.labels finds the words 'none' \(4\), 'val' \(3\), .*none: null, val: devel"
    for refuse in (check_split_early, lambda listed, settings: assign_purposes(samples, settings)):
        with pytest.raises(SplitError, match=said):
            refuse(early(samples), configured(given={"labels": True}))
    settings = configured(given={"labels": True, "words": {**GIVEN["words"], "Train": "train"}})
    listed = InMemoryTable(integrity_of([{"purpose": word} for word in WORDS], purpose=TEXT))
    (matched,) = count_given_matches(listed.read(list_given_columns(settings)), settings, {})
    assert (matched.key, matched.names, matched.matched_count) == ("words", 3, 2)
    assert matched.unmatched.to_pylist() == [{"key": "Train", "closest": "train"}]
    with pytest.raises(SplitError, match=r"the labels say a purpose of none of the 2 images"):
        assign_purposes(labelled([{}, {}], purpose=TEXT), configured(given=GIVEN))
    with pytest.raises(SplitError, match=r"split\.given\.labels: no labels say a purpose"):
        assign_purposes(labelled([{}, {}]), configured(given=GIVEN))


def test_an_item_that_labels_give_two_sides_is_refused_by_the_listing_alone() -> None:
    rows = [{"purpose": word, "item": f"i{place // 2}"} for place, word in enumerate(["train", "devel", "train", None])]
    samples = labelled(rows, purpose=TEXT, item=TEXT)
    settings = configured(given={"labels": True}, uniqueness=["item"])
    with pytest.raises(SplitError, match=r"split\.given: 1 images of 1 items .* its item i0 stands in"):
        check_split_early(early(samples), settings)


def test_what_labels_say_of_a_copy_that_has_no_part_counts_for_its_image() -> None:
    photos: list[Photo] = [
        {"content": 0, "label": "l", "purpose": None},
        {"content": 0, "label": "l", "purpose": "devel"},
        {"content": 1, "label": "l", "purpose": "train"},
    ]
    integrity = integrity_of(photos, purpose=TEXT)
    prepared = prepared_of(integrity, {(0, "l"): {"has_defect": True}, (1, "l"): {"has_defect": False}})
    usable, _ = select_samples(integrity, prepared, duplicates="keep_first", label_conflicts="keep")
    settings = configured(given=GIVEN, stratification=["has_defect"])
    prior = PriorAssignments(listed=read_listed(InMemoryTable(integrity)))
    split = assign_purposes(usable, settings, prior)
    assert list(sides(split).values()) == ["devel", "train"]
    assert not build_split_report(split, settings, prior).overruled.num_rows


def test_what_labels_said_of_images_that_left_is_remembered() -> None:
    rows = [{"has_defect": place % 2 == 0, "batch": f"b{place}"} for place in range(8)]
    settings = configured(stratification=["has_defect"])
    old = assign_purposes(labelled(rows, batch=TEXT), settings)
    new = assign_purposes(labelled(rows, batch=TEXT).slice(3), settings, PriorAssignments(ledger=old))
    assert build_next_ledger(new, old, settings).drop_columns("assigned_by").equals(old.drop_columns("assigned_by"))
    # A version without labels knew nothing of them, and one that has none any more forgets them.
    plain = old.select(SAMPLE_SPLIT.names)
    grown = build_next_ledger(new, plain, settings.model_copy(update={"stratification": None}))
    assert grown.schema == new.schema
    assert grown["batch"].to_pylist() == [None] * 3 + [row["batch"] for row in rows[3:]]
    unlabelled = new.select(SAMPLE_SPLIT.names)
    assert build_next_ledger(unlabelled, old, configured()).schema == unlabelled.schema


def test_a_split_without_labels_has_no_further_columns() -> None:
    integrity = integrity_of(PHOTOS).drop_columns("label_id")
    usable, _ = select_samples(integrity, prepared_of(integrity, {}), **KEEP)
    assert usable.schema.equals(SELECTED_SAMPLES, check_metadata=True)
    split = assign_purposes(usable, configured(area_bins=[0.5]))
    assert split.schema.equals(SAMPLE_SPLIT, check_metadata=True)
    assert LABEL_ID.name not in list_integrity_columns(integrity.column_names)
