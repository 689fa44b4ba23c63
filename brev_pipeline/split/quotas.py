"""Quotas: divide ordered leak groups over the purposes so that each gets its share of the images in every stratum.

Groups come in segments (strata), in hash order within each. A purpose takes the groups whose middle lies between its
bounds on the running sum of images, so its images miss the share by at most half a group at either end. A side that
would stay empty takes the nearest group, where the shares still hold within one leak group. (Three single photos for
test 0.1, train 0.72 and devel 0.18 go 0, 2, 1: with 1, 1, 1 train would miss 1.16 images.)

Where a share is missed by more than the stratum's median group, smaller groups from beyond the bound take the place of
the one on it: groups near the bound move, no others. Where the shares are still missed, by more than one image in a
hundred, the largest groups are placed first, each where most is wanted, and the others fill up: one group, then two,
four, … until the shares hold. That moves more, so it is the last resort. A group that is alone goes where most is
wanted. Strata in no need stay as they are.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from brev_pipeline.split.encoding import Bools, Floats, Ints, Words, sum_weights

TINY = 1e-9  # images; below it, a difference of sums of shares is rounding


@dataclass(frozen=True)
class Segments:
    """Groups in the order in which they are dealt.

    Attributes:
        of: (groups,) segment of each group, ascending.
        images: (groups,).
        wanted: (segments, purposes) images; each row sums to the segment's images.
        lacking: (segments, purposes) sides that should not stay empty.
    """

    segment: Ints
    images: Ints
    wanted: Floats
    lacking: Bools

    def sum_images(self, purpose: Ints) -> Floats:
        """(segments, purposes) images."""
        return sum_weights(self.segment, purpose, self.images, (len(self.wanted), self.wanted.shape[1]))

    def max_errors(self, purpose: Ints) -> Floats:
        """(segments,) greatest distance of a purpose from its quota, in images."""
        return np.asarray(np.abs(self.sum_images(purpose) - self.wanted).max(axis=1, initial=0.0))

    def count_empty(self, purpose: Ints) -> int:
        """Number of lacking sides that stay empty."""
        return int((self.lacking & (self.sum_images(purpose) == 0)).sum())

    def cut_segment(self, start: int, stop: int) -> "Segments":
        """The groups ``start`` … ``stop`` of one segment as a division of their own."""
        one = self.segment[start]
        kept = slice(one, one + 1)
        return Segments(self.segment[start:stop] - one, self.images[start:stop], self.wanted[kept], self.lacking[kept])


def apportion_images(missing: Floats, total: Floats, remainder: int) -> Floats:
    """(segments, purposes) images: what is there, divided over what is wanted in order, none below zero.

    ``missing`` (segments, purposes) is what each purpose lacks, negative where it has too many; ``total`` (segments,)
    are the images to divide. The purpose ``remainder`` takes what is left, so each row sums to its total.
    """
    out = np.zeros_like(missing)
    left = total.astype(np.float64)
    for purpose in range(missing.shape[1]):
        if purpose != remainder:
            out[:, purpose] = np.clip(missing[:, purpose], 0, left)
            left -= out[:, purpose]
    out[:, remainder] = left
    return out


def find_starts(segments: Segments) -> Ints:
    """(segments + 1,) position of each segment's first group, and the end."""
    return np.searchsorted(segments.segment, np.arange(len(segments.wanted) + 1))


def fill_in_order(segments: Segments) -> Ints:
    """(groups,) purposes, in the order of the groups."""
    running = np.cumsum(segments.images)
    first = find_starts(segments)
    before = np.concatenate([[0], running])[first[:-1]]
    middle = running - segments.images / 2 - before[segments.segment]
    bounds = np.cumsum(segments.wanted, axis=1) + TINY
    purpose = np.zeros(len(middle), np.int64)
    for edge in range(bounds.shape[1] - 1):
        purpose += middle > bounds[segments.segment, edge]
    return _fill_empty_sides(segments, purpose, first)


def _fill_empty_sides(segments: Segments, purpose: Ints, first: Ints) -> Ints:
    """Move the bounds by the least number of groups that leaves no lacking side empty."""
    shape = segments.wanted.shape
    counts = np.bincount(segments.segment * shape[1] + purpose, minlength=shape[0] * shape[1]).reshape(shape)
    needy = (segments.lacking & (counts == 0)).any(axis=1) & (counts.sum(axis=1) >= segments.lacking.sum(axis=1))
    if not needy.any():
        return purpose
    ends = np.cumsum(counts, axis=1)
    least = segments.lacking.astype(np.int64)
    # Up: each side ends behind what it needs at least. Then down: it leaves what those behind it need.
    for edge in range(shape[1] - 1):
        ends[:, edge] = np.maximum(ends[:, edge], least[:, edge] + (ends[:, edge - 1] if edge else 0))
    for edge in range(shape[1] - 2, -1, -1):
        ends[:, edge] = np.minimum(ends[:, edge], ends[:, edge + 1] - least[:, edge + 1])
    seated = np.zeros(len(purpose), np.int64)
    position = np.arange(len(purpose)) - first[segments.segment]
    for edge in range(shape[1] - 1):
        seated += position >= ends[segments.segment, edge]
    seated = np.where(needy[segments.segment], seated, purpose)
    allowed = segments.max_errors(purpose)
    np.maximum.at(allowed, segments.segment, segments.images)
    worse = segments.max_errors(seated) > allowed + TINY
    return np.where(worse[segments.segment], purpose, seated)


