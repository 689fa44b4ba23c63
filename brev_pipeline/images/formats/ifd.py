"""Image file directories: the tables of numbers in TIFF, BigTIFF and EXIF (TIFF 6.0, section 2)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Type → struct letter, for whole numbers: BYTE, UNDEFINED, SHORT, LONG, their signed kin, IFD, LONG8, SLONG8, IFD8.
_LETTERS = {1: "B", 7: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}


@dataclass(frozen=True)
class Directory:
    """One directory of whole numbers; what it says of other kinds of values is left out."""

    data: bytes
    order: str
    fields: dict[int, tuple[str, int]]
    """Tag → struct format of its values, and where they lie."""
    next: int
    """Place of the next directory; 0 after the last."""

    def values(self, tag: int) -> tuple[int, ...]:
        """All values of a tag; none where it is missing or its values lie outside of the file."""
        try:
            kind, place = self.fields[tag]
            return struct.unpack_from(self.order + kind, self.data, place)
        except (KeyError, struct.error, OverflowError):
            return ()

    def value(self, tag: int, default: int) -> int:
        """First value of a tag."""
        return (self.values(tag) or (default,))[0]


def directories(data: bytes) -> Iterator[Directory]:
    """All directories of a TIFF file or EXIF block in their order; ends where the chain leads out or in a circle."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    seen: set[int] = set()
    try:
        (magic,) = struct.unpack_from(order + "H", data, 2)
        big = magic == 43
        (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        while order and place and place not in seen:
            seen.add(place)
            directory = _read(data, order, big, place)
            yield directory
            place = directory.next
    except (struct.error, OverflowError):
        return


def _read(data: bytes, order: str, big: bool, place: int) -> Directory:
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, place)
    first, size, room = (place + 8, 20, 8) if big else (place + 2, 12, 4)
    fields = {}
    for entry in range(first, min(first + size * count, len(data)), size):
        tag, kind, values = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, entry)
        if kind in _LETTERS:
            letters = f"{values}{_LETTERS[kind]}"
            inside = values * struct.calcsize("=" + _LETTERS[kind]) <= room
            where = entry + size - room
            fields[tag] = letters, where if inside else _offset(data, order, big, where)
    end = first + size * count
    following = _offset(data, order, big, end) if end + room <= len(data) else 0
    return Directory(data, order, fields, following)


def _offset(data: bytes, order: str, big: bool, place: int) -> int:
    return int(struct.unpack_from(order + ("Q" if big else "I"), data, place)[0])
