"""Sources: the places of a configuration, and the `Fetcher` that reads images from them.

S3 is asked by ``If-Match`` on the entity tag that was listed; a local file has none, and comes as it is. Nothing is
hashed here: whoever takes bytes for those of a row's ``content_id`` compares them (`fetcher.check_recorded_md5`), once.
What the listing refuses (see `ReadLimits`) is not read either, whatever it was when it was listed. Reads go through a
window of threads: several wait for the network at once, few results lie in memory.
"""

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter, thread_time
from typing import Any, Final, TypeVar

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import BrevPipelineError, SourceError
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline.storage.local_files import read_file, stat_file
from brev_pipeline.storage.places import LocalPlace, Place, ReadLimits, S3Place, object_key, parse_place
from brev_pipeline.storage.s3 import ObjectHead, S3Client
from brev_pipeline.storage.storage_errors import S3Error

T = TypeVar("T")
R = TypeVar("R")
_MD5 = re.compile(r"[0-9a-f]{32}")
# Reads under way at once, in each process that reads: a request waits some 40 ms for its first byte.
READS = 8
# HEAD requests under way at once, in each process that asks.
HEADS = 32
# Seconds that a task waits from which on threads pay: to hand a task to one and its result back costs half of it.
_WAIT: Final = 0.0005


