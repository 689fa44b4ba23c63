"""Garbage: what runs left in the store and nothing needs any more; and how it is removed safely beside a run.

A published version is never garbage (see `removals` for the one way to remove one), nor are the logs. Everything else
is made again by a run that needs it, so the worst that a wrong removal could do is a run that fails and says so. To
keep even that from happening, what a run may be working with is left alone:

* nothing younger than ``min_age`` goes, by the store's own clock stamps;
* while anything in the store was written within the last hour (or within ``min_age``, if that is shorter), a run may
  be under way, and what it might take up again (staging, unfinished versions, prepared pixels) stays;
* whether a version is published is asked again right before its files go; of prepared pixels the index goes first, and
  pixels without an index are not there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from brev_pipeline.audit import needed_pixels
from brev_pipeline.audit.removals import Removals, is_removed
from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import StoreError
from brev_pipeline.store import PipelineStore
from brev_pipeline.store.file_entries import FileEntry, list_entries, remove_files
from brev_pipeline.store.hashed_files import verify_named_file
from brev_pipeline.store.identity_cache import holds_all
from brev_pipeline.store.versions import MANIFEST
from brev_pipeline.table_metadata import FILTERED, STAGING

_QUIET_TIME: Final = timedelta(hours=1)
_KEPT_MEMORIES: Final = 2
# Kinds that a run under way might take up again.
_RESUMED_KINDS: Final = ("staging", "unpublished version", "prepared pixels", "filtered listing")


@dataclass(frozen=True)
class GarbageRules:
    """What counts as old."""

    min_age: timedelta = timedelta(hours=24)
    """Nothing younger is removed. 0 only if no run is under way."""
    older_than: timedelta = timedelta(days=30)
    """Of the tables of old runs, and of prepared pixels that nothing refers to."""
    keep_runs: int = 10
    """Newest runs whose tables are kept whatever their age."""


@dataclass(frozen=True)
class Garbage:
    """Files that belong together and may go."""

    kind: str
    """staging, unpublished version, rest of a removed version, tables of an old run, memory, log of rechecks, filtered
    listing, prepared pixels, temporary file."""
    place: str
    """Below the pipeline's folder of the store."""
    why: str
    names: tuple[str, ...] = field(repr=False)
    """Files, below the pipeline's folder, in the order in which they are removed."""
    bytes: int
    freed: int
    """Bytes that come free: those that have no other name (a shard in a version, for example)."""
    changed: datetime
    """UTC; the last change of any of them."""

    def contents(self) -> dict[str, Any]:
        """The same, JSON-safe, without the files' names."""
        facts = {name: value for name, value in vars(self).items() if name not in ("names", "changed")}
        return {**facts, "files": len(self.names), "changed": self.changed.isoformat(timespec="seconds")}


@dataclass(frozen=True)
class GarbageSurvey:
    """What lies in a store."""

    garbage: list[Garbage]
    """May go."""
    kept: list[Garbage]
    """Nothing needs it, but it is too young, or a run may be under way."""
    rooms: dict[str, tuple[int, int]]
    """Folder of the store → files and bytes in it, all together."""
    running: str | None
    """Why a run may be under way; None if none seems to be."""
    mixed: int
    """Bytes of prepared pixels that nothing needs, in files with others that are needed: they stay."""

    def to_dict(self) -> dict[str, Any]:
        """The same, JSON-safe."""
        return {
            "garbage": [one.contents() for one in self.garbage],
            "kept": [one.contents() for one in self.kept],
            "rooms": {name: {"files": files, "bytes": size} for name, (files, size) in self.rooms.items()},
            "running": self.running,
            "mixed": self.mixed,
        }


