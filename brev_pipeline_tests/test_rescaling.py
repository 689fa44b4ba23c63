import numpy as np
import pytest

from brev_pipeline.errors import ConfigError
from brev_pipeline.rescaling import rescale_factors, rescale_table

LEVELS = np.arange(256)


def test_unit_is_a_division_by_255() -> None:
    np.testing.assert_allclose(rescale_table("unit", 3)[0, :, 1], LEVELS / 255, atol=1e-7)
    assert rescale_table("unit", 1).max() == 1.0


def test_imagenet_runs_from_minus_one_to_one() -> None:
    np.testing.assert_allclose(rescale_table("imagenet", 1)[0, :, 0], LEVELS / 127.5 - 1, atol=1e-6)
    assert (rescale_table("imagenet", 3).min(), rescale_table("imagenet", 3).max()) == (-1.0, 1.0)


def test_imagenet_stats_is_what_torchvision_documents() -> None:
    table = rescale_table("imagenet_stats", 3)
    for channel, (mean, deviation) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]):
        np.testing.assert_allclose(table[0, :, channel], (LEVELS / 255 - mean) / deviation, atol=1e-6)


def test_what_is_not_rescaled_has_no_table() -> None:
    assert rescale_factors(None, 3) is None
    assert rescale_table(None, 3) is None


def test_unknown_rescalings_and_grey_imagenet_stats_are_refused() -> None:
    with pytest.raises(ConfigError, match="'unit', 'imagenet' or 'imagenet_stats', not 'Unit'"):
        rescale_factors("Unit", 3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="RGB images, these have 1 channel"):
        rescale_factors("imagenet_stats", 1)
