"""PNM and BMP files of the matrix, put together here as their descriptions have them, and by ImageMagick."""

import itertools
import struct

import numpy as np

from brev_pipeline_tests.images.matrix_cells import HEIGHT, WIDTH, Cell, imagemagick, scene

_MAXVALS = (1, 2, 3, 7, 15, 31, 63, 100, 127, 200, 254, 255, 256, 1000, 1023, 4095, 9999, 16383, 40000, 65534, 65535)


def pnm_cells():
    for maxval, (mark, channels, plain) in itertools.product(
        _MAXVALS, (("P2", 1, True), ("P5", 1, False), ("P3", 3, True), ("P6", 3, False))
    ):
        name = f"pnm {mark} {maxval}"
        samples = scene(channels, maxval, name)
        body = _words(samples) if plain else samples.astype(">u2" if maxval > 255 else "u1").tobytes()
        head = f"{mark}\n# a comment\n{WIDTH} {HEIGHT}\n{maxval}\n".encode()
        yield Cell(name, head + body, samples, maxval, "made here")
    for mark in ("P1", "P4"):
        name = f"pnm {mark}"
        samples = scene(1, 1, name)
        ink = 1 - samples
        body = _words(ink) if mark == "P1" else np.packbits(ink[:, :, 0], axis=1).tobytes()
        yield Cell(name, f"{mark} {WIDTH} {HEIGHT}\n".encode() + body, samples, 1, "made here")
    for bits, channels, plain in itertools.product((8, 16), (1, 3), (False, True)):
        name = f"pnm {'grey' if channels == 1 else 'rgb'} {bits} ImageMagick{' plain' if plain else ''}"
        white = (1 << bits) - 1
        samples = scene(channels, white, name)
        options = ["-depth", str(bits), *(["-compress", "none"] if plain else [])]
        out = "pgm:-" if channels == 1 else "ppm:-"
        yield Cell(name, imagemagick(samples, white, *options, out), samples, white, "ImageMagick")


def _words(samples):
    return b"\n".join(b" ".join(b"%d" % value for value in row) for row in samples.reshape(HEIGHT, -1).tolist()) + b"\n"


def bmp_cells():
    yield from _indexed()
    yield from _direct()
    yield from _run_length()
    for name, options, kind in (
        ("24", [], 3), ("24 version 2", ["bmp2:-"], 3), ("24 version 3", ["bmp3:-"], 3),
        ("32 alpha", [], 4), ("8 grey", ["-type", "grayscale", "bmp3:-"], 1),
        ("8 run-length", ["-type", "palette", "-compress", "RLE", "bmp3:-"], 1),
    ):  # fmt: skip
        name = f"bmp {name} ImageMagick"
        samples = scene(kind, 15, name) * 17 if "run-length" in name else scene(kind, 255, name)
        options = options if options and options[-1].startswith("bmp") else [*options, "bmp:-"]
        yield Cell(name, imagemagick(samples, 255, *options), samples, 255, "ImageMagick")


def _bmp(bits, rows, *, palette=b"", masks=b"", compression=0, top_down=False, header=40, colours=0):
    """The file; rows stand as stored, padded to four bytes."""
    height = -HEIGHT if top_down else HEIGHT
    if header == 12:
        dib = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        dib = struct.pack(
            "<IiiHHIIiiII", header, WIDTH, height, 1, bits, compression, len(rows), 2835, 2835, colours, 0
        )
        dib += masks if header == 40 else masks.ljust(header - 40, b"\0")
    start = 14 + len(dib) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start) + dib + palette + rows


def _padded(rows):
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))


