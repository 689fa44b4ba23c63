"""Orientation in EXIF: one of eight ways in which the camera was held (TIFF 6.0, tag 274)."""

from brev_pipeline.images.formats.ifd import Directory, directories

_ORIENTATION = 274


def orientation(exif: bytes) -> int:
    """Orientation from an EXIF block (a small TIFF file), 1..8; 1 where it says nothing usable."""
    first = next(directories(exif), None)
    return 1 if first is None else orientation_of(first)


def orientation_of(directory: Directory) -> int:
    """Orientation from a directory, 1..8; 1 where it says nothing usable."""
    value = directory.value(_ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1
