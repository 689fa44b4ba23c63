"""What a seed means: for every parameter of the augmentation, whether it is applied and its value.

Every parameter owns two words of the stream ``parameters``, at a place that never moves: one of a Bernoulli draw that
decides whether it is applied, and its value or values (32 bits each). So each draw is its own, and switching a part off
or changing a range leaves all other draws as they were. A parameter that is added later gets the next two words.
"""

from collections.abc import Sequence
from itertools import compress
from operator import lt
from typing import Any, Final, Literal, NamedTuple

from brev_pipeline.augmentation.portable_math import raw_words
from brev_pipeline.config import AugmentationSettings

PARAMETER_ORDER: Final = (
    "flip_up_down",
    "flip_left_right",
    "scale",
    "rotate",
    "translate_horizontal",
    "translate_vertical",
    "shear",
    "deformation",
    "emboss",
    "mean",
    "gaussian",
    "brightness",
    "contrast",
    "hue",
    "saturation",
    "stddev",
    "salt_and_pepper",
)


class Parameter(NamedTuple):
    """How one parameter is drawn."""

    part: str  # field of AugmentationSettings
    name: str  # one of PARAMETER_ORDER
    threshold: int  # it is applied where its Bernoulli word is below this: chance * 2**64
    kind: Literal["option", "uniform", "pair", "signed pair"] = "option"
    middle: float = 0.0  # of the uniform distribution of a value, or of each of a pair
    half: float = 0.0  # half its width
    options: Sequence[Any] = (True,)  # what a value is chosen from


class ParameterPlan(NamedTuple):
    """How all parameters are drawn, in the order of `PARAMETER_ORDER`."""

    parameters: tuple[Parameter | None, ...]  # None: the part is off
    thresholds: tuple[int, ...]


def draw_words(seed: int) -> list[int]:
    """Two words for each of `PARAMETER_ORDER`: its Bernoulli draw and its value, 64 bits each."""
    return raw_words(seed, b"parameters", 2 * len(PARAMETER_ORDER)).tolist()  # type: ignore[no-any-return]


def applied_parameters(plan: ParameterPlan, drawn: list[int]) -> dict[str, Any]:
    """Name → value of the parameters that are applied."""
    bernoulli = map(lt, drawn[::2], plan.thresholds)
    return {
        p.name: draw_value(p, word)
        for p, word in compress(zip(plan.parameters, drawn[1::2], strict=True), bernoulli)
        if p
    }


def describe_parameters(plan: ParameterPlan, drawn: list[int]) -> dict[str, dict[str, Any]]:
    """Part → name → ``applied`` and ``value`` of all parameters; a part of one parameter is that parameter."""
    out: dict[str, dict[str, Any]] = {}
    for p, bernoulli, word in zip(plan.parameters, drawn[::2], drawn[1::2], strict=True):
        if p is None:
            continue
        entry = {"applied": bernoulli < p.threshold, "value": draw_value(p, word)}
        if p.part == p.name:
            out[p.part] = entry
        else:
            out.setdefault(p.part, {})[p.name] = entry
    return out


def draw_value(parameter: Parameter, word: int) -> Any:
    """The value that a word means: a float, a list of two, or one of the options.

    A uniform value is an odd multiple of 2⁻³² (2⁻³¹ where a bit is its sign) of the half width beside the middle:
    symmetric, and made by IEEE operations alone.
    """
    _, _, _, kind, middle, half, options = parameter
    if kind == "uniform":
        return middle + half * (((word >> 32) * 2 - 0xFFFFFFFF) * 2.0**-32)
    if kind == "option":
        return options[word * len(options) >> 64]
    if kind == "pair":
        return [middle + half * ((bits * 2 - 0xFFFFFFFF) * 2.0**-32) for bits in (word >> 32, word & 0xFFFFFFFF)]
    # The lowest bit is the sign.
    sizes = [(bits, middle + half * (((bits | 1) - 0x80000000) * 2.0**-31)) for bits in (word >> 32, word & 0xFFFFFFFF)]
    return [-size if bits & 1 else size for bits, size in sizes]


def plan_parameters(settings: AugmentationSettings) -> ParameterPlan:
    """How each parameter is drawn under these settings."""
    on: list[Parameter] = []
    if transform := settings.transform:
        chance = _threshold(transform.chance)
        on += [
            Parameter("transform", "flip_up_down", chance if transform.flip_up_down else 0),
            Parameter("transform", "flip_left_right", chance if transform.flip_left_right else 0),
            Parameter("transform", "scale", chance, "uniform", 0, transform.scale),
            Parameter("transform", "rotate", _threshold(transform.rotate_chance), "uniform", 0, transform.rotate),
            Parameter("transform", "translate_horizontal", chance, "uniform", 0, transform.translate_horizontal),
            Parameter("transform", "translate_vertical", chance, "uniform", 0, transform.translate_vertical),
            Parameter("transform", "shear", chance, "pair", 0, transform.shear),
        ]
    if deformation := settings.deformation:
        chance = _threshold(deformation.chance) if deformation.alpha else 0
        on.append(Parameter("deformation", "deformation", chance))
    if filtering := settings.filtering:
        chance = _threshold(filtering.chance)
        on += [
            Parameter("filtering", "emboss", chance, "signed pair", *_between(*filtering.emboss)),
            Parameter("filtering", "mean", chance if filtering.mean else 0, options=(filtering.mean,)),
            Parameter("filtering", "gaussian", chance if filtering.gaussian else 0, options=(filtering.gaussian,)),
        ]
    if noise := settings.noise:
        chance = _threshold(noise.chance)
        on += [
            Parameter("noise", "brightness", chance, "uniform", 0, noise.brightness),
            Parameter("noise", "contrast", chance, "uniform", *_between(*noise.contrast)),
            Parameter("noise", "hue", chance, "uniform", 0, noise.hue),
            Parameter("noise", "saturation", chance, "uniform", *_between(*noise.saturation)),
            Parameter("noise", "stddev", chance if noise.stddev else 0, options=(noise.stddev,)),
        ]
    if specks := settings.salt_and_pepper:
        chance = _threshold(specks.chance) if specks.fraction else 0
        on.append(Parameter("salt_and_pepper", "salt_and_pepper", chance, options=tuple(specks.scale)))
    by_name = {parameter.name: parameter for parameter in on}
    parameters = tuple(by_name.get(name) for name in PARAMETER_ORDER)
    return ParameterPlan(parameters, tuple(p.threshold if p else 0 for p in parameters))


def _threshold(chance: float) -> int:
    return int(chance * 2**64)  # exact: a power of two only moves the exponent


def _between(low: float, high: float) -> tuple[float, float]:
    return (low + high) / 2, (high - low) / 2
