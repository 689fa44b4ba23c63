"""The log of rechecks: when each object's bytes were last compared with the identity that it goes by.

One small Parquet file per run that rechecked something, its SHA-256 in its name; now and then one that holds all that
still counts (``…-all-<hash>.parquet``), before which nothing counts any more. It decides whose turn is next, and which
MD5s that were only stated were compared with the bytes already: where it is damaged or gone, objects are rechecked
sooner. An object is 64 bits, of its path, identity and entity tag, so that the log of ten million is 160 MB.
"""

import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from brev_pipeline.store.folder import Folder
from brev_pipeline.store.hashed_files import hashed_name
from brev_pipeline.store.identity_cache import is_stamped, stamp_after
from brev_pipeline.store.parquet import read_verified_table, to_parquet

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_LOG = logging.getLogger(__name__)
KEY: Final = "key"
CHECKED: Final = "checked"
MANY: Final = 50
"""Files from which on they are put together: each is a request where the store is a bucket."""
_ALL: Final = re.compile(r"-all-[0-9a-f]{32}\.parquet$")


@dataclass(frozen=True)
class RecheckLog:
    """The log of one pipeline.

    Args:
        folder: the pipeline's ``rechecks`` folder.
    """

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
        for name in reversed(self._names()):
            if (table := self._read(name)) is None:
                continue
            table = table.filter(pc.less_equal(table[CHECKED], _now()))
            if holds_all(name):
                whole = table
                break
            recent.append(table)
        newer = _newest(pa.concat_tables(recent))
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

        names = self._names()
        keys = np.unique(checked)
        own = pa.table([keys, np.full(len(keys), _now())], schema=_schema())
        stem = f"{stamp_after(names)}-{run_id}"
        if _since_all(names) >= MANY:
            others = self.read_checked()
            if standing is not None:
                others = others.filter(pc.is_in(others[KEY], value_set=pa.array(standing)))
            own = pa.concat_tables([own, _without(others, own[KEY])])
            stem += "-all"
        data = to_parquet(own.sort_by(KEY))
        self.folder.create_file(hashed_name(stem, data, "-"), data, exist_ok=True)

    def _names(self) -> list[str]:
        return [name for name in self.folder.list_names() if is_stamped(name)]

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


def _newest(entries: "pa.Table") -> "pa.Table":
    """The newest entry of each key."""
    # Threads would give the groups in another order each time.
    grouped = entries.group_by(KEY, use_threads=False).aggregate([(CHECKED, "max")])
    return grouped.rename_columns([KEY, CHECKED]).cast(_schema())


def _without(entries: "pa.Table", keys: "pa.ChunkedArray") -> "pa.Table":
    import pyarrow.compute as pc

    return entries.filter(pc.invert(pc.is_in(entries[KEY], value_set=keys.combine_chunks())))


def _since_all(names: list[str]) -> int:
    """Files after the newest that holds all."""
    return next((count for count, name in enumerate(reversed(names)) if holds_all(name)), len(names))


def _now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([pa.field(KEY, pa.uint64(), False), pa.field(CHECKED, pa.int64(), False)])


def holds_all(name: str) -> bool:
    """Whether a file of the log holds all that counts: none before it does, if it is whole."""
    return _ALL.search(name) is not None
