"""Methods: the three ways to divide leak groups, by name; two of them are the ``brevettiai`` package's.

The reference's assignments are met sample for sample. Both methods visit the strata in sorted order with one
`numpy.random.RandomState`, whose stream NumPy guarantees for good, and the items of a stratum in sorted order. Items
are drawn per stratum; a leak group that reaches over items or strata then takes the purpose that its first node drew,
so that everything else stays as the reference has it. Where the reference is wrong, these do not follow: purposes given
before are kept, and a purpose that has its share already takes no further item (the number is drawn all the same, so
that later strata agree).

Beyond the reference: with several purposes, each continues where the one before it stopped, on the same permutation
or the same hash; with one purpose that is the reference's result.
"""

from collections.abc import Iterator

import mmh3
import numpy as np
import pyarrow as pa

from brev_pipeline.errors import SplitError
from brev_pipeline.split.encoding import Floats, Ints, find_first_rows
from brev_pipeline.split.problem import SplitProblem
from brev_pipeline.split.purposes import OPEN
from brev_pipeline.split.ranked_hash import assign_by_ranked_hash

_SEEDS = 0x7FFFFFFF  # of murmurhash3 per stratum
_HASHES = 0xFFFFFFFF
_TINY = 1e-9  # images; below it, a share is met and the difference is rounding


def assign_by_sorted_permutation(draw: SplitProblem, random: np.random.RandomState) -> Ints:
    """(groups,) purposes: items are permuted, and each purpose takes items until it has its share of the images."""
    purpose, sides = draw.node_fixed.copy(), _drawn_purposes(draw)
    for own in _slice_strata(draw):
        here, images = purpose[own], draw.nodes.images[own]
        open_ = np.flatnonzero(here == OPEN)
        if not len(open_):
            continue
        given = here != OPEN
        taken = np.bincount(here[given], images[given], len(draw.shares))
        order = open_[random.permutation(len(open_))]
        here[order] = _deal_items(images[order], draw, sides, images.sum() * draw.shares - taken, random)
    return _unite_groups(draw, purpose)


def _deal_items(images: Ints, draw: SplitProblem, sides: Ints, wanted: Floats, random: np.random.RandomState) -> Ints:
    running, done = np.cumsum(images), 0
    out = np.full(len(images), draw.remainder)
    for side in sides:
        base = running[done - 1] if done else 0
        count = _count_items(running[done:] - base, wanted[side], draw.shares[side], random)
        out[done : done + count] = side
        done += count
    return out


def _count_items(running: Ints, wanted: float, share: float, random: np.random.RandomState) -> int:
    """How many items a purpose takes: the one that reaches over its share by the chance of how much of it fits."""
    at = int(np.searchsorted(running, wanted, side="right"))
    if at == len(running):
        return at
    if at == 0:
        # Drawn first, whether it is wanted or not: later strata go on with the same numbers as the reference's.
        return int(random.rand() <= share and wanted > _TINY)
    fits = (wanted - running[at - 1]) / (running[at] - running[at - 1])
    return at + int(random.rand() <= fits)


def assign_by_murmurhash3(draw: SplitProblem, random: np.random.RandomState) -> Ints:
    """(groups,) purposes: an item goes where its hash lies among the shares, so shares are met on average only."""
    purpose, sides = draw.node_fixed.copy(), _drawn_purposes(draw)
    bounds = np.cumsum(draw.shares[sides])
    # Where the shares sum to 1, no hash may fall behind them by rounding.
    bounds = np.where(bounds > 1 - 1e-9, np.inf, _HASHES * bounds)
    targets = np.append(sides, draw.remainder)
    for own in _slice_strata(draw):
        here = purpose[own]
        open_ = np.flatnonzero(here == OPEN)
        if len(open_):
            seed = random.randint(_SEEDS)
            names = draw.spelled.take(pa.array(draw.nodes.item[own][open_])).to_pylist()
            hashes = np.array([mmh3.hash(name, seed, signed=False) for name in names], np.float64)
            here[open_] = targets[np.searchsorted(bounds, hashes, side="right")]
    return _unite_groups(draw, purpose)


def _drawn_purposes(draw: SplitProblem) -> Ints:
    """Purposes that are drawn, in order; the remainder gets the rest."""
    able = (draw.shares > 0) & ~draw.closed
    able[draw.remainder] = False
    return np.flatnonzero(able)


def _slice_strata(draw: SplitProblem) -> Iterator[slice]:
    """The nodes of each stratum, in order."""
    ends = np.searchsorted(draw.nodes.stratum, np.arange(len(draw.strata) + 1)).tolist()
    return map(slice, ends, ends[1:])


def _unite_groups(draw: SplitProblem, purpose: Ints) -> Ints:
    drawn = purpose[find_first_rows(draw.group, len(draw.fixed))]
    return np.where(draw.fixed == OPEN, drawn, draw.fixed)


_REFERENCE = {"sorted_permutation": assign_by_sorted_permutation, "murmurhash3": assign_by_murmurhash3}
METHODS = ("ranked_hash", *_REFERENCE)


def check_method(method: str, seed: int) -> None:
    """Raise `SplitError` for an unknown method, or a seed that it cannot take."""
    if method not in METHODS:
        raise SplitError(f"method {method!r} is not known; the methods are {', '.join(METHODS)}")
    limit = 63 if method == "ranked_hash" else 32
    if seed >= 2**limit:
        raise SplitError(f"the method {method} takes seeds below 2**{limit}, got {seed}")


def run_method(method: str, draw: SplitProblem) -> Ints:
    """(groups,) the purposes that ``method`` gives. Raises `SplitError` as `check_method`."""
    check_method(method, draw.seed)
    if method == "ranked_hash":
        return assign_by_ranked_hash(draw)
    return _REFERENCE[method](draw, np.random.RandomState(draw.seed))
