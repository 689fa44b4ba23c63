"""The circle in which a group hands out its images: by keyed hash of their bytes."""

import numpy as np
import pyarrow as pa

from brev_pipeline.sampling.hashes import hashed


def in_hash_order(rows: pa.Table, seed: int) -> pa.Table:
    """Sort images by keyed hash of their content; images with the same bytes lie side by side, sorted by path.

    The result does not depend on the order of the rows, and adding an image moves no other two against each other.

    Args:
        rows: has the columns content_id and path.
        seed: the configured seed of the sampling.
    """
    keys = hashed(seed, ("order",), rows["content_id"])
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    equal = np.flatnonzero(ranked[1:] == ranked[:-1])
    tied = np.union1d(equal, equal + 1)
    if len(tied):
        # Text is compared only here: sorting a million paths costs as much as all else.
        names = rows.select(["content_id", "path"]).take(pa.array(order[tied]))
        names = names.append_column("key", pa.array(ranked[tied])).append_column("row", pa.array(order[tied]))
        order[tied] = names.sort_by([(name, "ascending") for name in ("key", "content_id", "path")])["row"].to_numpy()
    return rows.take(pa.array(order))
