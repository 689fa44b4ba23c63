"""Names that carry the hash of what they name: damage and exchange of a file show before anything of it is believed.

``<anything>.<32 hex>.parquet`` (or with ``-`` before the hash, or nothing): the first 32 hex digits of the SHA-256 of
the file's bytes. Somebody who writes the store on purpose can compute a name too: against that there are the logs and
`verify`, not this.
"""

import hashlib
import re
from typing import Final

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
    """``<stem>.<hash>.parquet``: the name of a file that holds ``data``.

    Args:
        stem: what the name begins with.
        data: all bytes of the file.
        separator: between stem and hash: ``.`` or ``-``.
    """
    return f"{stem}{separator}{short_sha256(data)}.parquet"


def hash_in_name(name: str) -> str | None:
    """The hash that a name carries; None where it carries none."""
    match = _NAME.search(name)
    return match[1] if match else None


def write_whole(folder: Folder, name: str, data: bytes) -> None:
    """Write a file whose name stands for its content; one of this name that holds anything else is replaced.

    Nothing but damage can be replaced so: `Folder.write` would keep it for ever.

    Raises:
        StoreError: the store cannot be read or written.
    """
    if folder.create(name, data, exist_ok=True) or folder.read(name) == data:
        return
    folder.remove(name)
    folder.create(name, data, exist_ok=True)


def verify_named(folder: Folder, name: str) -> None:
    """Read a file, and compare it with the hash that its name carries; little of it is in memory at a time.

    Raises:
        StoreError: the name carries no hash, the file has another, or it cannot be read.
    """
    _demand(folder, name, _sha256(folder, name)[:DIGITS])


def verify_sha256(folder: Folder, name: str, wanted: str) -> None:
    """Read a file, and compare it with the SHA-256 that is on record elsewhere; little of it is in memory at a time.

    Raises:
        StoreError: the file has another, or cannot be read.
    """
    if (found := _sha256(folder, name)) != wanted:
        raise StoreError(_otherwise(folder, name, wanted, found))


def verify_sha256_bytes(folder: Folder, name: str, data: bytes, wanted: str) -> None:
    """Compare bytes that were read of a file with the SHA-256 on record. Raises `StoreError` as `verify_sha256`."""
    if (found := hashlib.sha256(data).hexdigest()) != wanted:
        raise StoreError(_otherwise(folder, name, wanted, found))


def _otherwise(folder: Folder, name: str, wanted: str, found: str) -> str:
    return (
        f"{folder.place(name)}: damaged or altered: its SHA-256 on record is {wanted[:DIGITS]}…, its bytes have "
        f"{found[:DIGITS]}…; restore the file (`brev-pipeline verify` says what else was changed)"
    )


def verify_named_bytes(folder: Folder, name: str, data: bytes) -> None:
    """Compare bytes that were read of a file with the hash that its name carries. Raises `StoreError` as above."""
    _demand(folder, name, short_sha256(data))


def read_named(folder: Folder, name: str) -> bytes:
    """The bytes of a file, once they are compared with the hash that its name carries.

    Raises:
        StoreError: as `verify_named`.
    """
    data = folder.read(name)
    verify_named_bytes(folder, name, data)
    return data


def _demand(folder: Folder, name: str, found: str) -> None:
    wanted = hash_in_name(name)
    if wanted is None:
        raise StoreError(
            f"{folder.place(name)}: its name carries no SHA-256, so nobody can tell whether it is whole; it is of an "
            "older release of this package, or somebody else put it there: run again"
        )
    if wanted != found:
        raise StoreError(
            f"{folder.place(name)}: damaged: its name carries the SHA-256 {wanted}…, its bytes have {found}…; restore "
            "the file, or run again"
        )


def _sha256(folder: Folder, name: str) -> str:
    digest = hashlib.sha256()
    if folder.is_local:
        with folder.open(name) as file:
            while piece := file.read(_RANGE):
                digest.update(piece)
    else:
        size = folder.size(name)
        for start in range(0, size, _RANGE):
            digest.update(folder.read(name, start, min(_RANGE, size - start)))
    return digest.hexdigest()
