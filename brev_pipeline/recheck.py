"""Recheck: a sample of what is remembered is compared with the images' own bytes, in each run.

A run reads no image whose identity it remembers and whose pixels are prepared: that is why nothing new costs nothing,
and why whoever can write the store could give a photo another photo's identity. So each run reads some of them again,
each object once: the bytes' MD5 is compared with the remembered one, and what decoding gives with the prepared pixels
and their facts. Half of the sample are those that were not rechecked for the longest time, so that each has its turn
within a bounded number of runs; the other half is chosen by a hash of the run's id, which nobody knows beforehand.

An identity that the memory does not hold (because a recheck before this one forgot it, and the run goes on with tables
made before) is always rechecked. So is an MD5 that an uploader stated, until it was compared with the bytes once.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import ImageSettings, PipelineConfig
from brev_pipeline.engine import Counted, Engine, LostTask
from brev_pipeline.errors import SourceError, StoreError
from brev_pipeline.images.limits import UNDECIDED_STATUSES, UNREAD_STATUSES
from brev_pipeline.seeds import seed64
from brev_pipeline.storage.fetcher import Fetcher, SourceRow
from brev_pipeline.store import Folder, PipelineStore
from brev_pipeline.store.identity_cache import CHECKED, KEY, object_keys
from brev_pipeline.tables import PREPARED_IMAGES, to_mask
from brev_pipeline.texts import TEXT, mix_bits

FACTS: Final = [*SourceRow._fields, "size", "modified", "content_source", "file_stamp"]
"""Columns of ``sample_integrity`` that are read, as far as it has them."""
LEAST: Final = 20
"""Images of a sample, where so many are remembered."""
_TASK: Final = 32  # images of a task
_MANY_IMAGES, _MANY_BYTES = 1000, 256 << 20  # from which on workers pay
_SHOWN: Final = 5  # mismatches that an error names


@dataclass(frozen=True)
class Recheck:
    """What a recheck found, all of it well."""

    remembered: int
    """Images whose identity this run remembered."""
    identities: int
    """Images whose bytes were read again, and have the MD5 that was remembered or stated."""
    pixels: int
    """Contents that were decoded again, and gave the pixels and facts on record."""
    passed_over: tuple[str, ...]
    """Images that went or changed since they were listed, with the reason: the next run's matter."""