def find_garbage(
    config: PipelineConfig, store: PipelineStore, rules: GarbageRules | None = None, *, now: datetime | None = None
) -> GarbageSurvey:
    """List what nothing needs any more. Nothing is changed.

    Args:
        config: the pipeline as it runs now: pixels prepared by its settings are kept for the newest listing.
        store: the pipeline's store.
        rules: what counts as old.
        now: the time; None: the clock's.

    Raises:
        StoreError: the store cannot be read, or its log of publications is damaged: then nobody can tell what is
            garbage.
    """
    rules, now = rules or GarbageRules(), now or datetime.now(UTC)
    every = list(list_entries(store.folder))
    rooms = _group_by_part((entry for entry in every if not entry.is_temporary), 0)
    tables, staged, filtered = (rooms.get(name, []) for name in ("tables", "staging", "filtered"))
    running = _find_running(every, min(_QUIET_TIME, rules.min_age), now)
    pixels, mixed = _find_prepared(config, store, rooms.get("prepared", []), rules, now)
    unfinished = "a file that was being written when its run was stopped"
    found = [
        *_find_staging(store, staged, tables),
        *_find_unpublished(store, rooms.get("versions", [])),
        *_find_tables(store, tables, rules, now),
        *_find_memories(store, rooms.get("memory", [])),
        *_find_rechecks(store, rooms.get("rechecks", [])),
        *_find_filtered(store, filtered, tables),
        *pixels,
        *(_make_garbage("temporary file", entry.name, [entry], unfinished) for entry in every if entry.is_temporary),
    ]
    old = [one for one in found if now - one.changed >= rules.min_age and not (running and one.kind in _RESUMED_KINDS)]
    kept = [one for one in found if one not in old]
    sizes = {name: (len(some), sum(entry.bytes for entry in some)) for name, some in sorted(rooms.items())}
    return GarbageSurvey(old, kept, sizes, running, mixed)


def remove_garbage(store: PipelineStore, garbage: Sequence[Garbage]) -> list[Garbage]:
    """Remove what `find_garbage` listed, and return what was removed; what was published meanwhile stays.

    Raises:
        StoreError: the store cannot be written; what was removed before is gone.
    """
    removed = []
    for one in garbage:
        # It may have been published since the store was looked through.
        if one.kind == "unpublished version" and one.place.partition("/")[2] in _list_published(store):
            continue
        remove_files(store.folder, one.names)
        removed.append(one)
    return removed


def _list_published(store: PipelineStore) -> set[str]:
    """Ids of all versions that were ever published, those included whose publication only its seal remembers."""
    sealed, _ = store.witness_log("publications").read_all()
    copies = (needed_pixels.parse_json(data) for entry in sealed.values() for data in entry.values())
    return {entry.version for entry in store.publications.read_all()} | {str(copy.get("version")) for copy in copies}


