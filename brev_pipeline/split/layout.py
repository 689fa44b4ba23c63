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
from brev_pipeline.split.draw import OPEN, Draw, strictest, strictness_of
from brev_pipeline.split.encode import Key
from brev_pipeline.split.groups import Nodes, edges_by, leak_groups, nodes_of
from brev_pipeline.split.keys import Spec, item_key, refuse_one_item, stratum_key
from brev_pipeline.split.past import past_nodes


@dataclass(frozen=True)
class Rules:
    """How a listing is cut.

    Attributes:
        stratification: pattern or columns; None for one stratum.
        uniqueness: pattern or columns.
        over_strata: the same item key in two strata is the same item.
        unmatched: ``error`` or ``own_item``.
        copies: columns with ids; rows with the same id are copies.
    """

    stratification: Spec | None
    uniqueness: Spec
    over_strata: bool
    unmatched: str
    copies: Sequence[str]


@dataclass(frozen=True)
class Layout:
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
    groups: int
    past_node: Ints
    past_group: Ints
    all_groups: int
    over_strata: bool

    @property
    def row_group(self) -> Ints:
        """(rows,) leak group of each image."""
        return self.group[self.nodes.of_row]

    def given(self, names: list[str], rows: Ints, past: Ints) -> Ints:
        """(all groups,) the strictest purpose that the listing's rows and the ledger's give each group; −1 for none."""
        groups = np.concatenate([self.row_group, self.past_group])
        return strictest(groups, np.concatenate([rows, past]), strictness_of(names), self.all_groups)

    def known(self, rows: Ints) -> Bools:
        """(rows,) whether the image's own item stands in the ledger, or was given a purpose."""
        known = np.zeros(max(len(self.nodes), int(self.past_node.max(initial=-1)) + 1), np.bool_)
        known[self.past_node] = True
        known[self.nodes.of_row[rows != OPEN]] = True
        return known[self.nodes.of_row]

    def draw(
        self,
        shares: Floats,
        closed: Bools,
        remainder: int,
        seed: int,
        fixed: Ints,
        node_fixed: Ints | None = None,
        folds: int = 0,
    ) -> Draw:
        """The question to a method; see `Draw` for the arguments."""
        return Draw(
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


def lay_out(samples: pa.Table, rules: Rules, ledger: pa.Table | None = None) -> Layout:
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
    stratum = stratum_key(samples, rules.stratification)
    item = item_key(samples, rules.uniqueness, rules.unmatched)
    refuse_one_item(samples, rules.uniqueness, item, stratum)
    nodes = nodes_of(stratum, item)
    past_node, items = past_nodes(ledger, rules.stratification, rules.uniqueness, stratum, item, nodes)
    edges = [edges_by(np.arange(len(items)), items)] if rules.over_strata else []
    row_node = np.concatenate([nodes.of_row, past_node])
    edges += [edges_by(row_node, repeated(_together(samples, ledger, column))) for column in rules.copies]
    group = leak_groups(len(items), edges)
    own = group[: len(nodes)]
    return Layout(
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


def _together(samples: pa.Table, ledger: pa.Table | None, column: str) -> pa.ChunkedArray:
    chunks = samples[column].chunks
    if ledger is not None and column in ledger.column_names:
        chunks = [*chunks, *ledger[column].cast(samples[column].type).chunks]
    elif ledger is not None:
        chunks = [*chunks, pa.nulls(len(ledger), samples[column].type)]
    return pa.chunked_array(chunks, samples[column].type)
