"""Refusals: what the listing will not accept, in words that say what was seen."""

import os
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.models import DatasetSettings, ListingSettings
from brev_pipeline.errors import ListingError
from brev_pipeline.listing.names import are_hidden, file_name
from brev_pipeline.listing.naming import Names
from brev_pipeline.storage import LocalPlace, Place, Sources

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


def nothing_found(objects: pa.Table, left_out: pa.Table, names: Names, settings: ListingSettings) -> str:
    """Why no image was found: what was refused, what there is instead, and what was asked for.

    Args:
        objects: what lies in the dataset, as `choose` takes it.
        left_out: columns of `columns.LEFT_OUT`.
        names: those that say the classes.
        settings: what was asked for.
    """
    refused = left_out.filter(pc.not_equal(left_out["rule"], "class_filter"))
    if refused.num_rows and refused.num_rows == left_out.num_rows:
        return f"holds no image that may be read: left out are {refusals(refused)}"
    keys = objects["key"].filter(pc.invert(are_hidden(objects["key"].combine_chunks()))).to_pylist()
    if not keys:
        return "holds no files at all; correct datasets[].bucket, which may miss a folder"
    endings = Counter("." + name.rpartition(".")[2] if "." in (name := file_name(key)) else "no ending" for key in keys)
    seen = ", ".join(f"{ending} ({count})" for ending, count in endings.most_common(_SHOWN))
    wanted = f"listing.sample_filter {settings.sample_filter!r}"
    if settings.classes is not None:
        wanted += f" and listing.classes {settings.classes}"
    folders = sorted({key.rpartition("/")[0] or "." for key in keys})
    where = ", ".join(folders[:_SHOWN]) + (", …" if len(folders) > _SHOWN else "")
    said = f"holds no image that {wanted} would let pass; its {len(keys)} files end in {seen}, in the folders {where}"
    if settings.classes is not None and names.categories:
        common = [name for name, _ in names.categories.most_common(_SHOWN)]
        said += f"; its images have the classes {', '.join(common)}" + (", …" if len(names.categories) > _SHOWN else "")
    # What is no image by its name is one of a folder's, perhaps: images may lie behind a link to it.
    if not refused.num_rows and "rule" in objects.column_names:
        refused = objects.filter(pc.is_valid(objects["rule"]))
    return said + (f"; left out are {refusals(refused)}" if refused.num_rows else "")


def refusals(refused: pa.Table) -> str:
    """What was refused, in words: how many by each rule, and the first of each with its reason.

    Args:
        refused: columns key, rule, reason, without nulls.
    """
    firsts: dict[str, str] = {}
    for row in refused.select(["key", "rule", "reason"]).to_pylist():
        firsts.setdefault(row["rule"], f"the first {row['key']}: {row['reason']}")
    counts = {row["values"]: row["counts"] for row in pc.value_counts(refused["rule"]).to_pylist()}
    return "; ".join(f"{counts[rule]} by {rule} ({first})" for rule, first in sorted(firsts.items()))


def _address(place: Place) -> str:
    if isinstance(place, LocalPlace):
        return os.path.realpath(place.root).rstrip("/") + "/"
    return f"{place.storage.endpoint_url or 's3:/'}/{place.name}/{place.prefix}"
