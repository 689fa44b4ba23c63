"""Methods: the three ways to divide leak groups over the purposes, by name."""

import numpy as np

from brev_pipeline.errors import SplitError
from brev_pipeline.split.arrays import Ints
from brev_pipeline.split.draw import SplitProblem
from brev_pipeline.split.ranked import assign_by_ranked_hash
from brev_pipeline.split.reference import assign_by_murmurhash3, assign_by_sorted_permutation

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
