"""Logs: a hash-chained log compared with its seals, entry by entry, so that each damage is named where it is.

Unlike the readers of the logs (`Publications.all`, `AccessLog.all`), which stop at the first damage, this goes on:
an auditor wants to know all of it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from brev_pipeline.store import Folder, WitnessLog
from brev_pipeline.store.witness_log import FIRST_PARENT, entry_name

_NAME: Final = re.compile(r"\d{8,}\.json")

T = TypeVar("T")


@dataclass(frozen=True)
class LogReport(Generic[T]):
    """What a log holds, and what is wrong with it."""

    entries: dict[int, T]
    """By the number of the file; those that can be read at all."""
    head: tuple[int, str] | None
    """Number and SHA-256 of the newest entry's file; None for an empty log."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is no damage by itself, but should be known."""


@dataclass(frozen=True)
class _Entry(Generic[T]):
    """One file of the log."""

    sha256: str
    parsed: T | None
    number: Any = None
    parent: Any = None


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
    known = _hash_entries(files, sealed)
    for number in sorted(set(files) | set(sealed)):
        if gap := _describe_gap(number, known):
            problems.append(f"{folder.file_url(gap)}: missing: {noun}s were removed before {noun} {number}")
        problems += _entry_problems(number, files, sealed, known, folder, noun)
        if number in files and number not in sealed:
            notes.append(
                f"{folder.file_url(entry_name(number))} has no seal in {seals.folder.url}: the run was stopped between "
                "writing the two, or the seal was removed"
            )
    head = max(files, default=None)
    entries = {number: entry.parsed for number, entry in files.items() if entry.parsed is not None}
    return LogReport(entries, None if head is None else (head, files[head].sha256), problems, notes)


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
            parsed = kind(**record, sha256=digest)
            files[int(name[:-5])] = _Entry(digest, parsed, record["number"], record["parent"])
        except (ValueError, TypeError) as error:
            problems.append(f"{folder.file_url(name)}: damaged: not a {noun}: {error}")
            files[int(name[:-5])] = _Entry(digest, None)
    return files, problems


def _hash_entries(files: dict[int, _Entry[T]], sealed: dict[int, dict[str, bytes]]) -> dict[int, str]:
    """What each entry's hash should be: as it was sealed, else as its file has it."""
    known = {number: entry.sha256 for number, entry in files.items()}
    for number, seals in sealed.items():
        if known.get(number) not in seals:
            known[number] = min(seals)
    return known


def _describe_gap(number: int, known: dict[int, str]) -> str | None:
    """Name of the last entry that is missing right before this one; None if none is."""
    return entry_name(number - 1) if number > 1 and number - 1 not in known else None


def _entry_problems(
    number: int,
    files: dict[int, _Entry[T]],
    sealed: dict[int, dict[str, bytes]],
    known: dict[int, str],
    folder: Folder,
    noun: str,
) -> Iterator[str]:
    place, seals = folder.file_url(entry_name(number)), sealed.get(number, {})
    if len(seals) > 1:
        yield f"{place}: {len(seals)} {noun}s were sealed under this number: one was removed and another put there"
    entry = files.get(number)
    if entry is None:
        yield f"{place}: removed: {_describe_seals(seals)}; its seal is a copy of it"
        return
    if entry.parsed is not None and entry.number != number:
        yield f"{place}: re-ordered or altered: it holds {noun} {entry.number}"
    if seals and entry.sha256 not in seals:
        yield f"{place}: altered after it was written: it is not what was sealed ({_describe_seals(seals)})"
    elif (
        entry.parsed is not None and entry.parent != known.get(number - 1, FIRST_PARENT) and not _is_lost(number, known)
    ):
        yield f"{place}: does not continue the chain: it, or {noun} {number - 1}, was altered after it was written"


def _is_lost(number: int, known: dict[int, str]) -> bool:
    return number > 1 and number - 1 not in known


def _describe_seals(seals: dict[str, bytes]) -> str:
    """What a seal says of an entry, in short."""
    try:
        record = json.loads(next(iter(seals.values())))
        said = ", ".join(
            f"{name} {record[name]}" for name in ("version", "published_at", "removed_at", "read_at") if name in record
        )
    except (ValueError, TypeError):
        return "what stood there cannot be read"
    return said or "no more is known"


def check_order(entries: dict[int, Any]) -> list[str]:
    """Ids of the versions that a log's entries name, in order, each once."""
    return list(dict.fromkeys(str(entries[number].version) for number in sorted(entries)))
