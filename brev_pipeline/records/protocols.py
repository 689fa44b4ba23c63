"""What the writer needs of others: prepared pixels, and something that augments them."""

from collections.abc import Iterable
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""uint8 (height, width, channels), 1 channel grey, 3 RGB; or (frames, height, width, channels), a time series."""


class PixelReader(Protocol):
    """Reads prepared pixels; picklable, so that workers read for themselves."""

    def read(self, rows: pa.Table) -> Iterable[Pixels]:
        """Give one array per row, in order. The same content may be asked for in several rows.

        Args:
            rows: content_id, file, offset, length, prepared_height, prepared_width, prepared_channels, and
                prepared_frames, null for a single image.
        """
        ...


class Augmenter(Protocol):
    """Changes pixels by a seed; picklable, and a pure function of its arguments."""

    def augment(self, image: Pixels, seed: int) -> Pixels:
        """Augment one image.

        Args:
            image: shape (height, width, channels); is not written to.
            seed: 0 ≤ seed < 2**64.
        """
        ...
