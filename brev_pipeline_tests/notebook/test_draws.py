"""Which samples are drawn, how often, in which order, with which seeds."""

import csv
import json
from ast import literal_eval
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline import DataGenerator, StratifiedSampler
from brev_pipeline.config import SamplingSettings
from brev_pipeline.errors import SamplingError
from brev_pipeline.sampling import compute_sampling_weights, plan_draws
from brev_pipeline.seeds import seed64
from brev_pipeline_tests.notebook.worlds import frame_of

SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=4)


def paths(generator: DataGenerator, count: int) -> list[str]:
    return [sample["path"] for sample in islice(generator.get_dataset_numpy(batch=False), count)]


@given(sizes=SIZES, seed=st.integers(0, 2**63 - 1), most=st.none() | st.integers(1, 30), epochs=st.integers(1, 4))
@settings(max_examples=30)
def test_the_draws_are_the_pipelines_own(sizes: list[int], seed: int, most: int | None, epochs: int) -> None:
    samples = frame_of(**{f"f{i}": size for i, size in enumerate(sizes)}).assign(purpose="train")
    asked = SamplingSettings(groupby=["folder"], group_weighing="logx+1", seed=seed, max_epoch_samples=most)
    split = pa.Table.from_pandas(samples.rename(columns={"etag": "content_id"}), preserve_index=False)
    split = split.append_column("item", split["content_id"])
    plan = plan_draws(split, compute_sampling_weights(split, asked), asked, epochs=epochs)
    generator = StratifiedSampler(groupby=["folder"], group_weighing="logx+1", seed=seed, max_epoch_samples=most).get(
        samples, shuffle=True
    )
    for epoch in range(epochs):
        own = generator.get_samples(epoch)[["path", "ordinal", "seed"]].values.tolist()
        theirs = plan.filter(pc.equal(plan["epoch"], epoch)).select(["path", "ordinal", "seed"]).to_pylist()
        assert sorted(map(tuple, own)) == sorted(tuple(row.values()) for row in theirs)


def test_copies_never_share_a_seed() -> None:
    samples = frame_of(good=4)
    samples.loc[2, "etag"] = samples.loc[0, "etag"]
    drawn = DataGenerator(samples, seed=5).get_samples()
    assert drawn["seed"].is_unique
    assert sorted(drawn.loc[drawn["etag"] == samples["etag"][0], "ordinal"]) == [0, 1]


@given(sizes=SIZES, shuffle=st.booleans(), most=st.none() | st.integers(1, 20))
@settings(max_examples=30)
def test_within_a_group_every_sample_comes_before_one_is_repeated(
    sizes: list[int], shuffle: bool, most: int | None
) -> None:
    samples = frame_of(**{f"f{i}": size for i, size in enumerate(sizes)})
    sampler = StratifiedSampler(groupby="folder", group_weighing="uniform", seed=1, max_epoch_samples=most)
    generator = sampler.get(samples, shuffle=shuffle, repeat=True)
    stream = pd.concat([generator.get_samples(epoch) for epoch in range(5)])
    for _, drawn in stream.groupby("folder"):
        size = int((samples["folder"] == drawn["folder"].iloc[0]).sum())
        rounds = [drawn["path"].iloc[start : start + size] for start in range(0, len(drawn), size)]
        assert all(turn.is_unique for turn in rounds)


def test_frequencies_over_an_epoch_are_the_weights_rounded() -> None:
    generator = StratifiedSampler(groupby=["folder"], group_weighing="square root", seed=3).get(
        frame_of(good=146, bad_cap=22, missing_cap=12), shuffle=True, repeat=True
    )
    for epochs in (1, 3):
        drawn = pd.concat([generator.get_samples(epoch) for epoch in range(epochs)])["folder"].value_counts()
        for folder, weight in generator.weights.items():
            assert abs(drawn[folder] - 180 * epochs * weight) < 1


def test_weights_are_the_references_on_every_parity_case(shared: Path) -> None:
    cases = json.loads((shared / "parity" / "weights_and_draws.json").read_text())["weights"]
    compared = 0
    for case in cases:
        file = shared / "parity" / "listings" / f"{case['listing']}.csv"
        if not file.exists():
            continue
        with open(file, newline="") as text:
            samples = pd.DataFrame([{**row, "category": literal_eval(row["category"])} for row in csv.DictReader(text)])
        sampler = StratifiedSampler(groupby=case["groupby"], group_weighing=case["weighing"])
        if 0.0 in case["weights"]:
            with pytest.raises(SamplingError, match="not above 0"):
                sampler.get(samples)
            continue
        assert list(sampler.get(samples).weights.values()) == pytest.approx(case["weights"], rel=1e-14, abs=0)
        compared += 1
    assert compared >= 24


def test_unshuffled_samples_keep_the_frames_order_and_groups_take_turns() -> None:
    samples = frame_of(a=2, b=4)
    assert paths(DataGenerator(samples), 6) == samples["path"].tolist()
    drawn = StratifiedSampler(groupby="folder").get(samples).get_samples()
    assert drawn["folder"].tolist() == list("ababab")
    assert drawn.loc[drawn["folder"] == "b", "path"].tolist() == samples["path"][2:5].tolist()


