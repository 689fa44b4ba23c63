"""Layout: a listing, and what is remembered of it, as one graph of nodes and leak groups.

The ledger's rows are nodes too. So an item that is known keeps its side, also where only a photo that has left the
listing shows that two items hang together. The ledger's keys are read anew from its paths and columns where that
can be done: what an item is says the present configuration, not the one of old.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import SplitError
from brev_pipeline.split.arrays import Bools, Floats, Ints, compress
from brev_pipeline.split.copies import repeated
from brev_pipeline.split.draw import OPEN, Draw, strictest, strictness_of
from brev_pipeline.split.groups import Nodes, edges_by, leak_groups, nodes_of
from brev_pipeline.split.keys import Key, Spec, encode, find_key, item_key, own_items, refuse_one_item, stratum_key


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
        self, shares: Floats, closed: Bools, remainder: int, seed: int, fixed: Ints, node_fixed: Ints | None = None
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
    past_node, items = _past_nodes(ledger, rules, stratum, item, nodes)
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


def _past_nodes(ledger: pa.Table | None, rules: Rules, stratum: Key, item: Key, nodes: Nodes) -> tuple[Ints, Ints]:
    """(ledger rows,) node of each row, and (all nodes,) item of each node, those beyond the listing included."""
    if ledger is None or not len(ledger):
        return np.zeros(0, np.int64), nodes.item
    strata, _ = _codes_in(stratum, _past_texts(ledger, rules.stratification, "stratum"))
    items, bound = _codes_in(item, _past_texts(ledger, rules.uniqueness, "item"))
    both = np.concatenate([nodes.stratum * bound + nodes.item, strata * bound + items])
    number, distinct = compress(both, (int(strata.max(initial=len(stratum))) + 1) * bound)
    # The listing's nodes keep their numbers; those of the ledger alone follow.
    place = np.full(len(distinct), -1, np.int64)
    place[number[: len(nodes)]] = np.arange(len(nodes))
    beyond = np.flatnonzero(place < 0)
    place[beyond] = np.arange(len(beyond)) + len(nodes)
    return place[number[len(nodes) :]], np.concatenate([nodes.item, distinct[beyond] % bound])


def _past_texts(ledger: pa.Table, spec: Spec | None, stored: str) -> pa.Array:
    if spec is None or len(spec) == 0:
        return pa.array(["all"]).take(pa.array(np.zeros(len(ledger), np.int64)))
    columns = ["path"] if isinstance(spec, str) else spec
    if all(column in ledger.column_names for column in columns) and "path" in ledger.column_names:
        return own_items(find_key(ledger, spec, stored), ledger["path"]).texts()
    return encode(ledger[stored]).texts()


def _codes_in(key: Key, texts: pa.Array) -> tuple[Ints, int]:
    """(rows,) number of each text in ``key``, or a number beyond; and the end of the numbers."""
    found = pc.index_in(texts, value_set=key.labels)
    codes = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    unknown = codes < 0
    other = encode(pa.chunked_array([texts.filter(pa.array(unknown))]))
    codes[unknown] = other.codes + len(key)
    return codes, len(key) + len(other)


def _together(samples: pa.Table, ledger: pa.Table | None, column: str) -> pa.ChunkedArray:
    chunks = samples[column].chunks
    if ledger is not None and column in ledger.column_names:
        chunks = [*chunks, *ledger[column].cast(samples[column].type).chunks]
    elif ledger is not None:
        chunks = [*chunks, pa.nulls(len(ledger), samples[column].type)]
    return pa.chunked_array(chunks, samples[column].type)
