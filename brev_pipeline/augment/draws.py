"""What a seed means: for every parameter of the augmentation a coin and a value.

Every parameter owns two words of the stream ``parameters``, at a place that never moves: its coin, and its value or
values (32 bits each). So each coin is its own, and switching a part off or changing a range leaves all other draws
as they were. A parameter that is added later gets the next two words.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from brev_pipeline.augment.streams import raw_words
from brev_pipeline.config.models import AugmentationSettings

ORDER: Final = (
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

Span = tuple[float, float]  # (middle, half width) of a uniform distribution


class Parameter(NamedTuple):
    """How one parameter is drawn."""

    part: str  # field of AugmentationSettings
    name: str  # one of ORDER
    threshold: int  # the coin shows heads where its word is below this: chance * 2**64
    span: Span | None = None  # of a value that is drawn
    pair: bool = False  # two values are drawn from the span
    signed: bool = False  # each value gets a sign by a fair coin
    options: Sequence[Any] = (True,)  # of a value that is chosen; one option: it is what the coin decides on


Plan = tuple[Parameter | None, ...]  # in the order of ORDER; None where the part is off


def plan(settings: AugmentationSettings) -> Plan:
    """How each parameter is drawn under these settings."""
    parts = (_transform, _deformation, _filtering, _noise, _specks)
    on = {parameter.name: parameter for part in parts for parameter in part(settings)}
    return tuple(on.get(name) for name in ORDER)


def words(seed: int) -> list[int]:
    """Two words for each of ORDER: its coin and its value, 64 bits each."""
    return raw_words(seed, b"parameters", 2 * len(ORDER)).tolist()  # type: ignore[no-any-return]


def heads(parameters: Plan, drawn: list[int]) -> dict[str, Any]:
    """Name → value of the parameters whose coin shows heads: what is applied."""
    each = zip(parameters, drawn[::2], drawn[1::2], strict=True)
    return {p.name: value(p, word) for p, coin, word in each if p and coin < p.threshold}


def record(parameters: Plan, drawn: list[int]) -> dict[str, dict[str, Any]]:
    """Part → name → coin (``applied``) and ``value`` of all parameters; a part of one parameter is that parameter."""
    out: dict[str, dict[str, Any]] = {}
    for p, coin, word in zip(parameters, drawn[::2], drawn[1::2], strict=True):
        if p is None:
            continue
        one = {"applied": coin < p.threshold, "value": value(p, word)}
        if p.part == p.name:
            out[p.part] = one
        else:
            out.setdefault(p.part, {})[p.name] = one
    return out


def value(parameter: Parameter, word: int) -> Any:
    """The value that a word means: a float, a list of two, or one of the options."""
    span = parameter.span
    if span is None:
        return parameter.options[word * len(parameter.options) >> 64]
    one = _signed if parameter.signed else _uniform
    if parameter.pair:
        return [one(span, word >> 32), one(span, word & 0xFFFFFFFF)]
    return one(span, word >> 32)


def _uniform(span: Span, bits: int) -> float:
    """32 bits as a number in the span, symmetric about its middle. IEEE operations only: the same everywhere."""
    return span[0] + span[1] * ((2 * bits - 0xFFFFFFFF) * 2.0**-32)


def _signed(span: Span, bits: int) -> float:
    """31 bits as a number in the span, the last bit as its sign."""
    size = span[0] + span[1] * ((2 * (bits >> 1) - 0x7FFFFFFF) * 2.0**-31)
    return -size if bits & 1 else size


def _threshold(chance: float) -> int:
    return int(chance * 2**64)  # exact: a power of two only moves the exponent


def _between(low: float, high: float) -> Span:
    return (low + high) / 2, (high - low) / 2


def _transform(settings: AugmentationSettings) -> list[Parameter]:
    if (part := settings.transform) is None:
        return []
    chance = _threshold(part.chance)
    return [
        Parameter("transform", "flip_up_down", chance if part.flip_up_down else 0),
        Parameter("transform", "flip_left_right", chance if part.flip_left_right else 0),
        Parameter("transform", "scale", chance, (0, part.scale)),
        Parameter("transform", "rotate", _threshold(part.rotate_chance), (0, part.rotate)),
        Parameter("transform", "translate_horizontal", chance, (0, part.translate_horizontal)),
        Parameter("transform", "translate_vertical", chance, (0, part.translate_vertical)),
        Parameter("transform", "shear", chance, (0, part.shear), pair=True),
    ]


def _deformation(settings: AugmentationSettings) -> list[Parameter]:
    if (part := settings.deformation) is None:
        return []
    return [Parameter("deformation", "deformation", _threshold(part.chance) if part.alpha else 0)]


def _filtering(settings: AugmentationSettings) -> list[Parameter]:
    if (part := settings.filtering) is None:
        return []
    chance = _threshold(part.chance)
    return [
        Parameter("filtering", "emboss", chance, _between(*part.emboss), pair=True, signed=True),
        Parameter("filtering", "mean", chance if part.mean else 0, options=(part.mean,)),
        Parameter("filtering", "gaussian", chance if part.gaussian else 0, options=(part.gaussian,)),
    ]


def _noise(settings: AugmentationSettings) -> list[Parameter]:
    if (part := settings.noise) is None:
        return []
    chance = _threshold(part.chance)
    return [
        Parameter("noise", "brightness", chance, (0, part.brightness)),
        Parameter("noise", "contrast", chance, _between(*part.contrast)),
        Parameter("noise", "hue", chance, (0, part.hue)),
        Parameter("noise", "saturation", chance, _between(*part.saturation)),
        Parameter("noise", "stddev", chance if part.stddev else 0, options=(part.stddev,)),
    ]


def _specks(settings: AugmentationSettings) -> list[Parameter]:
    if (part := settings.salt_and_pepper) is None:
        return []
    chance = _threshold(part.chance) if part.fraction else 0
    return [Parameter("salt_and_pepper", "salt_and_pepper", chance, options=tuple(part.scale))]
