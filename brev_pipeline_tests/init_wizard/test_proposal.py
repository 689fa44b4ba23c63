"""What the paths of a place mean: for layouts of every usual kind, what is proposed is true, or it is a doubt.

The layouts are drawn by code, with the item, class and side of each photo known (`layouts`). What is written without a
question may join items, which costs evenness; it must never divide one.
"""

import json
import random
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.errors import ConfigError, SplitError
from brev_pipeline.init_wizard import Choices, FileSurvey, Proposal, annotations, match_items, propose_settings
from brev_pipeline.init_wizard.class_rules import UNLABELLED, apply_class_rule
from brev_pipeline_tests.init_wizard.layouts import KINDS, Draw, Layout, Texts

UNDECIDED = {
    "class_beside_a_site": {"category"},
    "class_beside_folders": {"category"},
    "people_before_a_class": {"category", "pattern"},
    "unknown_words": {"category"},
    "cameras_without_a_word": {"pattern"},
    "clocks": {"pattern"},
    "coco": {"category"},
    "defects_beneath": {"category"},
    "days": {"pattern"},
    "exports": {"category"},
    "few_patients": {"pattern"},
    "frames": {"pattern"},
    "folders_of_few_patients": {"category"},
    "json_lines": {"category"},
    "lists_of_files": {"category"},
    "lots_in_names": {"pattern"},
    "lots_of_wafers": {"pattern"},
    "names_beside_a_table": {"category"},
    "names_of_people": {"pattern"},
    "only_times": {"pattern"},
    "patients_numbered_anew": {"pattern"},
    "serials": {"pattern"},
    "set_with_a_side": {"category", "given"},
    "slides": {"pattern"},
    "strips": {"pattern"},
    "studies": {"category"},
    "studies_with_a_table": {"category"},
    "surnames": {"pattern"},
    "table_of_labels": {"category"},
    "template_pairs": {"sample-filter", "category"},
    "two_numbers": {"pattern"},
}
"""Kinds that no path decides → what has to be asked. All others are decided."""
JOINED = {"class_number_first", "defects_beneath", "label_folders", "masks_by_folder", "positive_negative"}
"""Kinds in which numbers begin anew in each class, which nobody can know: taken for the same items."""


def proposed(kind: str, seed: int, choices: Choices | None = None) -> tuple[Layout, Proposal]:
    layout = KINDS[kind](random.Random(seed))
    return layout, propose_settings(layout.survey, choices or Choices())


def photos_of(found: Proposal) -> list[str]:
    return [found.below + path for path in found.photos]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6)
@given(seed=st.integers(0, 2**32))
def test_what_is_proposed_of_a_kind_is_true_or_a_doubt(kind: str, seed: int) -> None:
    layout, found = proposed(kind, seed)
    assert {doubt.topic for doubt in found.doubts} == UNDECIDED.get(kind, set()), found.doubts
    assert sorted(photos_of(found)) == sorted(layout.item)
    items = match_items(found.photos, found.pattern)
    assert None not in items
    if kind == "folders_of_few_patients":
        return  # which level is the class has to be asked, then which is the item: a test of its own
    if "pattern" not in UNDECIDED.get(kind, set()):
        groups: dict[str, set[str | None]] = defaultdict(set)
        for path, item in zip(photos_of(found), items, strict=True):
            groups[layout.item[path]].add(item)
        assert [item for item, keys in groups.items() if len(keys) > 1] == []
        assert len(set(items)) == len(groups) or kind in JOINED
    if kind not in ("studies", "studies_with_a_table", "defects_beneath"):
        classes = [layout.category[path] or UNLABELLED for path in photos_of(found)]
        assert apply_class_rule(found.photos, found.category.rule) == classes
    sides = [layout.side.get(path) for path in photos_of(found)]
    assert (found.given.words if found.given else [None] * len(sides)) == sides


@pytest.mark.parametrize("kind", UNDECIDED)
def test_what_is_decided_is_no_doubt_any_more(kind: str) -> None:
    choices = Choices(sample_filter="all", category="none", given="none", pattern="photo")
    assert proposed(kind, 1, choices)[1].doubts == []


def test_scope_is_stratum_only_if_somebody_says_so() -> None:
    for kind in KINDS:
        assert proposed(kind, 3)[1].scope == "global"
    _, found = proposed("same_items_ok_and_defect", 3, Choices(scope="stratum"))
    assert found.scope == "stratum"
    assert found.shared[0] == "001"


def test_a_split_without_devel_takes_it_out_of_train() -> None:
    _, found = proposed("castings", 1)
    assert found.given is not None
    assert found.given.purposes == {"train": None, "test": "test"}
    assert found.purpose_shares == {"train": 0.8, "test": 0}
    _, found = proposed("patients_given", 1)
    assert found.given is not None
    assert found.given.purposes == {"train": "train", "val": "devel", "test": "test"}


def test_lists_of_files_say_a_split() -> None:
    _, found = proposed("lists_of_files", 1, Choices(category="none"))
    assert found.given is not None
    assert found.given.settings == {
        "lists": {side: f"VOC/ImageSets/Main/{side}.txt" for side in ("test", "train", "val")}
    }
    assert found.doubts == []


def test_lists_whose_lines_name_no_photo_are_told_and_not_used() -> None:
    layout = KINDS["lists_of_files"](random.Random(1))
    layout.texts |= {
        f"VOC/ImageSets/Main/{side}.txt": "1 2 3 4\n5 6 7 8\n" for side in ("train", "val", "test", "trainval")
    }
    found = propose_settings(layout.survey)
    assert found.given is None
    assert any("their lines name no photo" in line for line in found.told)


def listed(tables: dict[str, str]) -> Proposal:
    """Photos of two classes beside some texts; ``{names}`` and ``{rest}`` stand for a line for each of them."""
    layout = Layout()
    for number in range(60):
        layout.add(f"{'ok' if number % 3 else 'dent'}/cam_{number:04}.png", str(number))
    names = [path.rpartition("/")[2] for path in sorted(layout.item)]
    for path, text in tables.items():
        text = text.replace("{names}", "\n".join(f"{name},1" for name in names[:40]))
        layout.texts[path] = text.replace("{rest}", "\n".join(f"{name},2" for name in names[40:]))
    return propose_settings(layout.survey)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"train.csv": "file,x\n{names}", "test.csv": "file,x\n{rest}"}, "test.csv and train.csv may be lists"),
        ({"meta.csv": "file,split\n{names}\n{rest}"}, "meta.csv has the columns file,split: does one of them say a"),
    ],
)
def test_a_split_that_may_stand_in_tables_is_asked_about(tables: dict[str, str], said: str) -> None:
    found = listed(tables)
    assert found.given is None
    ((topic, text),) = found.doubts
    assert (topic, said in text, "split.given.table" in text) == ("given", True, True)


def of(paths: list[str], **texts: str) -> Proposal:
    """What is proposed of photos, and of texts by their names with ``_`` for the point."""
    named = {name.replace("_", "."): text for name, text in texts.items()}
    return propose_settings(Texts(sorted(paths), sorted(named), True, texts=named))


def asked(found: Proposal) -> list[str]:
    return [topic for topic, _ in found.doubts]


def test_a_folder_of_masks_by_one_word_of_its_name_is_no_class(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"{folder}/{number:03}.png" for folder in ("good", "bad", "bad_masks") for number in range(30)]
    found = of(paths)
    assert set(found.category.counts) == {"good", "bad"}
    assert found.beside.masks == sorted(paths[60:])
    # Faces with a mask are photos, though another class has the same numbers.
    faces = [f"{folder}/{number:03}.png" for folder in ("with_mask", "none") for number in range(30)]
    everything = Texts(sorted(faces), [], True, texts=dict.fromkeys(faces, "a photo"))
    for colours, masks in ((33, []), (2, faces[:30])):
        monkeypatch.setattr(annotations, "count_colours", lambda data, count=colours: count if data else None)
        assert annotations.separate_photos(everything).masks == masks


def test_folds_are_no_items() -> None:
    draw = random.Random(5)
    found = of([f"fold{n % 5}/{'ok' if n % 2 else 'nok'}/im{draw.randrange(10**6):06}.png" for n in range(100)])
    assert asked(found) == ["given"]
    assert found.items.ways[0].items == 100


