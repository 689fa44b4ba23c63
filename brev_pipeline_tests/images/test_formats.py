"""Kinds of files that are rare, and were read wrongly or called damaged: by values made by hand."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from brev_pipeline.config import ImageSettings, WindowIntensity
from brev_pipeline.errors import DecodeError
from brev_pipeline.images import decode_image
from brev_pipeline_tests.images import worlds

RGB = ImageSettings()
BLUE, GREEN, RED = 200, 120, 40
# A BGGR sensor's rows of one flat colour.
MOSAIC = np.tile(np.array([[BLUE, GREEN], [GREEN, RED]], np.uint8), (12, 16))


def refusal(data, settings=RGB):
    with pytest.raises(DecodeError) as caught:
        decode_image(data, settings)
    return caught.value.status, str(caught.value)


def tiff(samples, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rows, width, height, *more, depth=8, colour=2, methods=(0, 0, 0)):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, *methods)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join([chunk(b"IHDR", head), *more, chunk(b"IDAT", data), chunk(b"IEND", b"")])


def bmp(values, masks, bits):
    """A BMP of one row, of 56 bytes of header."""
    kind = {16: "<u2", 32: "<u4"}[bits]
    row = np.array(values, kind).tobytes()
    row += bytes(-len(row) % 4)
    head = struct.pack("<iiHHIIiiII", len(values), 1, 1, bits, 3, len(row), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IIII", 70 + len(row), 0, 70, 56) + head + struct.pack("<IIII", *masks) + row


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_sensors_rows_are_debayered_as_they_were_read_and_turned_after_that_or_refused(orientation):
    tag = (274, "H", 1, orientation, False)
    bayer = ImageSettings(color_mode="bayer")
    pixels = decode_image(tiff(MOSAIC, photometric="minisblack", extratags=[tag]), bayer).pixels
    assert np.array_equal(pixels, np.broadcast_to([RED, GREEN, BLUE], pixels.shape))
    coded = tiff(MOSAIC, photometric="minisblack", compression="jpeg", compressionargs={"level": 100}, extratags=[tag])
    if orientation == 1:
        assert np.abs(decode_image(coded, bayer).pixels.astype(int) - [RED, GREEN, BLUE]).max() <= 3
    else:
        assert refusal(coded, bayer)[0] == "unsupported"


@pytest.mark.parametrize("first", [True, False])
def test_a_large_text_in_a_png_hides_no_orientation(first):
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    more = [chunk(b"eXIf", exif), chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 2_000_000))]
    data = png([range(15)] * 3, 5, 3, *(more if first else more[::-1]))
    assert decode_image(data, RGB).pixels.shape == (5, 3, 3)


@pytest.mark.parametrize("methods", [(1, 0, 0), (0, 1, 0), (0, 64, 0), (0, 0, 2)])
def test_a_png_of_methods_that_png_does_not_have_is_refused(methods):
    assert refusal(png([range(15)] * 3, 5, 3, methods=methods))[0] == "corrupt"


def test_a_transparency_that_is_longer_than_its_palette_counts_as_far_as_the_palette_goes():
    palette, alpha = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0])), chunk(b"tRNS", bytes([0, 255, 255, 255]))
    pixels = decode_image(png([[0, 1]], 2, 1, palette, alpha, colour=3), ImageSettings(background=(9, 8, 7))).pixels
    assert pixels.tolist() == [[[9, 8, 7], [0, 255, 0]]]


def test_bmp_masks_of_ten_bits_keep_their_stored_values():
    masks = (0x3FF << 20, 0x3FF << 10, 0x3FF, 0)
    stored = [(1023, 511, 0), (0, 256, 1023)]
    data = bmp([red << 20 | green << 10 | blue for red, green, blue in stored], masks, 32)
    decoded = decode_image(data, RGB)
    assert decoded.header.bit_depth == 10
    assert decoded.samples.sample_range[:4] == (0, 0, 1023, 1023)
    # 511 and 256 · 255 / 1023 are 127.4 and 63.8.
    assert decoded.pixels.tolist() == [[[255, 127, 0], [0, 64, 255]]]
    low = decode_image(data, ImageSettings(intensity=WindowIntensity(window=(0, 256))))
    assert low.pixels.tolist() == [[[255, 255, 0], [0, 255, 255]]]


@pytest.mark.parametrize("masks", [(0xF800, 0x07E0, 0, 0), (0xFF0, 0xFF0, 0xFF0, 0), (0xF0F0, 0x0F00, 0x000F, 0)])
def test_bmp_masks_that_make_no_colours_are_unsupported(masks):
    assert refusal(bmp([1, 2], masks, 16))[0] == "unsupported"


def jp2(codestream, *boxes, components=3, space=16):
    def box(kind, body):
        return struct.pack(">I4s", 8 + len(body), kind) + body

    height, width = struct.unpack_from(">II", codestream, 8)[::-1]
    header = box(b"ihdr", struct.pack(">IIHBBBB", height, width, components, 7, 7, 0, 0))
    header += box(b"colr", struct.pack(">BBBI", 1, 0, 0, space)) + b"".join(box(*one) for one in boxes)
    return (
        b"\0\0\0\x0cjP  \r\n\x87\n"
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", header)
        + box(b"jp2c", codestream)
    )


def channels(*rows):
    return b"cdef", struct.pack(">H", len(rows)) + b"".join(struct.pack(">HHH", *row) for row in rows)


@pytest.mark.parametrize("bits", [8, 12])
def test_the_channels_of_a_jpeg_2000_are_what_it_says_they_are(bits):
    samples = np.zeros((8, 9, 3), np.uint8 if bits == 8 else np.uint16)
    samples[..., 0], samples[..., 2] = 1, (1 << bits) - 1
    code = imagecodecs.jpeg2k_encode(samples, level=0, bitspersample=bits, codecformat="j2k", mct=False)
    turned = jp2(code, channels((0, 0, 3), (1, 0, 2), (2, 0, 1)))
    assert decode_image(turned, RGB).pixels[0, 0].tolist() == [255, 0, 1 if bits == 8 else 0]
    for kind in (2, 65535):
        status, reason = refusal(jp2(code, channels((0, 0, 1), (1, 0, 2), (2, kind, 3))))
        assert status == "unsupported"
        assert "neither colour nor alpha" in reason


def test_components_of_different_depth_are_unsupported():
    code = bytearray(imagecodecs.jpeg2k_encode(np.zeros((8, 9, 3), np.uint8), level=0, codecformat="j2k"))
    code[45] = 11  # the second component's depth less one, in SIZ
    assert refusal(bytes(code))[0] == "unsupported"


def test_avif_is_known_by_any_of_its_brands_and_other_media_by_name():
    data = worlds.encode(worlds.photo(1, 20, 24), "AVIF")
    expected = decode_image(data, RGB).pixels
    assert np.array_equal(decode_image(data[:8] + b"mif1" + data[12:], RGB).pixels, expected)
    assert refusal(data[:8] + b"isom" + data[12:])[0] == "unsupported"
    assert "HEIF" in refusal(data[:8] + b"heic" + data[12:])[1]


def test_every_note_on_an_image_is_kept():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for _ in range(2):
            writer.write(
                np.zeros((4, 5, 5), np.uint8),
                photometric="rgb",
                planarconfig="contig",
                extrasamples=["unspecified"] * 2,
            )
    note = decode_image(buffer.getvalue(), RGB).note
    assert "first page of 2" in note
    assert "2 of 5 values per pixel" in note


def test_jpegs_of_kinds_that_are_not_read_are_not_called_damaged():
    data = bytearray(worlds.encode(worlds.photo(1, 20, 24), "JPEG"))
    frame = data.index(b"\xff\xc0")
    for marker in (0xC3, 0xC5, 0xC6):
        data[frame + 1] = marker
        assert refusal(bytes(data))[0] == "unsupported"
    assert (
        refusal(
            worlds.encode_image(Image.new("L", (8, 8)), "JPEG").replace(b"\xff\xc0\0\x0b\x08", b"\xff\xc1\0\x0b\x0c")
        )[0]
        == "unsupported"
    )
