"""What is known of each object's identity, so that no later run reads its bytes again to find its MD5; and when its
bytes were last compared with it.

Of either, one Parquet file per run that learned something, its SHA-256 in its name. It is a memory, not a record:
without it everything is found again from the bytes, and objects are rechecked sooner. A file that is damaged, or of an
older release, is passed over with a warning.

Of identities the newest file that is whole counts: what the one before it says is older, and still true of what it
names. Of rechecks all count, back to the newest that holds all that still counts (``…-all-<hash>.parquet``), which is
written now and then. They decide whose turn is next, and which MD5s that were only stated were compared with the bytes
already. There an object is 64 bits, of its path, identity and entity tag: the log of ten million is 160 MB.
"""

import logging
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder
from brev_pipeline.store.hashed_files import hash_in_name, hashed_name
from brev_pipeline.store.parquet import StoredTable, read_verified_table, to_parquet

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_LOG = logging.getLogger(__name__)
COLUMNS: Final = ["path", "size", "modified", "etag", "etag_source", "content_id", "content_source", "file_stamp"]
"""What is remembered of a row of sample_integrity."""
KEY: Final = "key"
CHECKED: Final = "checked"
MANY: Final = 50
"""Files of rechecks from which on they are put together: each is a request where the store is a bucket."""
_STAMP: Final = "%Y%m%dT%H%M%S.%fZ"
_BEGINNING: Final = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)(?:~(\d{9}))?-")
_ALL: Final = re.compile(r"-all-[0-9a-f]{32}\.parquet$")


@dataclass(frozen=True)
class IdentityCache:
    """The memory of one pipeline, in its ``memory`` folder."""

    folder: Folder

    def load_newest(self, *, before: str | None = None) -> "pa.Table | None":
        """What the newest whole file remembers: `COLUMNS`; None where there is none.

        Args:
            before: id of a run whose own files are left out of account; None: all count.

        Raises:
            StoreError: the store cannot be reached just now.
        """
        # The newest first: one that is damaged leaves the one before it, which is older and still true.
        for name in reversed(_stamped_names(self.folder)):
            if before is not None and _is_of(name, before):
                continue
            if (table := self._read(name)) is not None:
                return table
        return None

    def was_written_by(self, run_id: str) -> bool:
        """Whether a run wrote a file of it. Raises `StoreError` where the store cannot be reached just now."""
        return any(_is_of(name, run_id) for name in _stamped_names(self.folder))

    def save_identities(self, integrity: "pa.Table", run_id: str) -> bool:
        """Keep what a run found out, a table of sample_integrity; returns whether that was anything new.

        Raises:
            StoreError: the store cannot be read or written.
        """
        return self._keep(integrity.select(COLUMNS), run_id)

    def drop_paths(self, paths: Iterable[str], run_id: str) -> bool:
        """Remember these objects no longer, which a run found wrong; returns whether any of them was remembered.

        The next run finds their identities from their bytes.

        Raises:
            StoreError: the store cannot be read or written.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        known = self.load_newest()
        if known is None:
            return False
        forgotten = pc.is_in(known["path"], value_set=pa.array(list(paths), known["path"].type))
        return bool(pc.any(forgotten, min_count=0).as_py()) and self._keep(known.filter(pc.invert(forgotten)), run_id)

    def _keep(self, table: "pa.Table", run_id: str) -> bool:
        data, names = to_parquet(table.replace_schema_metadata(None)), _stamped_names(self.folder)
        name = hashed_name(f"{_stamp_after(names)}-{run_id}", data, "-")
        if names and hash_in_name(names[-1]) == hash_in_name(name) and self._is_whole(names[-1]):
            return False
        return self.folder.create_file(name, data, exist_ok=True)

    def _is_whole(self, name: str) -> bool:
        try:
            StoredTable(self.folder, name, verified=True).verify()
        except StoreError as error:
            if error.may_pass:
                raise
            return False
        return True

    def _read(self, name: str) -> "pa.Table | None":
        table = read_verified_table(self.folder, name, "a memory of identities is passed over, an older one counts: %s")
        if table is None:
            return None
        if missing := [column for column in COLUMNS if column not in table.column_names]:
            _LOG.warning("%s is passed over: it lacks %s", self.folder.file_url(name), ", ".join(missing))
            return None
        return table


def _is_of(name: str, run_id: str) -> bool:
    return f"-{run_id}-" in name


@dataclass(frozen=True)
class RecheckLog:
    """The log of one pipeline's rechecks, in its ``rechecks`` folder."""

    folder: Folder

    def read_checked(self) -> "pa.Table":
        """`KEY` (uint64, see `object_keys`), each once, and `CHECKED` (int64, µs since 1970): its last recheck.

        An entry of a later time than now is none: whoever made it would put its object's turn off for ever.

        Raises:
            StoreError: the store cannot be reached just now.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        recent, whole = [_schema().empty_table()], _schema().empty_table()
        for name in reversed(_stamped_names(self.folder)):
            if (table := self._read(name)) is None:
                continue
            table = table.filter(pc.less_equal(table[CHECKED], _now()))
            if holds_all(name):
                whole = table
                break
            recent.append(table)
        # Threads would give the groups in another order each time.
        grouped = pa.concat_tables(recent).group_by(KEY, use_threads=False).aggregate([(CHECKED, "max")])
        newer = grouped.rename_columns([KEY, CHECKED]).cast(_schema())
        return pa.concat_tables([newer, _without(whole, newer[KEY])])

    def append_checked(
        self, checked: "npt.NDArray[np.uint64]", run_id: str, standing: "npt.NDArray[np.uint64] | None" = None
    ) -> None:
        """Note that a run rechecked something.

        Args:
            checked: `object_keys` of what was rechecked.
            run_id: of the run, for the file's name.
            standing: of all that is listed: others are dropped when files are put together; None: none is.

        Raises:
            StoreError: the store cannot be read or written.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        names = _stamped_names(self.folder)
        keys = np.unique(checked)
        entries = pa.table([keys, np.full(len(keys), _now())], schema=_schema())
        stem = f"{_stamp_after(names)}-{run_id}"
        recent = next((count for count, name in enumerate(reversed(names)) if holds_all(name)), len(names))
        if recent >= MANY:
            others = self.read_checked()
            if standing is not None:
                others = others.filter(pc.is_in(others[KEY], value_set=pa.array(standing)))
            entries = pa.concat_tables([entries, _without(others, entries[KEY])])
            stem += "-all"
        data = to_parquet(entries.sort_by(KEY))
        self.folder.create_file(hashed_name(stem, data, "-"), data, exist_ok=True)

    def _read(self, name: str) -> "pa.Table | None":
        table = read_verified_table(self.folder, name, "an entry of the log of rechecks is passed over: %s")
        return table if table is not None and table.schema.equals(_schema()) else None  # of an older release


