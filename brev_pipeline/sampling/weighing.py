"""Weight of a group as a function of its size: the five presets of the reference."""

import decimal
import functools
import math
from collections.abc import Callable, Sequence
from typing import Final

from brev_pipeline.config.models import Weighing

# Enough digits that rounding to a float64 is correct; more would change nothing.
_DIGITS: Final = decimal.Context(prec=50, rounding=decimal.ROUND_HALF_EVEN)


@functools.cache
def _log(count: int, plus: int = 0) -> float:
    # The C library's and NumPy's log differ in the last bit from CPU to CPU; decimal's is correctly rounded.
    return float(_DIGITS.add(_DIGITS.ln(decimal.Decimal(count)), plus))


_PRESETS: Final[dict[Weighing, Callable[[int], float]]] = {
    "uniform": lambda _: 1.0,
    "count": float,
    "square root": math.sqrt,
    "log": _log,
    "logx+1": lambda count: _log(count, 1),
}


def group_weights(counts: Sequence[int], weighing: Weighing) -> list[float]:
    """Weigh groups by size; the same float64 bits on every machine.

    Args:
        counts: images in each group, each at least 1.
        weighing: ``uniform`` 1, ``count`` n, ``square root`` √n, ``log`` ln n, ``logx+1`` ln(n) + 1.

    Returns:
        One weight per group, not normalised. ``log`` of a group of one is 0: such a group is never drawn.
    """
    return [_PRESETS[weighing](count) for count in counts]
