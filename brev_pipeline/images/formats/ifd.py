"""Image file directories: the tables of numbers in TIFF, BigTIFF and EXIF (TIFF 6.0, section 2), and the orientation.

Reading costs what is asked for: a directory's entries are read when its first value is asked for, values only when
theirs are, and never more of them than fit into the file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from brev_pipeline.images.formats.base import corrupt_error

# Type → struct letter, for whole numbers: BYTE, UNDEFINED, SHORT, LONG, their signed kin, IFD, LONG8, SLONG8, IFD8.
_LETTERS = {1: "B", 7: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 11: 4, 13: 4}  # of a value; of all other types 8
_MAX_VALUES = 65_535  # entries of one directory, as many as classic TIFF can count; values that are read of one entry


@dataclass(frozen=True)
class ImageFileDirectory:
    """One directory of whole numbers; what it says of other kinds of values is left out."""

    data: bytes
    byte_order: str  # as struct writes it
    is_big: bool  # whether it is BigTIFF's
    first_entry: int  # place of its first entry
    entry_count: int
    next_offset: int  # place of the next directory; 0 after the last

    @cached_property
    def _fields(self) -> dict[int, tuple[int, int, int]]:
        """Tag → type, number of values, and place of the values or of their offset; of the first that names it."""
        entry = struct.Struct(self.byte_order + ("HHQ8x" if self.is_big else "HHI4x"))
        table = memoryview(self.data)[self.first_entry : self.first_entry + self.entry_count * entry.size]
        head = entry.size - (8 if self.is_big else 4)
        return {
            tag: (kind, count, self.first_entry + number * entry.size + head)
            for number, (tag, kind, count) in reversed([*enumerate(entry.iter_unpack(table))])
        }

    @property
    def has_repeated_tags(self) -> bool:
        """Whether a tag stands in it twice; which of them counts differs from reader to reader."""
        return len(self._fields) < self.entry_count

    @property
    def value_bytes(self) -> int:
        """Bytes of the values of all entries that can lie within the file, those of other kinds included."""
        claimed = (count * _BYTES.get(kind, 8) for kind, count, _ in self._fields.values())
        return sum(length for length in claimed if length <= len(self.data))

    def count_values(self, tag: int) -> int:
        """How many values a tag claims; 0 where it is missing."""
        return self._fields.get(tag, (0, 0, 0))[1]

    def read_values(self, tag: int, most: int = _MAX_VALUES) -> tuple[int, ...]:
        """The first values of a tag; none where it is missing or its values lie outside of the file."""
        kind, count, place = self._fields.get(tag, (0, 0, 0))
        letter = _LETTERS.get(kind)
        if letter is None:
            return ()
        size = count * struct.calcsize("=" + letter)
        if size > (8 if self.is_big else 4):  # else the values stand in the entry itself
            (place,) = struct.unpack_from(self.byte_order + ("Q" if self.is_big else "I"), self.data, place)
        if place + size > len(self.data):
            return ()
        return struct.unpack_from(f"{self.byte_order}{min(count, most)}{letter}", self.data, place)

    def require_values(self, tag: int, *default: int) -> tuple[int, ...]:
        """Values of a tag; the default where it is missing. Refuses those outside of the file, or no whole numbers."""
        values = self.read_values(tag)
        if not values and self.count_values(tag):
            raise corrupt_error(f"the values of its tag {tag} are no whole numbers, or lie outside of the file")
        return values or default


def count_directories(data: bytes, most: int) -> int:
    """How many directories `iterate_directories` finds, up to ``most``; none of their entries is read."""
    return sum(1 for _ in islice(iterate_directories(data), most))


def iterate_directories(data: bytes) -> Iterator[ImageFileDirectory]:
    """All directories of a TIFF file or EXIF block in their order; ends where the chain leads out or in a circle."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    seen: set[int] = set()
    try:
        big = struct.unpack_from(order + "H", data, 2) == (43,)
        count, offset = struct.Struct(order + ("Q" if big else "H")), struct.Struct(order + ("Q" if big else "I"))
        (place,) = offset.unpack_from(data, 8 if big else 4)
        while order and place and place not in seen:
            seen.add(place)
            (entries,) = count.unpack_from(data, place)
            first = place + count.size
            end = first + entries * (20 if big else 12)
            if entries > _MAX_VALUES or end > len(data):
                return
            (place,) = offset.unpack_from(data, end) if end + offset.size <= len(data) else (0,)
            yield ImageFileDirectory(data, order, big, first, entries, place)
    except (struct.error, OverflowError):
        return


_ORIENTATION = 274


def read_exif_orientation(exif: bytes) -> int:
    """Orientation from an EXIF block (a small TIFF file), 1..8; 1 where it says nothing usable."""
    first = next(iterate_directories(exif), None)
    return 1 if first is None else get_orientation(first)


def get_orientation(directory: ImageFileDirectory) -> int:
    """Orientation from a directory, 1..8; 1 where it says nothing usable."""
    value = (directory.read_values(_ORIENTATION, 1) or (1,))[0]
    return value if 1 <= value <= 8 else 1