def _group_by_part(entries: Iterable[FileEntry], part: int) -> dict[str, list[FileEntry]]:
    """Entries by a part of their names: 0, the store's folder; 1, what is named in it."""
    groups: dict[str, list[FileEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.name.split("/")[part], []).append(entry)
    return groups


def _find_running(entries: Sequence[FileEntry], quiet: timedelta, now: datetime) -> str | None:
    newest = max(entries, key=lambda entry: entry.written, default=None)
    if newest is None or now - newest.written >= quiet:
        return None
    minutes = max(0, int((now - newest.written).total_seconds() // 60))
    return f"{newest.name} was written {minutes} minutes ago"


def _find_staging(store: PipelineStore, entries: list[FileEntry], tables: list[FileEntry]) -> Iterator[Garbage]:
    """Staged shards, but for those that the newest record table stands on."""
    if not entries:
        return
    in_use = needed_pixels.read_named_version(store, tables, "tfrecord_shards", STAGING)
    for plan, some in _group_by_part(entries, 1).items():
        if plan != in_use:
            yield _make_garbage("staging", f"staging/{plan}", some, "shards of a run that did not publish them")


def _find_unpublished(store: PipelineStore, entries: list[FileEntry]) -> Iterator[Garbage]:
    # The seals too, where an entry of the log itself was lost: a version that was published is never garbage.
    known = _list_published(store)
    last = {entry.version: entry.number for entry in store.publications.read_all()}
    removals = Removals(store)
    for name, some in _group_by_part(entries, 1).items():
        if name not in known:
            yield _make_garbage(
                "unpublished version", f"versions/{name}", some, "a run was stopped before it published it"
            )
            continue
        rest = [entry for entry in some if entry.name != f"versions/{name}/{MANIFEST}"]
        if rest and name in last and is_removed(removals.of(name), last[name]):
            yield _make_garbage("rest of a removed version", f"versions/{name}", rest, "its removal was interrupted")


def _find_tables(
    store: PipelineStore, entries: list[FileEntry], rules: GarbageRules, now: datetime
) -> Iterator[Garbage]:
    """Tables of runs that are neither among the newest, nor hold the newest table of a stage, nor published last."""
    runs = _group_by_part(entries, 1)
    age = {run: max(entry.written for entry in some) for run, some in runs.items()}
    kept = set(sorted(age, key=lambda run: age[run], reverse=True)[: rules.keep_runs])
    kept |= {entry.name.split("/")[1] for entry in needed_pixels.find_newest_tables(entries).values()}
    newest = store.publications.read_newest()
    for run, some in runs.items():
        if run not in kept and now - age[run] >= rules.older_than and (newest is None or run != newest.run_id):
            yield _make_garbage(
                "tables of an old run", f"tables/{run}", some, f"older than {rules.older_than.days} days"
            )


def _find_memories(store: PipelineStore, entries: list[FileEntry]) -> Iterator[Garbage]:
    # Only the newest whole one counts; the one before is kept in case that is damaged.
    old, whole = sorted(entries, key=lambda entry: entry.name), 0
    while old and whole < _KEPT_MEMORIES:
        whole += _is_whole(store, old.pop())
    if old:
        yield _make_garbage("memory", "memory", old, "newer ones hold all that is known")


def _find_rechecks(store: PipelineStore, entries: list[FileEntry]) -> Iterator[Garbage]:
    """What lies before the newest whole file that holds all that counts."""
    old = sorted(entries, key=lambda entry: entry.name)
    while old:
        newest = old.pop()
        if holds_all(newest.name) and _is_whole(store, newest):
            break
    if old:
        yield _make_garbage("log of rechecks", "rechecks", old, "a newer one holds all that counts")


def _is_whole(store: PipelineStore, entry: FileEntry) -> bool:
    """Whether a file has the hash that its name carries."""
    try:
        verify_named_file(store.folder, entry.name)
    except StoreError as error:
        if error.may_pass:
            raise
        return False
    return True


def _find_filtered(store: PipelineStore, entries: list[FileEntry], tables: list[FileEntry]) -> Iterator[Garbage]:
    if not entries:
        return
    in_use = needed_pixels.read_named_version(store, tables, "raw_listing", FILTERED)
    if old := [entry for entry in entries if entry.name != f"filtered/{in_use}"]:
        yield _make_garbage("filtered listing", "filtered", old, "the newest listing does not refer to them")


def _find_prepared(
    config: PipelineConfig, store: PipelineStore, entries: list[FileEntry], rules: GarbageRules, now: datetime
) -> tuple[list[Garbage], int]:
    """Files of prepared pixels none of which any published version or the newest listing refers to."""
    if not entries:
        return [], 0
    found: list[Garbage] = []
    mixed = 0
    needed = needed_pixels.find_needed_contents(config, store, _list_published(store))
    for cache, some in _group_by_part(entries, 1).items():
        files, bytes_mixed = needed_pixels.find_unneeded(
            store, some, needed.get(cache), lambda entry: now - entry.changed >= rules.older_than
        )
        mixed += bytes_mixed
        if files:
            why = f"older than {rules.older_than.days} days, and no version and not the newest listing refers to them"
            found.append(_make_garbage("prepared pixels", f"prepared/{cache}", files, why))
    return found, mixed


def _make_garbage(kind: str, place: str, entries: Sequence[FileEntry], why: str) -> Garbage:
    return Garbage(
        kind,
        place,
        why,
        tuple(entry.name for entry in entries),
        sum(entry.bytes for entry in entries),
        sum(entry.bytes for entry in entries if entry.names == 1),
        max(entry.changed for entry in entries),
    )
