"""Leak groups: what may never be divided.

The smallest unit is the *node*: the images of one item in one stratum. Nodes that share an item (where items reach
over strata), bytes or pixels are joined; the connected components of that graph are the leak groups.
"""

from dataclasses import dataclass

import numpy as np

from brev_pipeline.split.arrays import Ints, find_first_rows, find_minima, number_values
from brev_pipeline.split.encode import Key


@dataclass(frozen=True)
class Nodes:
    """Items within strata, in sorted order of (stratum, item).

    Attributes:
        of_row: (rows,) node of each image.
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
    pair += item.codes
    of_row, distinct = number_values(pair, max(1, len(stratum)) * items)
    return Nodes(of_row, distinct // items, distinct % items, np.bincount(of_row, minlength=len(distinct)))


def connect_nodes(nodes: Ints, codes: Ints) -> Ints:
    """Edges between nodes that share a code.

    Args:
        nodes: (rows,) a node per row.
        codes: (rows,) what may be shared, −1 for nothing.

    Returns:
        (edges, 2) pairs of different nodes; enough of them to connect all nodes of a code.
    """
    first = find_first_rows(codes, int(codes.max(initial=-1)) + 1)
    rows = np.flatnonzero(codes >= 0)
    other = nodes[first[codes[rows]]]
    differ = other != nodes[rows]
    return np.stack([nodes[rows][differ], other[differ]], axis=1)


def find_components(count: int, edges: list[Ints]) -> Ints:
    """Connected components.

    Args:
        count: number of nodes.
        edges: arrays of (edges, 2) nodes.

    Returns:
        (nodes,) number of each node's group; groups are numbered in the order of their first node.
    """
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *edges])
    if not len(pairs):
        return np.arange(count)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    found, labels = connected_components(graph, directed=False)
    first = find_minima(labels, np.arange(count), found, count)
    place = np.empty(found, np.int64)
    place[np.argsort(first)] = np.arange(found)
    return place[labels]
