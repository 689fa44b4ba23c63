"""Draws: everything about the demo's photos that is left to chance.

A draw hangs on the seed and on the name of what is drawn, never on what was drawn before it: the fill level of
vial 7 stays the same whatever else the drawing learns to draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np

from brev_pipeline.demo.exact import Field, blur
from brev_pipeline.seeds import seed64

_T = TypeVar("_T")


@dataclass(frozen=True)
class Draws:
    """Draws about one thing.

    Args:
        seed: the demo's seed.
        subject: the thing's name, for example ``("good", 7)``.
    """

    seed: int
    subject: tuple[str | int, ...]

    def about(self, *names: str | int) -> "Draws":
        """Draws about a part or a view of the same thing."""
        return Draws(self.seed, (*self.subject, *names))

    def between(self, low: float, high: float, name: str) -> float:
        """A number in [low, high), evenly distributed."""
        return low + (high - low) * (self._bits(name) >> 11) / 2**53

    def near(self, centre: float, spread: float, name: str) -> float:
        """A number within ± ``spread`` of ``centre``, more often close to it (triangular)."""
        return centre + self.between(-spread / 2, spread / 2, name) + self.between(-spread / 2, spread / 2, name + "'")

    def chance(self, probability: float, name: str) -> bool:
        """True with ``probability``."""
        return self.between(0, 1, name) < probability

    def pick(self, choices: Sequence[_T], name: str) -> _T:
        """One of ``choices``, evenly."""
        return choices[self._bits(name) % len(choices)]

    def grain(self, shape: tuple[int, ...], name: str) -> Field:
        """Independent numbers of mean 0 and standard deviation 1, bell-shaped: each the sum of four bytes."""
        count = int(np.prod(shape))
        words = np.random.SFC64(self._bits(name)).random_raw(-(-count // 2))
        sums = words.astype("<u8").view(np.uint8).reshape(-1, 4).astype(np.int32)
        total = sums[:, 0] + sums[:, 1] + sums[:, 2] + sums[:, 3]
        # Four bytes: mean 4 · 127.5, variance 4 · (256² − 1) / 12.
        return ((total - 510).astype(np.float32) * (1 / 147.8))[:count].reshape(shape)

    def clouds(self, shape: tuple[int, int], radius: int, name: str) -> Field:
        """Smooth noise, roughly of standard deviation 1, with features about ``radius`` px in size."""
        return _clouds(self, shape, radius, name)

    def _bits(self, name: str) -> int:
        return seed64(self.seed, "demo", *self.subject, name)


@lru_cache(maxsize=16)
def _clouds(draws: Draws, shape: tuple[int, int], radius: int, name: str) -> Field:
    # Averaging n² pixels divides the deviation by n; the other passes by a little more.
    return blur(draws.grain(shape, name), radius, radius) * (1.7 * (2 * radius + 1))
