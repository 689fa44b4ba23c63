"""Tables: a row for each photo, in CSV, Parquet or JSON lines; Hugging Face's ``metadata`` files are such.

A column means what the configuration says, and nothing else: the others are told by name.
"""

import io
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config.labels import TableSource
from brev_pipeline.errors import LabelError
from brev_pipeline.labels.sources.photo_files import Ints
from brev_pipeline.labels.sources.text import decode_text, find_separator, parse_number, split_lines
from brev_pipeline.texts import NAMES, TEXT

_TEXT_ENDINGS: Final = ("csv", "tsv", "tab", "txt", "data")
_LINE_ENDINGS: Final = ("jsonl", "ndjson")


@dataclass(frozen=True)
class LabelRows:
    """The rows of a table, as it has them."""

    columns: dict[str, pa.Array]
    """Those that are used: text or numbers; null where there is nothing."""
    lines: Ints
    """(rows,) number of each in the file, from 1: lines of a text, rows of Parquet."""
    unused: list[str]
    """Names of the other columns."""
    element: str
    """What a number of `lines` counts: line or row."""

    def place(self, row: int) -> str:
        """A row in messages."""
        return f"{self.element} {self.lines[row]}"


def read_label_rows(data: bytes, settings: TableSource) -> LabelRows:
    """Read a table by its ending.

    Raises:
        LabelError: it is no table of its kind, a line has another number of fields than the others, or a column that is
            configured is not there; the message names file and line.
    """
    name = settings.file
    ending = name.rpartition(".")[2].lower()
    if not data.strip():
        raise LabelError(f"{name}: is empty: fill it, or take the source out")
    if ending in _TEXT_ENDINGS:
        rows = _read_text(data, settings)
    elif ending == "parquet":
        rows = _read_parquet(data, settings)
    elif ending in _LINE_ENDINGS:
        rows = _read_json_lines(data, settings)
    else:
        known = ", ".join(f".{one}" for one in (*_TEXT_ENDINGS, "parquet", *_LINE_ENDINGS))
        raise LabelError(
            f"{name}: what it holds is told by its ending, which is none of {known}: rename it, or convert"
        )
    if not len(rows.lines):
        raise LabelError(f"{name}: has columns and no row: fill it, or take the source out")
    keys = rows.columns[settings.key]
    if keys.null_count:
        row = int(np.flatnonzero(pc.is_null(keys).to_numpy(zero_copy_only=False))[0])
        raise LabelError(
            f"{name}, {rows.place(row)}: its {settings.key!r} is empty: name the photo, or remove the line"
        )
    return rows


def take_categories(rows: LabelRows, columns: list[str]) -> pa.Array:
    """(rows,) of `NAMES`: what the columns say, in their order, each once; null where all are empty."""
    lists = [
        list(dict.fromkeys(name for name in row if name))
        for row in zip(*(rows.columns[column].to_pylist() for column in columns), strict=True)
    ]
    return pa.array([row or None for row in lists], NAMES)


def take_numbers(rows: LabelRows, column: str, name: str) -> pa.Array:
    """(rows,) float64; null where there is no number.

    Raises:
        LabelError: a field is no number, or none that is finite.
    """
    values = rows.columns[column]
    if pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        numbers = (
            values.cast(pa.float64())
            if not pa.types.is_boolean(values.type)
            else values.cast(pa.int8()).cast(pa.float64())
        )
        odd = np.flatnonzero(pc.fill_null(pc.invert(pc.is_finite(numbers)), False).to_numpy(zero_copy_only=False))
        if len(odd):
            found = numbers[int(odd[0])].as_py()
            raise LabelError(
                f"{name}, {rows.place(int(odd[0]))}: {column!r} is {found}, no number: leave the field empty (null) "
                "where the number is missing"
            )
        return numbers
    distinct = values.dictionary_encode()
    places = _first_rows(distinct)
    parsed = []
    for value, row in zip(distinct.dictionary.to_pylist(), places, strict=True):
        place = f"{name}, {rows.place(row)}, column {column!r}"
        if value.lower() in ("nan", "na", "n/a", "null", "none", "inf", "-inf"):
            raise LabelError(f"{place}: {value!r} is no number: leave the field empty where the number is missing")
        parsed.append(parse_number(value, place))
    return pa.array(parsed, pa.float64()).take(distinct.indices)


def take_texts(rows: LabelRows, column: str) -> pa.Array:
    """(rows,) text; null where there is none."""
    return rows.columns[column].cast(TEXT)


