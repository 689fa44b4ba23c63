"""Ranked hash: the method of the house.

Every leak group has a 64-bit rank that hangs on nothing but the seed and its own items; each stratum's groups are
dealt in the order of their ranks until each purpose has its share. So the result depends neither on the order of
rows nor on other strata, and where items are added, only those near a bound can move.

* The rank of an item is XXH3-64 (whose output is fixed since release 0.8.0 of its specification) of its name, under
  a seed that is keyed BLAKE2b of the configured seed and the stratum's name, or of the seed alone where items reach
  over strata. BLAKE2b for each item would be safe too, but costs 0.8 µs against 0.1.
* The rank of a leak group is the least of its items' ranks: a copy that joins it seldom changes its place.
* Groups that span strata come first: all of a cluster of strata that they connect together, in the order of rank,
  each purpose taking its share of their images; see `balance` for strata that this would leave out of balance. Then
  each stratum deals its own groups to what is still wanted there.

* Folds are equal, so each stratum (and cluster) deals to them in a circle that begins at another one, by a keyed hash
  of its name: else the rare strata, with fewer groups than there are folds, would all lie in the same folds.

A change of anything here moves items: it is a major version. A golden test pins it.
"""

import numpy as np
import pyarrow as pa
import xxhash

from brev_pipeline.seeds import seed64, seeds64
from brev_pipeline.split.arrays import Bools, Floats, Ints, Words, find_minima
from brev_pipeline.split.balance import SpanningBalance
from brev_pipeline.split.draw import OPEN, SplitProblem, StratumParts, find_parts
from brev_pipeline.split.fill import apportion_images
from brev_pipeline.split.quotas import fill_quotas

_STEP = 65_536  # names at a time, so that few Python objects live at once
_LAST = np.uint64(2**64 - 1)


def assign_by_ranked_hash(draw: SplitProblem) -> Ints:
    """Give every leak group a purpose.

    Returns:
        (groups,) purposes; a group that has one keeps it. In a stratum without spanning groups and without purposes
        given before, each purpose's images are within one leak group of its share.
    """
    purpose = draw.fixed.copy()
    open_ = purpose == OPEN
    if not open_.any():
        return purpose
    parts, rank = find_parts(draw), _compute_ranks(draw)
    if (open_ & parts.spans).any():
        _assign_spanning(draw, parts, rank, purpose)
    _assign_strata(draw, parts, rank, purpose)
    return purpose


def _assign_spanning(draw: SplitProblem, parts: StratumParts, rank: Words, purpose: Ints) -> None:
    """Fill ``purpose`` for open groups that lie in several strata."""
    spanning = parts.select_groups((purpose == OPEN) & parts.spans)
    room, wanted = _find_room(draw, parts, purpose)
    cluster = _find_clusters(spanning, len(draw.strata))
    here = np.bincount(spanning.stratum, spanning.images, len(draw.strata))
    share = here / np.maximum(room, 1)  # of each stratum's open images, those of spanning groups
    pooled = np.zeros_like(wanted)
    np.add.at(pooled, cluster, wanted * share[:, None])
    groups, own = np.unique(spanning.group, return_inverse=True)
    first = np.searchsorted(spanning.group, groups)
    images = np.bincount(own, spanning.images).astype(np.int64)
    segment = cluster[spanning.stratum[first]]
    dealt = _deal_groups(draw, segment, rank[groups], images, pooled, np.zeros(pooled.shape, np.bool_))
    balance = SpanningBalance(own, spanning.stratum, spanning.images, wanted, room - here, parts, draw.closed)
    purpose[groups] = balance.balance_purposes(dealt, rank[groups])


def _assign_strata(draw: SplitProblem, parts: StratumParts, rank: Words, purpose: Ints) -> None:
    """Fill ``purpose`` for open groups that lie in one stratum."""
    _, wanted = _find_room(draw, parts, purpose)
    lacking = _find_lacking(draw, parts, purpose)
    own = parts.select_groups(purpose == OPEN)
    if len(own.group):
        purpose[own.group] = _deal_groups(draw, own.stratum, rank[own.group], own.images, wanted, lacking)


def _deal_groups(draw: SplitProblem, segment: Ints, rank: Words, images: Ints, wanted: Floats, lacking: Bools) -> Ints:
    """`fill_quotas`, with the folds in another circle for each segment, which bears the number of one of its strata."""
    if not draw.folds:
        return fill_quotas(segment, rank, images, wanted, lacking)
    first = len(draw.shares) - draw.folds
    starts = np.array(seeds64(draw.seed, ("folds",), draw.strata.to_pylist()), np.uint64) % np.uint64(draw.folds)
    turn = starts.astype(np.int64)
    order = np.tile(np.arange(len(draw.shares)), (len(turn), 1))
    order[:, first:] = first + (np.arange(draw.folds) + turn[:, None]) % draw.folds
    turned = fill_quotas(
        segment,
        rank,
        images,
        np.take_along_axis(wanted.round(9), order, axis=1),  # else rounding would say which fold wants most
        np.take_along_axis(lacking, order, axis=1),
    )
    return np.asarray(order[segment, turned])


def _find_room(draw: SplitProblem, parts: StratumParts, purpose: Ints) -> tuple[Floats, Floats]:
    """(strata,) open images, and (strata, purposes) how many of them each purpose is to get."""
    shape = (len(draw.strata), len(draw.shares))
    given = parts.select_groups(purpose != OPEN).sum_by_purpose(purpose, shape)
    missing = draw.stratum_images[:, None] * draw.shares - given
    missing[:, draw.closed] = 0
    room = draw.stratum_images - given.sum(axis=1)
    return room, apportion_images(missing, room, draw.remainder)


def _find_lacking(draw: SplitProblem, parts: StratumParts, purpose: Ints) -> Bools:
    shape = (len(draw.strata), len(draw.shares))
    given = parts.select_groups(purpose != OPEN).sum_by_purpose(purpose, shape)
    return np.asarray((given == 0) & (draw.shares > 0) & ~draw.closed)


def _find_clusters(spanning: StratumParts, strata: int) -> Ints:
    """(strata,) the cluster of strata that spanning groups connect."""
    from brev_pipeline.split.groups import connect_nodes, find_components

    return find_components(strata, [connect_nodes(spanning.stratum, spanning.group)])


def _compute_ranks(draw: SplitProblem) -> Words:
    """(groups,) rank of each group, uniform in [0, 2**64)."""
    hashes = np.empty(len(draw.nodes), np.uint64)
    if draw.over_strata:
        seeds = np.full(len(draw.strata), seed64(draw.seed, "split"), np.uint64)
    else:
        seeds = np.array(seeds64(draw.seed, ("split",), draw.strata.to_pylist()), np.uint64)
    for start in range(0, len(hashes), _STEP):
        own = slice(start, start + _STEP)
        names = draw.items.take(pa.array(draw.nodes.item[own])).cast(pa.binary()).to_pylist()
        hashes[own] = list(map(xxhash.xxh3_64_intdigest, names, seeds[draw.nodes.stratum[own]].tolist()))
    return find_minima(draw.group, hashes, len(draw.fixed), _LAST)
