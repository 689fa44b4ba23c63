"""Images of the tests, made by integer arithmetic: the same on every machine, with edges, gradients and grain."""

import numpy as np
import numpy.typing as npt


def picture(*shape: int, salt: int = 0) -> npt.NDArray[np.uint8]:
    """A uint8 image (h, w) or (h, w, c): gradients, blocks, and a little hash noise."""
    y, x, c = np.ogrid[: shape[0], : shape[1], : shape[2] if len(shape) > 2 else 1]
    x, y, c = (part.astype(np.int64) + salt for part in (x, y, c))
    blocks = ((x // 11 + y // 7 + c) % 3) * 60
    grain = (x * 2654435761 + y * 40503 + c * 69069 + x * y * 31) >> 7 & 31
    return ((x * 2 + y + c * 40 + blocks + grain) & 255).astype(np.uint8).reshape(shape)


def numbered(height: int, width: int) -> npt.NDArray[np.int32]:
    """Labels (h, w) in which each pixel has a number of its own."""
    return np.arange(height * width, dtype=np.int32).reshape(height, width)
