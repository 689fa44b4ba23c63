"""The chain of callables, and taking samples as NumPy arrays."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from brev_pipeline import DataGenerator, ImageAugmenter, OneHotEncoder, StratifiedSampler
from brev_pipeline.errors import SamplingError
from brev_pipeline_tests.notebook.worlds import flat_image, frame_of


def keep_seed(sample: dict[str, Any], seed: int) -> dict[str, Any]:
    return {**sample, "seeds": (*sample.get("seeds", ()), seed)}


def keep_keyword(sample: dict[str, Any], **given: int) -> dict[str, Any]:
    return {**sample, "keyword": given["seed"]}


def one(generator: DataGenerator) -> dict[str, Any]:
    return next(generator.get_dataset_numpy(batch=False))


def test_the_first_callable_with_a_seed_gets_the_draws_own_and_the_others_one_each() -> None:
    sample = one(DataGenerator(frame_of(a=1)).map([keep_keyword, flat_image, keep_seed, keep_seed]))
    first, second = sample["seeds"]
    assert first == sample["seed"]
    assert len({first, second, sample["keyword"]}) == 3


def test_a_result_hangs_on_the_draw_and_on_no_batch_order_or_neighbour() -> None:
    samples = frame_of(a=7, b=2)
    calls = [flat_image, ImageAugmenter()]
    by_seed: dict[int, Any] = {}
    for batch_size, frame in ((2, samples), (5, samples), (3, samples.sample(frac=1, random_state=1))):
        generator = StratifiedSampler(batch_size=batch_size, groupby="folder", seed=4).get(frame, shuffle=True)
        for batch in generator.map(calls).get_dataset_numpy():
            for seed, image in zip(batch["seed"].tolist(), batch["img"], strict=True):
                assert np.array_equal(by_seed.setdefault(seed, image), image)
    assert len(by_seed) == 9


def test_mapping_leaves_the_generator_as_it_was_and_skips_none() -> None:
    generator = DataGenerator(frame_of(a=2))
    mapped = generator.map([None, flat_image])
    assert "img" in one(mapped)
    assert "img" not in one(generator)
    assert "img" not in next(mapped.get_samples_numpy())


def test_an_error_of_a_callable_names_the_sample() -> None:
    def fail(sample: dict[str, Any]) -> dict[str, Any]:
        raise ValueError("no")

    with pytest.raises(ValueError) as caught:
        one(DataGenerator(frame_of(a=1)).map(fail))
    assert "bucket/a/0.bmp" in caught.value.__notes__[0]


def test_what_is_no_callable_or_gives_no_sample_is_refused() -> None:
    with pytest.raises(SamplingError, match="takes callables"):
        DataGenerator(frame_of(a=1)).map([3])
    with pytest.raises(SamplingError, match="gave a NoneType"):
        one(DataGenerator(frame_of(a=1)).map(lambda sample: None))


def test_batches_are_stacked_and_the_last_may_be_smaller() -> None:
    generator = DataGenerator(frame_of(a=5), batch_size=2).map([flat_image, OneHotEncoder(["a", "b"])])
    batches = list(generator.get_dataset_numpy())
    assert len(generator) == 3
    assert [batch["img"].shape for batch in batches] == [(2, 8, 8, 3), (2, 8, 8, 3), (1, 8, 8, 3)]
    assert batches[0]["path"].tolist() == ["bucket/a/0.bmp", "bucket/a/1.bmp"]
    assert batches[0]["category"].tolist() == [("a",), ("a",)]


def test_a_structure_names_and_nests_what_is_given_out() -> None:
    generator = DataGenerator(frame_of(a=3), batch_size=3, output_structure=("img", "folder")).map(flat_image)
    image, folder = next(generator.get_dataset_numpy())
    assert (image.shape, folder.tolist()) == ((3, 8, 8, 3), ["a"] * 3)
    nested = next(generator.get_dataset_numpy(structure={"x": {"img": None}, "y": ["folder", "path"]}))
    assert np.array_equal(nested["x"]["img"], image)
    assert nested["y"][1].tolist() == [f"bucket/a/{i}.bmp" for i in range(3)]
    assert next(generator.get_dataset_numpy(structure="folder")).tolist() == ["a"] * 3


def test_a_structure_with_a_column_that_is_not_there_is_refused() -> None:
    generator = DataGenerator(frame_of(a=3))
    with pytest.raises(SamplingError, match="'img', which samples do not have: category, folder, path"):
        next(generator.get_dataset_numpy(structure=("img", "folder")))
    with pytest.raises(SamplingError, match="structure is made of"):
        next(generator.get_dataset_numpy(structure=(1, None)))


def test_images_of_different_size_make_no_batch() -> None:
    def sized(sample: dict[str, Any]) -> dict[str, Any]:
        return {**sample, "img": np.zeros((int(sample["path"][-5]) + 1, 4, 3), np.uint8)}

    generator = DataGenerator(frame_of(a=2)).map(sized)
    assert [sample["img"].shape[0] for sample in generator.get_dataset_numpy(batch=False)] == [1, 2]
    with pytest.raises(SamplingError, match=r"'img' of bucket/a/1\.bmp has the shape .* target_size"):
        next(generator.get_dataset_numpy())


def test_samples_hold_plain_values() -> None:
    frame = frame_of(a=2).assign(
        count=pd.array([1, 2], dtype="Int64"), note=["x", None], tags=[["p"], None], share=[0.5, 1.5]
    )
    first, second = DataGenerator(frame).get_dataset_numpy(batch=False)
    assert (first["count"], first["note"], first["tags"], first["share"]) == (1, "x", ("p",), 0.5)
    assert (second["note"], second["tags"]) == (None, ())
    assert isinstance(first["path"], str)


class TestOneHotEncoder:
    def test_a_class_is_a_one_in_its_place_and_several_are_several(self) -> None:
        encoder = OneHotEncoder(["a", "b", "c"])
        assert encoder({"category": ("b",)})["onehot"].tolist() == [0, 1, 0]
        assert encoder({"category": ("a", "c")})["onehot"].tolist() == [1, 0, 1]
        assert encoder({"category": "c"})["onehot"].dtype == np.float32

    def test_columns_can_be_named(self) -> None:
        assert OneHotEncoder(["x"], input_key="folder", output_key="y")({"folder": "x"})["y"].tolist() == [1]

    def test_an_unknown_class_is_an_error_or_zeros(self) -> None:
        with pytest.raises(SamplingError, match=r"\['z'\] are not all among \['a'\]"):
            OneHotEncoder(["a"])({"category": ("z",)})
        with pytest.raises(SamplingError):
            OneHotEncoder(["a"])({"category": ()})
        assert OneHotEncoder(["a"], unknown="zeros")({"category": ("z",)})["onehot"].tolist() == [0]

    def test_classes_that_cannot_be_are_refused(self) -> None:
        for classes in ([], ["a", "a"]):
            with pytest.raises(SamplingError, match="at least one name, each once"):
                OneHotEncoder(classes)
        with pytest.raises(SamplingError, match="no 'category'"):
            OneHotEncoder(["a"])({"folder": "a"})
