"""Text tables: tables that people keep beside their images, as spreadsheets write them, read as text.

Excel separates with ``;`` where the comma is the decimal mark and with tabs where it says Unicode text, marks UTF-8 and
UTF-16 by their first bytes, may write ``sep=;`` above the head line, and ends short lines early. All of it is taken as
it is meant. What could be meant in two ways is refused: a code page has no name in the file.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import SplitError
from brev_pipeline.texts import TEXT

_AT_ONCE: Final = 65536  # rows that stand as Python's objects
_SEPARATORS: Final = ",;\t"
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_AS_CSV: Final = "save it as CSV in UTF-8 (Excel: 'CSV UTF-8')"


def read_text_table(data: bytes, name: str) -> pa.Table:
    """Read a table with a head line.

    Args:
        data: the file's bytes: fields between commas, semicolons or tabs, in quotes where they need it; in UTF-8, or in
            UTF-16 with its mark.
        name: the file's place, for messages.

    Returns:
        Its columns, all text: ``0001`` stays ``0001``. An empty field, and one that a short line lacks, is null. Empty
        lines, and columns with neither name nor value, are left out.

    Raises:
        SplitError: it is no such table; the message says which line.
    """
    text = _decode(data, name)
    separator, text = _find_separator(text)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        head = [field.strip() for field in next((line for line in lines if any(line)), [])]
        names = _named_columns(head, name)
        parts = [_to_columns(rows, head, first, name) for first, rows in _batch_lines(lines)]
    except csv.Error as error:
        raise SplitError(f"{name}, line {lines.line_num}: not a line of a table: {error}") from error
    whole = pa.concat_tables([_to_columns([], head, 0, name), *parts])
    return whole.select(names).rename_columns([head[int(place)] for place in names])


def _decode(data: bytes, name: str) -> str:
    if data.startswith(b"PK\x03\x04"):
        raise SplitError(f"{name}: a workbook, and no table as text: {_AS_CSV}")
    mark, encoding = next(((mark, kind) for mark, kind in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SplitError(f"{name}, line {line}: its letters are not in UTF-8: {_AS_CSV}") from error
    if "\0" in text:
        raise SplitError(f"{name}: holds bytes that are no text, as UTF-16 without its mark does: {_AS_CSV}")
    return text.removeprefix("\ufeff")  # a table that was marked twice


def _find_separator(text: str) -> tuple[str, str]:
    """What separates the fields, and the text without the line that said so."""
    head, _, rest = text.lstrip("\r\n").partition("\n")
    said = head.rstrip("\r").strip('"')
    if len(said) == 5 and said.lower().startswith("sep="):
        return said[4], rest
    # Outside of quotes: every other piece between them.
    bare = "".join(head.split('"')[::2])
    return max(_SEPARATORS, key=bare.count), text


def _named_columns(head: list[str], name: str) -> list[str]:
    """Places of the columns that have a name."""
    if not any(head):
        raise SplitError(f"{name}: is empty: a table begins with a line that names its columns")
    if twice := sorted(column for column, count in Counter(filter(None, head)).items() if count > 1):
        raise SplitError(f"{name}: two columns are named {', '.join(map(repr, twice))}; each needs a name of its own")
    return [str(place) for place, column in enumerate(head) if column]


def _batch_lines(lines: Iterator[list[str]]) -> Iterator[tuple[int, list[list[str]]]]:
    """Lines with anything in them, and how many there were before."""
    full, first = filter(any, lines), 0
    while rows := list(islice(full, _AT_ONCE)):
        yield first, rows
        first += len(rows)


def _to_columns(rows: list[list[str]], head: list[str], first: int, name: str) -> pa.Table:
    """The columns of some lines, named by their places; ``first`` of the rows have gone before."""
    width = len(head)
    if not all(head) or set(map(len, rows)) - {width}:
        rows = [_fit_line(line, head, first + place, name) for place, line in enumerate(rows)]
    columns = zip(*rows, strict=True) if rows else [()] * width
    texts = (pa.array(column, TEXT) for column in columns)
    filled = [pc.if_else(pc.equal(column, ""), pa.scalar(None, TEXT), column) for column in texts]
    return pa.table(filled, [str(place) for place in range(width)])


def _fit_line(line: list[str], head: list[str], row: int, name: str) -> list[str]:
    if any(value and not column for value, column in zip_longest(line, head, fillvalue="")):
        raise SplitError(
            f"{name}, row {row + 1} below the head line: has a value in a column without a name: {line}; the columns "
            f"are {', '.join(filter(None, head))}. A field with the separator in it stands in quotes"
        )
    return [*line, *[""] * (len(head) - len(line))][: len(head)]
