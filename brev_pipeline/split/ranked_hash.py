"""Ranked hash: the method of the house.

Every leak group has a 64-bit rank that hangs on nothing but the seed and its own items; each stratum's groups are
dealt in the order of their ranks until each purpose has its share. So the result depends neither on the order of
rows nor on other strata, and where items are added, only those near a bound can move.

* The rank of an item is XXH3-64 (whose output is fixed since release 0.8.0 of its specification) of its name, under
  a seed that is keyed BLAKE2b of the configured seed and the stratum's name, or of the seed alone where items reach
  over strata. BLAKE2b for each item would be safe too, but costs 0.8 µs against 0.1.
* The rank of a leak group is the least of its items' ranks: a copy that joins it seldom changes its place.
* Groups that span strata come first: all of a cluster of strata that they connect together, in the order of rank,
  each purpose taking its share of their images. Then each stratum deals its own groups to what is still wanted there.
  So a single stratum may get more of a purpose than its share, by the chance of who has how many images where. Its own
  groups make up for that as long as there are enough. Where there are not, spanning groups near the bound change sides
  until each stratum is within its median leak group (or an image in a hundred) of its share, or no change helps. Only
  the excess moves, so the rest stays where its rank puts it.
* Folds are equal, so each stratum (and cluster) deals to them in a circle that begins at another one, by a keyed hash
  of its name: else the rare strata, with fewer groups than there are folds, would all lie in the same folds.

A change of anything here moves items: it is a major version. A golden test pins it.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import xxhash

from brev_pipeline.seeds import seed64, seeds64
from brev_pipeline.split.encoding import Bools, Floats, Ints, Words, find_minima, invert_order, sum_weights
from brev_pipeline.split.leak_groups import connect_nodes, find_components
from brev_pipeline.split.problem import SplitProblem, StratumParts, find_parts
from brev_pipeline.split.purposes import OPEN
from brev_pipeline.split.quotas import TOLERANCE, apportion_images, fill_quotas

_TINY_COST = 1e-6  # images squared; a gain below it is rounding


@dataclass
class SpanningBalance:
    """Spanning groups, numbered 0 … groups − 1, and what their strata want.

    Attributes:
        group: (entries,) group of each entry, ascending; an entry is a group's images in one stratum.
        stratum: (entries,).
        images: (entries,).
        wanted: (strata, purposes) images that each purpose is to get in each stratum.
        room: (strata,) images of groups that lie in this stratum alone and are dealt afterwards.
        parts: all groups, for the size of each stratum's median group.
        closed: (purposes,) takes nothing.
    """

    group: Ints
    stratum: Ints
    images: Ints
    wanted: Floats
    room: Floats
    parts: StratumParts
    closed: Bools

    def __post_init__(self) -> None:
        self._allowed = _allowances(self.parts, len(self.wanted))

    def balance_purposes(self, purpose: Ints, rank: Words) -> Ints:
        """(groups,) purposes, the sides of as few groups changed as needed; the same where nothing was out of balance.

        ``purpose`` (groups,) is as dealt, ``rank`` (groups,) the order in which they were dealt.
        """
        purpose = purpose.copy()
        place = invert_order(np.argsort(rank, kind="stable"))
        stuck = np.zeros(self.wanted.shape, np.bool_)  # no move helps there; each round moves a group or marks one
        while True:
            over = self._find_excess(purpose)
            excess = np.where(stuck, 0, np.maximum(over - self._allowed[:, None], self._find_shortage(over)))
            if not (excess > 1e-9).any():
                return purpose
            stratum, side = np.unravel_index(int(np.argmax(excess)), excess.shape)
            stuck[stratum, side] = not self._improve(purpose, place, int(stratum), int(side), over)

    def _improve(self, purpose: Ints, place: Ints, stratum: int, side: int, over: Floats) -> bool:
        """Change the side of some groups with images in ``stratum``; false if that makes nothing better."""
        here = np.zeros(len(purpose), np.bool_)
        here[self.group[self.stratum == stratum]] = True
        takes = over[stratum, side] < 0
        for other in np.flatnonzero(~self.closed):
            if other == side or (takes and self.closed[side]):
                continue
            source, target = (int(other), side) if takes else (side, int(other))
            able = here & (purpose == source)
            able &= self._compute_gain(able, source, target, over) > _TINY_COST
            movers = np.flatnonzero(able)
            if len(movers):
                near = np.argsort(place[movers] if target < source else -place[movers], kind="stable")
                self._move_groups(purpose, movers[near], target, abs(over[stratum, side]), stratum)
                return True
        return False

    def _move_groups(self, purpose: Ints, movers: Ints, target: int, amount: float, stratum: int) -> None:
        """Move the nearest ``movers`` that hold ``amount`` images of the stratum; fewer, if that is too many."""
        held = np.zeros(len(purpose), np.int64)
        own = self.stratum == stratum
        held[self.group[own]] = self.images[own]
        count = max(1, int(np.searchsorted(np.cumsum(held[movers]), amount, side="right")))
        before = self._compute_cost(self._find_excess(purpose)).sum()
        while count > 1:
            tried = purpose.copy()
            tried[movers[:count]] = target
            if self._compute_cost(self._find_excess(tried)).sum() < before - _TINY_COST:
                break
            count //= 2
        purpose[movers[:count]] = target

    def _compute_gain(self, able: Bools, source: int, target: int, over: Floats) -> Floats:
        """(groups,) by how much each of the groups that are ``able`` lowers the cost if it alone moves."""
        entries = np.flatnonzero(able[self.group])
        stratum = self.stratum[entries]
        moved = over[stratum]
        before = self._compute_cost(moved, stratum).sum(axis=1)
        moved[:, source] -= self.images[entries]
        moved[:, target] += self.images[entries]
        after = self._compute_cost(moved, stratum).sum(axis=1)
        return np.asarray(np.bincount(self.group[entries], before - after, len(able)), np.float64)

    def _find_excess(self, purpose: Ints) -> Floats:
        """(strata, purposes) images beyond what is wanted."""
        return sum_weights(self.stratum, purpose[self.group], self.images, self.wanted.shape) - self.wanted

    def _find_shortage(self, over: Floats, strata: Ints | slice = slice(None)) -> Floats:
        """Images that are missing beyond the allowance even if the stratum's own groups all go there."""
        return np.asarray(-over - (self._allowed[strata] + self.room[strata])[:, None])

    def _compute_cost(self, over: Floats, strata: Ints | slice = slice(None)) -> Floats:
        out = np.maximum(over - self._allowed[strata][:, None], self._find_shortage(over, strata))
        return np.asarray(np.maximum(out, 0) ** 2)


