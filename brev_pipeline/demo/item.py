"""Item: one physical vial, and one shot of it.

What is drawn here for an `Item` stays with the vial in every photo of it: its filling, its label, its cap's
shade, its scratches, its fault. What is drawn for a `Shot` differs from photo to photo: how the vial stands and
how the camera sees it. Lengths are millimetres on a 20R vial (ISO 8362-1: 30 mm wide, 55 mm high).
"""

from dataclasses import dataclass
from typing import Final, Literal

from brev_pipeline.demo.draws import Draws

Rgb = tuple[float, float, float]
Fault = Literal["none", "tilted", "dented", "loose", "stoppered", "open"]

# The line fills three products; colours in linear light.
_BUTTONS: Final[dict[str, Rgb]] = {
    "saline": (0.030, 0.150, 0.480),
    "powder": (0.420, 0.035, 0.040),
    "serum": (0.060, 0.290, 0.130),
}
_TINTS: Final[dict[str, Rgb]] = {"saline": (0.96, 0.985, 1.0), "powder": (1, 1, 1), "serum": (0.97, 0.86, 0.48)}
_RUBBERS: Final[list[Rgb]] = [(0.085, 0.088, 0.095), (0.20, 0.20, 0.205), (0.15, 0.075, 0.062)]


@dataclass(frozen=True)
class Item:
    """One physical vial.

    Args:
        draws: its draws, for surfaces that are drawn point by point.
        fault: what is wrong with its closure.
        product: what is in it.
        fill: height of the liquid or the cake above the vial's foot, mm.
        tint: transmission of the liquid, red, green, blue.
        button: colour of the flip-off button.
        rubber: colour of the stopper.
        labelled: whether it went through the labeller.
        turn: which side of it faces the camera, −1..1 for half a turn either way.
        severity: size of the fault, 0..1.
        side: where the fault is, −1 left or 1 right.
    """

    draws: Draws
    fault: Fault
    product: str
    fill: float
    tint: Rgb
    button: Rgb
    rubber: Rgb
    labelled: bool
    turn: float
    severity: float
    side: int

    @property
    def capped(self) -> bool:
        """Whether there is a cap at all."""
        return self.fault not in ("stoppered", "open")


@dataclass(frozen=True)
class Shot:
    """How one photo sees its item.

    Args:
        draws: its draws, for the sensor's noise.
        x: px from the middle of the frame, to the right.
        y: px below the usual place.
        lean: slope of the vial's axis, positive to the right.
        scale: px per mm.
        turn: how far the vial turned in its seat, in `Item.turn`'s unit.
        exposure: factor on the light.
        warmth: red against blue, 0 neutral.
        defocus: 0 sharp to 1.
        motion: px that the vial moved either way while the shutter was open.
    """

    draws: Draws
    x: float
    y: float
    lean: float
    scale: float
    turn: float
    exposure: float
    warmth: float
    defocus: float
    motion: int


def draw_item(draws: Draws, fault: Fault) -> Item:
    """The vial that ``draws`` are about."""
    product = draws.pick(["saline", "saline", "powder", "powder", "serum"], "product")
    liquid = product != "powder"
    return Item(
        draws=draws,
        fault=fault,
        product=product,
        fill=draws.near(24.5, 3.5, "fill") if liquid else draws.near(13.0, 3.0, "fill"),
        tint=_TINTS[product],
        button=_shade(_BUTTONS[product], draws),
        rubber=draws.pick(_RUBBERS, "rubber"),
        labelled=liquid and draws.chance(0.6, "labelled"),
        turn=draws.between(-1, 1, "turn"),
        severity=draws.between(0, 1, "severity"),
        side=draws.pick([-1, 1], "side"),
    )


def draw_shot(draws: Draws) -> Shot:
    """The photo that ``draws`` are about."""
    return Shot(
        draws=draws,
        x=draws.near(0, 6, "x"),
        y=draws.near(0, 3.5, "y"),
        lean=draws.near(0, 0.018, "lean"),
        scale=draws.near(4.12, 0.07, "scale"),
        turn=draws.near(0, 0.05, "turn"),
        exposure=draws.near(1.0, 0.13, "exposure"),
        warmth=draws.near(0, 0.03, "warmth"),
        defocus=draws.between(0, 1, "defocus"),
        motion=draws.pick([0, 0, 0, 1, 1, 2], "motion"),
    )


def _shade(rgb: Rgb, draws: Draws) -> Rgb:
    """The batch's colour, a little lighter or darker, a little paler or stronger."""
    light, pale = draws.near(1, 0.25, "light"), draws.between(0, 0.06, "pale")
    red, green, blue = (channel * light + pale for channel in rgb)
    return red, green, blue
