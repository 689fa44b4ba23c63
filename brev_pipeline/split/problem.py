"""Problem: what a split method is given, and what it answers.

A method sees numbers only: nodes with their sizes, strata and groups, the purposes' shares, and which purposes are
given already. It answers with one purpose per leak group.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from brev_pipeline.split.encoding import Bools, Floats, Ints, number_values, sum_weights
from brev_pipeline.split.leak_groups import LeakGroups, Nodes


@dataclass(frozen=True)
class SplitProblem:
    """One question to a method.

    Attributes:
        nodes: items within strata.
        group: (nodes,) leak group of each node.
        fixed: (groups,) the purpose that a group has already, or −1.
        node_fixed: (nodes,) the same per node; differs from its group's only where purposes given by hand disagree.
        shares: (purposes,) share of each stratum's images; the remainder is the last of the drawn ones, and purposes
            that occur without being drawn follow with share 0.
        closed: (purposes,) takes nothing new.
        remainder: number of the purpose that takes what is left.
        strata: (strata,) their names.
        items: (items,) their names.
        spelled: (items,) as the reference spells them.
        over_strata: the same item in two strata is one item.
        seed: 0 ≤ seed < 2**63.
        folds: how many purposes, the last ones, are folds: equal among each other.
    """

    nodes: Nodes
    group: Ints
    fixed: Ints
    node_fixed: Ints
    shares: Floats
    closed: Bools
    remainder: int
    strata: pa.StringArray
    items: pa.StringArray
    spelled: pa.StringArray
    over_strata: bool
    seed: int
    folds: int = 0

    def restrict_to(self, kept: Bools) -> "SplitProblem":
        """The question about the groups that are kept (groups,) only, in their order, with nothing else in any share.

        Strata without any of them are left out.
        """
        own = kept[self.group]
        strata, stratum = np.unique(self.nodes.stratum[own], return_inverse=True)
        nodes = Nodes(np.zeros(0, np.int64), stratum, self.nodes.item[own], self.nodes.images[own])
        return replace(
            self,
            nodes=nodes,
            group=(np.cumsum(kept) - 1)[self.group[own]],
            fixed=self.fixed[kept],
            node_fixed=self.node_fixed[own],
            strata=self.strata.take(pa.array(strata)),
        )

    @property
    def stratum_images(self) -> Ints:
        """(strata,) images of each stratum."""
        return np.bincount(self.nodes.stratum, self.nodes.images, len(self.strata)).astype(np.int64)


@dataclass(frozen=True)
class StratumParts:
    """How leak groups lie over the strata: one entry per group and stratum that it has images in.

    Attributes:
        group: (entries,) ascending.
        stratum: (entries,).
        images: (entries,).
        spans: (groups,) whether the group lies in more than one stratum.
    """

    group: Ints
    stratum: Ints
    images: Ints
    spans: Bools

    def select_groups(self, groups: Bools) -> "StratumParts":
        """The entries of some groups only, numbered as before."""
        kept = groups[self.group]
        return StratumParts(self.group[kept], self.stratum[kept], self.images[kept], self.spans)

    def sum_by_purpose(self, purpose: Ints, shape: tuple[int, int]) -> Floats:
        """(strata, purposes) images of the entries' groups, by the purpose of each group."""
        return sum_weights(self.stratum, purpose[self.group], self.images, shape)


def find_parts(draw: SplitProblem) -> StratumParts:
    """Lay a draw's groups over the strata."""
    strata, nodes = len(draw.strata), draw.nodes
    if len(draw.fixed) == len(nodes):  # nothing hangs together: each node is a group, in the same order
        return StratumParts(draw.group, nodes.stratum, nodes.images, np.zeros(len(nodes), np.bool_))
    number, distinct = number_values(draw.group * strata + nodes.stratum, len(draw.fixed) * strata)
    images = np.bincount(number, nodes.images, len(distinct)).astype(np.int64)
    group = distinct // strata
    return StratumParts(group, distinct % strata, images, np.bincount(group, minlength=len(draw.fixed)) > 1)


def build_problem(
    leak_groups: LeakGroups,
    shares: Floats,
    closed: Bools,
    remainder: int,
    seed: int,
    fixed: Ints,
    node_fixed: Ints | None = None,
    folds: int = 0,
) -> SplitProblem:
    """The question to a method; see `SplitProblem` for the arguments."""
    return SplitProblem(
        nodes=leak_groups.nodes,
        group=leak_groups.group,
        fixed=fixed,
        node_fixed=fixed[leak_groups.group] if node_fixed is None else node_fixed,
        shares=shares,
        closed=closed,
        remainder=remainder,
        strata=leak_groups.stratum.labels,
        items=leak_groups.item.labels,
        spelled=leak_groups.item.spelled,
        over_strata=leak_groups.over_strata,
        seed=seed,
        folds=folds,
    )
