"""Who a sample is: what its seeds hang on, and what tells it from the others."""

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from brev_pipeline.errors import SamplingError

if TYPE_CHECKING:
    import pandas as pd

_IDS: Final = ("content_id", "etag", "path")


def identities(samples: "pd.DataFrame") -> pa.Table:
    """Columns content_id and path of each row, as the pipeline's tables have them.

    The content is named by the frame's content_id, else by its etag (the MD5 of the bytes, for most objects), else
    by its path.

    Raises:
        SamplingError: the frame has none of these columns, or a row has a value in none of them.
    """
    there = [name for name in _IDS if name in samples.columns]
    if not there:
        raise SamplingError(
            f"samples need a column {', '.join(_IDS[:-1])} or {_IDS[-1]}, by which a sample's seed is drawn; there are "
            f"{', '.join(map(str, samples.columns))}"
        )
    ids = samples[there[0]].astype(object)
    for name in there[1:]:
        ids = ids.where(ids.notna(), samples[name].astype(object))
    if ids.isna().any():
        raise SamplingError(f"{int(ids.isna().sum())} samples have no {' and no '.join(there)}: fill the column")
    paths = samples["path"].astype(object) if "path" in samples.columns else ids
    paths = paths.where(paths.notna(), ids)
    return pa.table({"content_id": [*map(str, ids)], "path": [*map(str, paths)]})
