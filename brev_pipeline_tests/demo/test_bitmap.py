"""BMP and PNG files that other programs read back as they were written."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from brev_pipeline.demo.bitmap import bmp, png


@pytest.mark.parametrize("encode", [bmp, png])
@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_two_decoders_read_the_pixels_back(encode, height, width, seed) -> None:
    import cv2

    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    data = encode(pixels)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), pixels)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decoded[:, :, ::-1], pixels)


def test_a_png_of_more_than_one_stored_block_is_read_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 150, 3), np.uint8)
    data = png(pixels)
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(np.asarray(image), pixels)
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    assert len(zlib.decompress(data[start + 4 : start + 4 + length])) == 200 * (150 * 3 + 1)


def test_a_bmp_states_its_length() -> None:
    data = bmp(np.zeros((3, 5, 3), np.uint8))
    assert data[:2] == b"BM"
    assert int.from_bytes(data[2:6], "little") == len(data) == 54 + 3 * 16
