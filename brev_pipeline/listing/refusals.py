"""Refusals: what the listing will not accept, in words that say what was seen."""

import os
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import pyarrow as pa

from brev_pipeline.config.models import DatasetSettings, ListingSettings
from brev_pipeline.errors import ListingError
from brev_pipeline.listing.names import file_name
from brev_pipeline.source import LocalPlace, Place, Sources

_SHOWN: Final = 8


def refuse_overlaps(datasets: Sequence[DatasetSettings], sources: Sources) -> None:
    """Raise `ListingError` if a dataset lies in another one (or is it), so that images would be listed twice."""
    # Sorted by address, whatever lies in a place follows it directly.
    addressed = sorted((_address(sources.place(dataset.bucket)), dataset.name) for dataset in datasets)
    for (outer, outer_name), (inner, inner_name) in pairwise(addressed):
        if inner.startswith(outer):
            raise ListingError(
                f"the datasets {outer_name!r} and {inner_name!r} overlap: {inner} lies in {outer}, so that its images "
                "would be listed twice; narrow one of them, or remove it"
            )


def nothing_found(objects: pa.Table, settings: ListingSettings) -> str:
    """Why no image was found: what there is instead, and what was asked for."""
    if not objects.num_rows:
        return "holds no files at all; correct datasets[].bucket, which may miss a folder"
    keys = objects["key"].to_pylist()
    endings = Counter("." + name.rpartition(".")[2] if "." in (name := file_name(key)) else "no ending" for key in keys)
    seen = ", ".join(f"{ending} ({count})" for ending, count in endings.most_common(_SHOWN))
    wanted = f"listing.sample_filter {settings.sample_filter!r}"
    if settings.classes is not None:
        wanted += f" and listing.classes {settings.classes}"
    folders = sorted({key.rpartition("/")[0] or "." for key in keys})
    where = ", ".join(folders[:_SHOWN]) + (", …" if len(folders) > _SHOWN else "")
    return f"holds no image that {wanted} would let pass; its {len(keys)} files end in {seen}, in the folders {where}"


def _address(place: Place) -> str:
    if isinstance(place, LocalPlace):
        return os.path.realpath(place.root).rstrip("/") + "/"
    return f"{place.storage.endpoint_url or 's3:/'}/{place.name}/{place.prefix}"
