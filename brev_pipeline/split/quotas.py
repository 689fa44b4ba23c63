"""Quotas: divide leak groups over the purposes so that each gets its share of the images in every stratum."""

from itertools import pairwise

import numpy as np

from brev_pipeline.split.arrays import Bools, Floats, Ints, Words
from brev_pipeline.split.fill import Segments, fill_in_order
from brev_pipeline.split.repair import repair_quotas

_LONG = 1000  # groups of a segment, on average, that are worth a sort of their own


def fill_quotas(segment: Ints, rank: Words, images: Ints, wanted: Floats, lacking: Bools) -> Ints:
    """Give every group a purpose.

    Args:
        segment: (groups,) segment of each group.
        rank: (groups,) unsigned; the order within a segment, ties in the order of the groups.
        images: (groups,) size.
        wanted: (segments, purposes) images; each row sums to the segment's.
        lacking: (segments, purposes) sides that should not stay empty.

    Returns:
        (groups,) purposes.
    """
    order = _order_groups(segment, rank)
    segments = Segments(segment[order], images[order], wanted, lacking)
    purpose = repair_quotas(segments, fill_in_order(segments))
    out = np.empty(len(order), np.int64)
    out[order] = purpose
    return out


def _order_groups(segment: Ints, rank: Words) -> Ints:
    """(groups,) positions in ascending order of segment, then rank, then position."""
    ends = np.flatnonzero(np.diff(segment)) + 1
    if len(ends) > len(segment) // _LONG or (np.diff(segment) < 0).any():
        return np.lexsort((rank, segment))
    # Few segments, together already: sorting one by one takes half the time.
    edges = [0, *ends.tolist(), len(segment)]
    order = np.concatenate([np.argsort(rank[start:stop]) + start for start, stop in pairwise(edges)])
    ranked = rank[order]
    # Equal ranks, one chance in 10⁸, come out in an order that hangs on the processor: sort them by position.
    if ((ranked[1:] == ranked[:-1]) & (segment[1:] == segment[:-1])).any():
        return np.lexsort((rank, segment))
    return order
