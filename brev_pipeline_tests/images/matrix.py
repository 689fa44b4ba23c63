"""The matrix: generated files of every kind, read by ours and by decoders of others, and a table of what came of it.

``python -m brev_pipeline_tests.images.matrix [FORMAT …]`` prints it. A cell is right if our pixels are those that its
samples have by the declared rule (of a lossy file: those of every other decoder, within the cell's tolerance), or if
it is refused as `REFUSED` says.
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.decoding import decode
from brev_pipeline_tests.images import matrix_coded, matrix_png, matrix_readers, matrix_rows, matrix_rule, matrix_tiff
from brev_pipeline_tests.images.matrix_exceptions import FEWER, REFUSED

CELLS = {
    "tiff": matrix_tiff.cells,
    "png": matrix_png.cells,
    "jpeg2000": matrix_coded.jpeg2000_cells,
    "pnm": matrix_rows.pnm_cells,
    "bmp": matrix_rows.bmp_cells,
    "jpeg": matrix_coded.jpeg_cells,
    "gif": matrix_coded.gif_cells,
    "webp": matrix_coded.webp_cells,
    "avif": matrix_coded.avif_cells,
}
ENOUGH = {"jpeg2000": 1, "avif": 1}
"""Independent decoders that must agree, where there are not two: all others of JPEG 2000 are OpenJPEG, and libheif with
libaom is the one way to AVIF beside libavif and dav1d."""
_FAR = 8  # mean grey levels between a lossy file's source and what still counts as a reading of it


@dataclass(frozen=True, eq=False)
class Result:
    """What came of one cell."""

    cell: object
    ours: object
    """RGB pixels, or the DecodeError."""
    answers: dict
    """By reader, of the independent ones: RGB pixels, or what it says against the file."""
    right: tuple
    """Readers whose pixels are right."""
    fault: str | None
    """What is wrong with ours, or with the lists of exceptions."""


def examine(format_name):
    """Results of all cells of a format."""
    cells = list(CELLS[format_name]())
    answers = matrix_readers.read_all(cells)
    return [_result(cell, answers[cell.name]) for cell in cells]


def _result(cell, answers):
    truth = matrix_rule.expected(cell)
    right = tuple(name for name, answer in answers.items() if _is_right(answer, truth, cell))
    try:
        ours = decode(cell.data, ImageSettings()).pixels
    except DecodeError as error:
        ours = error
    fault = _fault(cell, ours, truth, {name: answers[name] for name in right}) or _count_fault(cell, right)
    return Result(cell, ours, answers, right, fault)


def _is_right(answer, truth, cell):
    if isinstance(answer, str) or answer.shape != truth.shape:
        return False
    distance = np.abs(answer.astype(int) - truth)
    return bool(distance.mean() <= _FAR if cell.lossy else distance.max() <= cell.tolerance)


def _fault(cell, ours, truth, right):
    refusal = next((row for row in REFUSED if re.search(row.cells, cell.name)), None)
    if isinstance(ours, DecodeError):
        if refusal is None:
            return f"{cell.name}: not read ({ours.status}: {ours}), and not listed as refused"
        if ours.status != refusal.status or not re.search(refusal.says, str(ours)):
            return f"{cell.name}: refused as {ours.status}: {ours}; listed is {refusal.status}: {refusal.says}"
        return None
    if refusal is not None:
        return f"{cell.name}: listed as refused ({refusal.why}), and read"
    if not cell.lossy:
        return _difference(cell, ours, truth, "the samples say")
    faults = [_difference(cell, ours, pixels, f"{name} reads") for name, pixels in right.items()]
    return next((fault for fault in [_strays(cell, ours, truth), *faults] if fault), None)


def _strays(cell, ours, truth):
    if ours.shape == truth.shape and np.abs(ours.astype(int) - truth).mean() <= _FAR:
        return None
    return f"{cell.name}: ours are pixels of another image than was written"


def _difference(cell, ours, wanted, who):
    if ours.shape != wanted.shape:
        return f"{cell.name}: ours are {ours.shape}, {who} {wanted.shape}"
    distance = np.abs(ours.astype(int) - wanted).max(axis=2)
    if distance.max() <= cell.tolerance:
        return None
    row, column = np.unravel_index(distance.argmax(), distance.shape)
    found, right = ours[row, column].tolist(), wanted[row, column].tolist()
    share = (distance > cell.tolerance).mean()
    return f"{cell.name}: row {row}, column {column} is {found}, {who} {right} ({share:.0%} of the pixels are wrong)"


def _count_fault(cell, right):
    """Too few other decoders agree, and it is not listed; or it is listed, and enough do."""
    wanted = ENOUGH.get(cell.format, 2)
    few = next((row for row in FEWER if re.search(row.cells, cell.name)), None)
    if few is None and len(right) < wanted:
        return f"{cell.name}: read rightly by {', '.join(right) or 'no other decoder'} only, and not listed"
    if few is not None and len(right) != few.count:
        return f"{cell.name}: listed with {few.count} other decoders, and read rightly by {', '.join(right) or 'none'}"
    return None


def _print(format_name, results):
    refused = [result for result in results if isinstance(result.ours, DecodeError)]
    lossy = sum(result.cell.lossy for result in results if not isinstance(result.ours, DecodeError))
    faults = [result.fault for result in results if result.fault]
    counts = Counter(min(len(result.right), 3) for result in results)
    agree = "  ".join(f"{counts[count]:4}" for count in range(4))
    read = len(results) - len(refused)
    print(f"{format_name:9} {len(results):5} {read - lossy:10} {lossy:10} {len(refused):8} {len(faults):6}   {agree}")
    return faults


def main(names):
    """Print the table, then readers, exceptions, and what is wrong; returns the number of faults."""
    print("format    cells   to equal  to be near  refused  wrong   right by 0 / 1 / 2 / 3+ other decoders")
    everything = {name: examine(name) for name in names or CELLS}
    faults = [fault for name, results in everything.items() for fault in _print(name, results)]
    results = [result for each in everything.values() for result in each]
    print(f"\n{len(results)} cells. Cells read rightly, of those given to it, by each other decoder:")
    for name in matrix_readers.BASIS:
        given = [result for result in results if name in result.answers]
        formats = Counter(result.cell.format for result in given)
        rights = Counter(result.cell.format for result in given if name in result.right)
        print(f"  {name:14} " + ", ".join(f"{key} {rights[key]}/{count}" for key, count in formats.items()))
    for title, rows in (("Refused", REFUSED), ("Read rightly by fewer other decoders than wanted", FEWER)):
        print(f"\n{title}:")
        for row in rows:
            count = sum(bool(re.search(row.cells, result.cell.name)) for result in results)
            print(f"  {count:3} × {row.cells}: {row.why}")
    print("\nWrong:" if faults else "\nNothing is wrong.")
    for fault in faults:
        print(f"  {fault}")
    return len(faults)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