def _allowances(parts: StratumParts, strata: int) -> Floats:
    """(strata,) how many images a share may be missed by: the median group, or 1 % of all, but no more than a group."""
    order = np.lexsort((parts.images, parts.stratum))
    ends = np.cumsum(np.bincount(parts.stratum, minlength=strata))
    counts = np.diff(ends, prepend=0)
    sizes = parts.images[order]
    median, largest = sizes[ends - (counts + 1) // 2], sizes[ends - 1]
    total = np.bincount(parts.stratum, parts.images, strata)
    return np.asarray(np.minimum(np.maximum(median, TOLERANCE * total), largest), np.float64)


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
    # The others lie in one stratum each.
    _, wanted, lacking = _find_room(draw, parts, purpose)
    single = parts.select_groups(purpose == OPEN)
    if len(single.group):
        dealt = _deal_groups(draw, single.stratum, rank[single.group], single.images, wanted, lacking)
        purpose[single.group] = dealt
    return purpose


def _assign_spanning(draw: SplitProblem, parts: StratumParts, rank: Words, purpose: Ints) -> None:
    """Fill ``purpose`` for open groups that lie in several strata."""
    spanning = parts.select_groups((purpose == OPEN) & parts.spans)
    room, wanted, _ = _find_room(draw, parts, purpose)
    # (strata,) the cluster of strata that spanning groups connect
    cluster = find_components(len(draw.strata), [connect_nodes(spanning.stratum, spanning.group)])
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


def _find_room(draw: SplitProblem, parts: StratumParts, purpose: Ints) -> tuple[Floats, Floats, Bools]:
    """(strata,) open images; (strata, purposes) how many of them each purpose is to get, and whether it has none."""
    shape = (len(draw.strata), len(draw.shares))
    given = parts.select_groups(purpose != OPEN).sum_by_purpose(purpose, shape)
    missing = draw.stratum_images[:, None] * draw.shares - given
    missing[:, draw.closed] = 0
    room = draw.stratum_images - given.sum(axis=1)
    lacking = np.asarray((given == 0) & (draw.shares > 0) & ~draw.closed)
    return room, apportion_images(missing, room, draw.remainder), lacking


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