def _first_rows(distinct: pa.DictionaryArray) -> list[int]:
    codes = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    values, first = np.unique(codes, return_index=True)
    return [int(row) for code, row in zip(values, first, strict=True) if code >= 0]


def _read_text(data: bytes, settings: TableSource) -> LabelRows:
    name = settings.file
    text = decode_text(data, name)
    separator, text = find_separator(text, settings.separator, name)
    lines = split_lines(text, separator, name)
    if settings.columns is None:
        _, head = next(lines, (1, []))
        if twice := sorted(column for column, count in Counter(filter(None, head)).items() if count > 1):
            raise LabelError(f"{name}, line 1: two columns are named {', '.join(map(repr, twice))}")
    else:
        head = settings.columns
    wanted = _find_columns(head, settings)
    numbers, rows = list[int](), list[list[str]]()
    for number, fields in lines:
        if len(fields) != len(head):
            raise LabelError(
                f"{name}, line {number}: has {len(fields)} fields, and the table {len(head)} columns "
                f"({', '.join(head)}): a field with the separator in it stands in quotes"
            )
        numbers.append(number)
        rows.append(fields)
    columns = {column: pa.array([fields[at] or None for fields in rows], TEXT) for column, at in wanted.items()}
    return LabelRows(columns, np.array(numbers, np.int64), [one for one in head if one and one not in wanted], "line")


def _find_columns(names: list[str], settings: TableSource) -> dict[str, int]:
    if lost := [column for column in settings.used_columns if column not in names]:
        raise LabelError(
            f"{settings.file}: has no column {', '.join(map(repr, lost))}; its columns are {', '.join(names)}"
            + ("" if settings.columns else "; a table without a head line has header: false and columns")
        )
    return {column: names.index(column) for column in settings.used_columns}


def _read_parquet(data: bytes, settings: TableSource) -> LabelRows:
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        names = [str(column) for column in file.schema_arrow.names]
        table = file.read(columns=list(_find_columns(names, settings)))
        table.validate(full=True)  # its texts too, which are not always UTF-8
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise LabelError(f"{settings.file}: is no Parquet file, or damaged: {' '.join(str(error).split())}") from error
    columns = {column: _plain_column(table[column], column, settings.file) for column in settings.used_columns}
    unused = [column for column in names if column not in columns]
    return LabelRows(columns, np.arange(1, table.num_rows + 1), unused, "row")


def _plain_column(column: pa.ChunkedArray, name: str, file: str) -> pa.Array:
    """A column of texts or numbers as one array; an empty text is null, as in a text table."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        texts = column.cast(TEXT).combine_chunks()
        return pc.if_else(pc.equal(texts, ""), pa.scalar(None, TEXT), texts)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return column.combine_chunks()
    raise LabelError(f"{file}: column {name!r} holds {kind}, and labels are texts or numbers")


def _read_json_lines(data: bytes, settings: TableSource) -> LabelRows:
    name, names = settings.file, settings.used_columns
    numbers, rows, others = list[int](), list[list[Any]](), dict[str, None]()
    for number, line in enumerate(decode_text(data, name).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=lambda word: float(word.replace("Infinity", "inf")))
        except (json.JSONDecodeError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            raise LabelError(f"{name}, line {number}: not JSON, or cut short: {what}") from error
        if not isinstance(row, dict):
            raise LabelError(f'{name}, line {number}: a line holds an object, as in {{"file_name": "a.jpg"}}')
        others.update(dict.fromkeys(row))
        numbers.append(number)
        rows.append([row.get(column) for column in names])
    _find_columns(list(others), settings)
    lines = np.array(numbers, np.int64)
    columns = {column: _json_column([row[at] for row in rows], column, name, lines) for at, column in enumerate(names)}
    return LabelRows(columns, lines, [one for one in others if one not in columns], "line")


def _json_column(values: list[Any], column: str, name: str, lines: Ints) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    for row, value in enumerate(values):
        if isinstance(value, list | dict):
            raise LabelError(f"{name}, line {lines[row]}: {column!r} holds a {type(value).__name__}; labels are plain")
    if kinds <= {int, float} and kinds:
        return (
            pa.array([None if value is None else float(value) for value in values], pa.float64())
            if float in kinds
            else _whole_numbers(values)
        )
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if not kinds <= {str}:
        words = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise LabelError(f"{name}: column {column!r} holds {words}: write all of its values in one way")
    return pa.array([value or None for value in values], TEXT)


def _whole_numbers(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.int64())
    except (OverflowError, pa.ArrowInvalid):
        return pa.array([None if value is None else str(value) for value in values], TEXT)
