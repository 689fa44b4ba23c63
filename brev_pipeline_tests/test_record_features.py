import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.record_features import RecordFeature, describe_features, parse_features

features = st.builds(
    RecordFeature,
    name=st.text(),
    kind=st.sampled_from(["bytes", "int64", "float32"]),
    description=st.text(),
    stored=st.sampled_from(["always", "labels"]),
    tfds=st.sampled_from(["Text", "LabeledImage"]),
    sequence=st.none() | st.text(),
    width=st.integers(1, 4),
    classes=st.lists(st.text()).map(tuple),
)


@given(st.lists(features))
def test_features_come_back_from_their_description_as_json(some: list[RecordFeature]) -> None:
    assert parse_features(json.loads(json.dumps(describe_features(some)))) == tuple(some)


def test_a_description_leaves_out_what_goes_without_saying() -> None:
    feature = RecordFeature("target/weight", "float32", "g", "labels", "Scalar")
    assert describe_features([feature]) == [
        {"name": "target/weight", "kind": "float32", "description": "g", "stored": "labels", "tfds": "Scalar"}
    ]


def test_a_description_by_another_package_is_refused() -> None:
    with pytest.raises(TypeError):
        parse_features([{"name": "a", "kind": "bytes", "description": "", "colour": "red"}])
