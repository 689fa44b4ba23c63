"""Masks: the numbers that a file stores, as other programs wrote them, and the classes that they stand for."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError, LabelError
from brev_pipeline.images.masks import DecodedMask, MaskClasses, decode_mask, read_mask

SETTINGS = ImageSettings()
RNG = np.random.default_rng(3)
PALETTE = [30, 40, 50, 255, 0, 0, 0, 255, 0, 9, 9, 9] + [7, 8, 9] * 252


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def png(values: np.ndarray, bits: int, colour_type: int = 0, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of one channel, written by hand: bits of each row packed, the first leftmost."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    if bits == 16:
        rows = values.astype(">u2").view(np.uint8).reshape(len(values), -1)
    else:
        digits = (values[:, :, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)
        rows = np.packbits(digits.reshape(len(values), -1), axis=1)
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, colour_type, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *(chunk(*one) for one in extra), chunk(b"IDAT", zlib.compress(body))]
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IEND", b"")])


def numbers(limit: int, height: int = 7, width: int = 13) -> np.ndarray:
    values = RNG.integers(0, limit, (height, width))
    values.flat[0], values.flat[1] = 0, limit - 1
    return values


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_png_of_any_depth_gives_its_stored_numbers(bits):
    values = numbers(1 << bits)
    decoded = decode_mask(png(values, bits), SETTINGS)
    assert np.array_equal(decoded.values, values)
    assert not decoded.is_coloured


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_s_png_gives_indexes_and_no_colours(bits, transparent):
    values = numbers(1 << bits)
    extra = [(b"PLTE", bytes(PALETTE[: 3 << bits]))] + [(b"tRNS", b"\0\x80")] * transparent
    assert np.array_equal(decode_mask(png(values, bits, 3, *extra), SETTINGS).values, values)


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF"])
def test_a_palette_s_file_of_pillow_gives_indexes(format_):
    values = numbers(4, 20, 31).astype(np.uint8)
    image = Image.fromarray(values).convert("L")
    image = Image.frombytes("P", image.size, values.tobytes())
    image.putpalette(PALETTE)
    decoded = decode_mask(saved(image, format_), SETTINGS)
    assert np.array_equal(decoded.values, values)
    assert not decoded.is_coloured


def test_of_a_gif_the_colours_count_since_its_writers_order_the_palette():
    values = numbers(4, 20, 31).astype(np.uint8)
    image = Image.frombytes("P", (31, 20), values.tobytes())
    image.putpalette(PALETTE)
    decoded = decode_mask(saved(image, "GIF"), SETTINGS)
    assert decoded.is_coloured
    assert np.array_equal(decoded.values, np.array([0x1E2832, 0xFF0000, 0x00FF00, 0x090909])[values])


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF", "PPM"])
def test_one_bit_of_pillow_is_0_and_1(format_):
    values = numbers(2, 9, 17).astype(np.uint8)
    image = Image.fromarray(values * 255).convert("1", dither=Image.Dither.NONE)
    assert np.array_equal(decode_mask(saved(image, format_), SETTINGS).values, values)


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP"])
def test_eight_bits_of_grey_are_as_they_are(format_):
    values = numbers(256, 20, 31).astype(np.uint8)
    options = {"lossless": True} if format_ == "WEBP" else {}
    assert np.array_equal(decode_mask(saved(Image.fromarray(values), format_, **options), SETTINGS).values, values)


@pytest.mark.parametrize("white", [1, 5, 100, 255, 300])
def test_a_pnm_of_any_largest_value_gives_its_numbers(white):
    values = numbers(white + 1)
    text = f"P2\n13 7\n{white}\n" + " ".join(map(str, values.reshape(-1)))
    assert np.array_equal(decode_mask(text.encode(), SETTINGS).values, values)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int8, np.int16])
def test_a_tiff_of_any_kind_gives_its_numbers_also_below_0(dtype):
    values = numbers(100).astype(dtype)
    values[1, 1:3] = np.iinfo(dtype).min, np.iinfo(dtype).max
    buffer = BytesIO()
    tifffile.imwrite(buffer, values, photometric="minisblack")
    assert np.array_equal(decode_mask(buffer.getvalue(), SETTINGS).values, values)


def test_rgb_of_equal_channels_is_grey_and_other_rgb_is_colours():
    values = numbers(256).astype(np.uint8)
    grey = decode_mask(saved(Image.fromarray(np.stack([values] * 3, -1)), "PNG"), SETTINGS)
    assert np.array_equal(grey.values, values)
    assert not grey.is_coloured
    rgb = RNG.integers(0, 256, (5, 6, 3)).astype(np.uint8)
    coloured = decode_mask(saved(Image.fromarray(rgb), "BMP"), SETTINGS)
    assert coloured.is_coloured
    assert coloured.values.tolist() == [[r * 65536 + g * 256 + b for r, g, b in row] for row in rgb.tolist()]


def test_what_is_transparent_is_0_and_what_is_half_so_is_refused():
    rgba = np.full((4, 5, 4), 200, np.uint8)
    rgba[..., 3] = 255
    rgba[1, 2, 3] = 0
    wanted = np.full((4, 5), 200)
    wanted[1, 2] = 0
    assert np.array_equal(decode_mask(saved(Image.fromarray(rgba), "PNG"), SETTINGS).values, wanted)
    rgba[2, 3, 3] = 90
    with pytest.raises(DecodeError, match="1 pixels are half transparent, the first in row 2, column 3") as caught:
        decode_mask(saved(Image.fromarray(rgba), "PNG"), SETTINGS)
    assert caught.value.status == "unsupported"


def test_a_mask_is_turned_as_its_photo_is():
    values = numbers(256, 6, 9).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert np.array_equal(
        decode_mask(saved(Image.fromarray(values), "PNG", exif=exif), SETTINGS).values, np.rot90(values, -1)
    )


def test_a_mask_is_an_untrusted_file_as_photos_are():
    data = saved(Image.fromarray(numbers(256).astype(np.uint8)), "PNG")
    with pytest.raises(DecodeError, match="damaged PNG"):
        decode_mask(data[:-20], SETTINGS)
    with pytest.raises(DecodeError, match="more than the limit max_pixels = 90"):
        decode_mask(data, ImageSettings(max_pixels=90))
    with pytest.raises(DecodeError, match="no image format is known"):
        decode_mask(b"no image at all", SETTINGS)


def test_a_damaged_mask_is_decoded_or_refused_whatever_is_damaged():
    image = Image.frombytes("P", (50, 40), numbers(4, 40, 50).astype(np.uint8).tobytes())
    image.putpalette(PALETTE)
    files = [saved(image, format_) for format_ in ("PNG", "BMP", "TIFF", "GIF")]
    files += [saved(image.convert("1"), format_) for format_ in ("PNG", "BMP", "PPM")]
    rng, refused = np.random.default_rng(8), 0
    for number in range(2000):
        data = bytearray(files[number % len(files)])
        for place in rng.integers(0, min(len(data), 200), 2):
            data[place] = rng.integers(256)
        try:
            decoded = decode_mask(bytes(data[: rng.integers(1, 2 * len(data))]), ImageSettings(max_pixels=100_000))
        except DecodeError as error:
            refused += error.status in ("corrupt", "unsupported", "too_large")
        else:
            assert decoded.values.size <= 100_000
    assert refused > 500


def test_bayer_photos_may_have_masks_of_any_kind():
    values = numbers(256).astype(np.uint8)
    rgb = Image.fromarray(np.stack([values] * 3, -1))
    assert np.array_equal(decode_mask(saved(rgb, "PNG"), ImageSettings(color_mode="bayer")).values, values)


def mask(values: object, *, coloured: bool = False) -> DecodedMask:
    return DecodedMask(np.asarray(values, np.uint32 if coloured else np.uint16), coloured, None)


class TestClasses:
    def test_values_stand_for_classes_and_0_for_the_background_unless_it_is_named(self):
        found = MaskClasses({255: 1, 128: 2, 40_000: 3}).classify(mask([[0, 255], [128, 40_000]]))
        assert found.dtype == np.uint8
        assert found.tolist() == [[0, 1], [2, 3]]
        assert MaskClasses({0: 4, 1: 0}).classify(mask([[0, 1]])).tolist() == [[4, 0]]

    def test_colours_stand_for_classes(self):
        classes = MaskClasses({(255, 0, 0): 1, (0, 128, 7): 2})
        assert classes.classify(mask([[0xFF0000, 0x008007, 0]], coloured=True)).tolist() == [[1, 2, 0]]

    def test_a_file_without_colour_is_read_by_colours_too(self):
        """A photo with nothing red on it is saved as grey: white and black are colours still."""
        classes = MaskClasses({(255, 0, 0): 1, (255, 255, 255): 2})
        assert classes.classify(mask([[0, 255]])).tolist() == [[0, 2]]
        assert MaskClasses({255: 1, 3: 2}).classify(mask([[0xFFFFFF, 0x030303]], coloured=True)).tolist() == [[1, 2]]

    def test_a_threshold_takes_its_value_and_all_above(self):
        classes = MaskClasses({}, threshold=128, above=5)
        assert classes.classify(mask([[0, 127, 128, 65_535]])).tolist() == [[0, 0, 5, 5]]
        assert classes.classify(mask([[0xFFFFFF, 0x101010, 0xFF0000]], coloured=True)).tolist() == [[5, 0, 0]]

    @pytest.mark.parametrize(
        ("found", "coloured", "message"),
        [
            ([[0, 1, 9], [9, 7, 1]], False, r"value 9 .* 2 px have it, the first in row 0, column 2, and 1 other"),
            ([[0, 1, 1], [1, 1, 65_535]], False, r"value 65535 .* 1 px have it, the first in row 1, column 2;"),
            ([[0, 0x00FF00]], True, "value #00ff00 stands for no class: 1 px"),
        ],
    )
    def test_an_unknown_value_is_an_error_that_names_it_its_count_and_its_first_place(self, found, coloured, message):
        with pytest.raises(LabelError, match=message):
            MaskClasses({1: 1}).classify(mask(found, coloured=coloured))

    def test_values_below_0_are_of_no_class(self):
        with pytest.raises(LabelError, match="value -3 stands for no class"):
            MaskClasses({1: 1}).classify(DecodedMask(np.array([[0, -3]], np.int32), False, None))


class TestRead:
    data = saved(Image.fromarray(np.array([[0, 255], [0, 255]], np.uint8)), "PNG")
    classes = MaskClasses({255: 3})

    def test_a_mask_of_the_photo_s_size_is_read_as_it_is(self):
        assert read_mask(self.data, SETTINGS, self.classes, (2, 2)).tolist() == [[0, 3], [0, 3]]

    def test_a_mask_of_another_size_is_an_error_that_names_both(self):
        with pytest.raises(LabelError, match=r"the mask is of 2×2 px, its photo of 3×4 px.*resize: true"):
            read_mask(self.data, SETTINGS, self.classes, (4, 3))

    def test_it_is_resized_to_the_nearest_where_that_is_asked_for(self):
        found = read_mask(self.data, SETTINGS, self.classes, (4, 6), resize=True)
        assert found.tolist() == [[0, 0, 0, 3, 3, 3]] * 4
        assert found.flags.c_contiguous