def test_lists_tell_photos_of_one_name_apart_by_their_folders() -> None:
    paths = [f"images/{folder}/{number:04}.jpg" for folder in ("cat", "dog") for number in range(50)]
    found = of(
        paths, train_txt="\n".join([*paths[:40], *paths[50:90]]), test_txt="\n".join([*paths[40:50], *paths[90:]])
    )
    assert found.given is not None
    assert dict(zip(found.photos, found.given.words, strict=True)) == {
        path: "train" if int(path[-8:-4]) < 40 else "test" for path in paths
    }


def test_one_name_that_is_there_twice_spoils_no_list() -> None:
    """A bare name that means two photos means neither; all others go on meaning theirs."""
    paths = [f"{folder}/p{number:03}.jpg" for number in range(20) for folder in ("a" if number % 2 else "b",)]
    found = of(
        [*paths, "b/p001.jpg"],
        train_txt="\n".join(f"p{number:03}" for number in range(15)),
        test_txt="\n".join([*(f"p{number:03}" for number in range(15, 20)), "b/p001.jpg"]),
    )
    assert found.given is not None
    told = dict(zip(found.photos, found.given.words, strict=True))
    assert told.pop("a/p001.jpg") is None
    assert told.pop("b/p001.jpg") == "test"
    assert told == {path: "train" if int(path[3:6]) < 15 else "test" for path in told}


def test_a_filter_that_no_photo_passes_is_no_end_of_the_dialogue() -> None:
    texts = {"train.txt": "p001\np002", "test.txt": "p003"}
    survey = Texts([f"a/p{number:03}.jpg" for number in range(9)], sorted(texts), True, texts=texts)
    assert propose_settings(survey, Choices(sample_filter="nothing")).photos == []


def test_a_split_in_json_is_asked_about() -> None:
    paths = [f"{'ok' if number % 2 else 'nok'}/part_{number:03}.jpg" for number in range(100)]
    found = of(paths, split_json=json.dumps({"train": paths[:80], "val": paths[80:]}))
    assert (asked(found), "split.json" in found.doubts[0].text) == (["given"], True)
    coco = [json.dumps({"images": [{"file_name": name} for name in part]}) for part in (paths[:80], paths[80:])]
    found = of(paths, **{"instances-train_json": coco[0], "instances-val_json": coco[1]})
    assert asked(found) == ["given"]


def test_a_side_without_class_folders_is_no_class_unasked() -> None:
    paths = [f"train/{name}s/{name}.{number}.jpg" for name in ("cat", "dog") for number in range(30)]
    found = of([*paths, *(f"test/{number}.jpg" for number in range(20))])
    assert "category" in asked(found)
    assert "the folder test is named like a side" in found.doubts[0].text


def test_a_split_by_lists_with_more_than_a_name_on_a_line_is_asked_about() -> None:
    layout = Layout()
    for number in range(60):
        layout.add(f"{'ok' if number % 3 else 'dent'}/cam_{number:04}.png", str(number))
    names = [path.rpartition("/")[2] for path in sorted(layout.item)]
    layout.texts = {
        "train.txt": "\n".join(f"{name} 0" for name in names[:40]),
        "test.txt": "\n".join(f"{name} 1" for name in names[40:]),
    }
    found = propose_settings(layout.survey)
    assert found.given is None
    assert [(topic, text[:57]) for topic, text in found.doubts] == [
        ("given", "the lines of test.txt and train.txt hold more than a name")
    ]


@pytest.mark.slow
def test_the_end_of_a_long_list_counts_too() -> None:
    layout = Layout()
    for number in range(30_000):
        layout.add(f"{'ok' if number % 3 else 'dent'}/a_long_word_{number:06}.png", str(number))
    names = [path.rpartition("/")[2].rpartition(".")[0] for path in sorted(layout.item)]
    layout.texts = {"train.txt": "\n".join(names[:26_000]), "test.txt": "\n".join(names[26_000:])}
    assert len(layout.texts["train.txt"]) > 1 << 18
    found = propose_settings(layout.survey)
    assert found.given is not None
    assert found.given.photo_counts == {"train": 26_000, "test": 4_000}
    # Names that are nobody's tell more of a list than its beginning does.
    layout.texts["train.txt"] += "".join(f"\nnobody_{number}" for number in range(9_000))
    assert propose_settings(layout.survey).given is None


