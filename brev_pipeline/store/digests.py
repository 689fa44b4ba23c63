"""Digests: the SHA-256 of files that this process has read whole already, so that none is read whole twice.

A run opens each table several times. Its whole file is hashed the first time; after that the file's state answers (see
`Folder.state`): a file that is replaced or written to in between has another one, and is hashed again. Every page that
is read of it is compared with its checksum each time, whatever is remembered here.
"""

import time
from collections import OrderedDict
from threading import Lock
from typing import Final, Generic, TypeVar

State = tuple[object, ...]
Value = TypeVar("Value")
DIGESTS: Final = 4096
"""Files whose SHA-256 is remembered, a few hundred bytes each."""
BYTES: Final = 64 << 20
"""Bytes of small tables in buckets that are remembered."""
_TICK: Final = 20_000_000
_COARSE_TICK: Final = 2_500_000_000
"""Nanoseconds within which two writes to a file may leave it the same times; where those are in whole seconds."""


class FileCache(Generic[Value]):
    """Something that is known of files while their states stay the same; what was not asked for longest goes first.

    Args:
        most: how much is kept, in what ``weigh`` counts.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held, self._lock = most, 0, Lock()
        self._known: OrderedDict[tuple[str, State], tuple[Value, int]] = OrderedDict()

    def get(self, place: str, state: State | None) -> Value | None:
        """What is known of the file at ``place`` in this state; None: nothing."""
        if state is None:
            return None
        with self._lock:
            if (found := self._known.get((place, state))) is None:
                return None
            self._known.move_to_end((place, state))
            return found[0]

    def put(self, place: str, state: State | None, value: Value, weight: int = 1) -> None:
        """Keep what was found of the file; nothing is kept without a state, or of more than ``most``."""
        if state is None or weight > self._most:
            return
        with self._lock:
            self._held += weight - self._known.pop((place, state), (None, 0))[1]
            self._known[place, state] = value, weight
            while self._held > self._most:
                self._held -= self._known.popitem(last=False)[1][1]


def is_settled(changed_ns: int) -> bool:
    """Whether a local file's last change is long enough ago for the next one to show in its state."""
    return time.time_ns() - changed_ns > (_TICK if changed_ns % 10**9 else _COARSE_TICK)


SHA256: Final[FileCache[str]] = FileCache(DIGESTS)
"""Hex digests of whole files."""
SMALL_FILES: Final[FileCache[bytes]] = FileCache(BYTES)
"""Whole files in buckets."""
