import csv
import json
import math
import random
from ast import literal_eval
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline import tables
from brev_pipeline.config import SamplingSettings
from brev_pipeline.errors import SamplingError
from brev_pipeline.sampling import compute_group_weights, compute_sampling_weights
from brev_pipeline_tests.sampling.worlds import counted, split_of, splits


def parity_listing(shared: Path, name: str) -> pa.Table:
    with open(shared / "parity" / "listings" / f"{name}.csv", newline="") as file:
        rows = [{**row, "category": list(literal_eval(row["category"]))} for row in csv.DictReader(file)]
    return pa.Table.from_pylist(rows).append_column("purpose", pa.array(["train"] * len(rows)))


def test_probabilities_are_the_references_on_every_parity_case(shared: Path) -> None:
    cases = json.loads((shared / "parity" / "weights_and_draws.json").read_text())["weights"]
    compared = 0
    for case in cases:
        if not (shared / "parity" / "listings" / f"{case['listing']}.csv").exists():
            continue
        split = parity_listing(shared, case["listing"])
        asked = SamplingSettings(groupby=case["groupby"], group_weighing=case["weighing"])
        if 0.0 in case["weights"]:
            with pytest.raises(SamplingError, match="group of one image"):
                compute_sampling_weights(split, asked)
            continue
        table = compute_sampling_weights(split, asked)
        assert table["group"].to_pylist() == [group.replace("|", " / ") for group in case["groups"]]
        assert table["samples"].to_pylist() == case["counts"]
        assert table["probability"].to_pylist() == pytest.approx(case["weights"], rel=1e-14, abs=0)
        compared += 1
    assert compared >= 24


@pytest.mark.parametrize("weighing", ["uniform", "count", "square root", "log", "logx+1"])
def test_presets_agree_with_their_formulas(weighing: str) -> None:
    formulas = {
        "uniform": lambda n: 1,
        "count": lambda n: n,
        "square root": math.sqrt,
        "log": math.log,
        "logx+1": lambda n: math.log(n) + 1,
    }
    counts = [2, 3, 10, 999, 10**6, 10**9]
    assert compute_group_weights(counts, weighing) == pytest.approx([formulas[weighing](n) for n in counts], rel=1e-15)


def test_table_of_the_seed_notebook() -> None:
    table = compute_sampling_weights(
        counted(bad_cap=18, good=116, missing_cap=10), SamplingSettings(group_weighing="logx+1")
    )
    assert table.schema.equals(tables.sampling_weights_schema(["category"]))
    assert table["purpose"].to_pylist() == ["devel", "train", "train", "train"]
    assert table["draws"].to_pylist() == [4, 43, 64, 37]
    assert table["samples"].to_pylist() == [4, 18, 116, 10]


@given(splits(), st.sampled_from(["uniform", "count", "square root", "logx+1"]), st.integers(1, 60) | st.none())
@settings(max_examples=60, deadline=None)
def test_draws_sum_to_the_epoch_and_lie_within_one_of_the_share(
    split: pa.Table, weighing: str, cap: int | None
) -> None:
    table = compute_sampling_weights(split, SamplingSettings(group_weighing=weighing, max_epoch_samples=cap))
    for purpose in table["purpose"].unique().to_pylist():
        part = table.filter(pa.compute.equal(table["purpose"], purpose))
        images, draws = sum(part["samples"].to_pylist()), np.array(part["draws"])
        total = min(images, cap or images) if purpose == "train" else images
        assert draws.sum() == total
        assert np.all(np.abs(draws - total * np.array(part["probability"])) < 1)
        assert sum(part["probability"].to_pylist()) == pytest.approx(1, abs=1e-12)


