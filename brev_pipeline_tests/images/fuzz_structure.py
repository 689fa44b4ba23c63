"""Injuries to what a file is made of: the numbers in its headers, and the order and number of its pieces.

For each format a function tells where its numbers stand (place, bytes, byte order) and where its pieces begin and end;
`injure` sets numbers to others that are likely to be trouble, and drops, repeats and swaps pieces. Checksums and
lengths over all are put right afterwards, so that the injury is not refused for them.
"""

import io
import re
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

from brev_pipeline_tests.images import worlds


def injure(data, draw, files):
    """One to three injuries to a file's structure; `files` are others of any format, to borrow pieces from."""
    for _ in range(int(draw.integers(1, 4))):
        numbers, pieces, repair = _structure(data)
        if data.startswith(b"\x89PNG") and draw.random() < 0.15:
            data = _recompress(data, draw)
        elif numbers and (not pieces or draw.random() < 0.65):
            data = _set_number(data, numbers[int(draw.integers(0, len(numbers)))], numbers, draw)
        elif pieces:
            data = _move(data, pieces, draw, files)
        data = repair(data)
    return data


def _structure(data):
    """Numbers, pieces, and what puts the file right after an injury."""
    try:
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return *_tiff(data), _as_it_is
        if data.startswith(b"\xff\xd8"):
            return *_jpeg(data), _as_it_is
        if data.startswith(b"\x89PNG"):
            return *_png(data), _with_checksums
        if data.startswith(b"\xff\x4f"):
            return *_codestream(data, 0), _as_it_is
        if data.startswith(b"\0\0\0\x0cjP"):
            numbers, pieces = _boxes(data, 0, len(data))
            more = _codestream(data, data.index(b"\xff\x4f\xff\x51"))
            return numbers + more[0], pieces + more[1], _as_it_is
        if data[4:8] == b"ftyp":
            return *_boxes(data, 0, len(data)), _as_it_is
        if data.startswith(b"RIFF"):
            return *_webp(data), _with_length
        if data.startswith(b"GIF"):
            return *_gif(data), _as_it_is
        if data.startswith(b"BM"):
            numbers = [(place, 4, "little") for place in (10, 14, 18, 22, 30, 34, 46, 50, 54, 58, 62)]
            return [*numbers, (26, 2, "little"), (28, 2, "little")], [], _as_it_is
    except (struct.error, IndexError, ValueError):
        pass
    # PNM's numbers are text; of what is broken already any byte will do.
    return [(found.start(), 1, "big") for found in re.finditer(rb"\d", data[:64])] or [(0, 1, "big")], [], _as_it_is


def _as_it_is(data):
    return data


def _tiff(data):
    order, mark = ("little", "<") if data[:2] == b"II" else ("big", ">")
    big = struct.unpack_from(mark + "H", data, 2) == (43,)
    wide = 8 if big else 4
    numbers, pieces = [(8 if big else 4, wide, order)], []
    place = int.from_bytes(data[numbers[0][0] : numbers[0][0] + wide], order)
    size = 20 if big else 12
    count = int.from_bytes(data[place : place + (8 if big else 2)], order)
    numbers.append((place, 8 if big else 2, order))
    place += 8 if big else 2
    for at in range(place, place + size * min(count, 64), size):
        numbers += [(at, 2, order), (at + 2, 2, order), (at + 4, wide, order)]
        numbers += [(at + 4 + wide, wide, order), (at + 4 + wide, 2, order)] * 2
        pieces.append((at, at + size))
    return [*numbers, (place + size * count, wide, order)], pieces


def _jpeg(data):
    numbers, pieces, place = [], [], 2
    while place + 4 <= len(data):
        place = data.find(b"\xff", place)
        if place < 0 or place + 4 > len(data):
            break
        if data[place + 1] in (0, 255, *range(0xD0, 0xDA)):
            place += 2
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        numbers += [(place + 1, 1, "big"), (place + 2, 2, "big")] + [
            (at, 1, "big") for at in range(place + 4, min(end, place + 24))
        ]
        if data[place + 1] in (0xC0, 0xC1, 0xC2):
            numbers += [(place + 5, 2, "big"), (place + 7, 2, "big")] * 3
        if data[place + 1] == 0xDA:
            # With the scan behind it.
            after = re.compile(rb"\xff[^\x00\xd0-\xd7]").search(data, end)
            end = after.start() if after else len(data)
        pieces.append((place, end))
        place = end
    return numbers, pieces


def _png(data):
    numbers, pieces, place = [(16, 4, "big"), (20, 4, "big"), *((at, 1, "big") for at in range(24, 29))] * 2, [], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        numbers += [(place, 4, "big"), (place + 4, 1, "big")]
        numbers += [(at, 1, "big") for at in range(place + 8, place + 8 + min(length, 16))]
        pieces.append((place, place + 12 + length))
        place += 12 + length
    return numbers, pieces


