"""S3 scan: all pages of an S3 prefix, many of them at once.

A prefix of one page costs one request. Else the folders directly below it are asked for, and the rest is divided:
folder by folder where folders are large, into groups of folders where they are small (a request for each would cost
more than it brings). A thread that runs out of work has another's span cut in two for it, so that a single large
folder is listed in parallel too.

A page can only be asked for when the one before has ended, unless another starting key is known. Any key will do: a
`KeySpan` is all keys behind ``after``, up to and with ``until``, so wherever it is cut, no key is lost and none is seen
twice; a good cut only balances the work. Keys are compared as S3 orders them, by their UTF-8 bytes, which is the order
of Python's strings too.
"""

import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Condition
from typing import Final, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.engine.progress import create_log_reporter
from brev_pipeline.listing.s3_pages import OBJECTS, Page, parse_page

# Characters that count up in names, by kind: a name's digits are rarely followed by letters at the same place.
_ALPHABETS: Final = ("0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
# Places behind the first difference at which a cut is tried: behind them there is too little left to cut.
_DEPTH: Final = 6


class KeySpan(NamedTuple):
    """The keys ``k`` with ``k.startswith(prefix) and after < k``, and ``k <= until`` where that is given."""

    prefix: str
    after: str = ""
    until: str | None = None


def end_of_folder(folder: str) -> str:
    """A key behind all keys of ``folder`` (which ends with ``/``) and before those of the folders after it."""
    return folder[:-1] + chr(ord("/") + 1)


def span_per_folder(rest: KeySpan, folders: list[str]) -> list[KeySpan]:
    """One span per folder: the part of ``rest`` that lies in folders.

    ``folders`` are the common prefixes directly below ``rest.prefix``, all of them, in order.
    """
    behind = [folder for folder in folders if end_of_folder(folder) > rest.after]
    return [KeySpan(folder, rest.after if rest.after.startswith(folder) else "") for folder in behind]


def cut_at_folders(rest: KeySpan, folders: list[str], parts: int) -> list[KeySpan]:
    """``rest`` cut into at most ``parts`` spans of about equally many folders."""
    behind = [end for folder in folders if (end := end_of_folder(folder)) > rest.after]
    parts = max(1, min(parts, len(behind)))
    cuts = [behind[len(behind) * part // parts - 1] for part in range(1, parts)]
    starts, ends = [rest.after, *cuts], [*cuts, rest.until]
    return [KeySpan(rest.prefix, after, until) for after, until in zip(starts, ends, strict=True)]


def cut_span(span: KeySpan) -> tuple[KeySpan, KeySpan] | None:
    """Two spans that together are ``span``, cut where half of its remaining keys may lie; None: no good cut.

    ``span.after`` should be a key that was seen: the guess goes by its characters.
    """
    after = span.after.removeprefix(span.prefix)
    until = span.until.removeprefix(span.prefix) if span.until and span.until.startswith(span.prefix) else None
    middle = _middle_text(after, until)
    if middle is None:
        return None
    key = span.prefix + middle
    return span._replace(until=key), span._replace(after=key)


def _middle_text(low: str, high: str | None) -> str | None:
    """A text about half-way between two, exclusively; high None: half-way to the last text of low's kind."""
    tried = 0
    for place, character in enumerate(low):
        if high is not None and high[place : place + 1] == character:
            continue
        middle = _middle_character(character, high[place : place + 1] if high is not None else "")
        if middle or tried == _DEPTH:
            return low[:place] + middle if middle else None
        # Everything that begins as low does up to here lies below high.
        high = None
        tried += 1
    return None


def _middle_character(low: str, high: str) -> str:
    """A character half-way between two, exclusively; high empty: to the last of low's kind. Empty: there is none."""
    kind = next((kind for kind in _ALPHABETS if low in kind), "")
    bottom, top = kind.find(low), kind.find(high) if high and high in kind else len(kind)
    middle = (bottom + 1 + top) // 2
    return kind[middle] if bottom < middle < top else ""


_LOG = logging.getLogger(__name__)
THREADS: Final = 16
# With fewer keys per folder than this, folders are listed in groups.
_LARGE_FOLDER: Final = 250
# A span is cut only behind its second page: most end before.
_PAGES_BEFORE_CUT: Final = 2


class PageRequest(Protocol):
    """Asks a server for one page, as `S3Client.list_page` does."""

    def __call__(self, bucket: str, prefix: str, *, after: str = "", delimiter: str = "", token: str = "") -> bytes:
        """The page's XML."""
        ...


def list_s3_objects(pages: PageRequest, bucket: str, prefix: str, threads: int = THREADS) -> pa.Table:
    """Every object whose key begins with ``prefix``: columns of `OBJECTS`, sorted by key, none twice.

    ``prefix`` is empty, or ends with ``/``; ``threads`` requests are under way at once.

    Raises:
        BrevPipelineError: as ``pages`` does; the other threads are stopped.
    """
    return _PrefixListing(pages, bucket, threads).list_all(prefix)


class _PrefixListing:
    def __init__(self, pages: PageRequest, bucket: str, threads: int) -> None:
        self._pages, self._bucket, self._threads = pages, bucket, threads
        self._found: list[tuple[str, pa.Table]] = []
        self._open: list[KeySpan] = []
        self._busy = 0
        self._failed = False
        self._changed = Condition()

    def list_all(self, prefix: str) -> pa.Table:
        first = self._request_page(KeySpan(prefix))
        self._add_objects(first.objects)
        if first.next_token:
            self._open = self._split_into_spans(
                KeySpan(prefix, first.last_key), first, self._request_page(KeySpan(prefix), delimiter="/")
            )
            with ThreadPoolExecutor(self._threads, thread_name_prefix="listing") as pool:
                self._wait_for_workers(
                    [pool.submit(self._list_spans) for _ in range(self._threads)], f"list {self._bucket}/{prefix}"
                )
        return _merge_pages(self._found)

    def _wait_for_workers(self, workers: list[Future[None]], label: str) -> None:
        """Wait for the workers, telling now and then how far they are; raises what one of them raised."""
        reporter, under_way = create_log_reporter(_LOG, label, "objects"), set(workers)
        while under_way:
            under_way = wait(under_way, timeout=1.0).not_done
            # Of a copy: the workers go on adding to it.
            reporter.add_count(sum(objects.num_rows for _, objects in list(self._found)) - reporter.done)
        for worker in workers:
            worker.result()

    def _split_into_spans(self, rest: KeySpan, first: Page, level: Page) -> list[KeySpan]:
        """The spans that the rest of the prefix is listed in, given its first page and what lies directly below it."""
        seen = sum(folder <= rest.after for folder in level.prefixes)
        if level.next_token or first.objects.num_rows < _LARGE_FOLDER * seen:
            return cut_at_folders(rest, level.prefixes, self._threads)
        self._add_objects(_clip_to_span(level.objects, rest))
        return span_per_folder(rest, level.prefixes)

    def _list_spans(self) -> None:
        try:
            while (span := self._take_span()) is not None:
                self._list_span(span)
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()
        except BaseException:  # whatever it is: the others must not wait for this one for ever
            with self._changed:
                self._failed = True
                self._changed.notify_all()
            raise

    def _take_span(self) -> KeySpan | None:
        """A span to list; waits while others may still cut one off; None when all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._open or not self._busy or self._failed)
            if self._failed or not self._open:
                return None
            self._busy += 1
            return self._open.pop(0)

    def _list_span(self, span: KeySpan) -> None:
        token, done = "", 0
        while not self._failed:
            page = self._request_page(span, token=token)
            self._add_objects(_clip_to_span(page.objects, span))
            done += 1
            if not page.next_token or (span.until is not None and page.last_key >= span.until):
                return
            token = page.next_token
            # A server that does not know StartAfter begins below the span.
            if done >= _PAGES_BEFORE_CUT and page.last_key > span.after:
                span = self._offer_half(span._replace(after=page.last_key))

    def _offer_half(self, span: KeySpan) -> KeySpan:
        """What the caller goes on with: all of ``span``, or its lower half where somebody is out of work."""
        with self._changed:
            idle = self._threads - self._busy
            halves = cut_span(span) if idle > len(self._open) else None
            if halves is None:
                return span
            self._open.append(halves[1])
            self._changed.notify_all()
            return halves[0]

    def _request_page(self, span: KeySpan, *, delimiter: str = "", token: str = "") -> Page:
        xml = self._pages(self._bucket, span.prefix, after=span.after, delimiter=delimiter, token=token)
        return parse_page(xml, f"s3://{self._bucket}/{span.prefix}")

    def _add_objects(self, objects: pa.Table) -> None:
        if objects.num_rows:
            self._found.append((objects["key"][0].as_py(), objects))


def _clip_to_span(objects: pa.Table, span: KeySpan) -> pa.Table:
    """The objects of a page that lie in ``span``: all of them, but for the page that reaches over its end."""
    keys = objects["key"]
    if objects.num_rows and keys[0].as_py() <= span.after:
        objects = objects.filter(pc.greater(keys, span.after))
    if span.until is not None and objects.num_rows and objects["key"][-1].as_py() > span.until:
        objects = objects.filter(pc.less_equal(objects["key"], span.until))
    return objects


def _merge_pages(found: list[tuple[str, pa.Table]]) -> pa.Table:
    """All pages, sorted by key. In the order of their first keys they nearly always are already."""
    pages = [page for _, page in sorted(found, key=lambda item: item[0])]
    objects = pa.concat_tables([OBJECTS.empty_table(), *pages]).combine_chunks()
    keys = objects["key"]
    in_order = pc.all(pc.less(keys[:-1], keys[1:]), min_count=0).as_py()
    return objects if in_order else objects.take(pc.sort_indices(keys))
