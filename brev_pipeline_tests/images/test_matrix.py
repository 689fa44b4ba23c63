"""Generated files of every kind: each is read as it was written, which other decoders confirm, or refused as listed."""

import functools
import re

import numpy as np
import pytest

from brev_pipeline_tests.images import matrix, matrix_exceptions, matrix_readers
from brev_pipeline_tests.images.matrix_cells import Cell

pytestmark = pytest.mark.slow


@functools.cache
def examined(format_name):
    return matrix.examine(format_name)


def everything():
    return [result for name in matrix.CELLS for result in examined(name)]


@pytest.mark.parametrize("format_name", matrix.CELLS)
def test_every_file_is_read_as_it_was_written_or_refused_as_listed(format_name):
    faults = [result.fault for result in examined(format_name) if result.fault]
    assert not faults, "\n".join(["", *faults])


def test_the_matrix_is_as_large_and_as_well_judged_as_it_claims():
    results = everything()
    names = {result.cell.name for result in results}
    assert len(names) == len(results) >= 900
    confirmed = [result for result in results if matrix.libraries(result.right) >= 2]
    assert len(confirmed) >= 690
    assert len([result for result in results if not result.right]) <= 30
    # A reader that is missing would be silent: each must be right somewhere in each of its formats.
    working = {(name, result.cell.format) for result in results for name in result.right}
    singles = [(name, format_) for name, (_, formats) in matrix_readers.SINGLE.items() for format_ in formats]
    java = [(name, format_) for name, formats in matrix_readers.JAVA.items() for format_ in formats]
    assert working == {*singles, *java}


def test_every_exception_that_is_listed_excuses_a_file():
    names = [result.cell.name for result in everything()]
    rows = [*matrix_exceptions.REFUSED, *matrix_exceptions.FEWER, *matrix_exceptions.SLACK]
    assert [row.cells for row in rows if not any(re.search(row.cells, name) for name in names)] == []


def test_one_wrong_pixel_is_found_and_named_with_both_values():
    samples = np.full((2, 3, 1), 7, np.uint8)
    written = samples.copy()
    written[1, 2] = 8
    data = b"P5 3 2 255\n" + written.tobytes()
    readers = {name: np.full((2, 3, 3), 7, np.uint8) for name in ("FFmpeg", "netpbm")}
    result = matrix.judge(Cell("pnm made up", data, samples, 255, "made here"), readers)
    assert result.right == ("FFmpeg", "netpbm")
    assert "row 1, column 2 is [8, 8, 8], the samples say [7, 7, 7]" in result.fault


def test_a_file_that_too_few_others_read_must_be_listed():
    samples = np.full((2, 3, 1), 7, np.uint8)
    cell = Cell("pnm made up", b"P5 3 2 255\n" + samples.tobytes(), samples, 255, "made here")
    readers = {"FFmpeg": np.full((2, 3, 3), 7, np.uint8), "netpbm": "cannot"}
    assert "read rightly by FFmpeg only, and not listed" in matrix.judge(cell, readers).fault


def test_a_refusal_that_is_not_listed_and_a_listed_one_that_is_read_are_faults():
    samples = np.zeros((2, 3, 1), np.uint8)
    cut = Cell("pnm cut", b"P5 3 2 255\n", samples, 255, "made here")
    assert "not listed as refused" in matrix.judge(cut, {}).fault
    read = Cell("tiff grey floating point", b"P5 3 2 255\n" + samples.tobytes(), samples, 255, "made here")
    assert "listed as refused" in matrix.judge(read, {}).fault