def _with_checksums(data):
    place, repaired = 8, bytearray(data)
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            break
        repaired[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(repaired)


def _recompress(data, draw):
    """Other pixels than the header tells: fewer, more, or with other filters."""
    _, pieces = _png(data)
    coded = [piece for piece in pieces if data[piece[0] + 4 : piece[0] + 8] == b"IDAT"]
    try:
        rows = bytearray(zlib.decompress(b"".join(data[start + 8 : end - 4] for start, end in coded)))
    except zlib.error:
        return data
    way, place = int(draw.integers(0, 3)), int(draw.integers(0, len(rows) + 1))
    if way == 0:
        del rows[place:]
    elif way == 1:
        rows += draw.bytes(place)
    else:
        rows[place : place + 1] = draw.bytes(1)
    body = zlib.compress(rows)
    if draw.random() < 0.3:
        body = body[: int(draw.integers(0, len(body)))]
    chunk = struct.pack(">I", len(body)) + b"IDAT" + body + bytes(4)
    return data[: coded[0][0]] + chunk + data[coded[-1][1] :]


def _codestream(data, place):
    numbers, pieces, place = [], [], place + 2
    while place + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, place)
        end = place + 2 + length
        if marker == 0xFF93:
            found = data.find(b"\xff\x90\0\x0a", place)
            end = found if found >= 0 else len(data)
        else:
            numbers += [(place + 2, 2, "big")] + [(at, 1, "big") for at in range(place + 4, min(end, place + 64))]
            numbers += [(at, 4, "big") for at in range(place + 6, min(end - 3, place + 38), 4)]
        pieces.append((place, end))
        place = end
    return numbers, pieces


_CONTAINERS = {
    b"meta": 4,
    b"iprp": 0,
    b"ipco": 0,
    b"jp2h": 0,
    b"moov": 0,
    b"trak": 0,
    b"mdia": 0,
    b"minf": 0,
    b"stbl": 0,
    b"iinf": 6,
    b"iref": 4,
}


def _boxes(data, place, end):
    numbers, pieces = [], []
    while place + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, place)
        length = length if length >= 8 else end - place
        numbers += [(place, 4, "big")] + [(at, 1, "big") for at in range(place + 4, place + 8)]
        if kind in _CONTAINERS:
            within = _boxes(data, place + 8 + _CONTAINERS[kind], min(end, place + length))
            numbers, pieces = numbers + within[0] * 2, pieces + within[1]
        elif kind not in (b"mdat", b"jp2c"):
            body, last = place + 8, min(end, place + length, place + 72)
            numbers += [(at, 1, "big") for at in range(body, last)] + [
                (at, 4, "big") for at in range(body, last - 3, 4)
            ]
        pieces.append((place, place + length))
        place += length
    return numbers, pieces


def _webp(data):
    numbers, pieces, place = [], [], 12
    while place + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        numbers += [(place + 4, 4, "little"), (place, 1, "little")]
        numbers += [(at, 1, "little") for at in range(place + 8, min(len(data), place + 40))]
        pieces.append((place, place + 8 + length + length % 2))
        place += 8 + length + length % 2
    return numbers, pieces


def _with_length(data):
    return data[:4] + struct.pack("<I", max(0, len(data) - 8)) + data[8:]


def _gif(data):
    table = lambda flags: 3 << (flags & 7) + 1 if flags & 128 else 0  # noqa: E731
    numbers, pieces = [(6, 2, "little"), (8, 2, "little"), *((at, 1, "little") for at in (10, 11, 12))], []
    place = 13 + table(data[10])
    while data[place] in (0x21, 0x2C):
        start = place
        if data[place] == 0x2C:
            numbers += [(at, 2, "little") for at in range(place + 1, place + 9, 2)] * 2
            numbers += [(place + 9, 1, "little")]
            place += 10 + table(data[place + 9])
        else:
            place += 1
        numbers.append((place, 1, "little"))
        place += 1
        while data[place]:
            numbers.append((place, 1, "little"))
            place += 1 + data[place]
        place += 1
        pieces.append((start, place))
    return numbers, pieces


def _set_number(data, number, numbers, draw):
    place, size, order = number
    if place + size > len(data):
        return data
    most, now = (1 << 8 * size) - 1, int.from_bytes(data[place : place + size], order)
    other = numbers[int(draw.integers(0, len(numbers)))]
    borrowed = int.from_bytes(data[other[0] : other[0] + other[1]], other[2])
    values = [
        0,
        1,
        2,
        3,
        4,
        7,
        8,
        16,
        255,
        256,
        most,
        most >> 1,
        (most >> 1) + 1,
        now + 1,
        now - 1,
        now * 2,
        now // 2,
        now * 16,
    ]
    values += [
        now ^ 1 << int(draw.integers(0, 8 * size)),
        int(draw.integers(0, 1 << 16)),
        borrowed,
        len(data),
        len(data) - 1,
    ]
    value = values[int(draw.integers(0, len(values)))]
    return data[:place] + (value & most).to_bytes(size, order) + data[place + size :]


