"""What is known of each object's identity, so that no later run reads its bytes again to find its MD5.

One Parquet file per run that learned something, its SHA-256 in its name; the newest that is whole counts. It is a
memory, not a record: without it everything is found again from the bytes. A file that is damaged, or of an older
release, is passed over with a warning: what the one before it says is older, and still true of what it names.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder
from brev_pipeline.store.named import hashed_name, read_named
from brev_pipeline.store.parquet import from_parquet, to_parquet

if TYPE_CHECKING:
    import pyarrow as pa

_LOG = logging.getLogger(__name__)
COLUMNS: Final = ["path", "size", "modified", "etag", "etag_source", "content_id", "content_source", "file_stamp"]
"""What is remembered of a row of sample_integrity."""


@dataclass(frozen=True)
class IdentityMemory:
    """The memory of one pipeline.

    Args:
        folder: the pipeline's ``memory`` folder.
    """

    folder: Folder

    def recall(self, *, before: str | None = None) -> "pa.Table | None":
        """What the newest whole file remembers: `COLUMNS`; None where there is none.

        Args:
            before: id of a run whose own files are left out of account; None: all count.

        Raises:
            StoreError: the store cannot be reached just now.
        """
        for name in reversed(self.folder.names()):
            if before is not None and f"-{before}-" in name:
                continue
            if (table := self._read(name)) is not None:
                return table
        return None

    def remember(self, integrity: "pa.Table", run_id: str) -> bool:
        """Keep what a run found out; returns whether that was anything new.

        Args:
            integrity: table of sample_integrity.
            run_id: of the run, for the file's name.

        Raises:
            StoreError: the store cannot be read or written.
        """
        return self._keep(integrity.select(COLUMNS), run_id)

    def forget(self, paths: Iterable[str], run_id: str) -> bool:
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

        known = self.recall()
        if known is None:
            return False
        forgotten = pc.is_in(known["path"], value_set=pa.array(list(paths), known["path"].type))
        return bool(pc.any(forgotten, min_count=0).as_py()) and self._keep(known.filter(pc.invert(forgotten)), run_id)

    def _keep(self, table: "pa.Table", run_id: str) -> bool:
        data = to_parquet(table.replace_schema_metadata(None))
        names = self.folder.names()
        if names and names[-1].endswith(hashed_name("", data, "-")) and self.folder.read(names[-1]) == data:
            return False
        return self.folder.create(hashed_name(f"{stamp_after(names)}-{run_id}", data, "-"), data, exist_ok=True)

    def _read(self, name: str) -> "pa.Table | None":
        try:
            table = from_parquet(read_named(self.folder, name), self.folder.place(name))
        except StoreError as error:
            if error.may_pass:
                raise
            _LOG.warning("a memory of identities is passed over, an older one counts: %s", error)
            return None
        if missing := [column for column in COLUMNS if column not in table.column_names]:
            _LOG.warning("%s is passed over: it lacks %s", self.folder.place(name), ", ".join(missing))
            return None
        return table


_STAMP: Final = "%Y%m%dT%H%M%S.%fZ"


def stamp_after(names: Sequence[str]) -> str:
    """The time as names begin with it; later than the last of them, whatever the clock says: what is newest counts."""
    now = datetime.now(UTC)
    if names and (last := stamp_of(names[-1])) is not None and last >= now:
        now = last + timedelta(microseconds=1)
    return now.strftime(_STAMP)


def stamp_of(name: str) -> datetime | None:
    """The time that a name begins with; None where it begins otherwise."""
    try:
        return datetime.strptime(name.partition("-")[0], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