def object_keys(objects: "pa.Table") -> "npt.NDArray[np.uint64]":
    """(rows,) what the log calls each object: another one if its path, its content or its entity tag is another.

    Args:
        objects: columns path, content_id, etag.
    """
    from brev_pipeline.texts import row_digests

    return row_digests(*(objects[name] for name in ("path", "content_id", "etag")))


def _without(entries: "pa.Table", keys: "pa.ChunkedArray") -> "pa.Table":
    import pyarrow.compute as pc

    return entries.filter(pc.invert(pc.is_in(entries[KEY], value_set=keys.combine_chunks())))


def _now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([pa.field(KEY, pa.uint64(), False), pa.field(CHECKED, pa.int64(), False)])


def holds_all(name: str) -> bool:
    """Whether a file of the log holds all that counts: none before it does, if it is whole."""
    return _ALL.search(name) is not None


def _stamped_names(folder: Folder) -> list[str]:
    """Files whose names begin with a time, so that their order means something; the oldest first."""
    return [name for name in folder.list_names() if _BEGINNING.match(name)]


def _stamp_after(names: Sequence[str]) -> str:
    """The time as names begin with it; later than the last of them, whatever the clock says: what is newest counts."""
    now = datetime.now(UTC).strftime(_STAMP)
    last = _BEGINNING.match(names[-1]) if names else None
    if last is None or last[1] < now:
        return now
    try:
        after = datetime.strptime(last[1], _STAMP).replace(tzinfo=UTC) + timedelta(microseconds=1)
    except (ValueError, OverflowError):
        # A day that there is not, or the last one that there is: they are counted on from there ("~" is after "-").
        return f"{last[1]}~{int(last[2] or 0) + 1:09}"
    return after.strftime(_STAMP)
