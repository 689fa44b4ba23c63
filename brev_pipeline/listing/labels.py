"""Labels: classes that hardly say what is on their images. Told, not refused: a sound data set may have them."""

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.models import ListingSettings
from brev_pipeline.listing.classes import ROOT, composed_names

GENERIC: Final = frozenset(
    # Of all images, of some part of the work on them, or of a split.
    [
        "all",
        "bmp",
        "bmps",
        "data",
        "dataset",
        "datasets",
        "files",
        "image",
        "images",
        "img",
        "imgs",
        "input",
        "inputs",
        "jpeg",
        "jpegimages",
        "jpg",
        "jpgs",
        "output",
        "outputs",
        "photo",
        "photos",
        "pic",
        "pics",
        "picture",
        "pictures",
        "png",
        "pngs",
        "raw",
        "sample",
        "samples",
        "tif",
        "tiff",
        "tmp",
        "dev",
        "devel",
        "eval",
        "holdout",
        "test",
        "testing",
        "tests",
        "train",
        "training",
        "trainset",
        "testset",
        "val",
        "valid",
        "validation",
    ]
)
"""Names of folders that hold images of every class, in lower case."""
_ALONE: Final = 10  # images: with fewer, classes of one image are no sign of anything
_WHERE: Final = "{folder: -2} is the folder above, {folder: 0} the uppermost one, or a regular expression"


def counted_names(column: pa.ChunkedArray) -> dict[str, int]:
    """Name → how many rows of a column of lists have it, by name."""
    counted = pc.value_counts(pc.list_flatten(column))
    names, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
    return dict(sorted(zip(names, counts, strict=True)))


def odd_labels(counts: Mapping[str, int], images: int, settings: ListingSettings) -> list[dict[str, Any]]:
    """A row for each class that hardly says what is on its images: class, images, odd, what to do.

    Who wants a name as it is says so by listing it: as a category of ``class_mapping``, or under ``classes``.

    Args:
        counts: class → images.
        images: how many there are in all.
        settings: of the listing.
    """
    meant = {*composed_names(settings.classes or [])}
    meant |= {name for names in settings.class_mapping.values() for name in composed_names(names)}
    rows = [_row(name, count, said) for name, count in counts.items() if name not in meant and (said := _oddity(name))]
    if len(counts) == 1 and composed_names(settings.classes or []) != list(counts):
        ((name, count),) = counts.items()
        said = ("the only class", f"set listing.category to what tells the classes apart: {_WHERE}")
        rows.append(_row(name, count, (said[0], f"{said[1]}; where there is only one, say listing.classes: [{name}]")))
    alone = [name for name, count in counts.items() if count == 1 and name not in meant]
    if images >= _ALONE and 2 * len(alone) >= images:
        said = (
            f"one of {len(alone)} classes with a single image",
            "let listing.category find what many images share, not what names one of them",
        )
        rows.append(_row(alone[0], 1, said))
    return rows


def _row(name: str, count: int, said: tuple[str, str]) -> dict[str, Any]:
    return {"class": name, "images": count, "odd": said[0], "what to do": said[1]}


def _oddity(name: str) -> tuple[str, str] | None:
    if name == ROOT:
        return (
            "images that lie in no folder",
            f"move them into folders, let listing.category find their class, or map {ROOT} in listing.class_mapping",
        )
    if name.casefold() in GENERIC:
        return (
            "the name of a folder of all images, or of a side of a split",
            f"set listing.category to where the class stands: {_WHERE}; or map the name in listing.class_mapping",
        )
    return None
