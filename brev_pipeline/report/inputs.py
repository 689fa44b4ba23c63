"""What a report is made of: the version's account and tables, and where pictures come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from brev_pipeline.frames import PixelReader, Pixels
from brev_pipeline.store import Version
from brev_pipeline.tables import Columns


class PhotoReader(Protocol):
    """Gives small pictures of images that could not be prepared."""

    def __call__(self, rows: pa.Table) -> Iterable[Pixels | None]:
        """One picture per row of prepared_images, in order: uint8 (height, width, 1 or 3), or None."""
        ...


@dataclass(frozen=True)
class ReportInputs:
    """Everything that the page may say. Equal inputs make equal bytes.

    Of the tables only the columns that a section needs are read, and only while it needs them.

    Args:
        manifest: of the version, as it stands in ``manifest.json``.
        version: the version's id.
        listing: columns of `tables.SAMPLE_INTEGRITY`; without ``modified`` no dates are shown.
        images: columns of `tables.PREPARED_IMAGES`; without ``file``, ``offset``, ``length`` no pictures are shown.
        split: columns of `tables.SAMPLE_SPLIT`, or a version's assignments; rows that are not ``listed`` are left out.
        weights: as `tables.sampling_weights_schema`.
        records: columns of `tables.TFRECORD_SHARDS`.
        exclusions: path, content_id, rule, partner, reason; in memory, for it is made when a version is.
        filtered: path, category, rule of the images that the listing left out unread, which are among the exclusions
            and in no other table; None: there are none.
        found: what the listing found besides the images, as `ListingFindings.build_summary` has it; empty: not known.
        checks: stage → verdicts of its suite, what rules about history found included; None: as the manifest has it.
        number: of the publication that this version gets.
        published_at: UTC, ISO 8601.
        published_by: account that the run works under.
        run_id: of the run that publishes.
        parent: the version that was the newest one until now.
        pixels: reader of the prepared pixels, used by several threads at once; without it no pictures are shown.
        photos: gives small pictures of quarantined images, where that can be done safely.
        data_docs: relative address of the Data Docs, linked from the checks.
    """

    manifest: Mapping[str, Any]
    version: str
    listing: Columns = field(repr=False)
    images: Columns = field(repr=False)
    split: Columns = field(repr=False)
    weights: Columns = field(repr=False)
    records: Columns = field(repr=False)
    exclusions: pa.Table = field(repr=False)
    filtered: pa.Table | None = field(default=None, repr=False)
    found: Mapping[str, Any] = field(default_factory=dict, repr=False)
    checks: Mapping[str, Sequence[Mapping[str, Any]]] | None = field(default=None, repr=False)
    number: int | None = None
    published_at: str | None = None
    published_by: str | None = None
    run_id: str | None = None
    parent: Version | None = None
    pixels: PixelReader | None = None
    photos: PhotoReader | None = None
    data_docs: str | None = None

    def __post_init__(self) -> None:
        if self.data_docs is not None and (":" in self.data_docs or self.data_docs.startswith("/")):
            raise ValueError(f"data_docs must be an address relative to the report, got {self.data_docs!r}")
