"""Look: what lies in the datasets now, and what of it is known, reading no more bytes than allowed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import SourceError
from brev_pipeline.integrity import check_integrity
from brev_pipeline.listing import list_datasets
from brev_pipeline.listing.checksums import recall_etags
from brev_pipeline.listing.class_checks import ListingFindings
from brev_pipeline.release.exclusions import gather_left_out
from brev_pipeline.storage import Sources
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline.table_metadata import note_found
from brev_pipeline.texts import TEXT


@dataclass(frozen=True)
class Look:
    """What was found.

    Args:
        integrity: as a run's ``sample_integrity``; its metadata tells what else the listing found.
        left_out: what the listing left out: path, etag, category, rule, reason.
        unread: (images,) whether nobody has read the image's bytes, so that its content is not known.
        read: images that were read for their content.
        read_bytes: of them.
        unread_bytes: of those that were not.
    """

    integrity: pa.Table
    left_out: pa.Table
    unread: npt.NDArray[np.bool_]
    read: int
    read_bytes: int
    unread_bytes: int


class _Nothing:
    """Reads nothing, and asks for no headers: an entity tag that looks like an MD5 is taken for one."""

    def fetch_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, bytes | SourceError]]:
        for row in rows:
            yield row, SourceError("missing", "it was not read")


@dataclass(frozen=True)
class _Bytes:
    """Reads images, and asks for no headers."""

    sources: Sources

    def fetch_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, bytes | SourceError]]:
        return self.sources.fetch_many(rows)


def list_now(
    config: PipelineConfig, sources: Sources, known: pa.Table | None
) -> tuple[pa.Table, pa.Table, dict[str, Any]]:
    """The listing as a run would have it, but for local files that changed since they were read, which have no etag.

    Args:
        config: the pipeline's configuration.
        sources: of its datasets.
        known: what earlier runs remember of the images.

    Returns:
        The listing, what it left out, and what else it found.

    Raises:
        ListingError: as a run.
    """
    left_out: list[pa.Table] = []
    found = ListingFindings()
    listing = list_datasets(
        config.datasets, config.listing, sources, None, left_out.append, found.add_findings, hashed=False
    )
    local = pc.equal(listing["etag_source"], "none")
    if pc.any(local).as_py():
        etags = pc.coalesce(listing["etag"], recall_etags(listing, known))
        listing = _with_etags(listing, etags)
    return listing, gather_left_out(left_out), found.build_summary(config.listing)


def look(config: PipelineConfig, sources: Sources, known: pa.Table | None, most_bytes: int) -> Look:
    """List the datasets and identify the images.

    Args:
        config: the pipeline's configuration.
        sources: of its datasets.
        known: what earlier runs remember of the images.
        most_bytes: that may be read; where the images that have to be read are more, none is.

    Raises:
        ListingError: as a run.
    """
    listing, left_out, facts = list_now(config, sources, known)
    table = check_integrity(listing, fetch=_Nothing(), known=known)
    silent = _silent(table)
    size = int(np.sum(table["size"].to_numpy()[silent]))
    if not silent.any() or size > most_bytes:
        # Whether they can be read is not known either.
        source = pc.if_else(pa.array(silent), "read", table["content_source"])
        return Look(note_found(_set(table, "content_source", source), facts), left_out, silent, 0, 0, size)
    table = check_integrity(listing, fetch=_Bytes(sources), known=table)
    found = pc.if_else(pc.equal(table["content_source"], "read"), table["content_id"], pa.scalar(None, TEXT))
    # As the listing of a run has them, which hashes local files itself.
    at = pa.array(silent & ~_silent(table) & table["etag"].is_null().to_numpy())
    if pc.any(at).as_py():
        table = _with_etags(table, pc.if_else(at, found, table["etag"]))
        table = _set(table, "content_source", pc.if_else(at, "etag", table["content_source"]))
    none = np.zeros(len(silent), np.bool_)
    return Look(note_found(table, facts), left_out, none, int(silent.sum()), size, 0)


def _silent(table: pa.Table) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.equal(table["content_source"], "unreadable").to_numpy()
    return found


def _with_etags(table: pa.Table, etags: Any) -> pa.Table:
    """The table with entity tags that are MD5s of local files where it had none."""
    added = pc.and_(table["etag"].is_null(), pc.is_valid(etags))
    columns = {"etag": etags, "etag_source": pc.if_else(added, "md5", table["etag_source"])}
    for name, values in columns.items():
        table = _set(table, name, values)
    return table


def _set(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), table.schema.field(name), values)
