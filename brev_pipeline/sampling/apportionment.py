"""Apportionment: the draws of each group and epoch, and of each image of a group, in whole numbers.

A group's share of the draws carries its rest over to the next epoch. A group hands its draws out to its images in a
fixed circle, entered where the last epoch left it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def apportion_draws(weights: Sequence[float], total: int, epochs: int) -> npt.NDArray[np.int64]:
    """Divide ``total`` draws per epoch among groups in proportion to their weights.

    After every epoch each group has been drawn its exact share of all draws so far, rounded up or down: never a
    whole draw off. Within an epoch each group gets what is due in full; the rest goes to the largest remainders
    (Hamilton's method). Groups so small that they are not due a draw in each epoch (that happens only if
    ``max_epoch_samples`` is below the number of images) come in the order in which their next draw is due, which
    is what keeps the promise for them. All arithmetic is on whole numbers.

    Args:
        weights: of the groups, finite and positive.
        total: draws per epoch.
        epochs: number of epochs.

    Returns:
        Shape (epochs, groups), draws; each row sums to ``total``.
    """
    # Sums of floats would drift over the epochs.
    shares = _to_whole_numbers(weights)
    per_epoch = [total * share for share in shares]
    drawn = [0] * len(shares)
    draws = np.zeros((epochs, len(shares)), dtype=np.int64)
    for epoch in range(epochs):
        entitled = [(epoch + 1) * share for share in per_epoch]
        counts = _apportion_epoch(entitled, per_epoch, sum(shares), drawn, total)
        drawn = [before + count for before, count in zip(drawn, counts, strict=True)]
        draws[epoch] = counts
    return draws


def _apportion_epoch(entitled: list[int], per_epoch: list[int], unit: int, drawn: list[int], total: int) -> list[int]:
    """Draws of one epoch; ``entitled`` (so far) and ``per_epoch`` are in parts of 1 / ``unit`` draw."""
    counts = [max(0, due // unit - before) for due, before in zip(entitled, drawn, strict=True)]
    # Who was rounded up in an earlier epoch and is not yet due again takes no part.
    open_ = [i for i, due in enumerate(entitled) if due % unit and drawn[i] + counts[i] == due // unit]
    open_.sort(key=lambda i: (-(-(entitled[i] // unit + 1) * unit // per_epoch[i]), -(entitled[i] % unit), i))
    for i in open_[: total - sum(counts)]:
        counts[i] += 1
    return counts


def _to_whole_numbers(weights: Sequence[float]) -> list[int]:
    """The weights as whole numbers in exactly the same proportions: a float is a whole number over a power of 2."""
    ratios = [float(weight).as_integer_ratio() for weight in weights]
    unit = max((below for _, below in ratios), default=1)
    return [above * (unit // below) for above, below in ratios]


Counts = npt.NDArray[np.int64]


def count_draws(group: Counts, drawn_before: Counts, draws: Counts) -> Counts:
    """How often each image is drawn in one epoch.

    Within a group, the counts of one epoch differ by at most one, and so do the counts of all epochs so far: no
    image is drawn again before each other one was. The circle is the order of the rows.

    Args:
        group: shape (rows,), group of each image.
        drawn_before: shape (groups,), draws of each group in all earlier epochs.
        draws: shape (groups,), draws of each group in this epoch.

    Returns:
        Shape (rows,); sums to ``draws`` within each group.
    """
    # One circle for all epochs: with a new order per round, an epoch could draw an image twice and leave another out.
    sizes = np.bincount(group, minlength=len(draws))
    place_in_group = np.empty(len(group), dtype=np.int64)
    place_in_group[np.argsort(group, kind="stable")] = number_in_runs(sizes)
    steps = (place_in_group - drawn_before[group]) % sizes[group]
    whole, rest = np.divmod(draws, np.maximum(sizes, 1))
    return np.asarray(whole[group] + (steps < rest[group]), dtype=np.int64)


def number_in_runs(lengths: Counts) -> Counts:
    """Shape (sum of ``lengths``,): 0, 1, 2, … within each run of these lengths."""
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.asarray(np.arange(len(starts)) - starts, dtype=np.int64)
