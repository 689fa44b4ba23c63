from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import ShardError
from brev_pipeline.readers.pixels import find_bytes_feature
from brev_pipeline.records import encode_example

names = st.text(max_size=12)
features = st.dictionaries(names, st.binary(max_size=400) | st.integers(-(2**63), 2**63 - 1), max_size=8)


@given(features, names)
def test_a_feature_is_found_among_any_others(content: dict, name: str) -> None:
    record = encode_example(content)
    for known, value in content.items():
        if isinstance(value, bytes):
            assert find_bytes_feature(record, known.encode()) == value
    if name not in content:
        assert find_bytes_feature(record, name.encode()) is None


def test_a_large_feature_behind_others_that_hold_its_name_is_found() -> None:
    content = {"a": b"\x0a\x0dimage/encoded\x12\x00", "image/encoded": bytes(3_000_000), "z": b"x"}
    assert find_bytes_feature(encode_example(content), b"image/encoded") == bytes(3_000_000)


@given(st.binary(max_size=80))
def test_bytes_that_are_no_example_are_refused_or_read_but_never_hang(data: bytes) -> None:
    with suppress(ShardError):
        assert find_bytes_feature(data, b"image/encoded") in (None, b"") or data
