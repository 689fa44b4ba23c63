"""The log of rechecks: when each remembered identity was last compared with its object's bytes.

One small Parquet file per run that rechecked something, its SHA-256 in its name; now and then one that holds all that
still counts (``…-all-<hash>.parquet``), before which nothing counts any more. It only decides whose turn is next: where
it is damaged or gone, objects are rechecked sooner.
"""

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder
from brev_pipeline.store.memory import stamp_after
from brev_pipeline.store.named import hashed_name, read_named
from brev_pipeline.store.parquet import from_parquet, to_parquet

if TYPE_CHECKING:
    import pyarrow as pa

_LOG = logging.getLogger(__name__)
KEY: Final = ["path", "content_id"]
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

    def read(self) -> "pa.Table":
        """`KEY`, each once, and ``checked``: the stamp (text that sorts by time) of its last recheck.

        Raises:
            StoreError: the store cannot be reached just now.
        """
        import pyarrow as pa

        found = [_schema().empty_table()]
        for name in reversed(self.folder.names()):
            if (table := self._read(name)) is not None:
                found.append(table)
                if holds_all(name):
                    break
        grouped = pa.concat_tables(found).group_by(KEY).aggregate([(CHECKED, "max")])
        return grouped.rename_columns([*KEY, CHECKED])

    def append(self, checked: "pa.Table", run_id: str, standing: "pa.Table") -> None:
        """Note that a run rechecked something.

        Args:
            checked: `KEY` of what was rechecked.
            run_id: of the run, for the file's name.
            standing: `KEY` of all that is remembered: others are dropped when files are put together.

        Raises:
            StoreError: the store cannot be read or written.
        """
        import pyarrow as pa

        from brev_pipeline.texts import TEXT

        names = self.folder.names()
        stamp = stamp_after(names)
        stamps = pa.repeat(pa.scalar(stamp, TEXT), checked.num_rows)
        own = checked.select(KEY).append_column(CHECKED, stamps).cast(_schema())
        stem = f"{stamp}-{run_id}"
        if len(names) >= MANY:
            others = self.read().join(own.select(KEY), KEY, join_type="left anti")
            own = pa.concat_tables(
                [own, others.join(standing.select(KEY), KEY, join_type="left semi").select(own.column_names)]
            )
            stem += "-all"
        data = to_parquet(own.sort_by([(name, "ascending") for name in KEY]).replace_schema_metadata(None))
        self.folder.create(hashed_name(stem, data, "-"), data, exist_ok=True)

    def _read(self, name: str) -> "pa.Table | None":
        try:
            table = from_parquet(read_named(self.folder, name), self.folder.place(name), [*KEY, CHECKED])
        except StoreError as error:
            if error.may_pass:
                raise
            _LOG.warning("an entry of the log of rechecks is passed over: %s", error)
            return None
        return table if table.schema.equals(_schema()) else None


def _schema() -> "pa.Schema":
    import pyarrow as pa

    from brev_pipeline.texts import TEXT

    return pa.schema([(name, TEXT) for name in (*KEY, CHECKED)])


def holds_all(name: str) -> bool:
    """Whether a file of the log holds all that counts: none before it does, if it is whole."""
    return _ALL.search(name) is not None