def recheck_identities(
    store: PipelineStore,
    samples: pa.Table,
    prepared: pa.Table,
    config: PipelineConfig,
    *,
    fetch: Fetcher,
    engine: Engine,
    run_id: str,
    read_now: Sequence[pa.ChunkedArray] = (),
) -> Recheck:
    """Compare a sample of what this run remembered with the images' bytes; note who was rechecked.

    MD5s that uploaders state (``content_source`` metadata) are compared all, once per object: somebody outside wrote
    them, and an object whose stated MD5 is that of a known content would never be read.

    Args:
        store: whose memory, log of rechecks and prepared pixels are meant.
        samples: columns `FACTS` of ``sample_integrity``, after the run's own was remembered.
        prepared: the run's ``prepared_images``.
        config: how much is rechecked, and how images are prepared.
        fetch: reads the images; asked whether a file changed meanwhile if it has ``has_changed`` (as `Sources` has).
        engine: where the work runs if it is much; little is done in this process, which only reads and decodes what
            was read and decoded before.
        run_id: Dagster's id of the run.
        read_now: paths whose bytes this run compared with their MD5 already, as `prepare_images` tells them.

    Raises:
        StoreError: an image is not what was remembered, or stated. What was remembered of it is forgotten, so that the
            next run finds the truth by itself.
        BrevPipelineError: nothing can be read at all, as `Fetcher.fetch_many` raises it.
    """
    share = config.integrity.recheck
    at = pc.index_in(samples["content_id"], value_set=prepared["content_id"].combine_chunks())
    rows, statuses = samples.filter(pc.is_valid(at)), prepared["status"].take(at.drop_null())
    stated = to_mask(pc.equal(rows["content_source"], "metadata"))
    if not share and not stated.any():
        return Recheck(0, 0, 0, ())
    changed = rows["path"].filter(pc.equal(statuses, "changed"))
    if share and len(changed):
        # What was read for its pixels and had another MD5 than the remembered one is quarantined, and forgotten.
        store.identity_cache.drop_paths(changed.to_pylist(), run_id)
    tried = pc.invert(pc.is_in(statuses, value_set=pa.array(UNREAD_STATUSES, statuses.type)))
    rows, stated = rows.filter(tried), stated[to_mask(tried)]
    remembered, forgotten = _remembered(store, rows, run_id) if share else np.zeros((2, rows.num_rows), bool)
    if not (remembered | forgotten | stated).any():
        return Recheck(0, 0, 0, ())
    keys, log = object_keys(rows), store.recheck_log.read_checked()
    pool = np.flatnonzero(remembered)
    # Stated MD5s that were never compared; of these, those whose bytes this run has read for their pixels.
    new = stated & ~_are_in(pa.array(keys), log[KEY])
    was_read = new.copy()
    was_read[new] = _are_in(rows["path"].filter(pa.array(new)), pa.chunked_array(read_now, TEXT))
    due = forgotten | (new & ~was_read)
    due[pool[choose_sample(keys[pool], log, share, run_id)]] = True
    chosen = rows.filter(pa.array(due))
    found = _reread(chosen, prepared, Rereader(fetch, config.image, store.prepared_pixels), engine)
    # What is gone is the next run's matter, unless nothing but the uploader's word says what it was.
    unproven = set(rows["path"].filter(pa.array(new & due)).to_pylist())
    wrong = {path for path, one in found.items() if one.identity or one.pixels or (one.gone and path in unproven)}
    well = due & ~_are_in(rows["path"], pa.chunked_array([sorted(wrong)], TEXT)) | was_read
    if well.any():
        store.recheck_log.append_checked(keys[well], run_id, keys[remembered | stated])
    if wrong:
        raise _refuse(store, config, chosen, {path: found[path] for path in wrong}, len(found), run_id)
    return Recheck(
        len(pool),
        sum(outcome.gone is None for outcome in found.values()),
        sum(outcome.decoded for outcome in found.values()),
        tuple(f"{path}: {outcome.gone}" for path, outcome in sorted(found.items()) if outcome.gone),
    )


def choose_sample(keys: npt.NDArray[np.uint64], checked: pa.Table, share: float, run_id: str) -> npt.NDArray[np.int64]:
    """Which objects are rechecked; it depends on the objects, not on their order.

    Args:
        keys: (objects,) as `object_keys` gives them.
        checked: as `RecheckLog.read` gives it.
        share: of the objects that is wanted, `LEAST` at least.
        run_id: chooses half of them.

    Returns:
        Places of objects, each once: first those that were not rechecked for the longest time.
    """
    count = min(len(keys), max(LEAST, math.ceil(share * len(keys))))
    draws = mix_bits(keys ^ np.uint64(seed64(0, "recheck", run_id)))
    at = pc.index_in(pa.array(keys), value_set=checked[KEY].combine_chunks())
    last_checked = pc.fill_null(checked[CHECKED].take(at), -1).to_numpy()
    oldest = _least(last_checked, draws, math.ceil(count / 2))
    others = np.ones(len(keys), bool)
    others[oldest] = False
    rest = np.flatnonzero(others)
    return np.concatenate([oldest, rest[np.argsort(draws[rest])[: count - len(oldest)]]])


def _least(times: npt.NDArray[np.int64], draws: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.int64]:
    """Places of the ``count`` least times, where they are equal of the least draws; in that order."""
    if count == 0:
        return np.zeros(0, np.int64)
    near = np.flatnonzero(times <= np.partition(times, count - 1)[count - 1])
    return near[np.lexsort((draws[near], times[near]))[:count]]


