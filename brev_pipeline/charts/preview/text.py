"""Text on the sheet: one font on every machine, lines that fit, and nothing in a name that would not be seen."""

from typing import Any

from brev_pipeline import fonts

Font = Any
# Seen in class names and paths, and missing from Pillow's own font.
_PLAIN = str.maketrans({"×": "x", "–": "-", "−": "-", "→": ">"})


def font(size: int, bold: bool = False) -> Font:
    """The font of a size in px."""
    return fonts.font(size, bold=bold)


def plain(text: str) -> str:
    r"""Text in one line, as it can be drawn: without the signs that one of the fonts lacks.

    What has no picture (controls and line feeds, marks of direction, halves of characters that undecodable file names
    are made of) is written out, as ``\u000a``.
    """
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text.translate(_PLAIN))


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
    low, high = 0, len(text) - 1
    while low < high:
        kept = (low + high + 1) // 2
        low, high = (kept, high) if own.getlength(_cut(text, kept, middle)) <= width else (low, kept - 1)
    return _cut(text, low, middle) if low else ""


def _cut(text: str, kept: int, middle: bool) -> str:
    head = kept // 2 if middle else kept
    return text[:head].rstrip(" ,") + "..." + (text[len(text) - (kept - head) :] if middle else "")
