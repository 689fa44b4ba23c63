"""The stage: `prepare_images`, from the samples of ``sample_integrity`` to the table ``prepared_images``.

What the cache holds already is looked up; the rest is cut into chunks and given to the engine. A chunk whose
worker died is divided until the one image is found that kills it; that one is tried once more, alone.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import ImageSettings
from brev_pipeline.engine import Counted, Engine, LostTask
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.images.limits import RETRIED_STATUSES, timeout_reason
from brev_pipeline.images.pixel_cache import CACHED_IMAGES, UPRIGHT, PixelCache
from brev_pipeline.images.pixel_reader import group_by_size
from brev_pipeline.images.prepare_task import Content, PrepareTask, make_row, max_wait_seconds
from brev_pipeline.storage.fetcher import Fetcher, SourceRow
from brev_pipeline.store import Folder
from brev_pipeline.tables import PREPARED_IMAGES, conform_table, iterate_rows
from brev_pipeline.texts import join_texts

SAMPLE_COLUMNS: Final = [*SourceRow._fields, "size"]  # columns of ``sample_integrity`` that are read
_LOG = logging.getLogger(__name__)
_MIN_CONTENTS, _MAX_CONTENTS = 32, 256  # contents in a chunk; each costs some 5 ms besides
_CHUNKS = 64  # chunks that a run should have at least, so that many workers have work
_BYTES = 64 << 20  # of image files in a chunk
_PARTS = 32  # of a chunk whose worker died: an image that runs out of time costs the clock's limit at each division


def prepare_images(
    samples: pa.Table,
    settings: ImageSettings,
    *,
    fetch: Fetcher,
    folder: Folder,
    engine: Engine,
    read_now: list[pa.ChunkedArray] | None = None,
    sizes: list[pa.Table] | None = None,
) -> pa.Table:
    """Prepare every distinct content, each once in its life; an image that cannot be used gets a row with a reason.

    The pixels lie in ``folder``, content-addressed by content and settings; see `pixel_cache`. They and the table's
    facts depend on the bytes and the settings alone, on no engine, CPU, order or earlier run; where they lie
    (file, offset) depends on which run prepared them.

    Args:
        samples: columns of ``sample_integrity``.
        settings: how images are prepared.
        fetch: reads the images.
        folder: below which the pixels lie, in a folder per settings; ``file`` is relative to it.
        engine: where the work runs.
        read_now: is given the paths of the objects whose bytes were read now, and have the MD5 on record.
        sizes: is given content_id, upright_height and upright_width of the usable images, by which labels are meant.

    Returns:
        ``prepared_images``: one row per content_id, sorted by it. What can be otherwise next time (missing,
        changed, interrupted) is tried again by the next run.

    Raises:
        BrevPipelineError: a roi lies outside of an image and ``roi_outside`` is error.
        StoreError: the folder cannot be read or written.
        EngineError: workers cannot be had.
    """
    cache = PixelCache.for_settings(folder, settings)
    samples = samples.sort_by([("content_id", "ascending"), ("path", "ascending")])
    known = cache.find_known(samples["content_id"], timeout_reason(settings))
    if sizes is not None:
        # Prepared by a package that did not keep the size: once more, then.
        known = known.filter(pc.or_(pc.is_valid(known[UPRIGHT[0]]), pc.not_equal(known["status"], "ok")))
    rest = samples.filter(pc.invert(pc.is_in(samples["content_id"], value_set=known["content_id"].combine_chunks())))
    work = Counted(_cut_chunks(rest), len, pc.count_distinct(rest["content_id"]).as_py(), "images")
    fresh = list(_prepare_chunks(engine, PrepareTask(settings, fetch, cache), work))
    if read_now is not None:
        for table in fresh:
            unread = pc.is_in(table["status"], value_set=pa.array(RETRIED_STATUSES, table["status"].type))
            read_now.append(table["source_path"].filter(pc.invert(unread)))
    table = pa.concat_tables([_choose_paths(known, samples), *fresh])
    if table.num_rows != (distinct := pc.count_distinct(samples["content_id"]).as_py()):
        raise BrevPipelineError(
            f"{distinct} contents were to be prepared, {table.num_rows} came back: a fault of the source"
        )
    if sizes is not None:
        sizes.append(table.filter(pc.equal(table["status"], "ok")).select(["content_id", *UPRIGHT]))
    return conform_table(table.sort_by("content_id"), PREPARED_IMAGES, "prepared_images")


def _cut_chunks(samples: pa.Table) -> Iterator[tuple[Content, ...]]:
    """Contents in chunks of bounded count and bytes; they depend on the samples only, not on the workers."""
    distinct = pc.count_distinct(samples["content_id"]).as_py()
    most = min(_MAX_CONTENTS, max(_MIN_CONTENTS, -(-distinct // _CHUNKS)))
    return map(tuple, group_by_size(_group_contents(samples), _BYTES, most))


def _group_contents(samples: pa.Table) -> Iterator[tuple[Content, int]]:
    """Samples sorted by content, put together: the objects that hold a content, and its bytes."""
    rows = iterate_rows(samples.select(SAMPLE_COLUMNS))
    for _, of_content in groupby(rows, key=lambda row: row["content_id"]):
        sizes, objects = zip(*((row.pop("size"), SourceRow(**row)) for row in of_content), strict=True)
        yield objects, sizes[-1]


def _prepare_chunks(engine: Engine, work: PrepareTask, chunks: Counted[tuple[Content, ...]]) -> Iterator[pa.Table]:
    """Results of all chunks. Those whose worker died are divided, and tried again part by part, at last image by image.

    The engine tries nothing twice: a part is the second try.
    """
    waiting, most = chunks, _MAX_CONTENTS
    while True:
        died: list[tuple[Content, ...]] = []
        for chunk, result in _map_chunks(engine, work, waiting, most):
            if isinstance(result, LostTask):
                died.append(chunk)
            else:
                yield result
        if suspects := [chunk for chunk in died if len(chunk) == 1]:
            yield from _prepare_suspects(engine, work, suspects)
        parts = [part for chunk in died if len(chunk) > 1 for part in _divide_chunk(chunk)]
        if not parts:
            return
        waiting, most = Counted(parts, len, sum(map(len, parts)), "images"), max(map(len, parts))


def _prepare_suspects(engine: Engine, work: PrepareTask, suspects: Sequence[tuple[Content, ...]]) -> Iterator[pa.Table]:
    for (content,), result in _map_chunks(engine, replace(work, isolated=True), suspects, 1):
        if not isinstance(result, LostTask):
            yield result
            continue
        # It was not the image's process that died, but the one that waited for it.
        _LOG.warning("%s: %s", content[0].path, result.reason)
        row = make_row(content[0], "interrupted", "the worker that had it decoded was lost")
        yield pa.Table.from_pylist([row], schema=CACHED_IMAGES)


def _map_chunks(
    engine: Engine, work: PrepareTask, chunks: Iterable[tuple[Content, ...]], most: int
) -> Iterator[tuple[tuple[Content, ...], pa.Table | LostTask]]:
    timeout = _chunk_timeout(most, work.settings)
    return engine.map(work, chunks, label="prepare images", lost="yield", task_timeout=timeout, tries=1)


def _chunk_timeout(contents: int, settings: ImageSettings) -> float:
    """How long a chunk may take, in seconds; one in which several images need all of their time is divided."""
    # Longer than it takes to give up a server that stalls, which is no image's fault.
    return 150.0 + 2 * contents + max_wait_seconds(settings)


def _divide_chunk(chunk: tuple[Content, ...]) -> list[tuple[Content, ...]]:
    length = -(-len(chunk) // _PARTS)
    return [chunk[start : start + length] for start in range(0, len(chunk), length)]


def _choose_paths(known: pa.Table, samples: pa.Table) -> pa.Table:
    """The path that was read, where it still holds the content; else the first path that holds it now."""
    if not known.num_rows:
        return known
    first = samples.group_by("content_id", use_threads=False).aggregate([("path", "first")])
    place = pc.index_in(known["content_id"], value_set=first["content_id"].combine_chunks())
    listed = join_texts(samples["content_id"], samples["path"], by=" ")
    stays = pc.is_in(join_texts(known["content_id"], known["source_path"], by=" "), value_set=listed.combine_chunks())
    paths = pc.if_else(stays, known["source_path"], pc.take(first["path_first"], place))
    column = known.schema.get_field_index("source_path")
    return known.set_column(column, known.schema.field(column), paths)
