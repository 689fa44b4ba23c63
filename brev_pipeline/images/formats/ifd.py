"""Image file directories: the tables of numbers in TIFF, BigTIFF and EXIF (TIFF 6.0, section 2).

Reading costs what is asked for: a directory's entries are read when its first value is asked for, values only when
theirs are, and never more of them than fit into the file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

# Type → struct letter, for whole numbers: BYTE, UNDEFINED, SHORT, LONG, their signed kin, IFD, LONG8, SLONG8, IFD8.
_LETTERS = {1: "B", 7: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_MOST = 65_535  # entries of one directory, as many as classic TIFF can count; values that are read of one entry


@dataclass(frozen=True)
class Directory:
    """One directory of whole numbers; what it says of other kinds of values is left out."""

    data: bytes
    order: str
    """Byte order, as struct writes it."""
    big: bool
    """Whether it is BigTIFF's."""
    first: int
    """Place of its first entry."""
    entries: int
    next: int
    """Place of the next directory; 0 after the last."""

    @cached_property
    def _fields(self) -> dict[int, tuple[int, int, int]]:
        """Tag → type, number of values, and place of the values or of their offset."""
        entry = struct.Struct(self.order + ("HHQ8x" if self.big else "HHI4x"))
        table = memoryview(self.data)[self.first : self.first + self.entries * entry.size]
        head = entry.size - (8 if self.big else 4)
        return {
            tag: (kind, count, self.first + number * entry.size + head)
            for number, (tag, kind, count) in enumerate(entry.iter_unpack(table))
        }

    def count(self, tag: int) -> int:
        """How many values a tag claims; 0 where it is missing."""
        return self._fields.get(tag, (0, 0, 0))[1]

    def values(self, tag: int, most: int = _MOST) -> tuple[int, ...]:
        """The first values of a tag; none where it is missing or its values lie outside of the file."""
        kind, count, place = self._fields.get(tag, (0, 0, 0))
        letter = _LETTERS.get(kind)
        if letter is None:
            return ()
        size = count * struct.calcsize("=" + letter)
        if size > (8 if self.big else 4):
            place = _offset(self.data, self.order, self.big, place)
        if place + size > len(self.data):
            return ()
        return struct.unpack_from(f"{self.order}{min(count, most)}{letter}", self.data, place)

    def value(self, tag: int, default: int) -> int:
        """First value of a tag."""
        return (self.values(tag, 1) or (default,))[0]


def directories(data: bytes) -> Iterator[Directory]:
    """All directories of a TIFF file or EXIF block in their order; ends where the chain leads out or in a circle."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    seen: set[int] = set()
    try:
        (magic,) = struct.unpack_from(order + "H", data, 2)
        big = magic == 43
        place = _offset(data, order, big, 8 if big else 4)
        while order and place and place not in seen:
            seen.add(place)
            directory = _open(data, order, big, place)
            if directory is None:
                return
            yield directory
            place = directory.next
    except (struct.error, OverflowError):
        return


def _open(data: bytes, order: str, big: bool, place: int) -> Directory | None:
    """A directory; None where its entries do not all lie in the file, or are more than can be."""
    (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, place)
    first, size, room = (place + 8, 20, 8) if big else (place + 2, 12, 4)
    end = first + size * entries
    if entries > _MOST or end > len(data):
        return None
    following = _offset(data, order, big, end) if end + room <= len(data) else 0
    return Directory(data, order, big, first, entries, following)


def _offset(data: bytes, order: str, big: bool, place: int) -> int:
    return int(struct.unpack_from(order + ("Q" if big else "I"), data, place)[0])
