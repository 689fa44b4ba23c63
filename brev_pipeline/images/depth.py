"""Depth: how samples of more than 8 bits become 8 bits.

The rule, for every format: a value v of n bits becomes round(255·v / (2ⁿ − 1)); for 16 bits that is
(v + 128) // 257. Signed samples have n − 1 bits, and what is below zero is black. 32-bit whole numbers are
taken for 16-bit values, as PGM readers and many cameras' tools write them, if they fit. Floating point has no
declared white, and is refused.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from brev_pipeline.images.formats.header import unsupported


def to_8_bits(samples: npt.NDArray[Any], bits: int, *, signed: bool = False) -> npt.NDArray[np.uint8]:
    """Scale whole numbers to 0..255, rounded to the nearest.

    Args:
        samples: any shape, whole numbers.
        bits: depth as stored, 9..32.
        signed: whether the samples are signed as stored.

    Raises:
        DecodeError: 32-bit samples beyond 16 bits.
    """
    if bits > 16:
        if samples.size and int(samples.max()) > 0xFFFF:
            raise unsupported(f"its {bits}-bit samples reach {int(samples.max())}; read are values up to 65535")
        bits, signed = 16, False
    full = (1 << bits - signed) - 1
    values: npt.NDArray[np.uint32] = np.clip(samples, 0, full).astype(np.uint32)
    scaled: npt.NDArray[np.uint8] = ((values * 255 + full // 2) // full).astype(np.uint8)
    return scaled
