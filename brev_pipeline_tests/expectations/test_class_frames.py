"""Frames of classes and purposes: what is told, and what sound unusual settings are spared."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from brev_pipeline.config import PipelineConfig, SplitSettings, parse_config
from brev_pipeline.expectations.class_frames import build_class_frames, build_drawn_classes
from brev_pipeline.split.label_map import attach_classes
from brev_pipeline.texts import NAMES, TEXT

YAML = "name: parts\nstore: store\ndatasets: [{name: P, id: p, bucket: photos}]\n"
Row = tuple[Any, ...]


def table(rows: list[Row]) -> tuple[pa.Table, Any]:
    """A split of rows (category or categories, leak group, stratum, purpose)."""
    columns = list(zip(*rows, strict=True))
    names = [[one] if isinstance(one, str) else one for one in columns[0]]
    found = {
        "path": pa.array([f"p/{number}" for number in range(len(rows))], TEXT),
        "category": pa.array(names, NAMES),
        "stratum": pa.array(columns[2], TEXT),
        "purpose": pa.array(columns[3], TEXT),
    }
    split = attach_classes(pa.table(found), sorted({name for row in names for name in row}))
    _, group = np.unique(np.array(columns[1]), return_inverse=True)
    return split, group.astype(np.int64)


def frame(name: str, rows: list[Row], earlier: list[str] | None = None, **settings: Any) -> pd.DataFrame:
    split, group = table(rows)
    given = settings.get("given", {})
    words = {word: word for word in given.get("lists", {})} | given.get("words", {})
    outside = np.isin(split["purpose"].to_numpy(), [purpose for purpose in words.values() if purpose])
    return build_class_frames(split, group, SplitSettings.model_validate(settings), earlier or [], outside)[name]


def spread(category: Any, groups: int, sides: str = "train devel", stratum: str = "all") -> list[Row]:
    """Two images of each group of a class; groups go to the sides in turn."""
    names = sides.split()
    return [(category, f"{category}{one}", stratum, names[one % len(names)]) for one in range(groups) for _ in range(2)]


FILLED: dict[str, tuple[list[Row], dict[str, Any], set[str]]] = {
    "both sides": (spread("a", 4), {}, set()),
    "nothing in devel": (spread("a", 4, "train"), {}, {"devel"}),
    "fewer groups than sides": (spread("a", 1, "train"), {}, set()),
    "each stratum has room for two sides only, all together for more": (
        [row for kind in "abc" for row in spread(kind, 3, "train train test", stratum=kind)],
        {"purposes": {"train": 0.6, "test": 0.2, "val": 0.1}},
        {"val", "devel"},
    ),
    "a class is taken for one item": (
        [row for kind in "abc" for row in spread(kind, 1, "train", stratum=kind)],
        {},
        {"devel"},
    ),
    "one stratum alone has room for all": (
        [*spread("a", 3, "train train test", stratum="a"), *spread("b", 4, "train train test", stratum="b")],
        {"purposes": {"train": 0.6, "test": 0.2, "val": 0.1}},
        {"val", "devel"},
    ),
    "a share of 0": (spread("a", 4), {"purposes": {"train": 0.8, "old": 0}}, set()),
    "no remainder": (spread("a", 4, "train test"), {"purposes": {"train": 0.8, "test": 0.2}}, set()),
    "an empty fold": (spread("a", 6, "fold0 fold1"), {"folds": 3}, {"fold2"}),
    "all folds": (spread("a", 6, "fold0 fold1 fold2"), {"folds": 3}, set()),
    "a given purpose that nothing gives": (
        spread("a", 6),
        {"purposes": {"train": 0.8, "test": 0}, "given": {"folder": 0, "words": {"testing": "test"}}},
        {"test"},
    ),
    "lists name it by its own word": (
        spread("a", 6),
        {"purposes": {"train": 0.8, "test": 0}, "given": {"lists": {"test": "test.txt"}}},
        {"test"},
    ),
    "all is given, nothing is left to the remainder": (
        spread("a", 6, "train test"),
        {"purposes": {"train": 0.8, "test": 0}, "given": {"folder": 0, "words": {"train": "train", "test": "test"}}},
        set(),
    ),
    "what is left to the shares is not divided": (
        spread("a", 6, "train test"),
        {"purposes": {"train": 0.8, "test": 0}, "given": {"folder": 0, "words": {"test": "test", "train": None}}},
        {"devel"},
    ),
}


@pytest.mark.parametrize(("rows", "settings", "empty"), FILLED.values(), ids=FILLED)
def test_an_empty_purpose_is_told_where_it_could_be_filled(
    rows: list[Row], settings: dict[str, Any], empty: set[str]
) -> None:
    found = frame("purposes", rows, **settings)
    assert set(found["purpose"][~found["filled"]]) == empty
    counted = {name: sum(row[3] == name for row in rows) for name in found["purpose"]}
    assert dict(zip(found["purpose"], found["images"], strict=True)) == counted


def test_what_is_given_is_counted_out_where_it_is_known() -> None:
    split, group = table(spread("a", 6, "train test"))
    words = {"train": "train", "test": "test"}
    settings = SplitSettings.model_validate(
        {"purposes": {"train": 0.8, "test": 0}, "given": {"folder": 0, "words": words}}
    )
    for free, empty in ((2, set()), (4, {"devel"})):  # images; two of each group
        outside = np.arange(len(split)) >= free
        found = build_class_frames(split, group, settings, [], outside)["purposes"]
        assert set(found["purpose"][~found["filled"]]) == empty


def test_a_class_of_one_item_or_missing_from_a_side_is_named_with_its_items_and_sides() -> None:
    rows = [*spread("whole", 3), *spread("single", 1), *spread("biased", 3, "devel"), *spread(["whole", "both"], 2)]
    found = frame("classes", rows).set_index("class")
    assert found["divided"].to_dict() == {"biased": False, "both": True, "single": False, "whole": True}
    assert found["items"].to_dict() == {"biased": 3, "both": 2, "single": 1, "whole": 5}
    assert found["images"].to_dict() == {"biased": 6, "both": 4, "single": 2, "whole": 10}
    assert found.loc["single", ["sides", "missing"]].tolist() == ["train", "devel"]
    assert found.loc["biased", ["sides", "missing"]].tolist() == ["devel", "train"]


def test_a_class_that_is_wholly_given_misses_no_side() -> None:
    split, group = table([*spread("given", 3, "test"), *spread("free", 3, "train")])
    settings = SplitSettings.model_validate(
        {"purposes": {"train": 0.8, "test": 0}, "given": {"folder": 0, "words": {"held": "test", "rest": None}}}
    )
    outside = np.array([name == ["given"] for name in split["category"].to_pylist()])
    found = build_class_frames(split, group, settings, [], outside)["classes"].set_index("class")
    assert found["divided"].to_dict() == {"given": True, "free": False}
    assert found["missing"].to_dict() == {"given": "", "free": "devel"}


def test_a_side_without_share_is_not_missed() -> None:
    assert frame("classes", spread("a", 4), purposes={"train": 0.8, "old": 0})["divided"].all()


STRATA: dict[str, tuple[list[Row], Any, set[str]]] = {
    "none, by choice": ([*spread("a", 3), *spread("b", 3)], None, set()),
    "the category": ([*spread("a", 1, stratum="a"), *spread("b", 3, stratum="b")], ["category"], set()),
    "data set and category": (
        [row for name, one in product("ab", "xy") for row in spread(name, 1, stratum=f"{one} / {name}")],
        ["dataset", "category"],
        set(),
    ),
    "folders that are parts of classes": (
        [*spread("a", 3, stratum="a1"), *spread("a", 2, stratum="a2"), *spread("b", 2, stratum="b")],
        ["folder"],
        set(),
    ),
    "folders that are items": (
        [("a", f"a{one}", f"kos{one}", "train") for one in range(5) for _ in range(3)],
        ["folder"],
        {f"kos{one}" for one in range(5)},
    ),
    "a stratum of two classes": (
        [*spread("a", 3, stratum="day 1"), *spread("b", 3, stratum="day 1")],
        "/(day .)/",
        {"day 1"},
    ),
    "images of two classes": (
        [*spread(["a", "b"], 2, stratum="a, b"), *spread("a", 2, stratum="a")],
        ["category"],
        set(),
    ),
}


@pytest.mark.parametrize(("rows", "stratification", "told"), STRATA.values(), ids=STRATA)
def test_a_stratum_that_is_no_class_is_told(rows: list[Row], stratification: Any, told: set[str]) -> None:
    found = frame("class_strata", rows, stratification=stratification)
    assert set(found["stratum"][~found["of_one_class"].astype(bool)]) == told


def test_labels_are_compared_with_those_of_the_version_before() -> None:
    rows = [*spread("a", 2), *spread("b", 2)]
    assert frame("labels", rows).empty
    assert frame("labels", rows, earlier=["a"])["kept"].all()
    found = frame("labels", rows, earlier=["b", "gone"])
    assert found["class"].tolist() == ["b", "gone"]
    assert found["kept"].tolist() == [False, False]


def config(**sampling: Any) -> PipelineConfig:
    made = parse_config(YAML)
    shards = made.shards.model_copy(update={"epochs": 2})
    return made.model_copy(update={"shards": shards, "sampling": made.sampling.model_copy(update=sampling)})


def test_a_class_that_an_epoch_does_not_hold_is_named() -> None:
    split, _ = table([*spread("a", 2, "train"), *spread(["b", "c"], 1, "train"), *spread("d", 1, "devel")])
    drawn = [(0, 0), (0, 1), (0, 1), (0, 4), (1, 2)]  # epoch and row of the split
    records = pa.table(
        {
            "purpose": pa.array(["train"] * 5 + ["train", "devel"], TEXT),
            "epoch": pa.array([epoch for epoch, _ in drawn] + [1, 0], pa.int32()),
            "path": pa.array([f"p/{row}" for _, row in drawn] + ["p/5", "p/6"], TEXT),
            # A plain record beside the draws, as folds have it, is no draw.
            "ordinal": pa.array([0, 0, 1, 0, 0, -1, 0], pa.int32()),
        }
    )
    found = build_drawn_classes(records, split, config()).set_index(["class", "epoch"])
    assert found["images"].to_dict() == {(name, epoch): {"a": 4}.get(name, 2) for name in "abc" for epoch in range(2)}
    assert found["drawn_images"].to_dict() == {
        ("a", 0): 2, ("a", 1): 1, ("b", 0): 1, ("b", 1): 0, ("c", 0): 1, ("c", 1): 0,
    }  # fmt: skip
    assert found["drawn"].to_dict() == {key: count > 0 for key, count in found["drawn_images"].to_dict().items()}


def test_without_records_every_class_is_missed_and_nothing_breaks() -> None:
    split, _ = table(spread("a", 2, "train"))
    none = pa.table(
        {
            "purpose": pa.array([], TEXT),
            "epoch": pa.array([], pa.int32()),
            "path": pa.array([], TEXT),
            "ordinal": pa.array([], pa.int32()),
        }
    )
    assert build_drawn_classes(none, split, config())["drawn"].tolist() == [False, False]
    assert build_drawn_classes(none, split, config(purposes=[])).empty
