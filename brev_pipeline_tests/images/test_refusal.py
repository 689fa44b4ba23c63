"""Whole or not at all: damaged, foreign, oversized and malicious files are refused, and refused cheaply."""

import functools
import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images import decode_image
from brev_pipeline.images.formats import read_image_header
from brev_pipeline_tests.images import worlds

SETTINGS = ImageSettings()
KINDS = worlds.one_of_each_kind(height=60, width=80)


def refusal(data, settings=SETTINGS):
    with pytest.raises(DecodeError) as caught:
        decode_image(data, settings)
    return caught.value.status, str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_refused_or_has_all_its_pixels(kind):
    data = KINDS[kind]
    whole = decode_image(data, SETTINGS).pixels
    accepted, statuses = [], set()
    for length in sorted({*range(min(len(data), 120)), *range(120, len(data), len(data) // 60 + 1), len(data) - 1}):
        try:
            decoded = decode_image(data[:length], SETTINGS)
        except DecodeError as error:
            statuses.add(error.status)
            continue
        assert np.array_equal(decoded.pixels, whole), length
        accepted.append(length)
    assert statuses == {"corrupt"}
    # Only a GIF may lack its last byte, the trailer after all pixels.
    assert accepted == ([len(data) - 1] if kind == "gif" else [])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("png")])
@given(place=st.integers(8, 10**9), bit=st.integers(0, 7))
def test_a_png_with_any_bit_flipped_is_refused(kind, place, bit):
    data = bytearray(KINDS[kind])
    data[8 + place % (len(data) - 8)] ^= 1 << bit
    assert refusal(bytes(data))[0] in ("corrupt", "too_large", "unsupported")


def test_a_deflated_tiff_whose_checksum_is_wrong_is_refused():
    data = bytearray(KINDS["tiff deflate"])
    page = Image.open(io.BytesIO(bytes(data))).tag_v2
    end = page[273][0] + page[279][0]
    data[end - 1] ^= 1
    assert refusal(bytes(data)) == (
        "corrupt",
        "damaged TIFF: its compressed image data are damaged: their checksum or code is wrong",
    )


def png(rows, *, side=8, depth=8, colour=0, interlaced=0):
    """A PNG whose checksums hold, whatever its image data are."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(48)) if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("fields", "whole"),
    [
        ({}, 8 * 9),
        ({"colour": 3}, 8 * 9),
        ({"colour": 2, "depth": 16}, 8 * 49),
        ({"colour": 3, "depth": 4}, 8 * 5),
        ({"depth": 1}, 8 * 2),
        ({"colour": 6}, 8 * 33),
        ({"interlaced": 1}, 79),
        ({"colour": 3, "interlaced": 1}, 79),
        ({"colour": 3, "interlaced": 1, "side": 1}, 2),
    ],
)
def test_a_png_whose_checksums_hold_but_whose_rows_are_missing_is_refused(fields, whole):
    assert decode_image(png(zlib.compress(bytes(whole)), **fields), SETTINGS).pixels.max() == 0
    for length in {0, whole // 2, whole - 1}:
        assert refusal(png(zlib.compress(bytes(length)), **fields))[0] == "corrupt"
    wrong = zlib.compress(bytes(whole))[:-1] + b"?"
    assert "damaged" in refusal(png(wrong, **fields))[1]


def test_a_jpeg_coded_tiff_with_a_short_strip_is_refused():
    data = KINDS["tiff jpeg"]
    page = Image.open(io.BytesIO(data)).tag_v2
    count = struct.pack("<HHII", 279, 4, 1, page[279][0])
    assert data.count(count) == 1
    short = data.replace(count, struct.pack("<HHII", 279, 4, 1, page[279][0] // 2))
    assert "Premature end" in refusal(short)[1]


@pytest.mark.parametrize(
    ("codes", "whole"),
    [
        ("0401 0000 0402 0000 0403 0000 0404 0001", True),
        ("0401 0000 0402 0000 0403 0000 0404 0000 0001", True),
        ("0003 0102 0300 0401 0000 0402 0000 0402 0000 0402 0001", False),  # five pixels in a row of four
        ("0501 0000 0402 0000 0403 0000 0404 0001", False),
        ("0401 0000 0402 0000 0001", False),
        ("0401 0000 0402 0000 0403 0000 0404", True),
        ("0401 0000 0402 0000 0403 0000 02", False),
        ("", False),
    ],
)
def test_a_run_length_coded_bmp_is_whole_or_refused(codes, whole):
    coded = bytes.fromhex(codes)
    palette = b"".join(bytes((value, value, value, 0)) for value in range(256))
    head = struct.pack(
        "<2sIIIIiiHHIIiiII", b"BM", 1078 + len(coded), 0, 1078, 40, 4, 4, 1, 8, 1, len(coded), 0, 0, 256, 0
    )
    data = head + palette + coded
    if whole:
        assert decode_image(data, SETTINGS).pixels[::-1, 0, 0].tolist() == [1, 2, 3, 4]
    else:
        assert refusal(data)[0] == "corrupt"


def test_pillow_is_strict_even_in_a_process_that_told_it_not_to_be():
    from PIL import ImageFile

    data = KINDS["tiff"]
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        assert refusal(data[: len(data) // 2])[0] == "corrupt"
        assert ImageFile.LOAD_TRUNCATED_IMAGES
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", "corrupt", "the file is empty"),
        (b"BM", "corrupt", "damaged BMP: it is cut short within its header: 2 bytes"),
        (b"hello, world", "corrupt", "no image format is known that begins with the bytes 68 65 6c 6c 6f 2c 20 77"),
        (b"\xff\xd8\xff\xd9", "corrupt", "before the size of the image is told"),
        (b"%PDF-1.7", "unsupported", "this is a file of the kind PDF; read are BMP, JPEG, PNG"),
        (b"\0\0\0\x20ftypheic" + bytes(20), "unsupported", "HEIF"),
        (b"<!DOCTYPE html><html>404", "unsupported", "a web page"),
        (b"P7\nWIDTH 1\n", "unsupported", "PAM"),
        (b"P6 3 3 0 ", "corrupt", "largest value"),
        (b"P5 0 3 255 ", "corrupt", "a size of 0×3 px"),
    ],
)
def test_the_reason_says_what_the_file_is(data, status, words):
    found, reason = refusal(data)
    assert found == status
    assert words in reason


@functools.cache
def bombs():
    """Name → a small file that claims 20,000×20,000 px or more."""
    side = struct.pack(">I", 20_000)
    png = KINDS["png"][:16] + side + side + KINDS["png"][24:]
    jpeg = bytearray(KINDS["jpeg"])
    start = jpeg.index(b"\xff\xc0") + 5
    jpeg[start : start + 4] = struct.pack(">HH", 20_000, 20_000)
    gif = bytearray(KINDS["gif"])
    gif[6:10] = struct.pack("<HH", 20_000, 20_000)
    bmp = bytearray(KINDS["bmp"])
    bmp[18:26] = struct.pack("<ii", 20_000, 20_000)
    jp2 = bytearray(KINDS["jpeg 2000"])
    start = jp2.index(b"\xff\x4f\xff\x51") + 8
    jp2[start : start + 8] = side + side
    webp = KINDS["webp lossless"]
    webp = webp[:21] + struct.pack("<I", 16383 | 16383 << 14) + webp[25:]
    packed = Image.new("1", (20_000, 20_000))
    return {
        "png": png,
        "jpeg": bytes(jpeg),
        "gif": bytes(gif),
        "bmp": bytes(bmp),
        "jp2": bytes(jp2),
        "webp": webp,
        "pnm": b"P5 20000 20000 255 " + bytes(1000),
        "tiff": worlds.encode_image(packed, "TIFF", compression="group4"),
    }


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "jp2", "webp", "pnm", "tiff"])
def test_a_bomb_is_refused_from_its_header(kind):
    status, reason = refusal(bombs()[kind])
    assert status == "too_large"
    assert "limit max_pixels = 100000000" in reason


def test_bombs_are_refused_under_200_mb_in_all(tmp_path):
    for name, data in bombs().items():
        (tmp_path / name).write_bytes(data)
    script = (
        "import pathlib, sys\n"
        "from brev_pipeline.config import ImageSettings\n"
        "from brev_pipeline.errors import DecodeError\n"
        "from brev_pipeline.images import decode_image\n"
        "for file in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: decode_image(file.read_bytes(), ImageSettings())\n"
        "    except DecodeError: continue\n"
        "    raise SystemExit(file.name)\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(status.split('VmHWM:')[1].split()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 200_000  # kB, the interpreter and libraries included


def test_a_large_image_within_the_limit_is_read():
    data = worlds.encode_image(Image.new("1", (20_000, 2_000), 1), "TIFF", compression="group4")
    assert decode_image(data, SETTINGS).pixels.shape == (2_000, 20_000, 3)
    assert refusal(data, ImageSettings(max_pixels=40_000_000 - 1))[0] == "too_large"


def test_sniffing_never_raises_anything_but_a_decode_error():
    for data in KINDS.values():
        for length in range(min(len(data), 400)):
            try:
                read_image_header(data[:length])
            except DecodeError:
                continue