def test_shuffling_depends_on_the_seed_and_on_the_epoch_only() -> None:
    samples = frame_of(a=20, b=5)
    first = DataGenerator(samples, shuffle=True, repeat=True, seed=1)
    assert paths(first, 50) == paths(first, 50)
    assert paths(first, 50) == paths(DataGenerator(samples.iloc[::-1], shuffle=True, repeat=True, seed=1), 50)
    assert paths(first, 25) != paths(DataGenerator(samples, shuffle=True, repeat=True, seed=2), 25)
    assert paths(first, 50)[:25] != paths(first, 50)[25:]
    assert sorted(paths(first, 50)[25:]) == sorted(samples["path"])


def test_a_seed_is_the_hash_of_purpose_epoch_content_and_ordinal() -> None:
    samples = frame_of(a=1, b=3).assign(purpose=["train", "devel", "train", "train"])
    drawn = DataGenerator(samples, shuffle=True, seed=9).get_samples(epoch=2)
    for row in drawn.itertuples():
        assert row.seed == seed64(9, 2, row.etag, row.ordinal)


def test_max_epoch_samples_caps_the_epoch_and_the_next_one_goes_on() -> None:
    generator = StratifiedSampler(batch_size=4, max_epoch_samples=6).get(frame_of(a=10), repeat=2)
    assert len(generator) == 2
    assert len(generator.get_samples()) == 6
    drawn = paths(generator, 100)
    assert len(drawn) == 12
    assert len(set(drawn[:10])) == 10


def test_a_number_of_repeats_gives_so_many_epochs() -> None:
    assert len(paths(DataGenerator(frame_of(a=3), repeat=4), 100)) == 12
    assert len(paths(DataGenerator(frame_of(a=3)), 100)) == 3


def test_a_callable_weighs_by_size_or_by_size_and_name() -> None:
    samples = frame_of(a=4, b=1)
    by_size = StratifiedSampler(groupby="folder", group_weighing=np.sqrt).get(samples)
    assert by_size.weights == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    by_name = StratifiedSampler(groupby="folder", group_weighing=lambda size, name: 3 if name == "b" else 1)
    assert by_name.get(samples).weights == {"a": 0.25, "b": 0.75}


def test_groups_can_be_category_tuples() -> None:
    samples = frame_of(a=3, b=2)
    samples["category"] = [("x",), ("x", "y"), ("x",), ("y",), ("y",)]
    assert set(StratifiedSampler(groupby=["category"]).get(samples).weights) == {"x", "x, y", "y"}
    samples["category"] = samples["category"].astype("category")
    assert set(StratifiedSampler(groupby="category").get(samples).weights) == {"x", "x, y", "y"}


def test_groups_can_be_of_any_type() -> None:
    samples = frame_of(a=3, b=2).assign(
        kind=pd.Categorical(["x", "x", "y", "y", "y"]),
        boxes=[[[1, 2]], [[1, 2]], [[3]], [[3]], [[3]]],
        mixed=[1, 1, "one", "one", "one"],
    )
    for column, names in (("kind", {"x", "y"}), ("boxes", {"[[1, 2]]", "[[3]]"}), ("mixed", {"1", "one"})):
        assert set(StratifiedSampler(groupby=column).get(samples).weights) == names


def test_the_callers_frame_stays_as_it_was() -> None:
    samples = frame_of(a=3, b=2)
    before = samples.copy()
    StratifiedSampler(groupby="folder").get(samples, shuffle=True).get_samples()
    pd.testing.assert_frame_equal(samples, before)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"groupby": ["nothing"]}, "groupby names 'nothing'"),
        ({"groupby": ["folder"], "group_weighing": "log"}, "b \\(1 samples: 0.0\\)"),
        ({"group_weighing": "cubic"}, "group_weighing is one of"),
        ({"seed": -1}, "seed is a whole number"),
        ({"seed": None}, "seed is a whole number"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_epoch_samples": 0}, "max_epoch_samples"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(SamplingError, match=said):
        StratifiedSampler(**asked).get(frame_of(a=3, b=1))


def test_a_row_without_a_group_is_an_error_that_names_it() -> None:
    samples = frame_of(a=2)
    samples.loc[1, "folder"] = None
    with pytest.raises(SamplingError, match=r"1 images have no value in 'folder'.*bucket/a/1\.bmp"):
        StratifiedSampler(groupby=["folder"]).get(samples)


def test_frames_that_cannot_be_drawn_from_are_refused() -> None:
    with pytest.raises(SamplingError, match="empty"):
        DataGenerator(frame_of(a=1).iloc[:0])
    with pytest.raises(SamplingError, match="content_id, etag or path"):
        DataGenerator({"folder": ["a"]})
    with pytest.raises(SamplingError, match="rename it"):
        DataGenerator(frame_of(a=1).assign(seed=1))
    with pytest.raises(SamplingError, match="repeat is True"):
        DataGenerator(frame_of(a=1), repeat=-3)
    missing = frame_of(a=2).drop(columns="path")
    missing.loc[1, "etag"] = None
    with pytest.raises(SamplingError, match="1 samples have no etag"):
        DataGenerator(missing)
