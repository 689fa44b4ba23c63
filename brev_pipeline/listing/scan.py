"""The scan: all pages of an S3 prefix, many of them at once.

A prefix of one page costs one request. Else the folders directly below it are asked for, and the rest is divided:
folder by folder where folders are large, into groups of folders where they are small (a request for each would cost
more than it brings). A thread that runs out of work has another's span cut in two for it, so that a single large
folder is listed in parallel too.
"""

import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Condition
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.engine.progress import create_log_reporter
from brev_pipeline.listing.pages import OBJECTS, Page, parse_page
from brev_pipeline.listing.spans import Span, at_folders, by_folder, cut

_LOG = logging.getLogger(__name__)
THREADS: Final = 16
# With fewer keys per folder than this, folders are listed in groups.
_LARGE_FOLDER: Final = 250
# A span is cut only behind its second page: most end before.
_PAGES_BEFORE_CUT: Final = 2


class Pages(Protocol):
    """Asks a server for one page, as `S3Client.page` does."""

    def __call__(self, bucket: str, prefix: str, *, after: str = "", delimiter: str = "", token: str = "") -> bytes:
        """The page's XML."""
        ...


def scan(pages: Pages, bucket: str, prefix: str, threads: int = THREADS) -> pa.Table:
    """Every object whose key begins with ``prefix``: columns of `OBJECTS`, sorted by key, none twice.

    Args:
        pages: asks the server for a page.
        bucket: name of the bucket.
        prefix: empty, or ending with ``/``.
        threads: requests under way at once.

    Raises:
        BrevPipelineError: as ``pages`` does; the other threads are stopped.
    """
    return _Scan(pages, bucket, threads).run(prefix)


class _Scan:
    def __init__(self, pages: Pages, bucket: str, threads: int) -> None:
        self._pages, self._bucket, self._threads = pages, bucket, threads
        self._found: list[tuple[str, pa.Table]] = []
        self._open: list[Span] = []
        self._busy = 0
        self._failed = False
        self._changed = Condition()

    def run(self, prefix: str) -> pa.Table:
        first = self._page(Span(prefix))
        self._keep(first.objects)
        if first.token:
            self._open = self._divide(Span(prefix, first.last), first, self._page(Span(prefix), delimiter="/"))
            with ThreadPoolExecutor(self._threads, thread_name_prefix="listing") as pool:
                self._watch([pool.submit(self._work) for _ in range(self._threads)], f"list {self._bucket}/{prefix}")
        return _joined(self._found)

    def _watch(self, workers: list[Future[None]], label: str) -> None:
        """Wait for the workers, telling now and then how far they are; raises what one of them raised."""
        reporter, under_way = create_log_reporter(_LOG, label, "objects"), set(workers)
        while under_way:
            under_way = wait(under_way, timeout=1.0).not_done
            reporter.add_count(sum(objects.num_rows for _, objects in list(self._found)) - reporter.done)
        for worker in workers:
            worker.result()

    def _divide(self, rest: Span, first: Page, level: Page) -> list[Span]:
        """The spans that the rest of the prefix is listed in, given its first page and what lies directly below it."""
        seen = sum(folder <= rest.after for folder in level.prefixes)
        if level.token or first.objects.num_rows < _LARGE_FOLDER * seen:
            return at_folders(rest, level.prefixes, self._threads)
        self._keep(_within(level.objects, rest))
        return by_folder(rest, level.prefixes)

    def _work(self) -> None:
        try:
            while (span := self._next()) is not None:
                self._list(span)
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()
        except BaseException:
            with self._changed:
                self._failed = True
                self._changed.notify_all()
            raise

    def _next(self) -> Span | None:
        """A span to list; waits while others may still cut one off; None when all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._open or not self._busy or self._failed)
            if self._failed or not self._open:
                return None
            self._busy += 1
            return self._open.pop(0)

    def _list(self, span: Span) -> None:
        token, done = "", 0
        while not self._failed:
            page = self._page(span, token=token)
            self._keep(_within(page.objects, span))
            done += 1
            if not page.token or (span.until is not None and page.last >= span.until):
                return
            token = page.token
            # A server that does not know StartAfter begins below the span.
            if done >= _PAGES_BEFORE_CUT and page.last > span.after:
                span = self._share(span._replace(after=page.last))

    def _share(self, span: Span) -> Span:
        """What the caller goes on with: all of ``span``, or its lower half where somebody is out of work."""
        with self._changed:
            idle = self._threads - self._busy
            halves = cut(span) if idle > len(self._open) else None
            if halves is None:
                return span
            self._open.append(halves[1])
            self._changed.notify_all()
            return halves[0]

    def _page(self, span: Span, *, delimiter: str = "", token: str = "") -> Page:
        xml = self._pages(self._bucket, span.prefix, after=span.after, delimiter=delimiter, token=token)
        return parse_page(xml, f"s3://{self._bucket}/{span.prefix}")

    def _keep(self, objects: pa.Table) -> None:
        if objects.num_rows:
            self._found.append((objects["key"][0].as_py(), objects))


def _within(objects: pa.Table, span: Span) -> pa.Table:
    """The objects of a page that lie in ``span``: all of them, but for the page that reaches over its end."""
    keys = objects["key"]
    if objects.num_rows and keys[0].as_py() <= span.after:
        objects = objects.filter(pc.greater(keys, span.after))
    if span.until is not None and objects.num_rows and objects["key"][-1].as_py() > span.until:
        objects = objects.filter(pc.less_equal(objects["key"], span.until))
    return objects


def _joined(found: list[tuple[str, pa.Table]]) -> pa.Table:
    """All pages, sorted by key. In the order of their first keys they nearly always are already."""
    pages = [page for _, page in sorted(found, key=lambda item: item[0])]
    objects = pa.concat_tables([OBJECTS.empty_table(), *pages]).combine_chunks()
    keys = objects["key"]
    in_order = pc.all(pc.less(keys[:-1], keys[1:]), min_count=0).as_py()
    return objects if in_order else objects.take(pc.sort_indices(keys))
