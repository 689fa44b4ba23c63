"""Leak groups: what may never be divided.

The smallest unit is the *node*: the images of one item in one stratum. Nodes that share an item (where items reach
over strata), bytes or pixels are joined; the connected components of that graph are the leak groups.

The ledger's rows are nodes too. So an item that is known keeps its side, also where only a photo that has left the
listing shows that two items hang together. The ledger's keys are read anew from its paths and columns where that can be
done, because what an item is says the present configuration, not the one of old; else its own columns ``item`` and
``stratum`` are taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.labels.columns import OWN_NAMES
from brev_pipeline.labels.identity import LABEL_ID
from brev_pipeline.repeated_ids import number_repeated_ids
from brev_pipeline.split.encoding import (
    Bools,
    Ints,
    Key,
    encode_column,
    find_first_rows,
    find_minima,
    invert_order,
    merge_normal_forms,
    number_values,
)
from brev_pipeline.split.keys import (
    KeySpec,
    fill_missing_items,
    find_items,
    find_key,
    find_strata,
    has_key_columns,
    refuse_single_item,
)
from brev_pipeline.split.purposes import OPEN, find_strictest, number_ledger_purposes, number_purposes, rank_strictness
from brev_pipeline.tables import SAMPLE_SPLIT
from brev_pipeline.texts import normalize_unicode


@dataclass(frozen=True)
class Nodes:
    """Items within strata, in sorted order of (stratum, item).

    Attributes:
        row_node: (rows,) node of each image.
        stratum: (nodes,) number of its stratum.
        item: (nodes,) number of its item.
        images: (nodes,) number of its images.
    """

    row_node: Ints
    stratum: Ints
    item: Ints
    images: Ints

    def __len__(self) -> int:
        return len(self.stratum)


def find_nodes(stratum: Key, item: Key) -> Nodes:
    """The nodes of a listing."""
    items = max(1, len(item))
    pair = stratum.codes * items
    pair += item.codes  # in place: as long as the listing
    row_node, distinct = number_values(pair, max(1, len(stratum)) * items)
    return Nodes(row_node, distinct // items, distinct % items, np.bincount(row_node, minlength=len(distinct)))


def connect_nodes(nodes: Ints, codes: Ints) -> Ints:
    """(edges, 2) pairs of different nodes that share a code; enough of them to connect all nodes of a code.

    ``nodes`` (rows,) is a node per row, ``codes`` (rows,) what may be shared, −1 for nothing.
    """
    first = find_first_rows(codes, int(codes.max(initial=-1)) + 1)
    rows = np.flatnonzero(codes >= 0)
    other = nodes[first[codes[rows]]]
    differ = other != nodes[rows]
    return np.stack([nodes[rows][differ], other[differ]], axis=1)


def find_components(count: int, edges: list[Ints]) -> Ints:
    """(nodes,) the connected component of each of ``count`` nodes, numbered in the order of their first node.

    ``edges`` are arrays of (edges, 2) nodes.
    """
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *edges])
    if not len(pairs):
        return np.arange(count)
    # SciPy is slow to import, and in many listings nothing hangs together.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    groups, labels = connected_components(graph, directed=False)
    # SciPy promises no order of the labels.
    first = find_minima(labels, np.arange(count), groups, count)
    return invert_order(np.argsort(first))[labels]


def find_ledger_nodes(
    ledger: pa.Table | None, stratification: KeySpec | None, uniqueness: KeySpec, stratum: Key, item: Key, nodes: Nodes
) -> tuple[Ints, Ints]:
    """Find the ledger's nodes, by the keys that the listing (of ``stratum``, ``item`` and ``nodes``) is cut by.

    Returns:
        (ledger rows,) the node of each row: one of the listing's, or a number beyond. And (all nodes,) the item of
        each node, those beyond the listing included.
    """
    if ledger is None or not len(ledger):
        return np.zeros(0, np.int64), nodes.item
    strata, _ = _match_codes(stratum, _ledger_texts(ledger, stratification, "stratum"))
    items, bound = _match_codes(item, _ledger_texts(ledger, uniqueness, "item"))
    # (nodes and ledger rows,) stratum and item as one number: both may lie beyond the listing's
    both = np.concatenate([nodes.stratum * bound + nodes.item, strata * bound + items])
    number, distinct = number_values(both, (int(strata.max(initial=len(stratum))) + 1) * bound)
    # The listing's nodes keep their numbers; those of the ledger alone follow.
    node = np.full(len(distinct), -1, np.int64)
    node[number[: len(nodes)]] = np.arange(len(nodes))
    beyond = np.flatnonzero(node < 0)
    node[beyond] = np.arange(len(beyond)) + len(nodes)
    return node[number[len(nodes) :]], np.concatenate([nodes.item, distinct[beyond] % bound])


def _ledger_texts(ledger: pa.Table, spec: KeySpec | None, stored: str) -> pa.Array:
    if spec is None or len(spec) == 0:
        return pa.array(["all"]).take(pa.array(np.zeros(len(ledger), np.int64)))
    if has_key_columns(ledger, spec) and "path" in ledger.column_names:
        return fill_missing_items(find_key(ledger, spec, stored), ledger["path"]).row_labels()
    return encode_column(ledger[stored]).row_labels()


def _match_codes(key: Key, texts: pa.Array) -> tuple[Ints, int]:
    """(rows,) number of each text in ``key``, or a number beyond; and the end of the numbers."""
    codes = _index_texts(texts, key.labels)
    unknown = codes < 0
    rest = texts.filter(pa.array(unknown))
    if len(rest) and (normalize_unicode(rest) is not rest or normalize_unicode(key.labels) is not key.labels):
        # As it is spelled first: own items, named by their paths, may be twins in normal form C.
        codes[unknown] = _index_texts(normalize_unicode(rest), normalize_unicode(key.labels))
        unknown = codes < 0
    other = merge_normal_forms(encode_column(pa.chunked_array([texts.filter(pa.array(unknown))])))
    codes[unknown] = other.codes + len(key)
    return codes, len(key) + len(other)


def _index_texts(texts: pa.Array, among: pa.Array) -> Ints:
    codes: Ints = pc.index_in(texts, value_set=among).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


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
        group_count: number of leak groups with images in the listing.
        ledger_node: (ledger rows,) a node of the listing, or a number beyond.
        ledger_group: (ledger rows,) a leak group of the listing, or a number beyond.
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
    def keys(self) -> dict[str, Key]:
        """Item and stratum of each image, by these names."""
        return {"item": self.item, "stratum": self.stratum}

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


def assign_leak_groups(samples: pa.Table, rules: GroupingRules, ledger: pa.Table | None = None) -> LeakGroups:
    """Find strata, items and leak groups of a listing, beside a ledger: path, item, stratum and the columns of copies.

    Raises:
        SplitError: the listing is empty, or cannot be cut by these rules.
    """
    if not len(samples):
        raise SplitError("there are no samples to split: the listing is empty, or every image in it was excluded")
    stratum = find_strata(samples, rules.stratification)
    item = find_items(samples, rules.uniqueness, rules.unmatched)
    refuse_single_item(samples, rules.uniqueness, item, stratum)
    nodes = find_nodes(stratum, item)
    ledger_node, items = find_ledger_nodes(ledger, rules.stratification, rules.uniqueness, stratum, item, nodes)
    edges = [connect_nodes(np.arange(len(items)), items)] if rules.over_strata else []
    row_node = np.concatenate([nodes.row_node, ledger_node])
    edges += [
        connect_nodes(row_node, number_repeated_ids(_concat_ids(samples, ledger, column))) for column in rules.copies
    ]
    group = find_components(len(items), edges)
    listed = group[: len(nodes)]
    return LeakGroups(
        stratum=stratum,
        item=item,
        nodes=nodes,
        group=listed,
        group_count=int(listed.max()) + 1,
        ledger_node=ledger_node,
        ledger_group=group[ledger_node],
        all_groups=int(group.max()) + 1,
        over_strata=rules.over_strata,
    )


def _concat_ids(samples: pa.Table, ledger: pa.Table | None, column: str) -> pa.ChunkedArray:
    ids = samples[column]
    if ledger is None:
        return ids
    known = ledger[column].cast(ids.type).chunks if column in ledger.column_names else [pa.nulls(len(ledger), ids.type)]
    return pa.chunked_array([*ids.chunks, *known], ids.type)


def build_grouping_rules(settings: SplitSettings) -> GroupingRules:
    """How a pipeline cuts its listing: without ``uniqueness`` each content is an item."""
    return GroupingRules(
        stratification=settings.stratification,
        uniqueness=settings.uniqueness or ["content_id"],
        over_strata=settings.uniqueness_scope == "global",
        unmatched=settings.unmatched,
        copies=("content_id", "pixel_id"),
    )


def list_key_columns(settings: SplitSettings) -> list[str]:
    """The columns of a split that `split.stratification` and `split.uniqueness` name, where they are no patterns.

    Those that labels say stand there too, and beside them what tells that there are labels; a table without any has
    none of them.
    """
    specs = (settings.stratification, settings.uniqueness)
    named = dict.fromkeys(name for spec in specs if spec and not isinstance(spec, str) for name in spec)
    own = [name for name in named if name in SAMPLE_SPLIT.names]
    said = [OWN_NAMES.get(name, name) for name in named if name in OWN_NAMES or name not in SAMPLE_SPLIT.names]
    return [*own, *said, LABEL_ID] if said else own


def find_group_purposes(leak_groups: LeakGroups, split: pa.Table, ledger: pa.Table | None, names: list[str]) -> Ints:
    """(all groups,) the purpose that each leak group has now: from the split, or else the ledger's strictest."""
    past, now = number_ledger_purposes(ledger, names), number_purposes(split["purpose"], names, "the split")
    by_split = leak_groups.find_strictest_purposes(names, now, np.full(len(past), OPEN))
    by_ledger = leak_groups.find_strictest_purposes(names, np.full(len(now), OPEN), past)
    return np.where(by_split == OPEN, by_ledger, by_split)
