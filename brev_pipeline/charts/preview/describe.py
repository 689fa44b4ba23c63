"""What an augmentation did, in a few words for people."""

from collections.abc import Callable, Mapping
from typing import Any, Final


def _percent(value: float) -> str:
    return f"{round(100 * value) + 0:+d}%"


_WORDS: Final[dict[str, Callable[[Any], str]]] = {
    "flip_up_down": lambda _: "upside down",
    "flip_left_right": lambda _: "mirrored",
    "rotate": lambda value: f"turned {round(value) + 0:+d}°",
    "scale": lambda value: f"zoom {1 + value:.2f}",
    "translate_horizontal": lambda value: f"right {_percent(value)}",
    "translate_vertical": lambda value: f"down {_percent(value)}",
    "shear": lambda _: "sheared",
    "emboss": lambda _: "embossed",
    "mean": lambda value: f"mean {value}x{value}",
    "gaussian": lambda value: f"blur {value:g} px",
    "brightness": lambda value: f"brightness {_percent(value)}",
    "contrast": lambda value: f"contrast {value:.2f}",
    "hue": lambda value: f"hue {round(360 * value) + 0:+d}°",
    "saturation": lambda value: f"saturation {value:.2f}",
    "stddev": lambda value: f"noise {value:.1%}",
}


def describe_augmentation(parameters: Mapping[str, Any]) -> str:
    """The parts that are applied, in the order in which they act.

    Args:
        parameters: of `ImageAugmenter.parameters`.

    Returns:
        For example ``turned +34°, brightness -12%``; ``unchanged`` if nothing is applied.
    """
    said = [
        _WORDS[name](draw["value"]) if name in _WORDS else name.replace("_", " ")
        for part in ("transform", "deformation", "filtering", "noise", "salt_and_pepper")
        for name, draw in _draws(parameters.get(part), part)
        if draw["applied"]
    ]
    return ", ".join(said) or "unchanged"


def _draws(part: Mapping[str, Any] | None, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Name and draw of each parameter; a part that is drawn as a whole is its own parameter."""
    if part is None:
        return []
    if "applied" in part:
        return [(name, part)]
    return [(key, draw) for key, draw in part.items() if isinstance(draw, Mapping)]