def test_masks_that_have_the_names_of_photos_are_left_out_by_their_folder() -> None:
    layout, found = proposed("same_names_in_masks", 2)
    assert found.below == "images/"
    # With sides above, no one folder holds the photos: then what lies in masks/ has no class.
    inner = Layout()
    for side in ("train", "test"):
        for path, item in layout.item.items():
            inner.add(f"{side}/{path}", f"{side} {item}", None, side)
        inner.masks += [f"{side}/{path}" for path in layout.masks]
    found = propose_settings(inner.survey)
    assert (found.below, found.beside.filter) == ("", None)
    listing = found.listing_settings
    assert listing["classes"] == [UNLABELLED]
    named = apply_class_rule(sorted([*inner.item, *inner.masks]), listing["category"])
    renamed = [listing["class_mapping"][name] if name else None for name in named]
    assert renamed.count([UNLABELLED]) == len(inner.item)
    assert all(
        (name is None) == ("/masks/" in path)
        for path, name in zip(sorted([*inner.item, *inner.masks]), named, strict=True)
    )


def test_two_photos_of_one_name_are_no_masks_if_both_have_many_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = KINDS["class_above_images"](random.Random(5))
    few = propose_settings(layout.survey)
    assert len(few.photos) == len(layout.item)
    monkeypatch.setattr(annotations, "count_colours", lambda data: 1000)
    both = annotations.separate_photos(layout.survey)
    assert both.masks == []
    assert len(both.photos) == len(layout.survey.images) - 2  # the pictures of the set, in its root


def test_masks_are_counted_by_their_colours() -> None:
    import cv2
    import numpy as np

    mask = np.zeros((40, 40), np.uint8)
    mask[3:9, 4:8] = 255
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)
    assert annotations.count_colours(cv2.imencode(".png", mask)[1].tobytes()) == 2
    assert annotations.count_colours(cv2.imencode(".png", noise)[1].tobytes()) == 33
    assert annotations.count_colours(b"none") is None


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (Choices(category="("), "--category: '(' is not a regular expression"),
        (Choices(category=r"/(\d+)_"), "has no group (?P<category>…)"),
        (Choices(category="-4"), "--category -4: 60 photos have no class, such as ok/001_1.png"),
        (Choices(given=r"/(\d+)_"), "has no group (?P<purpose>…)"),
        (Choices(given="0"), "--given 0: defect, ok are no sides such as train, val, test"),
        (Choices(sample_filter="["), "--sample-filter: '[' is not a regular expression"),
    ],
)
def test_a_choice_that_cannot_be_used_says_why(choices: Choices, said: str) -> None:
    paths = [f"{name}/{item:03}_{shot}.png" for name in ("ok", "defect") for item in range(1, 16) for shot in (1, 2)]
    with pytest.raises(ConfigError) as error:
        propose_settings(FileSurvey(paths, [], True), choices)
    assert said in str(error.value)


def test_a_pattern_that_cannot_be_used_says_why() -> None:
    with pytest.raises(SplitError, match="no group"):
        match_items(["a/1.png"], r"\d+")
    with pytest.raises(SplitError, match="not a regular expression"):
        match_items(["a/1.png"], "(")
    assert match_items(["a/x.png"], r"(\d+)") == [None]


def test_nested_folders_of_items_are_told_apart_by_the_innermost() -> None:
    paths = [f"data/kos{item:02}/Part{shot}.jpg" for item in range(1, 41) for shot in range(8)]
    paths += [f"data/kos13/kos08/Part{shot}.jpg" for shot in range(8)]
    found = propose_settings(FileSurvey(sorted(paths), [], True))
    assert len(set(match_items(found.photos, found.pattern))) == 40
    assert match_items(["data/kos13/kos08/Part1.jpg"], found.pattern) == ["kos08"]


