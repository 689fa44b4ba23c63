import random
from contextlib import suppress

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import ShardError
from brev_pipeline.records import decode_example, encode_example
from brev_pipeline.tfrecord import frame_record, iterate_frames, masked_crc, read_frame

int64s, floats = st.integers(-(2**63), 2**63 - 1), st.floats(width=32, allow_nan=False)
arrays = st.lists(floats).map(lambda some: np.array(some, np.float32))
values = st.binary(max_size=300) | int64s | st.lists(int64s) | floats | arrays
features = st.dictionaries(st.text(max_size=12), values, max_size=8)


def framed(*records: bytes) -> bytes:
    return b"".join(frame_record(r, masked_crc(r))[0] + r + frame_record(r, masked_crc(r))[1] for r in records)


def test_the_checksum_is_computed_in_c() -> None:
    assert google_crc32c.implementation == "c"


def test_masked_crc_is_the_published_one() -> None:
    # RFC 3720, B.4: CRC-32C of 32 zero bytes is 0x8A9136AA.
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_frames_give_back_what_was_framed(records: list[bytes]) -> None:
    found = list(iterate_frames(framed(*records), "x"))
    assert [record for _, record, _ in found] == records
    assert all(read_frame(framed(*records), offset, "x") == (record, crc) for offset, record, crc in found)


def test_every_flipped_bit_and_every_cut_is_found() -> None:
    data = framed(b"first record", b"second")
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ShardError, match="place is damaged at byte"):
            list(iterate_frames(bytes(damaged), "place"))
    ends = {0, 12 + 12 + 4}  # a cut between records leaves a whole file: that is what the record table is for
    for cut in set(range(len(data))) - ends:
        with pytest.raises(ShardError, match="place is damaged at byte"):
            list(iterate_frames(data[:cut], "place"))


@given(features)
def test_decoding_gives_back_what_was_encoded(content: dict) -> None:
    found = decode_example(encode_example(content))
    assert list(found) == sorted(content, key=str.encode)
    listed = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in content.items()}
    assert found == {k: v if isinstance(v, list) else [v] for k, v in listed.items()}


@given(features, st.randoms(use_true_random=False))
def test_the_order_of_features_changes_nothing(content: dict, rng: random.Random) -> None:
    names = rng.sample(list(content), len(content))
    assert encode_example({name: content[name] for name in names}) == encode_example(content)


@given(st.binary(max_size=80))
def test_bytes_that_are_no_example_are_refused_or_read_but_never_crash(data: bytes) -> None:
    with suppress(ShardError):
        assert isinstance(decode_example(data), dict)