@given(splits(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_order_of_the_rows_changes_nothing(split: pa.Table, rng: random.Random) -> None:
    shuffled = split.take(rng.sample(range(split.num_rows), split.num_rows))
    asked = SamplingSettings(group_weighing="square root")
    assert compute_sampling_weights(shuffled, asked).equals(compute_sampling_weights(split, asked))


def test_purposes_that_are_not_sampled_keep_their_natural_share() -> None:
    split = split_of([("train", "a", "1"), *[("devel", folder, folder + str(i)) for folder in "ab" for i in range(3)]])
    table = compute_sampling_weights(split, SamplingSettings(group_weighing="log", purposes=[]))
    assert table["draws"].to_pylist() == [3, 3, 1]
    assert table["probability"].to_pylist() == [0.5, 0.5, 1]


def test_list_columns_group_by_their_joined_names() -> None:
    split = counted(a=2, b=1).set_column(3, "category", pa.array([["x"], ["x", "y"], ["y"], *[["x"]] * 4]))
    table = compute_sampling_weights(split, SamplingSettings(groupby=["category", "folder"], purposes=[]))
    assert table["group"].to_pylist() == ["x / a", "x / a", "x, y / a", "y / b"]
    assert table["category"].to_pylist() == ["x", "x", "x, y", "y"]


def test_numbers_group_as_text() -> None:
    split = counted(a=3).append_column("shift", pa.array([1, 2, 2, 1, 1, 1, 1]))
    assert compute_sampling_weights(split, SamplingSettings(groupby=["shift"]))["shift"].to_pylist() == ["1", "1", "2"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["x", None] + ["x"] * 5),
        pa.array([1.0, float("nan")] + [1.0] * 5),
        pa.array([["x"], None] + [["x"]] * 5),
        pa.array([["x"], [None]] + [["x"]] * 5, pa.list_(pa.large_string())),
    ],
    ids=["text", "nan", "list", "name in a list"],
)
def test_an_image_without_a_value_to_group_by_is_an_error_that_names_it(column: pa.Array) -> None:
    split = counted(a=3).append_column("shift", column)
    with pytest.raises(SamplingError, match=r"1 images have no value in 'shift'.*bucket/a/1_a1\.bmp"):
        compute_sampling_weights(split, SamplingSettings(groupby=["shift"]))


def test_a_group_that_would_weigh_nothing_is_named() -> None:
    with pytest.raises(SamplingError, match=r"in train these are: lonely, one\."):
        compute_sampling_weights(counted(a=3, lonely=1, one=1), SamplingSettings(group_weighing="log"))


@pytest.mark.parametrize(
    ("groupby", "message"),
    [
        (["colour"], "names the column 'colour'; there are path, content_id"),
        (["purpose"], "cannot name purpose"),
        (["folder", "folder"], "cannot name folder"),
        (["samples"], "cannot name samples"),
    ],
)
def test_groupby_columns_that_cannot_be_are_refused(groupby: list[str], message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        compute_sampling_weights(counted(a=3), SamplingSettings(groupby=groupby))


def test_groups_that_would_share_a_name_are_refused() -> None:
    split = (
        counted(a=2)
        .append_column("x", pa.array(["p / q", "p"] + ["p"] * 4))
        .append_column("y", pa.array(["r", "q / r"] + ["r"] * 4))
    )
    with pytest.raises(SamplingError, match="same name 'p / q / r'"):
        compute_sampling_weights(split, SamplingSettings(groupby=["x", "y"]))


def test_a_sampled_purpose_without_images_is_refused() -> None:
    with pytest.raises(SamplingError, match="no image has the purpose train"):
        compute_sampling_weights(split_of([("devel", "a", "1")]), SamplingSettings())
    with pytest.raises(SamplingError, match="the split is empty"):
        compute_sampling_weights(split_of([]), SamplingSettings(purposes=[]))


def test_groups_of_what_labels_say_are_drawn_alike_and_unlabelled_photos_are_one() -> None:
    split = counted(a=6).append_column("label_id", pa.array(["x"] * 10, pa.large_string()))
    split = split.append_column("has_defect", pa.array(["yes", None, "no", None, None, None] + ["no"] * 4))
    table = compute_sampling_weights(split, SamplingSettings(groupby=["category", "has_defect"]))
    train = [row for row in table.to_pylist() if row["purpose"] == "train"]
    assert {row["has_defect"]: (row["samples"], row["draws"]) for row in train} == {
        "no": (1, 2),
        "unlabelled": (4, 2),
        "yes": (1, 2),
    }
    assert [row["group"] for row in train] == ["a / no", "a / unlabelled", "a / yes"]


def test_numbers_of_labels_are_no_groups() -> None:
    split = counted(a=6).append_column("label_id", pa.array(["x"] * 10, pa.large_string()))
    for name, advice in (("defect_area", r"split\.area_bins"), ("width_mm", "take a column of texts")):
        numbered = split.append_column(name, pa.array([0.5] * 10))
        with pytest.raises(SamplingError, match=rf"sampling\.groupby: the column '{name}' holds numbers.*{advice}"):
            compute_sampling_weights(numbered, SamplingSettings(groupby=[name]))
