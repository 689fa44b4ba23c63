"""From settings to a plan: how each parameter is drawn. Read once, when an augmenter is made."""

from brev_pipeline.augmentation.draws import ORDER, Parameter, Plan
from brev_pipeline.config.models import AugmentationSettings


def plan_parameters(settings: AugmentationSettings) -> Plan:
    """How each parameter is drawn under these settings."""
    parts = (_transform, _deformation, _filtering, _noise, _specks)
    on = {parameter.name: parameter for part in parts for parameter in part(settings)}
    parameters = tuple(on.get(name) for name in ORDER)
    return Plan(parameters, tuple(p.threshold if p else 0 for p in parameters))


def _threshold(chance: float) -> int:
    return int(chance * 2**64)  # exact: a power of two only moves the exponent


def _between(low: float, high: float) -> tuple[float, float]:
    return (low + high) / 2, (high - low) / 2


def _transform(settings: AugmentationSettings) -> list[Parameter]:
    if (part := settings.transform) is None:
        return []
    chance = _threshold(part.chance)
    return [
        Parameter("transform", "flip_up_down", chance if part.flip_up_down else 0),
        Parameter("transform", "flip_left_right", chance if part.flip_left_right else 0),
        Parameter("transform", "scale", chance, "uniform", 0, part.scale),
        Parameter("transform", "rotate", _threshold(part.rotate_chance), "uniform", 0, part.rotate),
        Parameter("transform", "translate_horizontal", chance, "uniform", 0, part.translate_horizontal),
        Parameter("transform", "translate_vertical", chance, "uniform", 0, part.translate_vertical),
        Parameter("transform", "shear", chance, "pair", 0, part.shear),
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
        Parameter("filtering", "emboss", chance, "signed pair", *_between(*part.emboss)),
        Parameter("filtering", "mean", chance if part.mean else 0, options=(part.mean,)),
        Parameter("filtering", "gaussian", chance if part.gaussian else 0, options=(part.gaussian,)),
    ]


def _noise(settings: AugmentationSettings) -> list[Parameter]:
    if (part := settings.noise) is None:
        return []
    chance = _threshold(part.chance)
    return [
        Parameter("noise", "brightness", chance, "uniform", 0, part.brightness),
        Parameter("noise", "contrast", chance, "uniform", *_between(*part.contrast)),
        Parameter("noise", "hue", chance, "uniform", 0, part.hue),
        Parameter("noise", "saturation", chance, "uniform", *_between(*part.saturation)),
        Parameter("noise", "stddev", chance if part.stddev else 0, options=(part.stddev,)),
    ]


def _specks(settings: AugmentationSettings) -> list[Parameter]:
    if (part := settings.salt_and_pepper) is None:
        return []
    chance = _threshold(part.chance) if part.fraction else 0
    return [Parameter("salt_and_pepper", "salt_and_pepper", chance, options=tuple(part.scale))]
