"""Repair: strata whose shares would be missed because their leak groups differ in size.

In hash order a share is missed by half of the group that happens to lie on the bound. Where that is more than the
stratum's median group, smaller groups from beyond the bound take its place: groups near the bound move, no others.
Where the shares are still missed, by more than one image in a hundred, the largest groups are placed first, each
where most is wanted, and the others fill up: one group, then two, four, … until the shares hold. That moves more, so
it is the last resort. A group that is alone goes where most is wanted. Strata in no need stay as they are.
"""

import numpy as np

from brev_pipeline.split.arrays import Ints
from brev_pipeline.split.fill import TINY, Segments, apportion_images, fill_in_order, find_starts

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
