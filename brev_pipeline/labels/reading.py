"""Reading: what all sources of a dataset share while they are read, and what reads the files for them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import pyarrow as pa

from brev_pipeline.config import DatasetSettings
from brev_pipeline.errors import BrevPipelineError, LabelError
from brev_pipeline.labels.findings import LabelFindings
from brev_pipeline.labels.objects import LISTED_TYPE as LISTED_OBJECTS
from brev_pipeline.labels.sources.photo_files import Bools, PhotoKeys, look_up
from brev_pipeline.storage.places import path_prefix
from brev_pipeline.texts import NAMES, TEXT

PARSED_FILES: Final = pa.schema(
    [
        pa.field("source", TEXT, False, {"description": "what made the row: the reader, and the source's settings"}),
        pa.field("file", TEXT, False, {"description": "path of the label file within its dataset"}),
        pa.field("etag", TEXT, True),
        pa.field("size", pa.int64(), False, {"description": "bytes"}),
        pa.field("objects", LISTED_OBJECTS, True),
        pa.field("category", NAMES, True),
        pa.field("remarks", pa.list_(pa.struct([("kind", TEXT), ("what", TEXT)])), False),
    ]
)
"""What was read of files that belong to one photo, to be handed in again."""


EXCLUDED_OBJECTS: Final = pa.schema(
    [
        pa.field("key", TEXT, False, {"description": "path of the photo within its dataset"}),
        pa.field("source", TEXT, False, {"description": "place of the source in labels, and its kind"}),
        pa.field("what", TEXT, False, {"description": "file, element or line in it, label, and reason"}),
    ]
)
"""Objects that are left out, each for its reason, while their photo stays."""


class LabelFetcher(Protocol):
    """Reads label files, wherever they lie."""

    def __call__(self, files: pa.Table) -> Iterator[tuple[str, bytes | BrevPipelineError]]:
        """Read every file once; yield its key, and its bytes or why they cannot be had, in any order.

        Args:
            files: rows of the objects that `read_labels` was given.
        """
        ...


@dataclass
class Reading:
    """A dataset while its labels are read."""

    dataset: DatasetSettings
    photos: PhotoKeys
    objects: pa.Table
    fetch: LabelFetcher
    known: pa.Table | None
    findings: LabelFindings = field(default_factory=LabelFindings)
    parsed: list[pa.Table] = field(default_factory=list)
    excluded: list[dict[str, str]] = field(default_factory=list)
    """Rows of `EXCLUDED_OBJECTS`."""

    def exclude(self, photo: int, where: str, what: str) -> None:
        """Note an object of a photo, by its row, that is left out."""
        self.excluded.append({"key": self.photos.key[photo].as_py(), "source": where, "what": what})

    @property
    def prefix(self) -> str:
        """What paths of the dataset begin with."""
        return path_prefix(self.dataset.bucket)

    @property
    def keys(self) -> pa.Array:
        """Of all objects."""
        return self.objects["key"].combine_chunks()

    def fetch_one(self, file: str, where: str) -> bytes:
        """The bytes of a file about many photos. Raises `LabelError` where it cannot be had."""
        row = int(look_up(pa.array([file], TEXT), self.keys)[0])
        if row < 0:
            raise LabelError(
                f"{where}: the dataset has no file {file}: correct its path, which is meant within the dataset"
            )
        (_, data), *_ = self.fetch(self.objects.slice(row, 1))
        if isinstance(data, BrevPipelineError):
            raise LabelError(f"{where}: {file} cannot be read: {data}", passing=data.may_pass) from data
        return data


class SaidColumns(NamedTuple):
    """What one source says of the photos."""

    columns: dict[str, pa.Array]
    """Column → (photos,) values; null: nothing is said."""
    by_rule: Bools
    """(photos,) whether what stands there is only by rule (`absent: empty`): that nothing is on the photo."""


def refuse_absent(absent: Bools, rule: str, where: str, examples: Callable[[], list[str]]) -> None:
    """Raise `LabelError` where photos of a mask have no label and ``rule`` (of `absent`) allows none."""
    if rule == "error" and absent.any():
        raise LabelError(
            f"{where}: {int(absent.sum())} photos have no label: {'; '.join(examples()[:3])}: add them; or say which "
            "photos have one (photos: …), or what a photo without is (absent: empty, or unlabelled)"
        )
