"""Text on the sheet: a font that is there on every machine, lines that fit."""

import functools
from typing import Any

from PIL import ImageFont

Font = Any
# Seen in class names and paths, and missing from Pillow's own font.
_PLAIN = str.maketrans({"×": "x", "–": "-", "−": "-", "→": ">"})


@functools.cache
def font(size: int, bold: bool = False) -> Font:
    """A font of a size in px: DejaVu Sans, which knows most scripts, or Pillow's own where that is not installed."""
    try:
        return ImageFont.truetype("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def plain(text: str) -> str:
    """Text without the signs that one of the fonts lacks."""
    return text.translate(_PLAIN)


def wrapped(text: str, own: Font, width: int, lines: int) -> list[str]:
    """Text in lines of at most ``width`` px, broken behind commas; what does not fit is cut and marked."""
    out: list[str] = []
    line = ""
    for word in text.replace(", ", ",\n").split("\n"):
        longer = f"{line} {word}".strip()
        if line and own.getlength(longer) > width:
            out.append(line)
            longer = word
        line = longer
    out.append(line)
    if len(out) > lines:
        out = [*out[: lines - 1], " ".join(out[lines - 1 :])]
    return [shortened(one, own, width) for one in out]


def lines_of(text: str, own: Font, width: int) -> list[str]:
    """Text in lines of at most ``width`` px, broken at plain spaces; all of it."""
    out = [""]
    for word in text.split(" "):
        longer = f"{out[-1]} {word}".strip()
        if own.getlength(longer) > width and out[-1]:
            out.append(word)
        else:
            out[-1] = longer
    return out


def shortened(text: str, own: Font, width: int, *, middle: bool = False) -> str:
    """Text of at most ``width`` px: cut at its end, or in its middle, where that is too long."""
    if own.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        head = kept // 2 if middle else kept
        short = text[:head].rstrip(" ,") + "..." + (text[len(text) - (kept - head) :] if middle else "")
        if own.getlength(short) <= width:
            return short
    return ""
