"""Balance: spanning leak groups that leave a stratum out of balance change sides.

Groups that span strata are dealt together, so a single stratum may get more of a purpose than its share, by the
chance of who has how many images where. Its own groups make up for that as long as there are enough. Where there
are not, spanning groups near the bound change sides until each stratum is within its median leak group (or an image in
a hundred) of its share, or no change helps. Only the excess moves, so the rest stays where its rank puts it.
"""

from dataclasses import dataclass

import numpy as np

from brev_pipeline.split.arrays import Bools, Floats, Ints, Words, sum_weights
from brev_pipeline.split.draw import StratumParts
from brev_pipeline.split.repair import TOLERANCE

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
        """Change the sides of as few groups as needed.

        Args:
            purpose: (groups,) as dealt.
            rank: (groups,) order in which they were dealt.

        Returns:
            (groups,) purposes; the same where nothing was out of balance.
        """
        purpose = purpose.copy()
        place = np.empty(len(rank), np.int64)
        place[np.argsort(rank, kind="stable")] = np.arange(len(rank))
        stuck = np.zeros(self.wanted.shape, np.bool_)
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
