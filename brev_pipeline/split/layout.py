"""Layout: a listing, and what is remembered of it, as one graph of nodes and leak groups.

The ledger's rows are nodes too. So an item that is known keeps its side, also where only a photo that has left the
listing shows that two items hang together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from brev_pipeline.errors import SplitError
from brev_pipeline.split.arrays import Bools, Floats, Ints
from brev_pipeline.split.copies import repeated
from brev_pipeline.split.draw import OPEN, SplitProblem, find_strictest, rank_strictness
from brev_pipeline.split.encode import Key
from brev_pipeline.split.groups import Nodes, connect_nodes, find_components, find_nodes
from brev_pipeline.split.keys import KeySpec, find_items, find_strata, refuse_single_item
from brev_pipeline.split.past import find_ledger_nodes


@dataclass(frozen=True)
class GroupingRules:
    """How a listing is cut.

    Attributes:
        stratification: pattern or columns; None for one stratum.
        uniqueness: pattern or columns.
        over_strata: the same item key in two strata is the same item.
        unmatched: ``error`` or ``own_item``.
        copies: columns with ids; rows with the same id are copies.
    """

    stratification: KeySpec | None
    uniqueness: KeySpec
    over_strata: bool
    unmatched: str
    copies: Sequence[str]


@dataclass(frozen=True)
class LeakGroups:
    """A listing's nodes and groups, beside the ledger's.

    Attributes:
        stratum: of the listing's rows.
        item: of the listing's rows.
        nodes: of the listing.
        group: (nodes,) leak group, 0 … groups − 1.
        groups: number of leak groups with images in the listing.
        past_node: (ledger rows,) a node of the listing, or a number beyond.
        past_group: (ledger rows,) a leak group of the listing, or a number beyond.
        all_groups: number of leak groups, those beyond the listing included.
        over_strata: as in the rules.
    """

    stratum: Key
    item: Key
    nodes: Nodes
    group: Ints
    group_count: int
    ledger_node: Ints
    ledger_group: Ints
    all_groups: int
    over_strata: bool

    @property
    def row_group(self) -> Ints:
        """(rows,) leak group of each image."""
        return self.group[self.nodes.row_node]

    def find_strictest_purposes(self, names: list[str], rows: Ints, past: Ints) -> Ints:
        """(all groups,) the strictest purpose that the listing's rows and the ledger's give each group; −1 for none."""
        groups = np.concatenate([self.row_group, self.ledger_group])
        return find_strictest(groups, np.concatenate([rows, past]), rank_strictness(names), self.all_groups)

    def mark_known_rows(self, rows: Ints) -> Bools:
        """(rows,) whether the image's own item stands in the ledger, or was given a purpose."""
        known = np.zeros(max(len(self.nodes), int(self.ledger_node.max(initial=-1)) + 1), np.bool_)
        known[self.ledger_node] = True
        known[self.nodes.row_node[rows != OPEN]] = True
        return known[self.nodes.row_node]

    def build_problem(
        self,
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
            nodes=self.nodes,
            group=self.group,
            fixed=fixed,
            node_fixed=fixed[self.group] if node_fixed is None else node_fixed,
            shares=shares,
            closed=closed,
            remainder=remainder,
            strata=self.stratum.labels,
            items=self.item.labels,
            spelled=self.item.spelled,
            over_strata=self.over_strata,
            seed=seed,
            folds=folds,
        )


def assign_leak_groups(samples: pa.Table, rules: GroupingRules, ledger: pa.Table | None = None) -> LeakGroups:
    """Find strata, items and leak groups.

    Args:
        samples: the listing, with the columns that the rules name.
        rules: how to cut it.
        ledger: assignments to remember: path, item, stratum and the columns of copies.

    Raises:
        SplitError: the listing is empty, or cannot be cut by these rules.
    """
    if not len(samples):
        raise SplitError("there are no samples to split: the listing is empty, or every image in it was excluded")
    stratum = find_strata(samples, rules.stratification)
    item = find_items(samples, rules.uniqueness, rules.unmatched)
    refuse_single_item(samples, rules.uniqueness, item, stratum)
    nodes = find_nodes(stratum, item)
    past_node, items = find_ledger_nodes(ledger, rules.stratification, rules.uniqueness, stratum, item, nodes)
    edges = [connect_nodes(np.arange(len(items)), items)] if rules.over_strata else []
    row_node = np.concatenate([nodes.row_node, past_node])
    edges += [connect_nodes(row_node, repeated(_concat_ids(samples, ledger, column))) for column in rules.copies]
    group = find_components(len(items), edges)
    own = group[: len(nodes)]
    return LeakGroups(
        stratum,
        item,
        nodes,
        own,
        int(own.max()) + 1,
        past_node,
        group[past_node],
        int(group.max()) + 1,
        rules.over_strata,
    )


def _concat_ids(samples: pa.Table, ledger: pa.Table | None, column: str) -> pa.ChunkedArray:
    chunks = samples[column].chunks
    if ledger is not None and column in ledger.column_names:
        chunks = [*chunks, *ledger[column].cast(samples[column].type).chunks]
    elif ledger is not None:
        chunks = [*chunks, pa.nulls(len(ledger), samples[column].type)]
    return pa.chunked_array(chunks, samples[column].type)
