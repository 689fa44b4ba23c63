"""Each encoding that a configuration may name is registered, and gives back what it was given."""

from typing import get_args

import numpy as np
import pytest

from brev_pipeline.config import ShardSettings
from brev_pipeline.errors import ShardError
from brev_pipeline.records.encodings import ENCODINGS, make_encoder


def test_what_a_configuration_may_name_is_registered():
    assert set(ENCODINGS) == set(get_args(ShardSettings.model_fields["encoding"].annotation))


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_encoded_is_decoded(name, channels):
    image = np.repeat(np.arange(0, 192, 2, dtype=np.uint8).reshape(12, 8), channels).reshape(12, 8, channels)
    data = make_encoder(ShardSettings(encoding=name))(image)
    for given in (channels, None):
        decoded = ENCODINGS[name].decode_pixels(data, given)
        tolerance = 8 if name == "jpeg" else 0
        assert np.abs(decoded.reshape(image.shape).astype(int) - image).max() <= tolerance


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("channels", [1, 3])
def test_tensorflow_decodes_the_same_pixels(name, channels):
    pytest.importorskip("tensorflow")
    image = np.random.default_rng(1).integers(0, 256, (12, 8, channels), np.uint8)
    data = make_encoder(ShardSettings(encoding=name))(image)
    tensor = ENCODINGS[name].decode_tensor(data, channels)
    np.testing.assert_array_equal(tensor.numpy(), ENCODINGS[name].decode_pixels(data, channels))


@pytest.mark.parametrize("name", ["png", "jpeg"])
@pytest.mark.parametrize("channels", [1, None])
def test_what_is_no_image_is_refused(name, channels):
    with pytest.raises(ShardError, match="image"):
        ENCODINGS[name].decode_pixels(b"no image", channels)
