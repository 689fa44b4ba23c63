"""Sine and cosine that are the same on every machine.

The C library's may differ in the last bit from one CPU to another (glibc picks a fused-multiply-add version where
there is one). Here they are Taylor polynomials in Python floats: IEEE 754 defines each multiplication and addition
to the last bit, and Python rounds after every one. Quarter turns come out exact.
"""

_TWO_PI = 6.283185307179586


def cos_sin(turns: float) -> tuple[float, float]:
    """Cosine and sine of an angle, bit-identical everywhere; exact at quarter turns.

    Args:
        turns: the angle in full turns, any finite value.

    Returns:
        (cosine, sine), within 1e-11 of the true values: far finer than the grids that they are rounded to.
    """
    if not turns:
        return 1.0, 0.0
    quarter = (4 * turns + 0.5) // 1
    angle = (turns - quarter / 4) * _TWO_PI  # within ± π/4
    square = angle * angle
    cosine = 1 - square * (1 / 2 - square * (1 / 24 - square * (1 / 720 - square * (1 / 40320 - square * (1 / 3628800 - square / 479001600)))))  # fmt: skip  # noqa: E501
    sine = angle * (1 - square * (1 / 6 - square * (1 / 120 - square * (1 / 5040 - square * (1 / 362880 - square / 39916800)))))  # fmt: skip  # noqa: E501
    match int(quarter) % 4:
        case 0:
            return cosine, sine
        case 1:
            return -sine, cosine
        case 2:
            return -cosine, -sine
        case _:
            return sine, -cosine
