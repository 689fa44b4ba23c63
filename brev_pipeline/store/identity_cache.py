"""What is known of each object's identity, so that no later run reads its bytes again to find its MD5.

One Parquet file per run that learned something, its SHA-256 in its name; the newest that is whole counts. It is a
memory, not a record: without it everything is found again from the bytes. A file that is damaged, or of an older
release, is passed over with a warning: what the one before it says is older, and still true of what it names.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder
from brev_pipeline.store.hashed_files import hash_in_name, short_sha256
from brev_pipeline.store.parquet import StoredTable, read_verified_table, to_parquet

if TYPE_CHECKING:
    import pyarrow as pa

_LOG = logging.getLogger(__name__)
COLUMNS: Final = ["path", "size", "modified", "etag", "etag_source", "content_id", "content_source", "file_stamp"]
"""What is remembered of a row of sample_integrity."""


@dataclass(frozen=True)
class IdentityCache:
    """The memory of one pipeline.

    Args:
        folder: the pipeline's ``memory`` folder.
    """

    folder: Folder

    def load_newest(self, *, before: str | None = None) -> "pa.Table | None":
        """What the newest whole file remembers: `COLUMNS`; None where there is none.

        Args:
            before: id of a run whose own files are left out of account; None: all count.

        Raises:
            StoreError: the store cannot be reached just now.
        """
        # The newest first: one that is damaged leaves the one before it, which is older and still true.
        for name in reversed(self._names()):
            if before is not None and _is_of(name, before):
                continue
            if (table := self._read(name)) is not None:
                return table
        return None

    def was_written_by(self, run_id: str) -> bool:
        """Whether a run wrote a file of it. Raises `StoreError` where the store cannot be reached just now."""
        return any(_is_of(name, run_id) for name in self._names())

    def save_identities(self, integrity: "pa.Table", run_id: str) -> bool:
        """Keep what a run found out; returns whether that was anything new.

        Args:
            integrity: table of sample_integrity.
            run_id: of the run, for the file's name.

        Raises:
            StoreError: the store cannot be read or written.
        """
        return self._keep(integrity.select(COLUMNS), run_id)

    def drop_paths(self, paths: Iterable[str], run_id: str) -> bool:
        """Remember these objects no longer: the next run finds their identities from their bytes.

        Args:
            paths: of the objects.
            run_id: of the run that found them wrong.

        Returns:
            Whether any of them was remembered.

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
        data = to_parquet(table.replace_schema_metadata(None))
        digest, names = short_sha256(data), self._names()
        if names and hash_in_name(names[-1]) == digest and self._is_whole(names[-1]):
            return False
        return self.folder.create_file(f"{stamp_after(names)}-{run_id}-{digest}.parquet", data, exist_ok=True)

    def _names(self) -> list[str]:
        """Its files, the oldest first."""
        return [name for name in self.folder.list_names() if is_stamped(name)]

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


_STAMP: Final = "%Y%m%dT%H%M%S.%fZ"
_BEGINNING: Final = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)(?:~(\d{9}))?-")


def is_stamped(name: str) -> bool:
    """Whether a name begins with a time, so that its place among the others means something."""
    return _BEGINNING.match(name) is not None


def stamp_after(names: Sequence[str]) -> str:
    """The time as names begin with it; later than the last of them, whatever the clock says: what is newest counts.

    Args:
        names: all of them stamped, sorted.
    """
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
