"""The notebook's object on a pandas DataFrame."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from brev_pipeline import SampleSplit
from brev_pipeline.errors import SplitError
from brev_pipeline_tests.split.listings import PATTERN, listing, plain

METHODS = ["ranked_hash", "sorted_permutation", "murmurhash3"]


def frame(items: int = 20, photos: int = 2) -> pd.DataFrame:
    return pd.DataFrame(plain({"a": [photos] * items, "b": [photos] * items}).to_pandas())


def split(**changes: Any) -> SampleSplit:
    return SampleSplit(**{"stratification": ["folder"], "uniqueness": PATTERN, "seed": 1, **changes})


@pytest.mark.parametrize("method", METHODS)
def test_the_frame_that_came_in_stays_and_rows_keep_order_and_index(method: str) -> None:
    samples = frame().sample(frac=1, random_state=2).set_index(pd.Index([7] * 80, name="x"))
    before = samples.copy(deep=True)
    out = split(method=method).assign(samples)
    pd.testing.assert_frame_equal(samples, before)
    pd.testing.assert_frame_equal(out.drop(columns="purpose"), before)
    assert list(out.columns) == [*before.columns, "purpose"]
    assert set(out["purpose"]) == {"train", "devel"}


@pytest.mark.parametrize("method", METHODS)
def test_rows_that_have_a_purpose_keep_it_and_their_item_follows(method: str) -> None:
    samples = frame()
    samples["purpose"] = None
    samples.loc[[0, 10, 41], "purpose"] = ["test", "devel", "train"]
    out = split(method=method).assign(samples)
    assert out.loc[[0, 1, 10, 11, 40, 41], "purpose"].tolist() == ["test", "test", "devel", "devel", "train", "train"]
    assert out["purpose"].notna().all()


@pytest.mark.parametrize("method", METHODS)
def test_assigning_twice_is_assigning_once(method: str) -> None:
    once = split(method=method).assign(frame())
    pd.testing.assert_frame_equal(split(method=method, seed=2).assign(once), once)


@pytest.mark.parametrize("method", METHODS)
def test_a_purpose_that_has_its_share_takes_no_more(method: str) -> None:
    samples = frame()
    given = ["train" if row % 40 < 32 else None for row in range(80)]
    samples["purpose"] = given
    out = split(method=method).assign(samples)
    if method == "murmurhash3":  # it meets its shares on average only, as the reference does
        assert (out["purpose"][samples["purpose"] == "train"] == "train").all()
    else:
        assert out["purpose"].tolist() == [purpose or "devel" for purpose in given]


def test_no_remainder_leaves_rows_open_for_the_next() -> None:
    first = split(split=0.6).assign(frame(), remainder=None)
    assert first["purpose"].isna().sum() == 32
    second = split(split=0.2).assign(first, "devel", "test")
    assert second["purpose"].value_counts().to_dict() == {"train": 48, "devel": 16, "test": 16}


def test_another_column_can_hold_the_purposes() -> None:
    out = split().assign(frame(), "fit", "check", column="side")
    assert out["side"].value_counts().to_dict() == {"fit": 64, "check": 16}


def test_purposes_given_by_hand_are_kept_even_where_they_divide_an_item() -> None:
    samples = frame(photos=3)
    samples.loc[[0, 1], "given"] = ["train", "test"]
    for method, third in zip(METHODS, ["test", "train", "train"], strict=True):
        out = split(method=method).assign(samples, column="given")
        assert out["given"][:3].tolist() == ["train", "test", third]


@pytest.mark.parametrize("method", METHODS)
def test_copies_are_not_divided(method: str) -> None:
    samples = listing([("a" if item % 2 else "b", item, item // 2, None) for item in range(40)]).to_pandas()
    out = split(method=method).assign(samples.drop(columns=["content_id", "pixel_id"]))
    assert (out.groupby("etag")["purpose"].nunique() == 1).all()


def test_the_default_item_is_the_etag() -> None:
    samples = listing([("a", item, item // 2, None) for item in range(40)]).to_pandas()
    out = SampleSplit(seed=1).assign(samples[["path", "etag"]])
    assert (out.groupby("etag")["purpose"].nunique() == 1).all()
    assert (out["purpose"] == "train").sum() == 32


def test_keys_of_any_type_can_be_used() -> None:
    samples = frame().assign(
        number=lambda rows: np.arange(len(rows)) // 2,
        labels=lambda rows: rows["folder"].map(lambda folder: (folder,)),
        day=pd.Timestamp("2024-01-01"),
        kind=pd.Categorical(["x", "y"] * 40),
        mixed=[1, "one"] * 40,
        kinds=lambda rows: rows["labels"].astype("category"),
        boxes=lambda rows: [[[row % 2, 1]] for row in range(len(rows))],
        size=lambda rows: [{"width": row % 2} for row in range(len(rows))],
    )
    columns = ["labels", "category", "day", "kind", "mixed", "kinds", "boxes", "size"]
    for stratification in [*([column] for column in columns), ["day", "labels"]]:
        out = SampleSplit(stratification=stratification, uniqueness=["number"], seed=1).assign(samples)
        assert 60 <= (out["purpose"] == "train").sum() <= 68


def test_the_same_seed_gives_the_same_and_a_negative_one_does_not() -> None:
    samples = frame(200)
    for method in METHODS:
        assert split(method=method).assign(samples).equals(split(method=method).assign(samples))
        unseeded = split(method=method, seed=-1)
        assert not unseeded.assign(samples).equals(unseeded.assign(samples))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": 1.5}, r"split is a share of the images, 0 … 1; got 1.5"),
        ({"split": -0.2}, r"got -0.2"),
        ({"split": float("nan")}, r"got nan"),
        ({"seed": None}, r"seed is an integer"),
        ({"seed": 1.5}, r"seed is an integer"),
        ({"seed": 2**32, "method": "murmurhash3"}, r"takes seeds below 2\*\*32"),
        ({"method": "random"}, r"the methods are ranked_hash, sorted_permutation, murmurhash3"),
        ({"uniqueness": "123"}, r"'123' has no group"),
        ({"uniqueness": '["etag"]'}, r"has no group.*column names go into a list"),
        ({"stratification": "(a"}, r"stratification: '\(a' is not a regular expression"),
        ({"uniqueness_scope": "folder"}, r"uniqueness_scope is one of stratum, global"),
        ({"unmatched": "skip"}, r"unmatched is one of error, own_item"),
    ],
)
def test_bad_settings_are_refused_when_the_object_is_made(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        split(**changes)


def test_bad_frames_are_refused_with_the_reason() -> None:
    with pytest.raises(SplitError, match="there are no samples to split"):
        split().assign(frame()[:0])
    with pytest.raises(SplitError, match="stratification: the samples have no column 'line'"):
        split(stratification=["line"]).assign(frame())
    with pytest.raises(SplitError, match=r"uniqueness: the samples have no column 'path'"):
        split().assign(frame().drop(columns="path"))
    with pytest.raises(SplitError, match="1 of 80 samples have no path"):
        split().assign(frame().assign(path=lambda rows: rows["path"].where(rows.index != 3)))
    with pytest.raises(SplitError, match=r"uniqueness: 1 of 80 images have no value in the columns \['etag'\]"):
        split(uniqueness=None).assign(frame().assign(etag=lambda rows: rows["etag"].where(rows.index != 3)))
    with pytest.raises(SplitError, match="purpose and remainder are both 'train'"):
        split().assign(frame(), "train", "train")


def test_rows_without_a_key_can_be_items_of_their_own() -> None:
    samples = frame().assign(vial=pd.Series([None if row % 4 == 0 else str(row // 2) for row in range(80)]))
    out = SampleSplit(uniqueness=["vial"], seed=1, unmatched="own_item").assign(samples)
    assert len(out) == 80
    assert (out["purpose"] == "train").sum() == 64
