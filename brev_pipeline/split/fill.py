"""Fill: deal ordered leak groups to the purposes, each its share of the images.

Groups come in segments (strata), in hash order within each. A purpose takes the groups whose middle lies between its
bounds on the running sum of images, so its images miss the share by at most half a group at either end. A side that
would stay empty takes the nearest group, where the shares still hold within one leak group. (Three single photos for
test 0.1, train 0.72 and devel 0.18 go 0, 2, 1: with 1, 1, 1 train would miss 1.16 images.)
"""

from dataclasses import dataclass

import numpy as np

from brev_pipeline.split.arrays import Bools, Floats, Ints, sum_weights

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

    def largest_groups(self) -> Ints:
        """(segments,) images of the largest group; 0 for an empty segment."""
        largest = np.zeros(len(self.wanted), np.int64)
        np.maximum.at(largest, self.segment, self.images)
        return largest

    def cut_segment(self, start: int, stop: int) -> "Segments":
        """The groups ``start`` … ``stop`` of one segment as a division of their own."""
        one = self.segment[start]
        kept = slice(one, one + 1)
        return Segments(self.segment[start:stop] - one, self.images[start:stop], self.wanted[kept], self.lacking[kept])


def apportion_images(missing: Floats, total: Floats, remainder: int) -> Floats:
    """Divide what is there over what is wanted: in order, none below zero, and the remainder takes the rest.

    Args:
        missing: (segments, purposes) images that each purpose lacks; negative where it has too many.
        total: (segments,) images to divide.
        remainder: the purpose that takes what is left.

    Returns:
        (segments, purposes) images; each row sums to its total.
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
    for edge in range(shape[1] - 1):
        ends[:, edge] = np.maximum(ends[:, edge], least[:, edge] + (ends[:, edge - 1] if edge else 0))
    for edge in range(shape[1] - 2, -1, -1):
        ends[:, edge] = np.minimum(ends[:, edge], ends[:, edge + 1] - least[:, edge + 1])
    seated = np.zeros(len(purpose), np.int64)
    place = np.arange(len(purpose)) - first[segments.segment]
    for edge in range(shape[1] - 1):
        seated += place >= ends[segments.segment, edge]
    seated = np.where(needy[segments.segment], seated, purpose)
    worse = segments.max_errors(seated) > np.maximum(segments.largest_groups(), segments.max_errors(purpose)) + TINY
    return np.where(worse[segments.segment], purpose, seated)
