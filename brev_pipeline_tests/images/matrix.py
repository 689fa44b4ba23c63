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
from brev_pipeline.images.decoding import decode_image
from brev_pipeline_tests.images import matrix_coded, matrix_png, matrix_readers, matrix_rows, matrix_rule, matrix_tiff
from brev_pipeline_tests.images.matrix_exceptions import FEWER, REFUSED, SLACK

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
_FAR, _FARTHEST = 8, 32  # grey levels between a lossy file's source and a reading of it: the mean, and the largest


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
    return [judge(cell, answers[cell.name]) for cell in cells]


def judge(cell, answers):
    """The result of one cell, of which ``answers`` says what other decoders read."""
    truth = matrix_rule.expected(cell)
    right = tuple(name for name, answer in answers.items() if _is_right(answer, truth, cell))
    try:
        ours = decode_image(cell.data, ImageSettings()).pixels
    except DecodeError as error:
        ours = error
    refusal = next((row for row in REFUSED if re.search(row.cells, cell.name)), None)
    if refusal is not None:
        fault = _refusal_fault(cell, ours, refusal)
    else:
        fault = _fault(cell, ours, truth, {name: answers[name] for name in right}) or _count_fault(cell, right)
    return Result(cell, ours, answers, right, fault)


def _is_right(answer, truth, cell):
    if isinstance(answer, str) or answer.shape != truth.shape:
        return False
    distance = np.abs(answer.astype(int) - truth)
    return bool(_is_near(distance) if cell.lossy else distance.max() <= cell.tolerance)


def _is_near(distance):
    return distance.mean() <= _FAR and distance.max() <= _FARTHEST


def _refusal_fault(cell, ours, refusal):
    if not isinstance(ours, DecodeError):
        return f"{cell.name}: listed as refused ({refusal.why}), and read"
    if ours.status != refusal.status or not re.search(refusal.says, str(ours)):
        return f"{cell.name}: refused as {ours.status}: {ours}; listed is {refusal.status}: {refusal.says}"
    return None


def _fault(cell, ours, truth, right):
    if isinstance(ours, DecodeError):
        return f"{cell.name}: not read ({ours.status}: {ours}), and not listed as refused"
    if not cell.lossy:
        return _difference(cell, ours, truth, "the samples say", cell.tolerance)
    if ours.shape != truth.shape or not _is_near(np.abs(ours.astype(int) - truth)):
        return f"{cell.name}: ours are the pixels of another image than was written"
    faults = (_difference(cell, ours, pixels, f"{name} reads", _slack(cell, name)) for name, pixels in right.items())
    return next((fault for fault in faults if fault), None)


def _slack(cell, reader):
    return max(
        [row.tolerance for row in SLACK if row.reader == reader and re.search(row.cells, cell.name)],
        default=cell.tolerance,
    )


def _difference(cell, ours, wanted, who, tolerance):
    if ours.shape != wanted.shape:
        return f"{cell.name}: ours are {ours.shape}, {who} {wanted.shape}"
    distance = np.abs(ours.astype(int) - wanted).max(axis=2)
    if distance.max() <= tolerance:
        return None
    row, column = np.unravel_index(distance.argmax(), distance.shape)
    found, right = ours[row, column].tolist(), wanted[row, column].tolist()
    share = (distance > tolerance).mean()
    return f"{cell.name}: row {row}, column {column} is {found}, {who} {right} ({share:.0%} of the pixels are wrong)"


def libraries(right):
    """How many independent libraries stand behind readers: two that use one count once."""
    return len({matrix_readers.BASIS[name] for name in right})


def _count_fault(cell, right):
    """Too few other decoders agree, and it is not listed; or it is listed otherwise."""
    count = libraries(right)
    few = next((row for row in FEWER if re.search(row.cells, cell.name)), None)
    if few is None and count < ENOUGH.get(cell.format, 2):
        return f"{cell.name}: read rightly by {', '.join(right) or 'no other decoder'} only, and not listed"
    if few is not None and count != few.count:
        return f"{cell.name}: listed with {few.count} other decoders, and read rightly by {', '.join(right) or 'none'}"
    return None


def _print(format_name, results):
    refused = [result for result in results if isinstance(result.ours, DecodeError)]
    lossy = sum(result.cell.lossy for result in results if not isinstance(result.ours, DecodeError))
    faults = [result.fault for result in results if result.fault]
    counts = Counter(min(libraries(result.right), 3) for result in results)
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
    for name, library in matrix_readers.BASIS.items():
        given = [result for result in results if name in result.answers]
        formats = Counter(result.cell.format for result in given)
        rights = Counter(result.cell.format for result in given if name in result.right)
        title = name if name == library else f"{name}: {library}"
        print(f"  {title:34} " + ", ".join(f"{key} {rights[key]}/{count}" for key, count in formats.items()))
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
