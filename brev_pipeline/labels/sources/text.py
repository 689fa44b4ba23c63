"""Text of label files: UTF-8 with or without its mark, its lines, and the fields of a line."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import Final

from brev_pipeline.errors import LabelError

SEPARATORS: Final = (",", ";", "\t", "|")
_IN_WORDS: Final = {"\t": "tab", " ": "space"}
_AS_UTF8: Final = "save it as UTF-8"
_BY_ENDING: Final = {"tsv": "\t", "tab": "\t"}


def decode_text(data: bytes, name: str) -> str:
    """The text of a file without its mark.

    Args:
        data: the file's bytes.
        name: of the file, for messages.

    Raises:
        LabelError: it is empty, or not UTF-8; the message says what it looks like.
    """
    if not data.strip():
        raise LabelError(f"{name}: is empty: fill it, or take it out")
    return decode_any_text(data, name)


def decode_any_text(data: bytes, name: str) -> str:
    """As `decode_text`, of a file that may be empty."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise LabelError(f"{name}: is UTF-16, as its first two bytes say: {_AS_UTF8}")
    if data.startswith(b"PK\x03\x04"):
        raise LabelError(f"{name}: is a workbook or an archive, and no text: save the table as CSV in UTF-8")
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        byte = data[error.start]
        looks = ", as Latin-1 and Windows-1252 write letters" if byte >= 0x80 else ""
        raise LabelError(f"{name}, line {line}: byte {byte:#04x} is not UTF-8{looks}: {_AS_UTF8}") from error
    if "\0" in text:
        raise LabelError(f"{name}: holds zero bytes, as UTF-16 without its mark does: {_AS_UTF8}")
    return text


def find_separator(text: str, separator: str | None, name: str) -> tuple[str, str]:
    """What separates the fields of a table's lines, and the text without a first line ``sep=;`` that says so.

    Args:
        text: of the whole file.
        separator: as configured: a character, ``whitespace``, or None: as the ending and the first line say it.
        name: of the file, for messages, with its ending.

    Raises:
        LabelError: more than one separator is possible, or none, and fields may stand between spaces.
    """
    head, _, rest = text.lstrip("\r\n").partition("\n")
    said = head.rstrip("\r").strip('"')
    if len(said) == 5 and said.lower().startswith("sep="):
        return separator or said[4], rest
    if separator is not None:
        return separator, text
    bare = "".join(head.split('"')[::2])  # outside of quotes
    possible = [one for one in SEPARATORS if one in bare]
    by_ending = _BY_ENDING.get(name.rpartition(".")[2].lower())
    if by_ending in possible:
        return str(by_ending), text
    if len(possible) == 1:
        return possible[0], text
    if not possible and not re.search(r"\S\s+\S", bare):
        return ",", text  # one column
    what = (
        f"may be separated by {' or '.join(_IN_WORDS.get(one, one) for one in possible)}"
        if possible
        else "has none of , ; | and tab, and spaces"
    )
    raise LabelError(
        f"{name}: its first line {what}: say which, as in separator: "
        f"{'whitespace' if not possible else repr(possible[0])}"
    )


def split_lines(text: str, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """The lines with anything in them: number from 1, and fields, without the spaces around them.

    Raises:
        LabelError: quotes are not closed, or stand in the middle of a field.
    """
    if separator == "whitespace":
        for number, line in enumerate(text.split("\n"), 1):
            if line := line.strip(_SPACES):
                yield number, _BETWEEN.split(line)
        return
    # Only at \n and \r: Python's own splitlines knows further ends, which may stand within a name.
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for fields in lines:
            if any(fields):
                yield lines.line_num, [field.strip(_SPACES) for field in fields]
    except csv.Error as error:
        raise LabelError(f"{name}, line {lines.line_num}: not a line of a table: {error}") from error


def parse_number(field: str, place: str) -> float:
    """A number with a decimal point. Raises `LabelError` where a field holds anything else, or is not finite."""
    # Python's own float takes 1_000 and other scripts' digits too.
    if not _NUMBER.fullmatch(field):
        hint = "; write a decimal point, not a comma" if re.fullmatch(r"[+-]?\d*,\d+", field) else ""
        raise LabelError(f"{place}: {field!r} is no number{hint}")
    return float(field)


_SPACES: Final = " \t\r\f\v"
_BETWEEN: Final = re.compile(rf"[{_SPACES}]+")  # ASCII's: other scripts' spaces stand within names
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