@dataclass(frozen=True)
class Sources:
    """The places of a configuration, by bucket as configured. Picklable: connections open on first use."""

    places: dict[str, Place]
    _clients: dict[Any, S3Client] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_config(cls, config: PipelineConfig) -> "Sources":
        """The sources of a configuration's datasets."""
        limits = ReadLimits.from_settings(config.listing)
        places = {}
        for dataset in config.datasets:
            inventory = config.resolve_location(dataset.inventory) if dataset.inventory else None
            folder = config.resolve_location(dataset.bucket)
            places[dataset.bucket] = parse_place(dataset.bucket, folder, dataset.storage, inventory, limits)
        return cls(places)

    def __getstate__(self) -> dict[str, Any]:
        return {"places": self.places, "_clients": {}}

    def get_place(self, bucket: str) -> Place:
        """The place of a configured bucket. Raises `BrevPipelineError` where no dataset has it."""
        try:
            return self.places[bucket]
        except KeyError:
            known = ", ".join(self.places)
            raise BrevPipelineError(f"no dataset has the bucket {bucket!r}; the configured ones are {known}") from None

    def get_client(self, place: S3Place) -> S3Client:
        """The client for a place; places with the same storage settings share one."""
        return self._clients.setdefault(place.storage, S3Client(place.storage))

    def fetch_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, bytes | SourceError]]:
        """Read every row, up to `READS` at once where reads wait; yield in the order of ``rows``.

        See `Fetcher.fetch_many`.

        Raises:
            BrevPipelineError: no dataset has a row's bucket, the server is out of reach after retries, or the
                credentials are not accepted: what is no single image's fault.
        """
        places = [self.get_place(row.bucket) for row in rows]
        window = prefetch_map_if_slow if all(isinstance(place, LocalPlace) for place in places) else prefetch_map
        return window(self._fetch, rows, READS)

    def head_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, ObjectHead | SourceError]]:
        """Ask for every row's headers, up to `HEADS` at once; yield in the order of ``rows``.

        Local files have none. Anonymous readers cannot read what is encrypted with a key, so for them no request
        is sent for an entity tag that looks like an MD5.

        Raises:
            BrevPipelineError: as `fetch_many`.
        """
        for row in rows:
            self.get_place(row.bucket)
        return prefetch_map(self._head, rows, HEADS)

    def stat_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, tuple[int, datetime] | SourceError]]:
        """Look at every row's object without reading it, up to `HEADS` at once; yield in the order of ``rows``.

        Yields:
            Bytes of an object that may be read, and when it was last changed; or a
            `SourceError`: ``changed`` where what is there may not be read, ``missing`` where nothing is there, or it
            cannot be looked at.

        Raises:
            BrevPipelineError: as `fetch_many`.
        """
        for row in rows:
            self.get_place(row.bucket)
        return prefetch_map(self._look, rows, HEADS)

    def has_changed(self, row: SourceRow, size: int, modified: int, file_stamp: str | None = None) -> bool:
        """Whether a local file no longer has the facts that it was listed with. In a bucket ``If-Match`` tells that.

        Args:
            row: names the object.
            size: bytes, as listed.
            modified: its last change as listed, microseconds since 1970.
            file_stamp: ``<mtime_ns>-<ctime_ns>-<inode>`` as listed; None: not known.
        """
        place = self.get_place(row.bucket)
        if not isinstance(place, LocalPlace):
            return False
        try:
            facts = os.stat(f"{place.root}/{object_key(row.bucket, row.path)}")
        except OSError:
            return True
        stamp = f"{facts.st_mtime_ns}-{facts.st_ctime_ns}-{facts.st_ino}"
        return (facts.st_size, facts.st_mtime_ns // 1000, stamp) != (size, modified, file_stamp or stamp)

    def _fetch(self, row: SourceRow) -> bytes | SourceError:
        place = self.get_place(row.bucket)
        try:
            if isinstance(place, LocalPlace):
                return read_file(place, row.path)
            key = place.prefix + object_key(row.bucket, row.path)
            return self.get_client(place).read_object(place.name, key, row.etag, place.limits.max_bytes)
        except SourceError as error:
            return error
        except S3Error as error:
            return _source_error(error)

    def _look(self, row: SourceRow) -> tuple[int, datetime] | SourceError:
        place = self.get_place(row.bucket)
        try:
            if isinstance(place, LocalPlace):
                return stat_file(place, row.path)
            head = self._read_headers(place, row)
        except SourceError as error:
            return error
        except S3Error as error:
            return _source_error(error)
        if head.size is None or head.modified is None:
            return SourceError("missing", f"{row.path}: the server does not tell its size and time")
        if head.size > place.limits.max_bytes:
            reason = f"{row.path} has {head.size:,} bytes, more than listing.max_object_mb allows"
            return SourceError("changed", reason)
        return head.size, head.modified

    def _head(self, row: SourceRow) -> ObjectHead | SourceError:
        place = self.get_place(row.bucket)
        if isinstance(place, LocalPlace) or (place.storage.anon and _MD5.fullmatch(row.etag or "")):
            return ObjectHead(None, False)
        try:
            return self._read_headers(place, row)
        except S3Error as error:
            return _source_error(error)

    def _read_headers(self, place: S3Place, row: SourceRow) -> ObjectHead:
        key = place.prefix + object_key(row.bucket, row.path)
        return self.get_client(place).read_headers(place.name, key, row.etag)


def _source_error(error: S3Error) -> SourceError:
    """What a fault of one object means for its image; other faults are raised again."""
    if error.kind not in ("missing", "changed", "refused"):
        raise error
    return SourceError("changed" if error.kind == "changed" else "missing", str(error))


def prefetch_map(function: Callable[[T], R], tasks: Sequence[T], width: int) -> Iterator[tuple[T, R]]:
    """Yield ``(task, function(task))`` in the order of ``tasks``, at most ``width`` of them begun and not yet yielded.

    An exception of ``function`` is raised at its task's turn; the tasks after it are not begun.
    """
    if width < 2 or len(tasks) < 2:
        yield from ((task, function(task)) for task in tasks)
        return
    pool = ThreadPoolExecutor(min(width, len(tasks)), thread_name_prefix="source")
    try:
        pending: deque[tuple[T, Future[R]]] = deque()
        for task in tasks:
            if len(pending) == width:
                first, future = pending.popleft()
                yield first, future.result()
            pending.append((task, pool.submit(function, task)))
        while pending:
            first, future = pending.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def prefetch_map_if_slow(function: Callable[[T], R], tasks: Sequence[T], width: int) -> Iterator[tuple[T, R]]:
    """As `prefetch_map`, but in the caller's own thread until two tasks in a row have waited.

    A file that lies in the memory of the machine is read in less time than a thread is told to read it; one on a
    disk or another machine is waited for. One wait alone may be that of a busy machine.
    """
    in_a_row = 0
    for done, task in enumerate(tasks, 1):
        began = perf_counter() - thread_time()
        result = function(task)
        in_a_row = in_a_row + 1 if perf_counter() - thread_time() - began > _WAIT else 0
        yield task, result
        if in_a_row == 2:
            yield from prefetch_map(function, tasks[done:], width)
            return
