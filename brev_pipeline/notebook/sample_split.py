"""Notebook: the reference's `SampleSplit`, on a pandas DataFrame."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from brev_pipeline.errors import SplitError
from brev_pipeline.notebook.columns import to_arrow
from brev_pipeline.split.encoding import Ints, encode_column, find_minima
from brev_pipeline.split.keys import compile_key_pattern
from brev_pipeline.split.leak_groups import GroupingRules, LeakGroups, assign_leak_groups
from brev_pipeline.split.methods import check_method, run_method
from brev_pipeline.split.problem import build_problem
from brev_pipeline.split.purposes import OPEN
from brev_pipeline.texts import TEXT

if TYPE_CHECKING:
    import pandas as pd

_IDS = (("content_id", "etag"), ("pixel_id",))  # of copies; the first that is there of each
_REFERENCE_ORDER = ("train", "test")  # which of an item's purposes the reference goes on with


@dataclass(frozen=True, kw_only=True)
class SampleSplit:
    r"""Divide a listing into purposes, so that no item and no copy stands on two sides.

    Example:
        >>> split = SampleSplit(stratification=["folder"], uniqueness=r"/(\d*)_\d*\.bmp", split=0.8, seed=42)
        >>> samples = split.assign(samples)  # doctest: +SKIP

    Attributes:
        stratification: columns, or a pattern with a group on ``path``: each stratum is divided by itself.
        uniqueness: columns, or a pattern with a group on ``path``: what names an item. Default: the etag.
        split: share of each stratum's images that get the purpose, 0 … 1.
        seed: the same seed gives the same result; negative: another result each time.
        method: ``ranked_hash``, or the reference's ``sorted_permutation`` or ``murmurhash3``.
        uniqueness_scope: ``stratum``: the same key in two strata is two items, as in the reference; ``global``: one.
        unmatched: images without an item: an ``error``, or each its ``own_item``.
    """

    stratification: str | Sequence[str] | None = None
    uniqueness: str | Sequence[str] | None = None
    split: float = 0.8
    seed: int = 0
    method: str = "ranked_hash"
    uniqueness_scope: str = "stratum"
    unmatched: str = "error"

    def __post_init__(self) -> None:
        if not 0 <= self.split <= 1:
            raise SplitError(f"split is a share of the images, 0 … 1; got {self.split!r}")
        if not isinstance(self.seed, int | np.integer) or isinstance(self.seed, bool):
            raise SplitError(f"seed is an integer (negative: another split each time); got {self.seed!r}")
        check_method(self.method, int(self.seed))
        for name, known in (("uniqueness_scope", ("stratum", "global")), ("unmatched", ("error", "own_item"))):
            if (value := getattr(self, name)) not in known:
                raise SplitError(f"{name} is one of {', '.join(known)}; got {value!r}")
        for name in ("stratification", "uniqueness"):
            if isinstance(spec := getattr(self, name), str) and spec:
                compile_key_pattern(spec, name)

    def assign(
        self, samples: pd.DataFrame, purpose: str = "train", remainder: str | None = "devel", column: str = "purpose"
    ) -> pd.DataFrame:
        """Give every image without a purpose one; the frame that came in stays as it was.

        Images that have a purpose keep it, and images that hang together with them follow. Images with the same
        content_id (or else etag) or the same pixel_id are copies, and never divided.

        Args:
            samples: one row per image.
            purpose: what ``split`` of each stratum's images get, those that have it already included.
            remainder: what the others get; None leaves them open.
            column: where the purposes stand.

        Returns:
            The same rows in the same order, with ``column`` filled.

        Raises:
            SplitError: the frame is empty, a column is missing, or a row has no key.
        """
        if purpose == remainder:
            raise SplitError(f"purpose and remainder are both {purpose!r}")
        names, given = _given(samples, column, purpose, remainder)
        rules, table = self._table(samples)
        chosen = self._choose(assign_leak_groups(table, rules), names, given)
        texts = pa.array([purpose, remainder, *names[2:]], TEXT).take(pa.array(chosen))
        # An array, not a series: rows are matched by position, whatever the frame's index.
        return samples.assign(**{column: texts.to_pandas().astype("str").array})

    def _choose(self, leak_groups: LeakGroups, names: list[str], given: Ints) -> Ints:
        """(rows,) purpose of each row."""
        no_past = np.zeros(0, np.int64)
        fixed = leak_groups.find_strictest_purposes(names, given, no_past)
        by_node = _node_purposes(leak_groups, names, given)
        shares = np.array([self.split, 1 - self.split] + [0.0] * (len(names) - 2))
        closed = np.arange(len(names)) > 1
        seed = int(self.seed)
        if seed < 0:
            seed = secrets.randbits(63 if self.method == "ranked_hash" else 32)  # as many bits as the method takes
        draw = build_problem(leak_groups, shares, closed, int(self.split < 1), seed, fixed, by_node)
        chosen = run_method(self.method, draw)[leak_groups.row_group]
        if self.method != "ranked_hash":
            chosen = _as_reference(leak_groups, chosen, by_node, given)
        return np.where(given == OPEN, chosen, given)

    def _table(self, samples: pd.DataFrame) -> tuple[GroupingRules, pa.Table]:
        ids = [next((name for name in names if name in samples.columns), None) for names in _IDS]
        uniqueness = self.uniqueness or ["etag" if "etag" in samples.columns else "content_id"]
        copies = [name for name in ids if name is not None]
        rules = GroupingRules(
            self.stratification or None, uniqueness, self.uniqueness_scope == "global", self.unmatched, copies
        )
        specs = [rules.stratification or [], uniqueness, copies, ["path"]]
        wanted = dict.fromkeys(name for spec in specs for name in (["path"] if isinstance(spec, str) else spec))
        columns = {name: to_arrow(samples[name]) for name in wanted if name in samples.columns}
        for name in copies:
            columns[name] = columns[name].cast(TEXT)
        return rules, pa.table(columns)


def _given(samples: pd.DataFrame, column: str, purpose: str, remainder: str | None) -> tuple[list[str], Ints]:
    """Names of all purposes, and (rows,) the number of the one that stands there, −1 for none or an empty text."""
    names = [purpose, remainder or ""]  # no purpose is called "": it stands for a remainder that stays open
    if column not in samples.columns:
        return names, np.full(len(samples), OPEN)
    there = encode_column(to_arrow(samples[column]).cast(TEXT))
    names += [name for name in there.labels.to_pylist() if name and name not in names]
    number = [names.index(name) if name else OPEN for name in there.labels.to_pylist()]
    return names, np.array([*number, OPEN])[there.codes]


def _node_purposes(leak_groups: LeakGroups, names: list[str], given: Ints) -> Ints:
    """(nodes,) the purpose that each node has by its own rows: of several, the one the reference goes on with."""
    order = sorted(range(len(names)), key=lambda at: (*_REFERENCE_ORDER, names[at]).index(names[at]))
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    rows = given != OPEN
    best = find_minima(leak_groups.nodes.row_node[rows], rank[given[rows]], len(leak_groups.nodes), len(names))
    return np.asarray(np.append(order, OPEN)[best], np.int64)


def _as_reference(leak_groups: LeakGroups, chosen: Ints, by_node: Ints, given: Ints) -> Ints:
    """Where purposes given by hand divide a leak group already, open rows follow their own item, as there."""
    rows, groups = np.flatnonzero(given != OPEN), leak_groups.row_group
    if not len(rows):
        return chosen
    low = find_minima(groups[rows], given[rows], leak_groups.group_count, np.iinfo(np.int64).max)
    high = find_minima(groups[rows], -given[rows], leak_groups.group_count, 1)
    divided = (high <= 0) & (low != -high)
    by_item = by_node[leak_groups.nodes.row_node]
    return np.where(divided[groups] & (by_item != OPEN), by_item, chosen)