TOLERANCE = 0.01  # of a stratum's images


def repair_quotas(segments: Segments, purpose: Ints) -> Ints:
    """(groups,) purposes, better ones where there are better; changes ``purpose`` itself."""
    first = find_starts(segments)
    groups = np.diff(first)
    alone = first[np.flatnonzero(groups == 1)]
    purpose[alone] = np.argmax(segments.wanted[segments.segment[alone]], axis=1)
    there = np.flatnonzero(groups)
    smallest = np.minimum.reduceat(segments.images, first[there]) if len(there) else there
    for at in there[segments.max_errors(purpose)[there] > smallest + TINY]:
        own = slice(first[at], first[at + 1])
        purpose[own] = _repair_one(segments.cut_segment(own.start, own.stop), purpose[own])
    return purpose


def _repair_one(segment: Segments, purpose: Ints) -> Ints:
    median = float(np.median(segment.images))
    if segment.max_errors(purpose)[0] > median + TINY:
        purpose = _choose_better(segment, purpose, _first_fit(segment))
    # Stable: of equally large groups the one that comes first by its hash.
    large = np.argsort(-segment.images, kind="stable")[: int((segment.images > median).sum())]
    enough = max(median, TOLERANCE * float(segment.images.sum()))
    count = 1
    while segment.max_errors(purpose)[0] > enough + TINY and count < 2 * len(large):
        purpose = _choose_better(segment, purpose, _place_largest_first(segment, large[:count]))
        count *= 2
    return purpose


def _choose_better(segment: Segments, one: Ints, other: Ints) -> Ints:
    less = segment.max_errors(other)[0] < segment.max_errors(one)[0] - TINY
    return other if less and segment.count_empty(other) <= segment.count_empty(one) else one


def _first_fit(segment: Segments) -> Ints:
    """In hash order, each purpose takes the groups that still fit into its share."""
    purpose = np.full(len(segment.images), segment.wanted.shape[1] - 1)
    open_ = np.arange(len(purpose))
    for side, wanted in enumerate(segment.wanted[0, :-1]):
        taken = _find_fitting(segment.images[open_], wanted)
        purpose[open_[taken]] = side
        open_ = np.delete(open_, taken)
    return purpose


def _find_fitting(images: Ints, wanted: float) -> Ints:
    """Positions of the groups that fit, one by one, and of a last one that brings them nearer to ``wanted``."""
    taken: list[Ints] = []
    start, left = 0, wanted + TINY
    while start < len(images):
        running = np.cumsum(images[start:])
        count = int(np.searchsorted(running, left, side="right"))
        if count:
            taken.append(np.arange(start, start + count))
            left -= running[count - 1]
        fits = np.flatnonzero(images[start + count :] <= left)
        if not len(fits):
            break
        start += count + int(fits[0])
    rest = np.delete(np.arange(len(images)), np.concatenate([*taken, np.zeros(0, np.int64)]))
    if len(rest) and images[rest].min() < 2 * left:
        taken.append(rest[[np.argmin(images[rest])]])
    return np.concatenate([*taken, np.zeros(0, np.int64)])


def _place_largest_first(segment: Segments, chosen: Ints) -> Ints:
    """The ``chosen`` groups first, each where most is wanted; then the others in hash order."""
    wanted = segment.wanted[0].copy()
    lacking = segment.lacking.copy()
    purpose = np.empty(len(segment.images), np.int64)
    for group in chosen:
        side = int(np.argmax(wanted))
        purpose[group] = side
        wanted[side] -= segment.images[group]
        lacking[0, side] = False
    rest = np.delete(np.arange(len(purpose)), chosen)
    total = np.array([segment.images[rest].sum()])
    left = apportion_images(wanted[None], total, int(np.argmax(wanted)))
    others = Segments(segment.segment[rest], segment.images[rest], left, lacking)
    purpose[rest] = _choose_better(others, fill_in_order(others), _first_fit(others))
    return purpose


_LONG = 1000  # groups of a segment, on average, that are worth a sort of their own


def fill_quotas(segment: Ints, rank: Words, images: Ints, wanted: Floats, lacking: Bools) -> Ints:
    """(groups,) a purpose for every group.

    ``segment``, ``images`` (size) and ``rank`` are (groups,): groups are dealt in the order of their ranks within a
    segment, ties in the order of the groups. ``wanted`` is (segments, purposes) images, each row sums to the segment's;
    ``lacking`` (segments, purposes) are the sides that should not stay empty.
    """
    order = _order_groups(segment, rank)
    segments = Segments(segment[order], images[order], wanted, lacking)
    out = np.empty(len(order), np.int64)
    out[order] = repair_quotas(segments, fill_in_order(segments))
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
