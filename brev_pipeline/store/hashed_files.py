"""Names that carry the hash of what they name: damage and exchange of a file show before anything of it is believed.

``<anything>.<32 hex>.parquet`` (or with ``-`` before the hash, or nothing): the first 32 hex digits of the SHA-256 of
the file's bytes. Somebody who writes the store on purpose can compute a name too: against that there are the logs and
`verify`, not this.
"""

import hashlib
import re
import time
from collections import OrderedDict
from io import BufferedReader
from threading import Lock
from typing import IO, Final, Generic, TypeVar, cast

from brev_pipeline.errors import StoreError
from brev_pipeline.store.folder import Folder

DIGITS: Final = 32
"""Hex digits of the SHA-256 that a name carries."""
_NAME: Final = re.compile(rf"(?:^|[./-])([0-9a-f]{{{DIGITS}}})\.parquet$")
_RANGE: Final = 8 << 20  # bytes of a file that are read at a time


def short_sha256(data: bytes) -> str:
    """The first `DIGITS` hex digits of the SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def hashed_name(stem: str, data: bytes, separator: str = ".") -> str:
    """``<stem>.<hash>.parquet``: the name of a file that holds ``data``; the separator is ``.`` or ``-``."""
    return f"{stem}{separator}{short_sha256(data)}.parquet"


def hash_in_name(name: str) -> str | None:
    """The hash that a name carries; None where it carries none."""
    match = _NAME.search(name)
    return match[1] if match else None


def write_or_repair(folder: Folder, name: str, data: bytes) -> None:
    """Write a file whose name stands for its content; one of this name that holds anything else is replaced.

    Nothing but damage can be replaced so: `Folder.write` would keep it for ever.

    Raises:
        StoreError: the store cannot be read or written.
    """
    if folder.create_file(name, data, exist_ok=True) or folder.read(name) == data:
        return
    folder.remove(name)
    folder.create_file(name, data, exist_ok=True)


def verify_named_file(folder: Folder, name: str) -> None:
    """Read a file, little of it at a time, and compare it with its name. Raises `StoreError` as `check_name_hash`."""
    check_name_hash(folder, name, file_sha256(folder, name))


def check_recorded_hash(folder: Folder, name: str, recorded: str, actual: str) -> None:
    """Compare a file's SHA-256 with the one that is on record elsewhere. Raises `StoreError` where it is another."""
    if actual != recorded:
        raise StoreError(
            f"{folder.file_url(name)}: damaged or altered: its SHA-256 on record is {recorded[:DIGITS]}…, its bytes "
            f"have {actual[:DIGITS]}…; restore the file (`brev-pipeline verify` says what else was changed)"
        )


def check_named_bytes(folder: Folder, name: str, data: bytes) -> None:
    """Compare bytes that were read of a file with its name. Raises `StoreError` as `check_name_hash`."""
    check_name_hash(folder, name, short_sha256(data))


def read_verified(folder: Folder, name: str) -> bytes:
    """The bytes of a file, once they are compared with its name. Raises `StoreError` as `check_name_hash`."""
    data = folder.read(name)
    check_named_bytes(folder, name, data)
    return data


def check_name_hash(folder: Folder, name: str, actual: str) -> None:
    """Compare a file's SHA-256 with the hash that its name carries.

    Raises:
        StoreError: the name carries no hash, or another one.
    """
    named = hash_in_name(name)
    if named is None:
        raise StoreError(
            f"{folder.file_url(name)}: its name carries no SHA-256, so nobody can tell whether it is whole; it is of "
            "an older release of this package, or somebody else put it there: run again"
        )
    if named != actual[:DIGITS]:
        raise StoreError(
            f"{folder.file_url(name)}: damaged: its name carries the SHA-256 {named}…, its bytes have "
            f"{actual[:DIGITS]}…; restore the file, or run again"
        )


def file_sha256(folder: Folder, name: str) -> str:
    """SHA-256 of a file in hex; little of it is in memory at a time. Raises `StoreError` where it cannot be read."""
    if folder.is_local:
        with folder.open(name) as file:
            return open_file_sha256(file)
    digest, size = hashlib.sha256(), folder.file_size(name)
    for start in range(0, size, _RANGE):
        digest.update(folder.read(name, start, min(_RANGE, size - start)))
    return digest.hexdigest()


def open_file_sha256(file: IO[bytes]) -> str:
    """SHA-256 of an open file, in hex, from its beginning; it stands at its beginning again afterwards."""
    file.seek(0)
    digest = hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest()
    file.seek(0)
    return digest


State = tuple[object, ...]
Value = TypeVar("Value")
_TICK: Final = 20_000_000
# Nanoseconds within which two writes to a file may leave it the same times; where those are in whole seconds.
_COARSE_TICK: Final = 2_500_000_000


class FileCache(Generic[Value]):
    """Something that is known of files while their states stay the same; what was not asked for longest goes first.

    Args:
        most: how much is kept, in what ``weigh`` counts.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held, self._lock = most, 0, Lock()
        self._known: OrderedDict[tuple[str, State], tuple[Value, int]] = OrderedDict()

    def get(self, address: str, state: State | None) -> Value | None:
        """What is known of the file at ``address`` in this state; None: nothing."""
        with self._lock:
            if state is None or (address, state) not in self._known:
                return None
            self._known.move_to_end((address, state))
            return self._known[address, state][0]

    def put(self, address: str, state: State | None, value: Value, weight: int = 1) -> None:
        """Keep what was found of the file; nothing is kept without a state, or of more than ``most``."""
        if state is None or weight > self._most:
            return
        with self._lock:
            self._held += weight - self._known.pop((address, state), (None, 0))[1]
            self._known[address, state] = value, weight
            while self._held > self._most:
                self._held -= self._known.popitem(last=False)[1][1]


def is_settled(changed_ns: int) -> bool:
    """Whether a local file's last change is long enough ago for the next one to show in its state."""
    return time.time_ns() - changed_ns > (_TICK if changed_ns % 10**9 else _COARSE_TICK)


SHA256: Final[FileCache[str]] = FileCache(4096)
"""Hex digests of whole files: of so many, a few hundred bytes each."""
SMALL_FILES: Final[FileCache[bytes]] = FileCache(64 << 20)
"""Whole files in buckets: so many bytes of them."""
