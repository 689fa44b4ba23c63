"""Samples as a tf.data.Dataset."""

import datetime
from typing import Any

import numpy as np
import pytest

from brev_pipeline import DataGenerator, ImageAugmenter, OneHotEncoder, StratifiedSampler
from brev_pipeline.errors import SamplingError
from brev_pipeline_tests.notebook.worlds import flat_image, frame_of

CALLS = [flat_image, OneHotEncoder(["a", "b"]), ImageAugmenter()]


def augmented(**options: Any) -> DataGenerator:
    sampler = StratifiedSampler(batch_size=4, groupby="folder", seed=4)
    return sampler.get(frame_of(a=7, b=2), shuffle=True, **options).map(CALLS)


def test_batches_equal_the_numpy_ones_bit_for_bit() -> None:
    generator = augmented(repeat=3)
    ours = list(generator.get_dataset_numpy(structure=("img", "onehot", "seed")))
    theirs = list(generator.get_dataset(structure=("img", "onehot", "seed")).as_numpy_iterator())
    assert len(ours) == len(theirs) == 7
    for own, other in zip(ours, theirs, strict=True):
        for array, tensor in zip(own, other, strict=True):
            assert array.dtype == tensor.dtype
            assert np.array_equal(array, tensor)


def test_taking_it_twice_gives_the_same_batches() -> None:
    dataset = augmented(repeat=True).get_dataset()
    first, again = (list(dataset.take(4)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one["img"], other["img"])
        assert one["path"].numpy().tolist() == other["path"].numpy().tolist()


def test_shapes_and_lengths_are_set() -> None:
    import tensorflow as tf

    endless = augmented(repeat=True).get_dataset()
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    assert endless.element_spec["img"] == tf.TensorSpec((4, 8, 8, 3), tf.uint8)
    assert endless.element_spec["path"] == tf.TensorSpec((4,), tf.string)
    assert isinstance(endless.element_spec["category"], tf.RaggedTensorSpec)
    finite = augmented().get_dataset(structure={"x": "img", "onehot": None})
    assert finite.cardinality() == len(augmented()) == 3
    assert finite.element_spec["x"].shape.as_list() == [None, 8, 8, 3]
    assert finite.element_spec["onehot"].shape.as_list() == [None, 2]
    single = augmented().get_dataset(batch=False, prefetch=False)
    assert single.element_spec["img"].shape.as_list() == [8, 8, 3]
    assert single.cardinality() == 9


def test_single_samples_hold_text_lists_and_numbers() -> None:
    frame = frame_of(a=2).assign(note=["x", None], tags=[("p", "q"), ()], share=[0.5, 1.5], good=[True, False])
    first, second = DataGenerator(frame).get_dataset(batch=False)
    assert first["note"].numpy() == b"x"
    assert second["note"].numpy() == b""
    assert first["tags"].numpy().tolist() == [b"p", b"q"]
    assert second["tags"].shape == (0,)
    assert (float(first["share"]), bool(second["good"])) == (0.5, False)


def test_iterating_gives_the_batches() -> None:
    assert [len(batch["path"]) for batch in augmented()] == [4, 4, 1]


def test_a_column_without_a_type_is_left_out_but_never_if_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    generator = DataGenerator(frame_of(a=2).assign(when=[{"x": 1}, {"x": 2}]))
    assert "when" not in generator.get_dataset().element_spec
    assert "left 'when' out" in caplog.text
    with pytest.raises(SamplingError, match="'when' is a dict"):
        generator.get_dataset(structure=("when",))
    dated = DataGenerator(frame_of(a=1).assign(when=[datetime.date(2020, 1, 2)]))
    assert "when" not in dated.get_dataset().element_spec


def test_an_error_while_reading_tells_the_sample() -> None:
    import tensorflow as tf

    def fail(sample: dict[str, Any]) -> dict[str, Any]:
        if sample["path"].endswith("1.bmp"):
            raise ValueError("this one is bad")
        return sample

    dataset = DataGenerator(frame_of(a=3), batch_size=1).map(fail).get_dataset()
    with pytest.raises(tf.errors.OpError, match="this one is bad"):
        list(dataset)
