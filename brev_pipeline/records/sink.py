"""The bytes of one shard while it is written: framed, compressed and hashed record by record."""

import hashlib
import zlib
from dataclasses import dataclass, field
from typing import Literal

from brev_pipeline.framing import frame, masked_crc


@dataclass
class Sink:
    """Collects records; holds the file's bytes, for a moment twice, and nothing more.

    gzip has no clock and no name in its header (window bits 16 + 15 write time 0): the same records, the same bytes.
    """

    compression: Literal["none", "gzip"]
    offsets: list[int] = field(default_factory=list)
    """First byte of each frame, in the uncompressed stream."""
    lengths: list[int] = field(default_factory=list)
    """Bytes of each record, without its frame."""
    crcs: list[int] = field(default_factory=list)
    """Masked CRC-32C of each record."""

    def __post_init__(self) -> None:
        # A list, joined once: a buffer that grows copies what it holds again and again.
        self._parts: list[bytes] = []
        self._hash = hashlib.sha256()
        self._next = 0
        self._gzip = zlib.compressobj(6, zlib.DEFLATED, 31) if self.compression == "gzip" else None

    def add(self, record: bytes, crc: int | None = None) -> None:
        """Append a record; its masked CRC-32C need not be computed again where it was checked just now."""
        crc = masked_crc(record) if crc is None else crc
        header, footer = frame(record, crc)
        self.offsets.append(self._next)
        self.lengths.append(len(record))
        self.crcs.append(crc)
        self._next += len(header) + len(record) + len(footer)
        for part in (header, record, footer):
            self._put(self._gzip.compress(part) if self._gzip else part)

    def finish(self) -> tuple[bytes, str]:
        """The file's bytes and their SHA-256."""
        if self._gzip:
            self._put(self._gzip.flush())
        return b"".join(self._parts), self._hash.hexdigest()

    def _put(self, part: bytes) -> None:
        self._parts.append(part)
        self._hash.update(part)
