"""Quotas: divide leak groups over the purposes so that each gets its share of the images in every stratum."""

import numpy as np

from brev_pipeline.split.arrays import Bools, Floats, Ints, Words
from brev_pipeline.split.fill import Segments, fill, ration
from brev_pipeline.split.repair import repair

__all__ = ["divide", "ration"]


def divide(segment: Ints, rank: Words, images: Ints, wanted: Floats, lacking: Bools) -> Ints:
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
    order = np.lexsort((rank, segment))
    segments = Segments(segment[order], images[order], wanted, lacking)
    purpose = repair(segments, fill(segments))
    out = np.empty(len(order), np.int64)
    out[order] = purpose
    return out
