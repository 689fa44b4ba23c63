"""Logs: a hash-chained log compared with its seals, entry by entry, so that each damage is named where it is.

Unlike the readers of the logs (`Publications.read_all`, `AccessLog.read_all`), which stop at the first damage, this
goes on: an auditor wants to know all of it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from brev_pipeline.audit.removals import LOG as REMOVALS
from brev_pipeline.audit.removals import Removal, is_removed
from brev_pipeline.readers.access_log import Access
from brev_pipeline.store import Folder, PipelineStore, Publication, WitnessLog
from brev_pipeline.store.witness_log import FIRST_PARENT, entry_name

_NAME: Final = re.compile(r"\d{8,}\.json")

T = TypeVar("T")


@dataclass(frozen=True)
class LogReport(Generic[T]):
    """What a log holds, and what is wrong with it."""

    entries: dict[int, T]
    """By the number of the file, ascending; those that can be read at all."""
    head: tuple[int, str] | None
    """Number and SHA-256 of the newest entry's file; None for an empty log."""
    problems: list[str]
    notes: list[str]
    """What is no damage by itself, but should be known."""


@dataclass(frozen=True)
class StoreLogs:
    """All logs of a store, and what is wrong with them."""

    publications: LogReport[Publication]
    removals: LogReport[Removal]
    problems: list[str]
    notes: list[str]

    def list_published(self) -> list[str]:
        """The versions in the order of their publications; one that was published again stands there again."""
        return [str(entry.version) for entry in self.publications.entries.values()]

    def list_publications(self, version: str) -> list[Publication]:
        """A version's publications, oldest first."""
        return [entry for entry in self.publications.entries.values() if entry.version == version]

    def list_before(self, version: str) -> list[str]:
        """The versions that were published before this one was for the first time, oldest first."""
        published = self.list_published()
        return published[: published.index(version)] if version in published else []

    def find_removal(self, version: str) -> Removal | None:
        """By which entry a published version is removed; None where it is not, or was published again since."""
        published = self.list_publications(version)
        removals = [entry for entry in self.removals.entries.values() if entry.version == version]
        removal = removals[-1] if published and removals else None
        return removal if removal and is_removed(removal, published[-1].number) else None


def inspect_logs(store: PipelineStore) -> StoreLogs:
    """Check the logs of publications, removals and readings, and that removals name publications that there are.

    Raises:
        StoreError: the store cannot be read.
    """
    publications = _inspect(store, "publications", "publication", Publication)
    removals = _inspect(store, REMOVALS, "removal", Removal)
    readings = _inspect(store, "access", "reading", Access)
    known = {number: entry.sha256 for number, entry in publications.entries.items()}
    unknown = [
        f"{REMOVALS}/{number:08d}.json: it names a publication {entry.publication} that the log does not have"
        for number, entry in removals.entries.items()
        if known.get(entry.publication) != entry.publication_sha256
    ]
    problems = [*publications.problems, *removals.problems, *readings.problems, *unknown]
    return StoreLogs(publications, removals, problems, [*publications.notes, *removals.notes, *readings.notes])


def _inspect(store: PipelineStore, name: str, noun: str, kind: Callable[..., T]) -> LogReport[T]:
    return inspect_log(store.folder / name, store.witness_log(name), noun, kind)


def inspect_log(folder: Folder, seals: WitnessLog, noun: str, kind: Callable[..., T]) -> LogReport[T]:
    """Check a log: numbers without a gap, each entry's hash carried by the next one, and every entry as it was sealed.

    Args:
        folder: the log's.
        seals: the log's.
        noun: what one entry is called.
        kind: makes an entry of its file's JSON and ``sha256``.

    Raises:
        StoreError: the store cannot be read.
    """
    sealed, problems = seals.read_all()
    files, strangers = _read_entries(folder, noun, kind)
    problems += strangers
    notes = []
    # What each entry's hash should be: as it was sealed, else as its file has it. Of several seals any may be the
    # right one; the least hash, so that each verification says the same.
    known = {number: entry.sha256 for number, entry in files.items()}
    known |= {number: min(copies) for number, copies in sealed.items() if known.get(number) not in copies}
    for number in sorted(known):
        if number > 1 and number - 1 not in known:
            gap = folder.file_url(entry_name(number - 1))
            problems.append(f"{gap}: missing: {noun}s were removed before {noun} {number}")
        place = folder.file_url(entry_name(number))
        problems += _check_entry(number, files.get(number), sealed.get(number, {}), known, place, noun)
        if number not in sealed:
            notes.append(
                f"{place} has no seal in {seals.folder.url}: the run was stopped between writing the two, or the seal "
                "was removed"
            )
    head = max(files, default=None)
    entries = {number: files[number].parsed for number in sorted(files)}
    readable = {number: entry for number, entry in entries.items() if entry is not None}
    return LogReport(readable, None if head is None else (head, files[head].sha256), problems, notes)


@dataclass(frozen=True)
class _Entry(Generic[T]):
    """One file of the log; ``parsed`` is None where it cannot be read."""

    sha256: str
    parsed: T | None
    number: Any = None
    parent: Any = None


def _read_entries(folder: Folder, noun: str, kind: Callable[..., T]) -> tuple[dict[int, _Entry[T]], list[str]]:
    files: dict[int, _Entry[T]] = {}
    problems = []
    for name in folder.list_names():
        if not _NAME.fullmatch(name) or name != entry_name(int(name[:-5])):
            problems.append(f"{folder.file_url(name)}: not a {noun}; somebody else put it there")
            continue
        data = folder.read(name)
        digest = hashlib.sha256(data).hexdigest()
        try:
            record = json.loads(data)
            files[int(name[:-5])] = _Entry(digest, kind(**record, sha256=digest), record["number"], record["parent"])
        except (ValueError, TypeError) as error:
            problems.append(f"{folder.file_url(name)}: damaged: not a {noun}: {error}")
            files[int(name[:-5])] = _Entry(digest, None)
    return files, problems


def _check_entry(
    number: int, entry: _Entry[T] | None, copies: dict[str, bytes], known: dict[int, str], place: str, noun: str
) -> Iterator[str]:
    if len(copies) > 1:
        yield f"{place}: {len(copies)} {noun}s were sealed under this number: one was removed and another put there"
    if entry is None:
        yield f"{place}: removed: {_describe_copy(copies)}; its seal is a copy of it"
        return
    if entry.parsed is not None and entry.number != number:
        yield f"{place}: re-ordered or altered: it holds {noun} {entry.number}"
    # Of an entry before which others are missing it cannot be said whether it goes on from them.
    is_lost = number > 1 and number - 1 not in known
    if copies and entry.sha256 not in copies:
        yield f"{place}: altered after it was written: it is not what was sealed ({_describe_copy(copies)})"
    elif entry.parsed is not None and not is_lost and entry.parent != known.get(number - 1, FIRST_PARENT):
        yield f"{place}: does not continue the chain: it, or {noun} {number - 1}, was altered after it was written"


def _describe_copy(copies: dict[str, bytes]) -> str:
    """What a seal says of an entry, in short."""
    try:
        record = json.loads(next(iter(copies.values())))
        names = [name for name in ("version", "published_at", "removed_at", "read_at") if name in record]
        return ", ".join(f"{name} {record[name]}" for name in names) or "no more is known"
    except (ValueError, TypeError):
        return "what stood there cannot be read"
