"""Past: where the ledger's rows stand among the nodes of a listing.

The ledger's keys are read anew from its paths and columns where that can be done, because what an item is says the
present configuration, not the one of old; else its own columns ``item`` and ``stratum`` are taken.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.split.arrays import Ints, number_values
from brev_pipeline.split.encode import Key, encode_column, merge_normal_forms
from brev_pipeline.split.groups import Nodes
from brev_pipeline.split.keys import KeySpec, fill_missing_items, find_key
from brev_pipeline.texts import normalize_unicode


def find_ledger_nodes(
    ledger: pa.Table | None, stratification: KeySpec | None, uniqueness: KeySpec, stratum: Key, item: Key, nodes: Nodes
) -> tuple[Ints, Ints]:
    """Find the ledger's nodes.

    Args:
        ledger: assignments to remember, or none.
        stratification: as for the listing.
        uniqueness: as for the listing.
        stratum: of the listing.
        item: of the listing.
        nodes: of the listing.

    Returns:
        (ledger rows,) the node of each row: one of the listing's, or a number beyond. And (all nodes,) the item of
        each node, those beyond the listing included.
    """
    if ledger is None or not len(ledger):
        return np.zeros(0, np.int64), nodes.item
    strata, _ = _match_codes(stratum, _ledger_texts(ledger, stratification, "stratum"))
    items, bound = _match_codes(item, _ledger_texts(ledger, uniqueness, "item"))
    both = np.concatenate([nodes.stratum * bound + nodes.item, strata * bound + items])
    number, distinct = number_values(both, (int(strata.max(initial=len(stratum))) + 1) * bound)
    # The listing's nodes keep their numbers; those of the ledger alone follow.
    place = np.full(len(distinct), -1, np.int64)
    place[number[: len(nodes)]] = np.arange(len(nodes))
    beyond = np.flatnonzero(place < 0)
    place[beyond] = np.arange(len(beyond)) + len(nodes)
    return place[number[len(nodes) :]], np.concatenate([nodes.item, distinct[beyond] % bound])


def _ledger_texts(ledger: pa.Table, spec: KeySpec | None, stored: str) -> pa.Array:
    if spec is None or len(spec) == 0:
        return pa.array(["all"]).take(pa.array(np.zeros(len(ledger), np.int64)))
    columns = ["path"] if isinstance(spec, str) else spec
    if all(column in ledger.column_names for column in columns) and "path" in ledger.column_names:
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
    found = pc.index_in(texts, value_set=among)
    codes: Ints = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes
