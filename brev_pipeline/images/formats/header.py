"""What a file's header says, before a pixel is decoded."""

from dataclasses import dataclass

from brev_pipeline.errors import DecodeError


@dataclass(frozen=True)
class Header:
    """Facts of an image file, as stored: before orientation, cropping and conversion."""

    format: str
    """bmp, jpeg, png, tiff, webp, gif, jpeg2000, pnm or avif."""
    height: int
    """px, ≥ 1."""
    width: int
    """px, ≥ 1."""
    channels: int
    """Values per pixel in the file; 1 where they are indexes into a palette."""
    bit_depth: int
    """Bits per value in the file."""

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise damaged(f"its header claims a size of {self.width}×{self.height} px")


def damaged(reason: str) -> DecodeError:
    """The error for a file that is not whole."""
    return DecodeError("corrupt", reason)


def unsupported(reason: str) -> DecodeError:
    """The error for a file that may be whole, but is of a kind that is not read here."""
    return DecodeError("unsupported", reason)


def check_pixels(height: int, width: int, max_pixels: int) -> None:
    """Refuse an image of more pixels than the configuration allows.

    Raises:
        DecodeError: ``too_large``.
    """
    if height * width > max_pixels:
        raise too_large(f"{width}×{height} px are more than the limit max_pixels = {max_pixels}")


def too_large(reason: str) -> DecodeError:
    """The error for a file that asks for more than is allowed: pixels, or work that its size does not account for."""
    return DecodeError("too_large", reason)
