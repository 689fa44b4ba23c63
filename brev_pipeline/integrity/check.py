"""Check: which images have the same bytes, and whether they agree on the class."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.engine import Engine
from brev_pipeline.integrity.checksum_resolution import resolve_identities
from brev_pipeline.labels.identity import LABEL_ID, build_label_ids
from brev_pipeline.labels.photo_masks import MASK, MASK_ID, MASK_ID_SOURCE, list_mask_objects, take_mask_ids
from brev_pipeline.repeated_ids import number_repeated_ids
from brev_pipeline.storage.fetcher import Fetcher
from brev_pipeline.store.identity_cache import COLUMNS as IDENTITY_COLUMNS
from brev_pipeline.tables import RAW_LISTING, SAMPLE_INTEGRITY, conform_table, extend_schema
from brev_pipeline.texts import join_names, number_values

Rows = npt.NDArray[np.int64]


class Copies(NamedTuple):
    """What is known of each row's content; arrays of shape (n,)."""

    duplicate_of: pa.Array
    """Path of the first image (by path) with the same bytes; null for that first one itself."""
    copies: pa.Array
    """Images with these bytes, itself included, int32."""
    label_conflict: pa.Array
    """Whether the same bytes stand under another set of categories, or with other labels, too."""


def find_copies(
    content_id: pa.ChunkedArray,
    path: pa.ChunkedArray,
    category: pa.ChunkedArray,
    label_id: pa.ChunkedArray | None = None,
) -> Copies:
    """Compare every content with every other. The order of rows does not matter.

    Args:
        content_id: MD5s in hex, or other texts; none empty or null.
        path: unique.
        category: lists of class names; their order within a list does not matter.
        label_id: of photos with labels; null where there is none.
    """
    count = len(content_id)
    numbers = number_repeated_ids(content_id)
    # Nearly all contents are there once, and need not be looked at.
    rows = np.flatnonzero(numbers >= 0)
    ids = numbers[rows]
    paths = path.take(pa.array(rows)).combine_chunks()
    # (ids,) the one of these rows that has the least path.
    order = pc.sort_indices(paths).to_numpy()
    first = order[np.unique(ids[order], return_index=True)[1]].astype(np.int64)
    later = first[ids] != np.arange(len(rows))
    original = np.full(count, -1, np.int64)
    original[rows[later]] = first[ids[later]]
    copies = np.ones(count, np.int32)
    copies[rows] = np.bincount(ids)[ids]
    categories = _number_categories(category.take(pa.array(rows)))
    conflict = np.zeros(count, np.bool_)
    apart = categories != categories[first[ids]]
    if label_id is not None:
        labels, _ = number_values(pa.chunked_array([label_id.take(pa.array(rows)).combine_chunks()]))
        apart |= labels != labels[first[ids]]
    conflict[rows] = (np.bincount(ids, apart) > 0)[ids]
    duplicate_of = paths.take(pa.array(original, mask=original < 0))
    return Copies(duplicate_of, pa.array(copies), pa.array(conflict))


def _number_categories(category: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A number per set of class names. Shape (n,)."""
    # Each combination of names is taken apart once, however many images have it.
    encoded = join_names(category, "\0").combine_chunks().dictionary_encode()
    sets = [frozenset(joined.split("\0")) for joined in encoded.dictionary.to_pylist()]
    numbers = {one: number for number, one in enumerate(dict.fromkeys(sets))}
    of_sets: Rows = np.array([numbers[one] for one in sets], np.int64)
    of_rows: Rows = of_sets[encoded.indices.to_numpy()]
    return of_rows


def check_integrity(
    listing: pa.Table, *, fetch: Fetcher, known: pa.Table | None = None, engine: Engine | None = None
) -> pa.Table:
    """The listing with every image's identity by its bytes: its rows in its order, schema `tables.SAMPLE_INTEGRITY`.

    No row is lost: an image that cannot be read gets an identity of its own, with content_source ``unreadable``.

    Args:
        listing: schema `tables.RAW_LISTING`.
        fetch: reads images, and their headers if it has ``head_many`` (as `Sources` has).
        known: rows of an earlier call (columns path, etag, size, content_id, content_source, file_stamp). An object
            with the same path, entity tag and size (a local file: and stamp) is neither read nor asked for again;
            unreadable ones are tried anew.
        engine: asks for headers, and reads and hashes what they do not tell, where that is much; None: this process.

    Raises:
        BrevPipelineError: nothing can be read at all, as `Fetcher.fetch_many` raises it.
    """
    identity = resolve_identities(listing, fetch, known, engine)
    labels = _identify_labels(listing, fetch, known, engine)
    copies = find_copies(identity["content_id"], listing["path"], listing["category"], labels.get(LABEL_ID))
    columns = dict(zip(listing.column_names, listing.columns, strict=True))
    columns |= {name: identity[name] for name in identity.column_names}
    table = pa.table(columns | copies._asdict() | labels)
    return conform_table(table, extend_schema(SAMPLE_INTEGRITY, table.schema), "sample_integrity")


def _identify_labels(
    listing: pa.Table, fetch: Fetcher, known: pa.Table | None, engine: Engine | None
) -> dict[str, pa.ChunkedArray]:
    """`LABEL_ID`, and of masks `MASK_ID` and `MASK_ID_SOURCE`; nothing where the listing has no labels."""
    own = [name for name in listing.column_names if name not in RAW_LISTING.names]
    if not own:
        return {}
    columns: dict[str, pa.Array] = {}
    if MASK in own:
        masks = list_mask_objects(listing.select(["bucket", MASK]))
        identity = resolve_identities(masks, fetch, known, engine)
        columns = take_mask_ids(listing, identity.append_column("path", masks["path"]))
    columns[LABEL_ID] = build_label_ids(listing.select(own), columns.get(MASK_ID))
    return {name: pa.chunked_array([column]) for name, column in columns.items()}


def list_identities(integrity: pa.Table) -> pa.Table:
    """What the store is to remember: every image's identity, and that of every mask; columns of `IDENTITY_COLUMNS`."""
    images = integrity.select(IDENTITY_COLUMNS)
    if MASK not in integrity.column_names:
        return images
    masks = list_mask_objects(integrity.select(["bucket", MASK, MASK_ID, MASK_ID_SOURCE]))
    return pa.concat_tables([images, masks.select(IDENTITY_COLUMNS).cast(images.schema)])
