"""What is drawn: chances, ranges, symmetry and independence, over 20,000 seeds; and that draws never move."""

import json
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from brev_pipeline.augmentation import (
    ImageAugmenter,
    ImageDeformation,
    ImageFiltering,
    ImageNoise,
    ImageSaltAndPepper,
    RandomTransformer,
)
from brev_pipeline.augmentation.parameters import PARAMETER_ORDER, applied_parameters, draw_words, plan_parameters

SEEDS = 20_000
ALL_ON = ImageAugmenter(deformation=ImageDeformation(), salt_and_pepper=ImageSaltAndPepper())
UNIFORM = {
    "scale": (-0.2, 0.2),
    "rotate": (-90, 90),
    "translate_horizontal": (-0.1, 0.1),
    "translate_vertical": (-0.1, 0.1),
    "brightness": (-0.25, 0.25),
    "contrast": (0.5, 1.25),
    "hue": (-0.05, 0.05),
    "saturation": (0, 2),
}


def flat(parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name → coin and value."""
    out = {}
    for part in ("transform", "deformation", "filtering", "noise", "salt_and_pepper"):
        found = parameters[part] or {}
        out.update({part: found} if "applied" in found else {k: v for k, v in found.items() if k != "matrix"})
    return out


@pytest.fixture(scope="module")
def drawn() -> list[dict[str, dict[str, Any]]]:
    return [flat(ALL_ON.parameters(seed, 128, 128)) for seed in range(SEEDS)]


@pytest.fixture(scope="module")
def coins(drawn: list[dict[str, dict[str, Any]]]) -> npt.NDArray[np.float64]:
    return np.array([[one[name]["applied"] for name in PARAMETER_ORDER] for one in drawn], float)


def test_every_parameter_has_a_draw(drawn):
    assert set(drawn[0]) == set(PARAMETER_ORDER)


def test_every_coin_shows_heads_as_often_as_its_chance_says(coins):
    error = 4.5 * np.sqrt(0.25 / SEEDS)
    assert np.abs(coins.mean(axis=0) - 0.5).max() < error


def test_no_two_coins_hang_together(coins):
    correlation = np.corrcoef(coins.T) - np.eye(len(PARAMETER_ORDER))
    assert np.abs(correlation).max() < 4.5 / np.sqrt(SEEDS)


def test_a_coin_does_not_hang_on_the_seed_before(coins):
    lagged = np.corrcoef(coins[1:].T, coins[:-1].T)[: len(PARAMETER_ORDER), len(PARAMETER_ORDER) :]
    assert np.abs(lagged).max() < 4.5 / np.sqrt(SEEDS)


@pytest.mark.parametrize("name", UNIFORM)
def test_values_are_uniform_over_their_range(name, drawn):
    low, high = UNIFORM[name]
    values = np.sort([(one[name]["value"] - low) / (high - low) for one in drawn])
    assert values[0] > 0
    assert values[-1] < 1
    assert values[0] < 0.001
    assert values[-1] > 0.999
    kolmogorov = np.abs(values - (np.arange(SEEDS) + 0.5) / SEEDS).max()
    assert kolmogorov < 2.2 / np.sqrt(SEEDS)  # p = 0.0001


@pytest.mark.parametrize("name", [name for name, (low, high) in UNIFORM.items() if low == -high] + ["shear", "emboss"])
def test_values_about_zero_are_as_often_above_as_below(name, drawn):
    values = np.array([one[name]["value"] for one in drawn]).reshape(SEEDS, -1)
    above = (values > 0).mean(axis=0)
    assert np.abs(above - 0.5).max() < 4.5 * np.sqrt(0.25 / SEEDS)


def test_values_and_coins_do_not_hang_together(drawn, coins):
    names = [*UNIFORM, "shear", "emboss"]
    values = np.array([np.hstack([one[name]["value"] for name in names]) for one in drawn])
    both = np.corrcoef(np.hstack([values, coins]).T)
    assert np.abs(both - np.eye(len(both))).max() < 4.7 / np.sqrt(SEEDS)


def test_shear_and_emboss_draw_two_values_in_range(drawn):
    shear = np.abs([one["shear"]["value"] for one in drawn])
    emboss = np.abs([one["emboss"]["value"] for one in drawn])
    assert 0.0399 < shear.max() < 0.04
    assert 0.2499 < emboss.max() < 0.25
    assert abs(emboss.mean() - 0.125) < 0.001


def test_emboss_strengths_keep_to_a_range_that_does_not_begin_at_zero():
    augmenter = ImageAugmenter(filtering=ImageFiltering(emboss=(0.1, 0.2)))
    values = [abs(v) for seed in range(500) for v in flat(augmenter.parameters(seed, 8, 8))["emboss"]["value"]]
    assert 0.1 < min(values) < 0.102
    assert 0.198 < max(values) < 0.2


def test_specks_have_each_configured_size_equally_often(drawn):
    sizes = [one["salt_and_pepper"]["value"] for one in drawn]
    assert set(sizes) == {1, 3, 5}
    assert all(abs(sizes.count(size) / SEEDS - 1 / 3) < 0.015 for size in (1, 3, 5))


@pytest.mark.parametrize("chance", [0, 0.1, 0.9, 1])
def test_a_chance_that_is_configured_is_kept(chance):
    settings = ImageAugmenter(
        transform=RandomTransformer(chance=chance, rotate_chance=chance),
        deformation=ImageDeformation(chance=chance),
        filtering=ImageFiltering(chance=chance),
        noise=ImageNoise(chance=chance),
        salt_and_pepper=ImageSaltAndPepper(chance=chance),
    ).settings
    parts = plan_parameters(settings)
    count = [len(applied_parameters(parts, draw_words(seed))) for seed in range(2000)]
    if chance in (0, 1):
        assert set(count) == {chance * len(PARAMETER_ORDER)}
    assert abs(np.mean(count) / len(PARAMETER_ORDER) - chance) < 0.01


def test_rotation_has_a_chance_of_its_own():
    never = ImageAugmenter(transform=RandomTransformer(chance=0, rotate_chance=1))
    drawn = flat(never.parameters(3, 64, 64))
    assert [name for name in PARAMETER_ORDER[:7] if drawn[name]["applied"]] == ["rotate"]


PARTS = ("transform", "deformation", "filtering", "noise", "salt_and_pepper")


@pytest.mark.parametrize("off", [parts for size in (1, 2) for parts in combinations(PARTS, size)])
def test_switching_parts_off_leaves_every_other_draw_as_it_was(off, drawn):
    fewer = ImageAugmenter(ALL_ON.settings, **dict.fromkeys(off))
    for seed in range(50):
        parameters = fewer.parameters(seed, 128, 128)
        assert all(parameters[part] is None for part in off)
        assert flat(parameters).items() <= drawn[seed].items()


def test_changing_one_range_leaves_every_other_draw_as_it_was(drawn):
    other = ImageAugmenter(ALL_ON.settings, noise=ImageNoise(contrast=(0.9, 1.1)))
    for seed in range(50):
        changed = {name for name, one in flat(other.parameters(seed, 128, 128)).items() if one != drawn[seed][name]}
        assert changed == {"contrast"}


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"transform": RandomTransformer(flip_up_down=False, chance=1)}, "flip_up_down"),
        ({"transform": RandomTransformer(flip_left_right=False, chance=1)}, "flip_left_right"),
        ({"filtering": ImageFiltering(mean=0, chance=1)}, "mean"),
        ({"filtering": ImageFiltering(gaussian=0, chance=1)}, "gaussian"),
        ({"noise": ImageNoise(stddev=0, chance=1)}, "stddev"),
        ({"deformation": ImageDeformation(alpha=0, chance=1)}, "deformation"),
        ({"salt_and_pepper": ImageSaltAndPepper(fraction=0, chance=1)}, "salt_and_pepper"),
    ],
)
def test_a_parameter_that_is_switched_off_is_never_applied(parts, name):
    augmenter = ImageAugmenter(**parts)
    assert not any(flat(augmenter.parameters(seed, 8, 8))[name]["applied"] for seed in range(50))


def test_parameters_survive_json():
    parameters = ALL_ON.parameters(2**64 - 1, 97, 131)
    assert json.loads(json.dumps(parameters)) == parameters
    assert (parameters["seed"], parameters["height"], parameters["width"]) == (2**64 - 1, 97, 131)
