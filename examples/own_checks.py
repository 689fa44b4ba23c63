"""A check of your own beside the pipeline's: here, that every class has enough photos that the model is judged by.

Because it is blocking, nothing after `sample_split` is made or published before it passed on the very table that is
to be used, in this run or a later one; the version's manifest quotes it. Load this module in place of
`brev_pipeline.definitions` (in `workspace.yaml`: `module_name: own_checks`).
"""

from collections import Counter
from typing import Any

import dagster as dg
import pyarrow.compute as pc

from brev_pipeline import definitions as pipelines

LEAST = 1
"""Photos of a class in devel."""


@dg.asset_check(asset=dg.AssetKey(["demo", "sample_split"]), blocking=True)
def enough_devel_photos(sample_split: Any) -> dg.AssetCheckResult:
    """Every class has at least `LEAST` photos that the model is judged by."""
    table = sample_split.read(["category", "purpose"])
    devel = table.filter(pc.equal(table["purpose"], "devel"))
    photos = Counter(dict.fromkeys(pc.unique(pc.list_flatten(table["category"])).to_pylist(), 0))
    photos.update(pc.list_flatten(devel["category"]).to_pylist())
    few = {name: count for name, count in photos.items() if count < LEAST}
    return dg.AssetCheckResult(
        passed=not few,
        description=f"fewer than {LEAST} photos in devel: {few}" if few else None,
        metadata={"photos in devel": dict(photos)},
    )


# Dagster wants one `Definitions` in a module: hence the import of the module above.
defs = dg.Definitions.merge(pipelines.defs, dg.Definitions(asset_checks=[enough_devel_photos]))
