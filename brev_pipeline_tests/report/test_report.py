"""What the page says is what the tables hold."""

import dataclasses
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from brev_pipeline.augmentation import AugmentationSettings, ImageAugmenter
from brev_pipeline.report import ReportInputs, build_report
from brev_pipeline.report.changes import changes_section
from brev_pipeline.report.checks import checks_section
from brev_pipeline.report.context import ReportContext
from brev_pipeline.report.copies import copies_section
from brev_pipeline.report.exclusions import exclusions_section, quarantine_section
from brev_pipeline.report.inventory import inventory_section, make_timeline
from brev_pipeline.report.provenance import labels_section
from brev_pipeline.report.sampling import sampling_section, sheets_section
from brev_pipeline.report.split import split_section
from brev_pipeline.report.thumbnails import BUDGET, ThumbnailCache, shrink_image
from brev_pipeline_tests.held import Held, held
from brev_pipeline_tests.report.pages import Page
from brev_pipeline_tests.report.world import (
    Painted,
    Photo,
    checks_of,
    configuration,
    inputs_of,
    photos,
    published,
)

CLASSES = ["good", "bad_cap", "missing_cap"]


def album(inputs: ReportInputs) -> ThumbnailCache:
    return ThumbnailCache(
        inputs.images, inputs.pixels, ImageAugmenter(AugmentationSettings()), ReportContext(inputs).find_withheld
    )


def shuffled(table: pa.Table) -> pa.Table:
    """Its rows in another order, and in pieces."""
    mixed = table.take(pa.array(np.random.default_rng(5).permutation(table.num_rows)))
    return pa.concat_tables([mixed.slice(0, 7), mixed.slice(7, 0), mixed.slice(7)])


@pytest.fixture(scope="module")
def flawed() -> ReportInputs:
    """Copies of all kinds, a conflict, two damaged files, one with a note."""
    base = photos(120, CLASSES)
    one, two, three, four = (base[n] for n in (0, 10, 20, 30))
    rare = next(photo for photo in base if photo.category == "missing_cap")
    extra = [
        dataclasses.replace(one, path=f"{one.path[:-4]}_copy.png"),
        Photo(f"{two.path[:-4]}_again.png", "good", "other bytes", two.pixels),
        dataclasses.replace(rare, path=three.path[:-4] + "_wrong.png", category="good"),
        Photo(f"{four.path[:-4]}_a.png", "good", "cut", "cut", "corrupt", "ends before its last row"),
        Photo(f"{four.path[:-4]}_b.png", "good", "big", "big", "too_large", "20,000 × 20,000 px"),
        Photo(f"{four.path[:-4]}_c.png", "good", "noted", "noted", note="first page of 3"),
    ]
    return inputs_of([*base, *extra], checks=checks_of(configuration(), warned=("no_label_conflict",)))


def test_the_page_is_the_same_for_the_same_inputs_whatever_the_order_of_rows(flawed: ReportInputs) -> None:
    page = build_report(flawed)
    assert build_report(flawed) == page
    tables = {name: getattr(flawed, name).read() for name in ("listing", "images", "split", "records", "weights")}
    assert build_report(dataclasses.replace(flawed, **held({k: shuffled(t) for k, t in tables.items()}))) == page
    assert build_report(dataclasses.replace(flawed, exclusions=shuffled(flawed.exclusions))) == page
    reread = json.loads(json.dumps(flawed.manifest, sort_keys=True))
    assert build_report(dataclasses.replace(flawed, manifest=reread)) == page


def test_the_page_is_well_formed_accessible_and_needs_nothing_else(flawed: ReportInputs) -> None:
    page = Page(build_report(flawed)["index.html"])
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert [len(page.tags(name)) for name in ("main", "nav", "header", "footer")] == [1, 1, 1, 1]
    assert page.tags("html") == [{"lang": "en"}]
    assert all(image["alt"] and image["src"].startswith("data:image/webp;") for image in page.tags("img"))
    assert len(page.tags("caption")) == len(page.tags("table"))
    assert all(head["scope"] in {"col", "row"} for head in page.tags("th"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [link["href"] for link in page.tags("a")]
    assert set(links) <= {f"#{one}" for one in ids}
    policy = next(meta["content"] for meta in page.tags("meta") if meta.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:")


def test_every_section_opens_with_a_sentence_and_a_verdict(flawed: ReportInputs) -> None:
    text = Page(build_report(flawed)["index.html"]).text
    for words in (
        "126 images were found in 1 dataset: 3 classes, 6.3 MB together; 124 differ in content.",
        "1 picture stands under different classes (2 images, none of them in the training files).",
        "2 images of 126 could not be used and are left out of training and testing: 2 files of 124 that differ",
        "no item and no copy stands on two sides",
        "3 classes have a number each, kept for good",
        "train has",
        "For 3 classes: images as prepared",
        "55 of 56 checks passed, 1 warning did not stop the run",
        "first published version",
        "each of these has its reason: nothing was lost",
        "begins the manifest's checksum",
    ):
        assert words.lower() in text.lower(), words


def test_copies_are_grouped_by_pixels_and_conflicts_come_apart(flawed: ReportInputs) -> None:
    section = copies_section(ReportContext(flawed), album(flawed))
    assert [(group.conflict, group.same_bytes, group.size) for group in section.conflicts] == [(True, True, 2)]
    assert {member.category for member in section.conflicts[0].members} == {"good", "missing_cap"}
    assert all("two classes" in member.fate for member in section.conflicts[0].members)
    assert sorted(group.same_bytes for group in section.copies) == [False, True]
    assert section.opening.tone == "look"


def test_quarantine_names_every_unusable_image_with_its_reason(flawed: ReportInputs) -> None:
    section = quarantine_section(ReportContext(flawed))
    assert [(one.status, one.reason) for one in section.unusable] == [
        ("Damaged file", "ends before its last row"),
        ("Too large", "20,000 × 20,000 px"),
    ]
    assert [one.reason for one in section.noted] == ["first page of 3"]


def test_the_splits_numbers_are_the_tables(flawed: ReportInputs) -> None:
    section = split_section(ReportContext(flawed), album(flawed))
    split = flawed.split.read()
    for stratum in section.strata:
        for part in stratum.parts:
            rows = split.filter(
                pc.and_(pc.equal(split["stratum"], stratum.name), pc.equal(split["purpose"], part.purpose))
            )
            assert part.images == rows.num_rows
            assert part.groups == len(set(rows["leak_group"].to_pylist()))
    assert sum(part.images for part in section.total.parts) == split.num_rows
    assert [part.purpose for part in section.total.parts] == ["train", "devel", "test"]
    assert [round(part.wanted, 6) for part in section.total.parts] == [0.7, 0.15, 0.15]
    assert [divided for _, _, divided in section.proof] == [0, 0, 0, 0]
    sizes = [group.images for group in section.groups]
    assert sizes == sorted(sizes, reverse=True)


def test_a_leak_is_said_aloud(flawed: ReportInputs) -> None:
    split = flawed.split.read()
    purposes, groups = split["purpose"].to_pylist(), split["leak_group"].to_pylist()
    row = next(number for number, group in enumerate(groups) if groups.count(group) > 1)
    purposes[row] = "test" if purposes[row] == "train" else "train"
    split = split.set_column(split.column_names.index("purpose"), "purpose", pa.array(purposes))
    section = split_section(ReportContext(dataclasses.replace(flawed, split=Held(split))), album(flawed))
    assert section.opening.tone == "bad"
    assert "were divided!" in section.opening.says


def test_drawn_shares_are_those_of_the_records(flawed: ReportInputs) -> None:
    section = sampling_section(ReportContext(flawed))
    (train,) = section.draws
    assert sum(group.records for group in train.groups) == train.records
    assert sum(group.drawn for group in train.groups) == pytest.approx(1)
    assert sum(group.natural for group in train.groups) == pytest.approx(1)
    assert train.groups[-1].oversampling > 1 > train.groups[0].oversampling
    assert [name for name, _ in section.plain] == ["devel", "test"]


def test_augmented_pictures_are_the_records_own_pixels(flawed: ReportInputs) -> None:
    context, book = ReportContext(flawed), album(flawed)
    augmenter = ImageAugmenter(AugmentationSettings())
    made = sheets_section(context, book, augmenter)
    assert [sheet.name for sheet in made.sheets] == sorted(CLASSES)
    small, images = dict(book._read_small()), flawed.images.read()
    records = {(row["content_id"], row["seed"]): row for row in flawed.records.read().to_pylist()}
    for exhibit in (one for sheet in made.sheets for one in sheet.exhibits):
        assert exhibit.records
        for picture, _ in exhibit.records:
            assert records[picture.content_id, picture.seed]["path"] == exhibit.path
            row = images.filter(pc.equal(images["content_id"], picture.content_id))
            (pixels,) = Painted().read(row)
            assert np.array_equal(small[picture], shrink_image(augmenter.augment(pixels, picture.seed), 128))


def test_a_class_that_is_no_images_first_shows_the_records_of_its_images(flawed: ReportInputs) -> None:
    split = flawed.split.read()
    both = pa.array(
        [[*names, "second"] for names in split["category"].to_pylist()], split.schema.field("category").type
    )
    split = split.set_column(split.column_names.index("category"), split.schema.field("category"), both)
    manifest = {**flawed.manifest, "classes": [*flawed.manifest["classes"], "second"]}
    inputs = replace(flawed, split=Held(split), manifest=manifest)
    made = sheets_section(ReportContext(inputs), album(inputs), ImageAugmenter(AugmentationSettings()))
    (second,) = [sheet for sheet in made.sheets if sheet.name == "second"]
    seeds: dict[str, set[int]] = {}
    for row in flawed.records.read().to_pylist():
        if row["augmented"]:
            seeds.setdefault(row["content_id"], set()).add(row["seed"])
    told = {one.prepared.content_id: {picture.seed for picture, _ in one.records} for one in second.exhibits}
    assert any(told.values())
    assert all(
        bool(found) == (content in seeds) and found <= seeds.get(content, set()) for content, found in told.items()
    )


def test_pictures_of_logged_purposes_are_never_read() -> None:
    config = configuration(split=configuration().model_dump()["split"] | {"access_log": ["test"]})
    asked: list[str] = []

    class Watched(Painted):
        def read(self, rows: pa.Table):  # type: ignore[no-untyped-def]
            asked.extend(rows["content_id"].to_pylist())
            return super().read(rows)

    inputs = inputs_of(photos(80, CLASSES, per_item=4), config, pixels=Watched())
    page = build_report(inputs)["index.html"].decode()
    split = inputs.split.read()
    secret = split.filter(pc.equal(split["purpose"], "test"))["content_id"].to_pylist()
    assert asked
    assert not set(asked) & set(secret)
    assert "every look at" in page


def test_without_pixels_there_are_no_pictures_but_a_page(flawed: ReportInputs) -> None:
    bare = dataclasses.replace(flawed, images=Held(flawed.images.read().drop_columns(["file", "offset", "length"])))
    for inputs in (bare, dataclasses.replace(flawed, pixels=None)):
        page = Page(build_report(inputs)["index.html"])
        assert not page.tags("img")
        assert "No pictures were at hand" in page.text


def test_changes_against_the_parent_are_found(tmp_path: Path) -> None:
    before = photos(60, CLASSES)
    config = configuration(sampling={"groupby": ["category"], "group_weighing": "uniform"})
    parent = published(tmp_path, inputs_of(before, config))
    now = [*before[2:], Photo("s3://plant/vials/scratch/900_1.png", "scratch", "new", "new")]
    now[0] = dataclasses.replace(now[0], content="other", pixels="other")
    inputs = inputs_of(now, parent=parent)
    section = changes_section(ReportContext(inputs))
    assert {change.title: change.images for change in section.images if "Moved" not in change.title} == {
        "New images": 1,
        "Images that left": 2,
        "Replaced images": 1,
    }
    assert [(one.name, one.was, one.now) for one in section.settings] == [
        ("sampling.group_weighing", "uniform", "logx+1")
    ]
    classes = {one.name: one.change for one in section.classes}
    assert classes == {"good": "-2", "scratch": "+1"}
    assert section.numbers[0].was == 60
    assert parent.id in Page(build_report(inputs)["index.html"]).text


def test_what_was_renamed_has_not_left_and_is_not_new(tmp_path: Path) -> None:
    """Another folder of the same class, and one that makes another class of its images."""
    before = photos(60, CLASSES)
    parent = published(tmp_path, inputs_of(before))
    to = {"good": "fine", "bad_cap": "bad_cap"}
    now = [
        dataclasses.replace(photo, path=photo.path.replace("/vials/", "/vials/moved/"), category=to[photo.category])
        if photo.category in to
        else photo
        for photo in before
    ]
    section = changes_section(ReportContext(inputs_of(now, parent=parent)))
    count = Counter(photo.category for photo in before)
    assert {change.title: change.images for change in section.images if "Moved" not in change.title} == {
        "Renamed images": count["good"] + count["bad_cap"],
        "Relabelled images": count["good"],
    }
    assert section.images[0].examples[0][1].startswith("was s3://plant/vials/")
    assert "good → fine" in {what for _, what in section.images[1].examples}
    assert section.opening.tone == "look"


def test_moved_and_relabelled_images_are_worth_a_look(tmp_path: Path) -> None:
    base = inputs_of(photos(40, CLASSES))
    parent = published(tmp_path, base)
    split = base.split.read()
    at = split.column_names.index("purpose")
    moved = split.set_column(at, "purpose", pa.array(["devel"] * split.num_rows))
    section = changes_section(ReportContext(dataclasses.replace(base, split=Held(moved), parent=parent)))
    assert section.opening.tone == "look"
    assert section.images[0].title == "Moved images"
    assert section.images[0].examples[0][1].endswith("→ devel")


def test_the_same_version_again_has_no_changes(tmp_path: Path) -> None:
    base = inputs_of(photos(40, CLASSES))
    section = changes_section(ReportContext(dataclasses.replace(base, parent=published(tmp_path, base))))
    assert (section.images, section.classes, section.settings, section.packages) == ([], [], [], [])
    assert "the images stayed the same" in section.opening.says


def test_draws_that_a_check_found_something_in_are_worth_a_look() -> None:
    config = configuration()
    for warned, tone in (((), "good"), (("classes_drawn",), "look")):
        opening = sampling_section(
            ReportContext(inputs_of(photos(40, CLASSES), checks=checks_of(config, warned=warned)))
        ).opening
        assert opening.tone == tone
        assert ("see the checks" in opening.says) == bool(warned)


def test_used_and_left_out_make_the_listing(flawed: ReportInputs) -> None:
    section = exclusions_section(ReportContext(flawed))
    assert section.used + section.total_excluded == section.found == 126
    assert section.opening.tone == "good"
    short = dataclasses.replace(flawed, exclusions=flawed.exclusions.slice(1))
    assert exclusions_section(ReportContext(short)).opening.tone == "bad"


def test_checks_are_told_in_words() -> None:
    config = configuration()
    inputs = inputs_of(photos(30, CLASSES), checks=checks_of(config, warned=("not_blank",), failed=("paths_unique",)))
    section = checks_section(ReportContext(inputs))
    assert (section.count_verdict("passed"), section.count_verdict("warning"), section.count_verdict("failed")) == (
        section.total_checks - 2,
        1,
        1,
    )
    assert section.opening.tone == "bad"
    text = Page(build_report(inputs)["index.html"]).text
    assert "1 check failed" in text
    assert "Failed no image is listed twice (2 entries found against it)" in text
    assert section.stages[0].title == "Finding the images"


def test_dates_are_shown_only_where_they_are_known(flawed: ReportInputs) -> None:
    section = inventory_section(ReportContext(flawed))
    assert (section.datasets[0].first, section.datasets[0].last) == ("2026-01-01", "2026-01-30")
    assert section.timeline is not None
    assert sum(count for _, count in section.timeline.bars) == 126
    undated = dataclasses.replace(flawed, listing=Held(flawed.listing.read().drop_columns(["modified"])))
    assert inventory_section(ReportContext(undated)).timeline is None
    assert "Last changed" not in build_report(undated)["index.html"].decode()


@pytest.mark.parametrize(
    ("days", "unit", "bars"),
    [([0, 5, 9], "day", 10), ([0, 400], "month", 14), ([0, 9000], "year", 25), ([0, 1], None, 0)],
)
def test_the_timeline_takes_the_finest_unit_that_fits(days: list[int], unit: str | None, bars: int) -> None:
    day = 86_400_000_000
    made = make_timeline(pa.table({"modified": pa.array([one * day for one in days], pa.timestamp("us", "UTC"))}))
    assert (made.unit if made else None, len(made.bars) if made else 0) == (unit, bars)


def test_the_link_to_the_data_docs_stays_within_the_report(flawed: ReportInputs) -> None:
    page = build_report(dataclasses.replace(flawed, data_docs="data_docs/index.html"))["index.html"].decode()
    assert 'href="data_docs/index.html"' in page
    for address in ("https://elsewhere/x", "javascript:alert(1)", "//elsewhere", "/etc/passwd"):
        with pytest.raises(ValueError, match="relative"):
            dataclasses.replace(flawed, data_docs=address)


def test_one_image_or_one_class_make_a_page_too() -> None:
    for found_photos in (photos(3, ["good"], per_item=1), photos(2, ["good"], per_item=1)):
        text = Page(build_report(inputs_of(found_photos))["index.html"]).text
        assert "No two images show the same pixels" in text


def test_time_series_and_grey_pictures_are_shown(flawed: ReportInputs) -> None:
    class Frames(Painted):
        def read(self, rows: pa.Table):  # type: ignore[no-untyped-def]
            for image in super().read(rows):
                yield np.stack([image[..., :1]] * 3)

    assert len(Page(build_report(dataclasses.replace(flawed, pixels=Frames()))["index.html"]).tags("img")) > 20


@pytest.mark.slow
def test_ten_thousand_images_in_forty_classes_keep_to_size_and_time() -> None:
    for grain in (6, 255):
        inputs = inputs_of(photos(10_000, [f"class_{n:02d}" for n in range(40)]), side=(128, 128), grain=grain)
        began = time.process_time()
        page = build_report(inputs)["index.html"]
        assert len(page) < 5_000_000
        assert time.process_time() - began < 3
        assert page.count(b"<img ") > 400


@pytest.mark.slow
def test_even_pure_noise_in_great_numbers_keeps_to_the_budget() -> None:
    inputs = inputs_of(photos(2000, [f"class_{n:02d}" for n in range(60)], per_item=9), side=(128, 128), grain=255)
    book = album(inputs)
    sheets_section(ReportContext(inputs), book, ImageAugmenter(AugmentationSettings()))
    book.render()
    assert sum(len(book[wish].src) for wish in book._requests if book[wish]) < 1.4 * BUDGET


def test_labels_are_shown_with_what_each_number_holds(flawed: ReportInputs) -> None:
    manifest = dict(flawed.manifest)
    section = labels_section(
        ReportContext(replace(flawed, manifest=manifest | {"classes": ["worn", *manifest["classes"]]}))
    )
    split, records = flawed.split.read(["category"]), flawed.records.read(["label", "purpose"])
    wanted = Counter(name for row in split["category"].to_pylist() for name in row)
    held = Counter(zip(records["label"].to_pylist(), records["purpose"].to_pylist(), strict=True))
    assert [(row.number, row.name, row.images) for row in section.rows] == [
        (0, "worn", 0),
        *((number, name, wanted[name]) for number, name in enumerate(sorted(wanted), 1)),
    ]
    assert [row.records for row in section.rows] == [
        f"{held[number, 'train']} train, {held[number, 'devel']} devel and {held[number, 'test']} test"
        if held[number, "train"]
        else "none"
        for number in range(len(wanted) + 1)
    ]
    assert [row.note for row in section.rows] == ["no image any more", *[""] * len(wanted)]
    assert section.opening.tone == "look"
    assert "worn has no image any more, and the number waits for it" in section.opening.says
