"""The account that a version gives of itself: which images are in no shard and why, and the lock on its test set.

Every image that is listed stands in a shard or among the exclusions, with the rule that took it out; the version is
not published otherwise. So does an image that the listing found, and left out. What counts as an image at all is the
listing's definition (``listing.sample_filter``): other files in the datasets are not listed, and need no account.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig, SplitSettings
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.store import PipelineStore
from brev_pipeline.store.hashed_files import read_verified, short_sha256, write_or_repair
from brev_pipeline.store.parquet import from_parquet, to_parquet
from brev_pipeline.table_metadata import FILTERED, LEFT_OUT_RULES, add_notes
from brev_pipeline.tables import Columns
from brev_pipeline.texts import NAMES, TEXT

RULES: Final = (
    "quarantined",
    "label_quarantined",
    "label_conflict",
    "duplicate",
    *LEFT_OUT_RULES,
    "unassigned",
    "not_drawn",
)
"""What may take an image out: the values of the column ``rule`` of the exclusions."""

_FILTERED: Final = pa.schema({"path": TEXT, "etag": TEXT, "category": NAMES, "rule": TEXT, "reason": TEXT})
_EXCLUSIONS: Final = pa.schema(dict.fromkeys(("path", "content_id", "rule", "partner", "reason"), TEXT))


def gather_left_out(left_out: Iterable[pa.Table]) -> pa.Table:
    """What the listing left out, as `list_datasets` tells it, as one table sorted by path; see `read_filtered`."""
    parts = [part.cast(_FILTERED) for part in left_out]
    return pa.concat_tables([_FILTERED.empty_table(), *parts]).sort_by("path")


def store_filtered(store: PipelineStore, listing: pa.Table, left_out: Iterable[pa.Table]) -> pa.Table:
    """Keep what the listing left out, as `list_datasets` tells it, for the account of the version that comes of it.

    Returns:
        The listing, its schema's metadata naming what was kept (nothing, where nothing was left out).
    """
    table = gather_left_out(left_out)
    if not table.num_rows:
        return listing
    data = to_parquet(table)
    name = f"{short_sha256(data)}.parquet"
    write_or_repair(store.filtered_images, name, data)
    return add_notes(listing, {FILTERED: name})


def read_filtered(store: PipelineStore, listing: pa.Table) -> pa.Table:
    """What `store_filtered` kept for this listing: path, etag, category, rule, reason; sorted by path.

    Raises:
        StoreError: it cannot be read, or is not the file that its name says.
    """
    name = (listing.schema.metadata or {}).get(FILTERED)
    if name is None:
        return _FILTERED.empty_table()
    file = name.decode(errors="replace")
    return from_parquet(read_verified(store.filtered_images, file), store.filtered_images.file_url(file))


def list_exclusions(config: PipelineConfig, tables: Mapping[str, Columns], filtered: pa.Table) -> pa.Table:
    """Every listed image that is in no shard: path, content_id, the rule that took it out, its partner, the reason.

    ``tables`` is stage → its table, ``filtered`` as `read_filtered` gives it.

    Returns:
        One row per image, sorted by path. ``content_id`` is null for what the listing left out, which is not read.
        ``partner`` is the path of the image that it is a copy of, or contradicts; null for the other rules.
    """
    from brev_pipeline.split.selection import EVALUATED_COLUMNS, PREPARED_COLUMNS, evaluate_samples

    image = ["path", "content_id"]
    samples = tables["sample_integrity"].read(EVALUATED_COLUMNS)
    found = evaluate_samples(
        samples,
        tables["prepared_images"].read(PREPARED_COLUMNS),
        duplicates=config.integrity.duplicates,
        label_conflicts=config.integrity.label_conflicts,
    )
    usable, excluded = samples.select(image).filter(pa.array(found.takes_part)), found.excluded
    del samples, found  # as long as the listing, and the next tables are as well
    split, records = tables["sample_split"].read(image), tables["tfrecord_shards"].read(["path"])
    unassigned = usable.filter(_are_missing(usable["path"], pc.unique(split["path"])))
    undrawn = split.filter(_are_missing(split["path"], pc.unique(records["path"])))
    parts = [
        excluded.select(_EXCLUSIONS.names).cast(_EXCLUSIONS),
        _build_rows(filtered, filtered["rule"], filtered["reason"]),
        _build_rows(unassigned, "unassigned", "the split gave it no purpose"),
        _build_rows(undrawn, "not_drawn", "its sampling group has fewer draws than images"),
    ]
    return pa.concat_tables(parts).sort_by("path")


def check_image_account(listing: pa.Table, filtered: pa.Table, records: pa.Table, excluded: pa.Table) -> None:
    """Demand that every listed image is in a shard or excluded, never both, and no other is.

    Raises:
        BrevPipelineError: it is not so; that is a fault of the pipeline, not of the data.
    """
    if problems := find_account_problems(listing["path"], filtered["path"], records["path"], excluded["path"]):
        raise BrevPipelineError("the account of the images does not come out even: " + "; ".join(problems))


def find_account_problems(
    listed: pa.ChunkedArray, filtered: pa.ChunkedArray, recorded: pa.ChunkedArray, excluded: pa.ChunkedArray
) -> list[str]:
    """Why listed = used + excluded does not hold; empty where it holds, image by image. All are columns of paths."""
    every = pc.unique(pa.chunked_array([*listed.chunks, *filtered.chunks], TEXT))
    used, out = pc.unique(recorded), pc.unique(excluded)
    accounted = pa.concat_arrays([used, out])
    faults = {
        "listed, but neither in a shard nor excluded": every.filter(_are_missing(every, accounted)),
        "both in a shard and excluded": out.filter(pc.is_in(out, value_set=used)),
        "in a shard or excluded, but not listed": accounted.filter(_are_missing(accounted, every)),
    }
    problems = [
        f"{len(paths)} images are {what}, the first {min(paths.to_pylist())}"
        for what, paths in faults.items()
        if len(paths)
    ]
    if len(out) != len(excluded):
        problems.append(f"{len(excluded) - len(out)} images are excluded twice")
    return problems


def locked_purposes(settings: SplitSettings) -> list[str]:
    """The purposes that are locked by their contents: ``test``, and those that are locked, or logged when read."""
    return [name for name in settings.names if name == "test" or name in (*settings.locked, *settings.access_log)]


def purpose_locks(split: pa.Table, settings: SplitSettings) -> dict[str, dict[str, Any]]:
    """The lock on the test set: a hash that any image that came, left or changed would change.

    Args:
        split: columns purpose and content_id, of the images that are listed: remembered ones would change the hash.
        settings: of the split.

    Returns:
        Purpose (`locked_purposes`, where it has images) → ``contents``, how many distinct ones it has, and ``sha256``
        of their content ids, sorted, each followed by a line feed: what ``sort -u ids.txt | sha256sum`` says.
    """
    locks = {}
    for name in locked_purposes(settings):
        ids = sorted(pc.unique(split["content_id"].filter(pc.equal(split["purpose"], name))).to_pylist())
        text = "".join(f"{content}\n" for content in ids)
        if ids:
            locks[name] = {"contents": len(ids), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    return locks


def _are_missing(paths: pa.Array | pa.ChunkedArray, others: pa.Array) -> pa.Array | pa.ChunkedArray:
    return pc.invert(pc.is_in(paths, value_set=others))


def _build_rows(table: pa.Table, rule: str | pa.ChunkedArray, reason: str | pa.ChunkedArray) -> pa.Table:
    count = table.num_rows
    contents = table["content_id"] if "content_id" in table.column_names else pa.nulls(count, TEXT)
    rules, reasons = (
        pa.repeat(pa.scalar(text, TEXT), count) if isinstance(text, str) else text for text in (rule, reason)
    )
    return pa.table([table["path"], contents, rules, pa.nulls(count, TEXT), reasons], schema=_EXCLUSIONS)