def _indexed():
    for bits, top_down, header, grey in itertools.product((1, 4, 8), (False, True), (40, 12, 108), (False, True)):
        if header == 12 and top_down:
            continue
        kind = {40: "version 3", 12: "OS/2", 108: "version 4"}[header]
        name = f"bmp {bits} {kind}{' top-down' if top_down else ''}{' grey ramp' if grey else ''}"
        white = (1 << bits) - 1
        indexes = scene(1, white, name)[:, :, 0]
        ramp = np.repeat(np.arange(white + 1)[:, None] * (255 // white), 3, axis=1)
        table = (ramp if grey else np.random.default_rng(bits).integers(0, 256, (white + 1, 3))).astype(np.uint8)
        palette = table[:, ::-1] if header == 12 else np.pad(table[:, ::-1], ((0, 0), (0, 1)))
        packed = np.packbits(np.unpackbits(indexes[:, :, None], axis=2)[:, :, 8 - bits :].reshape(HEIGHT, -1), axis=1)
        rows = _padded(packed if top_down else packed[::-1])
        data = _bmp(
            bits, rows.tobytes(), palette=palette.tobytes(), top_down=top_down, header=header, colours=white + 1
        )
        yield Cell(name, data, table[indexes], 255, "made here")


def _direct():
    for bits, top_down in itertools.product((24, 32), (False, True)):
        name = f"bmp {bits}{' top-down' if top_down else ''}"
        samples = scene(3, 255, name)
        bgr = samples[:, :, ::-1] if bits == 24 else np.pad(samples[:, :, ::-1], ((0, 0), (0, 0), (0, 1)))
        rows = bgr.reshape(HEIGHT, -1)
        yield Cell(
            name,
            _bmp(bits, _padded(rows if top_down else rows[::-1]).tobytes(), top_down=top_down),
            samples,
            255,
            "made here",
        )
    for widths, bits, header, given in (
        ((5, 5, 5), 16, 40, False), ((5, 5, 5), 16, 40, True), ((5, 6, 5), 16, 40, True), ((5, 6, 5), 16, 108, True),
        ((8, 8, 8), 32, 40, True), ((8, 8, 8), 32, 108, True), ((10, 10, 10), 32, 40, True),
        ((8, 8, 8, 8), 32, 108, True), ((4, 4, 4), 16, 40, True), ((4, 4, 4, 4), 16, 108, True),
    ):  # fmt: skip
        name = (
            f"bmp {bits} {'-'.join(map(str, widths))}{' masks' if given else ''}{' version 4' if header == 108 else ''}"
        )
        whites = tuple((1 << width) - 1 for width in widths)
        samples = np.concatenate(
            [scene(1, white, f"{name}{index}").astype(np.uint16) for index, white in enumerate(whites)], axis=2
        )
        yield Cell(name, _masked(samples, widths, bits, header, given), samples, whites, "made here")
    name = "bmp 32 8-8-8 masks of another order"
    samples = scene(3, 255, name)
    values = sum(samples[:, :, index].astype(np.uint32) << np.uint32(8 * index) for index in range(3))
    masks = struct.pack("<III", 0xFF, 0xFF00, 0xFF0000)
    yield Cell(
        name, _bmp(32, values[::-1].astype("<u4").tobytes(), masks=masks, compression=3), samples, 255, "made here"
    )


def _masked(samples, widths, bits, header, given):
    """Blue lowest, then green and red, then alpha."""
    values, shift, masks = np.zeros(samples.shape[:2], np.uint32), 0, [0] * 4
    for index in (2, 1, 0, 3)[: len(widths)]:
        values |= samples[:, :, index].astype(np.uint32) << np.uint32(shift)
        masks[index] = (1 << widths[index]) - 1 << shift
        shift += widths[index]
    rows = _padded(values[::-1].astype(f"<u{bits // 8}").view(np.uint8)).tobytes()
    packed = struct.pack("<4I" if header == 108 else "<3I", *masks[: 4 if header == 108 else 3]) if given else b""
    return _bmp(bits, rows, masks=packed, compression=3 if given else 0, header=header)


def _run_length():
    """Runs, literal stretches with their padding, ends of lines, a step over pixels."""
    for bits in (8, 4):
        name = f"bmp {bits} run-length"
        white = (1 << bits) - 1
        indexes = np.sort(scene(1, white, name)[:, :, 0], axis=1)
        indexes[3, 10:22] = np.arange(12) % (white + 1)
        table = np.random.default_rng(bits).integers(0, 256, (white + 1, 3), dtype=np.uint8)
        codes = b"".join(_coded(row, bits) for row in indexes[::-1]) + b"\0\1"
        palette = np.pad(table[:, ::-1], ((0, 0), (0, 1))).tobytes()
        data = _bmp(bits, codes, palette=palette, compression=1 if bits == 8 else 2, colours=white + 1)
        yield Cell(name, data, table[indexes], 255, "made here")


def _coded(row, bits):
    out, place = b"", 0
    while place < len(row):
        run = 1
        while place + run < len(row) and row[place + run] == row[place]:
            run += 1
        if run == 1 and len(row) - place >= 3:
            literal = row[place : place + 7]
            packed = literal.tobytes() if bits == 8 else _nibbles(literal)
            out += bytes([0, len(literal)]) + packed + bytes(len(packed) % 2)
            place += len(literal)
        else:
            out += bytes([run, int(row[place]) * (17 if bits == 4 else 1)])
            place += run
    return out + b"\0\0"


def _nibbles(values):
    even = np.pad(values, (0, len(values) % 2))
    return (even[::2] << 4 | even[1::2]).astype(np.uint8).tobytes()
