"""PNG files of the matrix: of each colour type, depth, interlace and filter, by rows put together here; by libvips,
imagecodecs (both with libpng or its like) and ImageMagick."""

import itertools
import struct
import zlib

import numpy as np

from brev_pipeline_tests.images.matrix_cells import HEIGHT, WIDTH, Cell, imagemagick, scene

_TYPES = {
    "grey": (0, 1, (1, 2, 4, 8, 16)),
    "rgb": (2, 3, (8, 16)),
    "palette": (3, 1, (1, 2, 4, 8)),
    "grey alpha": (4, 2, (8, 16)),
    "rgb alpha": (6, 4, (8, 16)),
}
_KINDS = {"grey": 1, "grey alpha": 2, "rgb": 3, "rgb alpha": 4}
_OURS = frozenset({"libpng"})
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row and column, and the steps, of Adam7's passes."""


def cells():
    yield from _by_hand()
    yield from _by_libraries()


def _by_hand():
    for kind, (number, channels, depths) in _TYPES.items():
        for bits, interlaced, clear in itertools.product(depths, (False, True), (False, True)):
            if clear and "alpha" in kind:
                continue
            name = f"png {kind} {bits}{' interlaced' if interlaced else ''}{' transparent colour' if clear else ''}"
            white = (1 << bits) - 1
            stored = scene(channels, white, name)
            extra, samples, shown = _meaning(kind, stored, white, clear, name)
            data = _file(stored, bits, number, extra, interlaced)
            yield Cell(name, data, samples, shown, "made here", _OURS)


def _meaning(kind, stored, white, clear, name):
    """Chunks before the image, and the samples that the stored ones stand for, with their white."""
    if kind == "palette":
        colours = np.random.default_rng(white).integers(0, 256, (white + 1, 4), dtype=np.uint8)
        extra = _chunk(b"PLTE", colours[:, :3].tobytes()) + (_chunk(b"tRNS", colours[:, 3].tobytes()) if clear else b"")
        return extra, colours[stored[:, :, 0]][:, :, : 4 if clear else 3], 255
    if not clear:
        return b"", stored, white
    # The colour of one pixel, and beside it the same one but for its lowest bit, which stays visible.
    hidden = stored[5, 7] | 1 << white.bit_length() - 1
    stored[5, 7:9] = hidden
    stored[5, 8, -1] ^= 1
    opaque = (stored != hidden).any(axis=2, keepdims=True).astype(stored.dtype) * stored.dtype.type(white)
    return _chunk(b"tRNS", hidden.astype(">u2").tobytes()), np.concatenate([stored, opaque], axis=2), white


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _file(stored, bits, number, extra, interlaced):
    passes = [stored[y::down, x::across] for y, x, down, across in _PASSES] if interlaced else [stored]
    rows = b"".join(_filtered(part, bits) for part in passes if part.size)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, number, 0, 0, interlaced)
    body = _chunk(b"IHDR", head) + extra + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _filtered(part, bits):
    """Rows packed into bytes, each by the next of the five filters."""
    height, width, channels = part.shape
    if bits < 8:
        packed = np.packbits(
            np.unpackbits(part, axis=2).reshape(height, width, 8)[:, :, 8 - bits :].reshape(height, -1), axis=1
        )
    else:
        packed = np.frombuffer(part.astype(f">u{bits // 8}").tobytes(), np.uint8).reshape(height, -1)
    step = max(1, channels * bits // 8)
    rows = []
    for index, row in enumerate(packed.astype(int)):
        above = packed[index - 1].astype(int) if index else np.zeros_like(row)
        left, corner = (np.concatenate([np.zeros(step, int), line])[: len(line)] for line in (row, above))
        guesses = (0 * row, left, above, (left + above) // 2, _paeth(left, above, corner))
        rows.append(bytes([index % 5]) + ((row - guesses[index % 5]) % 256).astype(np.uint8).tobytes())
    return b"".join(rows)


def _paeth(left, above, corner):
    guess = left + above - corner
    far = [abs(guess - value) for value in (left, above, corner)]
    return np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], above, corner))


def _by_libraries():
    import imagecodecs
    import pyvips

    for kind, bits in itertools.product(_KINDS, (8, 16)):
        white = (1 << bits) - 1
        name = f"png {kind} {bits} imagecodecs"
        samples = scene(_KINDS[kind], white, name)
        yield Cell(name, imagecodecs.png_encode(samples.squeeze()), samples, white, "libpng", _OURS)
        for interlace in (False, True):
            mark = " interlaced" if interlace else ""
            name = f"png {kind} {bits} libvips{mark}"
            samples = scene(_KINDS[kind], white, name)
            grey, deep = kind.startswith("grey"), bits == 16
            interpretation = ("grey16" if deep else "b-w") if grey else ("rgb16" if deep else "srgb")
            image = pyvips.Image.new_from_array(samples).copy(interpretation=interpretation)
            yield Cell(name, image.pngsave_buffer(interlace=interlace, bitdepth=bits), samples, white, "libpng", _OURS)
            name = f"png {kind} {bits} ImageMagick{mark}"
            samples = scene(_KINDS[kind], white, name)
            number = {"grey": 0, "grey alpha": 4, "rgb": 2, "rgb alpha": 6}[kind]
            options = ["-define", f"png:color-type={number}", "-define", f"png:bit-depth={bits}", "-depth", str(bits)]
            options += ["-interlace", "PNG"] if interlace else []
            yield Cell(name, imagemagick(samples, white, *options, "png:-"), samples, white, "libpng", _OURS)
    for bits in (1, 2, 4):
        name = f"png grey {bits} ImageMagick"
        samples = scene(1, (1 << bits) - 1, name)
        options = ["-define", "png:color-type=0", "-define", f"png:bit-depth={bits}", "-depth", str(bits)]
        yield Cell(
            name, imagemagick(samples, (1 << bits) - 1, *options, "png:-"), samples, (1 << bits) - 1, "libpng", _OURS
        )