NAMES = st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["good/", "bad/", "", "train/x/"]), NAMES), min_size=1, max_size=12))
def test_any_names_lead_to_proposals_that_find_an_item_in_each(names: list[tuple[str, str]]) -> None:
    paths = sorted({f"{folder}{name}.png" for folder, name in names if not name.startswith(".")})
    if not paths:
        return
    found = propose_settings(FileSurvey(paths, [], True), Choices(sample_filter="all"))
    for way in found.items.ways:
        assert None not in match_items([path for path in found.photos if "\n" not in path], way.pattern)


def test_a_draw_is_the_same_again() -> None:
    first, again = (KINDS["strips"](Draw(7)) for _ in range(2))
    assert first.item == again.item


def test_few_numbered_folders_of_few_photos_may_be_classes_or_items() -> None:
    paths = [
        f"{label}/img_{shot % 4:02}_{425000 + 7 * shot + label}.jpg" for label in range(1, 11) for shot in range(25)
    ]
    assert {"category", "pattern"} == {
        doubt.topic for doubt in propose_settings(FileSurvey(sorted(paths), [], True)).doubts
    }


def test_an_answer_about_the_class_does_not_settle_the_item() -> None:
    _, found = proposed("folders_of_few_patients", 1, Choices(category="-2"))
    assert {doubt.topic for doubt in found.doubts} == {"pattern"}


def test_a_class_in_the_middle_is_found_and_its_patients_stay_whole() -> None:
    # Of 12 patients 3 have photos of both classes: 9 + 3 * 2 = 15 pairs of patient and class, 4 photos each.
    classes = {patient: ("benign", "malignant")[: 2 if patient <= 3 else 1] for patient in range(1, 13)}
    found = of(
        [
            f"P{patient:02}-V{visit}-{name}-{shot}.png"
            for patient, names in classes.items()
            for name in names
            for visit in range(2)
            for shot in range(2)
        ]
    )
    assert found.doubts == []
    assert found.category.counts == {"benign": 48, "malignant": 12}
    assert set(match_items(found.photos, found.pattern)) == {f"P{patient:02}" for patient in range(1, 13)}
    assert found.shared == ["P01", "P02", "P03"]
    assert found.listing_settings == {"category": found.category.rule}
    assert "(?P<category>" in found.category.rule


def test_a_place_is_counted_from_the_end_where_beginnings_differ() -> None:
    found = of([f"{'c1' if n % 3 else 'c1_d2'}_{n:03}_{'ok' if n % 2 else 'nok'}_{n % 7}.png" for n in range(84)])
    assert (found.category.counts, found.doubts) == ({"ok": 42, "nok": 42}, [])


@pytest.mark.parametrize("words", [("left", "right"), ("camL", "camR"), ("north", "south"), ("morning", "evening")])
def test_views_cameras_and_times_are_no_classes(words: tuple[str, ...]) -> None:
    alone = of([f"{n:03}_{word}_1.png" for n in range(40) for word in words])
    assert (alone.category.rule, alone.doubts) == (None, [])
    beside = of([f"{word}_{'ok' if n % 2 else 'nok'}_{n:03}.png" for n in range(40) for word in words])
    assert (beside.category.counts, beside.doubts) == ({"ok": 40, "nok": 40}, [])


def test_several_readings_are_told_with_what_chooses_each() -> None:
    paths = [f"{n:03}_{'berlin' if n % 3 else 'munich'}_{'ok' if n % 2 else 'nok'}.png" for n in range(60)]
    ((topic, text),) = of(paths).doubts
    assert (topic, "berlin, munich" in text, "nok, ok" in text) == ("category", True, True)
    chosen = {}
    for way in of(paths).class_ways[:-1]:
        assert f"--category '{way.rule}'" in text
        found = propose_settings(FileSurvey(sorted(paths), [], True), Choices(category=way.rule))
        assert found.doubts == []
        chosen[frozenset(found.category.counts)] = set(found.category.counts.values())
    assert chosen == {
        frozenset(["ok", "nok"]): {30},
        frozenset(["berlin", "munich"]): {40, 20},
        frozenset(["berlin_ok", "berlin_nok", "munich_ok", "munich_nok"]): {20, 10},
    }


def test_a_known_word_in_some_names_only_is_asked_about() -> None:
    found = of([f"IMG_{n:04}{'' if n % 4 else '_defect'}.png" for n in range(80)])
    assert asked(found) == ["category"]
    assert "such as defect" in found.doubts[0].text
