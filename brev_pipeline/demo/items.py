"""Items: one physical vial, and one photo's view of it, as chance has them.

What is drawn for an `Item` stays with the vial in all its photos: its filling, its label, its cap's shade, its fault.
What is drawn for a `Shot` differs from photo to photo. Lengths are mm on a 20R vial (ISO 8362-1: 30 wide, 55 high).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import numpy as np

from brev_pipeline.demo.optics import Field, blur_box
from brev_pipeline.seeds import seed64

Rgb = tuple[float, float, float]
Fault = Literal["none", "tilted", "dented", "loose", "stoppered", "open"]
_T = TypeVar("_T")

# The line fills three products; colours and transmissions in linear light.
_BUTTONS: Final[dict[str, Rgb]] = {
    "saline": (0.03, 0.15, 0.48),
    "powder": (0.42, 0.035, 0.04),
    "serum": (0.06, 0.29, 0.13),
}
_TINTS: Final[dict[str, Rgb]] = {"saline": (0.96, 0.985, 1.0), "powder": (1, 1, 1), "serum": (0.97, 0.86, 0.48)}
_RUBBERS: Final[list[Rgb]] = [(0.085, 0.088, 0.095), (0.20, 0.20, 0.205), (0.15, 0.075, 0.062)]


@dataclass(frozen=True)
class Draws:
    """Chance about one thing, for example ``("good", 7)``.

    A draw hangs on the seed and on the name of what is drawn, never on what was drawn before it: the fill level of
    vial 7 stays the same whatever else the drawing learns to draw.
    """

    seed: int
    subject: tuple[str | int, ...]

    def narrow_to(self, *names: str | int) -> "Draws":
        """Draws about a part or a view of the same thing."""
        return Draws(self.seed, (*self.subject, *names))

    def draw_between(self, low: float, high: float, name: str) -> float:
        """A number in [low, high), evenly distributed."""
        return low + (high - low) * (self._draw_bits(name) >> 11) / 2**53

    def draw_near(self, centre: float, spread: float, name: str) -> float:
        """A number within ± ``spread`` of ``centre``, more often close to it (triangular)."""
        half = spread / 2
        return centre + self.draw_between(-half, half, name) + self.draw_between(-half, half, name + "'")

    def choose(self, choices: Sequence[_T], name: str) -> _T:
        """One of ``choices``, evenly."""
        return choices[self._draw_bits(name) % len(choices)]

    def draw_noise(self, shape: tuple[int, ...], name: str, radius: int = 0) -> Field:
        """Noise of deviation 1, with features about ``radius`` px in size."""
        generator = np.random.Generator(np.random.SFC64(self._draw_bits(name)))
        noise = blur_box(generator.standard_normal(shape, np.float32), radius, radius)
        return noise * (1 / float(noise.std()))

    def _draw_bits(self, name: str) -> int:
        return seed64(self.seed, "demo", *self.subject, name)


@dataclass(frozen=True)
class Item:
    """One physical vial."""

    draws: Draws
    fault: Fault  # of its closure
    product: str
    fill: float  # mm, height of the liquid or the cake above the vial's foot
    tint: Rgb  # transmission of the liquid
    button: Rgb  # of the cap
    rubber: Rgb  # of the stopper
    labelled: bool
    turn: float  # which side of it faces the camera, -1..1 for half a turn either way
    severity: float  # of the fault, 0..1
    side: int  # of the fault, -1 left or 1 right

    @property
    def has_cap(self) -> bool:
        """Whether a cap sits on it, rightly or not."""
        return self.fault not in ("stoppered", "open")

    @property
    def lift(self) -> float:
        """How far its stopper stands out, mm: a bare one may be pushed in only half."""
        return 4.2 * self.severity if self.fault == "stoppered" and self.side > 0 else 0.0

    @property
    def dent(self) -> float:
        """How far the cap is crushed, mm."""
        return 1.6 + 1.3 * self.severity if self.fault == "dented" else 0.0


@dataclass(frozen=True)
class Shot:
    """How one photo sees its item."""

    draws: Draws
    x: float  # px from the middle of the frame, to the right
    y: float  # px below the usual place
    lean: float  # radians, of the vial's axis to the right
    scale: float  # px per mm
    turn: float  # how far the vial turned in its seat, in `Item.turn`'s unit
    exposure: float  # factor on the light
    warmth: float  # red against blue, 0 neutral
    defocus: float  # 0 sharp to 1
    motion: int  # px that the vial moved either way while the shutter was open


def draw_item(draws: Draws, fault: Fault) -> Item:
    """The vial that ``draws`` are about."""
    product = draws.choose(["saline", "saline", "powder", "powder", "serum"], "product")
    liquid = product != "powder"
    light, pale = draws.draw_near(1, 0.25, "light"), draws.draw_between(0, 0.06, "pale")  # of the batch's buttons
    red, green, blue = (channel * light + pale for channel in _BUTTONS[product])
    return Item(
        draws=draws,
        fault=fault,
        product=product,
        fill=draws.draw_near(24.5, 3.5, "fill") if liquid else draws.draw_near(13.0, 3.0, "fill"),
        tint=_TINTS[product],
        button=(red, green, blue),
        rubber=draws.choose(_RUBBERS, "rubber"),
        labelled=liquid and draws.draw_between(0, 1, "labelled") < 0.6,
        turn=draws.draw_between(-1, 1, "turn"),
        severity=draws.draw_between(0, 1, "severity"),
        side=draws.choose([-1, 1], "side"),
    )


def draw_shot(draws: Draws) -> Shot:
    """The photo that ``draws`` are about."""
    return Shot(
        draws=draws,
        x=draws.draw_near(0, 6, "x"),
        y=draws.draw_near(0, 3.5, "y"),
        lean=draws.draw_near(0, 0.018, "lean"),
        scale=draws.draw_near(4.12, 0.07, "scale"),
        turn=draws.draw_near(0, 0.05, "turn"),
        exposure=draws.draw_near(1.0, 0.13, "exposure"),
        warmth=draws.draw_near(0, 0.03, "warmth"),
        defocus=draws.draw_between(0, 1, "defocus"),
        motion=draws.choose([0, 0, 0, 1, 1, 2], "motion"),
    )
