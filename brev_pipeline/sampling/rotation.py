"""Draws of a group handed out to its images: a fixed circle, entered where the last epoch left it."""

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


def times_drawn(group: Counts, drawn_before: Counts, draws: Counts) -> Counts:
    """How often each image is drawn in one epoch.

    Within a group, the counts of one epoch differ by at most one, and so do the counts of all epochs so far: no
    image is drawn again before each other one was. The circle is the order of the rows; it is the same in every
    epoch, because with a new order per round an image could be drawn twice in an epoch that leaves another out.

    Args:
        group: shape (rows,), group of each image.
        drawn_before: shape (groups,), draws of each group in all earlier epochs.
        draws: shape (groups,), draws of each group in this epoch.

    Returns:
        Shape (rows,); sums to ``draws`` within each group.
    """
    sizes = np.bincount(group, minlength=len(draws))
    steps = (_places(group, sizes) - drawn_before[group]) % sizes[group]
    whole, rest = np.divmod(draws, np.maximum(sizes, 1))
    return np.asarray(whole[group] + (steps < rest[group]), dtype=np.int64)


def _places(group: Counts, sizes: Counts) -> Counts:
    """Shape (rows,): 0-based place of each row among those of its group."""
    order = np.argsort(group, kind="stable")
    places = np.empty(len(group), dtype=np.int64)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    places[order] = np.arange(len(group)) - starts
    return places