def _move(data, pieces, draw, files):
    start, end = pieces[int(draw.integers(0, len(pieces)))]
    first, last = pieces[int(draw.integers(0, len(pieces)))]
    piece, way = data[start:end], int(draw.integers(0, 5))
    if way == 0:
        return data[:start] + data[end:]
    if way == 1:
        return data[:last] + piece + data[last:]
    if way == 2 and end <= first:
        return data[:start] + data[first:last] + data[end:first] + piece + data[last:]
    if way == 3:
        return data[:end] + piece * int(draw.integers(1, 200)) + data[end:]
    other = files[int(draw.integers(0, len(files)))]
    found = _structure(other)[1]
    if other[:4] != data[:4] or not found:
        return data
    start, end = found[int(draw.integers(0, len(found)))]
    return data[:last] + other[start:end] + data[last:]


def deep_files(height=40, width=50):
    """Files of unusual kinds, most of them of more than 8 bits, or of several pieces."""
    rgb = worlds.photo(3, height, width)
    image, deep = Image.fromarray(rgb), rgb.astype(np.uint16) * 257
    grey = deep[..., 0]
    tiled = {"tile": (16, 16)}
    saved = worlds.encode_image
    return [
        _tifffile(np.moveaxis(deep, 2, 0), planarconfig="separate", photometric="rgb"),
        _tifffile(deep, photometric="rgb", compression="zlib", predictor=True, **tiled),
        _tifffile(deep, photometric="rgb", compression="lzw", predictor=True, byteorder=">", rowsperstrip=7),
        _tifffile(grey, photometric="miniswhite", bigtiff=True, compression="zstd"),
        _tifffile(grey.view(np.int16), photometric="minisblack", compression="packbits"),
        _tifffile(grey >> 4, photometric="minisblack", bitspersample=12),
        _tifffile(grey, photometric="minisblack", compression="lzma", **tiled),
        _tifffile(np.dstack([rgb, rgb[..., :1]]), photometric="rgb", extrasamples=["assocalpha"], **tiled),
        saved(image.quantize(60), "TIFF", compression="tiff_lzw"),
        saved(image.convert("CMYK"), "TIFF", compression="tiff_adobe_deflate"),
        saved(image.convert("1"), "TIFF", compression="group4"),
        saved(image.convert("LAB"), "TIFF"),
        saved(image, "TIFF", save_all=True, append_images=[image]),
        saved(image, "JPEG", progressive=True, restart_marker_blocks=2),
        saved(
            image.convert("CMYK"),
            "JPEG",
            progressive=True,
            exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\3\0\0\0\0\0\0\0",
        ),
        saved(image, "PNG", save_all=True, append_images=[image]),
        saved(image.quantize(20), "PNG", transparency=3),
        _interlaced(rgb),
        saved(image, "GIF", interlace=1, save_all=True, append_images=[image.rotate(90)]),
        saved(
            image.convert("RGBA"),
            "WEBP",
            save_all=True,
            append_images=[image.rotate(90).convert("RGBA")],
            exif=b"II*\0" + bytes(12),
        ),
        saved(image.convert("RGBA"), "AVIF", speed=10),
        saved(image, "AVIF", save_all=True, append_images=[image.rotate(90)], speed=10),
        saved(image, "JPEG2000", tile_size=(16, 16), quality_layers=[40, 10, 2], irreversible=True),
        saved(Image.fromarray(grey), "JPEG2000", no_jp2=True, codeblock_size=(4, 4), precinct_size=(16, 16)),
        saved(image.convert("RGBA"), "JPEG2000", progression="CPRL"),
        b"P3 50 40 1023\n" + " ".join(map(str, (deep >> 6).ravel())).encode(),
        _run_lengths(rgb[..., 0]),
    ]


def _tifffile(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, **options)
    return file.getvalue()


def _interlaced(rgb):
    height, width = rgb.shape[:2]
    rows = b"".join(
        b"\0" + rgb[y, column::right].tobytes()
        for column, row, right, down in (
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        )
        for y in range(row, height, down)
        if column < width
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    whole = b"".join(struct.pack(">I", len(body)) + kind + body + bytes(4) for kind, body in chunks)
    return _with_checksums(b"\x89PNG\r\n\x1a\n" + whole)


def _run_lengths(grey):
    """A BMP of 8-bit runs."""
    height, width = grey.shape
    body = b"".join(b"".join(bytes((1, value)) for value in row) + b"\0\0" for row in grey) + b"\0\1"
    head = struct.pack(
        "<2sIIIIiiHHIIiiII", b"BM", 1078 + len(body), 0, 1078, 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0
    )
    return head + bytes(value for level in range(256) for value in (level, level, level, 0)) + body