def _are_in(values: Any, wanted: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """(rows,) whether each value is one of those wanted."""
    return to_mask(pc.is_in(values, value_set=wanted.combine_chunks()))


def _remembered(
    store: PipelineStore, rows: pa.Table, run_id: str
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether this run remembered each row's identity, and whether nothing remembers it any more."""
    before = store.identity_cache.load_newest(before=run_id)
    now = store.identity_cache.load_newest() if store.identity_cache.was_written_by(run_id) else before
    return _agrees(rows, before, facts=True), ~_agrees(rows, now, facts=False)


def _agrees(rows: pa.Table, memory: pa.Table | None, *, facts: bool) -> npt.NDArray[np.bool_]:
    """Whether a memory has each row's path with its content, and (``facts``) of a file with the same facts."""
    if memory is None:
        return np.zeros(rows.num_rows, bool)
    at = pc.index_in(rows["path"], value_set=memory["path"].combine_chunks())
    same = pc.equal(memory["content_id"].take(at), rows["content_id"])
    if facts:
        same = pc.and_(same, pc.equal(memory["size"].take(at), rows["size"]))
        # A file whose time or inode is another was read in this run. In a bucket the entity tag decides.
        is_file = pc.equal(rows["etag_source"], "md5")
        for name in ("modified", "file_stamp"):
            if name in rows.column_names and name in memory.column_names:
                unchanged = pc.fill_null(pc.equal(memory[name].take(at), rows[name]), True)
                same = pc.and_(same, pc.or_(pc.invert(is_file), unchanged))
    return to_mask(same)


class Asked(NamedTuple):
    """An image that is to be read again."""

    row: SourceRow
    size: int
    """Bytes, as listed."""
    modified: int
    """As listed, microseconds since 1970."""
    file_stamp: str | None
    """As listed."""
    prepared: dict[str, Any] | None
    """Row of ``prepared_images`` to be compared; None: only the bytes are."""


class Outcome(NamedTuple):
    """What reading an image again showed."""

    gone: str | None = None
    """Why its bytes could not be had as they were listed."""
    identity: str | None = None
    """The MD5 that its bytes have in place of the remembered one."""
    pixels: str | None = None
    """In what its prepared pixels or their facts differ from what is on record."""
    decoded: bool = False
    """Whether it was decoded."""


@dataclass(frozen=True)
class Rereader:
    """Reads images again and compares them; sent to each worker once.

    Args:
        fetch: reads the images.
        settings: how they are prepared.
        folder: where the prepared pixels lie.
    """

    fetch: Fetcher
    settings: ImageSettings
    folder: Folder

    def __call__(self, task: Sequence[Asked]) -> list[tuple[str, Outcome]]:
        """Path and outcome of each image of a task, in no order."""
        from brev_pipeline.images.limits import decoding_limits

        by_path = {asked.row.path: asked for asked in task}
        rows = [asked.row for asked in task]
        with decoding_limits(self.settings.max_pixels):
            return [(row.path, self._compare(by_path[row.path], found)) for row, found in self.fetch.fetch_many(rows)]

    def _compare(self, asked: Asked, found: bytes | SourceError) -> Outcome:
        if isinstance(found, SourceError):
            return Outcome(gone=str(found))
        md5 = hashlib.md5(found, usedforsecurity=False).hexdigest()
        if md5 != asked.row.content_id:
            # A source need not be able to say that a file changed.
            has_changed = getattr(self.fetch, "has_changed", lambda *_: False)
            if has_changed(asked.row, asked.size, asked.modified, asked.file_stamp):
                return Outcome(gone="it was changed since it was listed")
            return Outcome(identity=md5)
        if asked.prepared is None:
            return Outcome()
        return Outcome(pixels=self._compare_pixels(asked.row, asked.prepared, found), decoded=True)

    def _compare_pixels(self, source: SourceRow, recorded: Mapping[str, Any], data: bytes) -> str | None:
        from brev_pipeline.images.limits import extend_time_limit
        from brev_pipeline.images.pixel_reader import read_prepared_pixels
        from brev_pipeline.images.prepare_task import prepare_row

        row, image = prepare_row(source, data, extend_time_limit(self.settings))
        if row["status"] in UNDECIDED_STATUSES:
            # That is of this machine, and tells nothing of the record.
            return None
        for name in row.keys() & set(PREPARED_IMAGES.names) - {"content_id", "source_path"}:
            if row[name] != recorded[name]:
                return f"{name} is {recorded[name]!r} on record, and {row[name]!r} by its bytes"
        if image is None:
            return None
        record = pa.Table.from_pylist([dict(recorded)], schema=PREPARED_IMAGES)
        try:
            (stored,) = read_prepared_pixels(self.folder, record)
        except StoreError as error:
            if error.may_pass:
                raise
            return str(error)
        return None if np.array_equal(stored, image) else f"the pixels in {recorded['file']} are others"


def _reread(chosen: pa.Table, prepared: pa.Table, reread: Rereader, engine: Engine) -> dict[str, Outcome]:
    """Path → outcome of every chosen image."""
    from brev_pipeline.engine import SerialEngine

    many = chosen.num_rows >= _MANY_IMAGES or pc.sum(chosen["size"], min_count=0).as_py() >= _MANY_BYTES
    runner: Engine = engine if many else SerialEngine()
    tasks = Counted(_build_tasks(chosen, prepared), len, chosen.num_rows, "images")
    found: dict[str, Outcome] = {}
    for task, outcomes in runner.map(reread, tasks, label="recheck what is remembered", lost="yield"):
        if isinstance(outcomes, LostTask):
            found |= {asked.row.path: Outcome(gone=f"the worker died: {outcomes.reason}") for asked in task}
        else:
            found |= dict(outcomes)
    return found


def _build_tasks(chosen: pa.Table, prepared: pa.Table) -> Iterator[list[Asked]]:
    """The images in tasks; of those with the same content the first one's pixels are compared."""
    at = pc.index_in(chosen["content_id"], value_set=prepared["content_id"].combine_chunks())
    seen: set[str] = set()
    chosen = chosen.set_column(chosen.column_names.index("modified"), "modified", chosen["modified"].cast(pa.int64()))
    for start in range(0, chosen.num_rows, _TASK):
        task = []
        rows, records = chosen.slice(start, _TASK), prepared.take(at.slice(start, _TASK))
        for row, recorded in zip(rows.to_pylist(), records.to_pylist(), strict=True):
            # What kills a decoder is not given to one in this process.
            alive = row["content_id"] not in seen and recorded["status"] not in UNDECIDED_STATUSES
            seen.add(row["content_id"])
            source = SourceRow(*(row[name] for name in SourceRow._fields))
            task.append(Asked(source, row["size"], row["modified"], row.get("file_stamp"), recorded if alive else None))
        yield task


def _refuse(
    store: PipelineStore,
    config: PipelineConfig,
    chosen: pa.Table,
    wrong: Mapping[str, Outcome],
    read: int,
    run_id: str,
) -> StoreError:
    """Forget what was remembered of the images that are otherwise; the error that says so."""
    from brev_pipeline.images.pixel_cache import PixelCache, settings_id

    chosen = chosen.filter(pc.is_in(chosen["path"], value_set=pa.array(list(wrong), TEXT)))
    rows = {row["path"]: row for row in chosen.to_pylist()}
    others = {path: one for path, one in sorted(wrong.items()) if one.identity or one.gone}
    pixels = {path: one.pixels for path, one in sorted(wrong.items()) if one.pixels}
    stated = {path for path, row in rows.items() if row["content_source"] == "metadata"}
    if others:
        store.identity_cache.drop_paths(others, run_id)
    if pixels:
        cache = PixelCache(store.prepared_pixels, settings_id(config.image))
        cache.forget_contents(rows[path]["content_id"] for path in pixels)
    lines = []
    for path, one in others.items():
        source = "is stated in its x-amz-meta-md5" if path in stated else "was remembered"
        now = f"its bytes have {one.identity}" if one.identity else f"its bytes cannot be compared: {one.gone}"
        lines.append(f"{path}: MD5 {rows[path]['content_id']} {source}, {now}")
    lines += [f"{path}: content {rows[path]['content_id']}: {difference}" for path, difference in pixels.items()]
    shown = lines[:_SHOWN] + ([f"… and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else [])
    # What to do about an MD5 that was stated (false), and about an identity or pixels that were remembered (true).
    kinds = {path in pixels or path not in stated for path in wrong}
    return StoreError(
        f"{store.folder.url}: of {read} images that were read again, {len(others)} have other bytes than this run "
        f"took them for, and {len(pixels)} other prepared pixels:\n  " + "\n  ".join(shown) + "\n"
        "What was remembered of them is forgotten. "
        + " ".join(_ADVICE[is_remembered] for is_remembered in sorted(kinds))
    )


_ADVICE: Final = {
    False: "A stated MD5 is the uploader's word: correct x-amz-meta-md5 (or remove it, then the object is read for its "
    "MD5), and run the whole pipeline again, from raw_listing on.",
    True: "Run the whole pipeline again, from raw_listing on: it reads them anew. Somebody changed the store, or "
    "replaced a file without a trace: `brev-pipeline verify --deep` says which published versions hold wrong contents.",
}
