"""What is known of each object's identity, so that no later run reads its bytes again to find its MD5.

One Parquet file per run that learned something; the newest counts. It is a memory, not a record: without it
everything is found again from the bytes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from brev_pipeline.store.folder import Folder
from brev_pipeline.store.parquet import from_parquet, to_parquet

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final = ["path", "size", "modified", "etag", "etag_source", "content_id", "content_source", "file_stamp"]
"""What is remembered of a row of sample_integrity. A memory of an earlier release has no ``file_stamp``."""


@dataclass(frozen=True)
class IdentityMemory:
    """The memory of one pipeline.

    Args:
        folder: the pipeline's ``memory`` folder.
    """

    folder: Folder

    def recall(self) -> "pa.Table | None":
        """What the newest run remembered: `COLUMNS`; None where nothing was, or it cannot be read."""
        import pyarrow as pa

        names = self.folder.names()
        try:
            return from_parquet(self.folder.read(names[-1])) if names else None
        except pa.ArrowInvalid:
            return None

    def remember(self, integrity: "pa.Table", run_id: str) -> bool:
        """Keep what a run found out; returns whether that was anything new.

        Args:
            integrity: table of sample_integrity.
            run_id: of the run, for the file's name.
        """
        data = to_parquet(integrity.select(COLUMNS).replace_schema_metadata(None))
        names = self.folder.names()
        if names and self.folder.read(names[-1]) == data:
            return False
        # Names sort by time. A clock set back makes older facts count, which are still true of what they name.
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        return self.folder.create(f"{stamp}-{run_id}.parquet", data, exist_ok=True)
