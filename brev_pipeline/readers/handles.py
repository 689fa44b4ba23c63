"""Open files of a version: kept open while they are used on a disk, asked for range by range elsewhere.

A handle does not travel to another process: a copy of this object opens its files anew, and so does a forked child.
"""

import os
from typing import Any, Final

from brev_pipeline.store import Folder

_OPEN: Final = 64
"""Files of a disk that are kept open."""


class Handles:
    """Reads ranges of the files in a folder.

    Args:
        folder: of the version.
    """

    def __init__(self, folder: Folder) -> None:
        self.is_local = folder.is_local
        self._open: dict[str, _File] = {}
        self._folder = folder
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self._folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]

    def place(self, name: str) -> str:
        """Address of a file, for messages."""
        return self._folder.place(name)

    def read(self, name: str, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``; fewer, or an error, where a file ends before.

        Raises:
            StoreError: the file cannot be read.
        """
        if self.is_local:
            return os.pread((self._open.get(name) or self._file(name)).number, length, start)
        return self._own().read(name, start, length)

    def announce(self, name: str, start: int, length: int) -> None:
        """Have the disk read ``length`` bytes from ``start`` ahead, where the system can."""
        if hasattr(os, "posix_fadvise"):
            number = (self._open.get(name) or self._file(name)).number
            os.posix_fadvise(number, start, length, os.POSIX_FADV_WILLNEED)

    def whole(self, name: str) -> bytes:
        """A whole file. Raises `StoreError` where it cannot be read."""
        return self._own().read(name)

    def _own(self) -> Folder:
        """The folder with connections of this process: a forked child cannot use its parent's."""
        if self._process != os.getpid():
            self._folder, self._process = Folder(self._folder.url, self._folder.options), os.getpid()
        return self._folder

    def _file(self, name: str) -> "_File":
        while len(self._open) >= _OPEN:
            # Closed when the last thread that reads from it lets go.
            self._open.pop(next(iter(self._open), ""), None)
        try:
            file = self._open[name] = _File(self.place(name))
        except OSError:
            # The folder's own way of failing explains what is wrong.
            self._folder.read(name, 0, 0)
            raise
        return file


class _File:
    def __init__(self, place: str) -> None:
        self.number = os.open(place, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)
