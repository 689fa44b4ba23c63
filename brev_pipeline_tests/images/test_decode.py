"""What decoding gives: upright 8-bit pixels in the wanted channels, by declared rules; and their identity."""

import io

import numpy as np
import pytest
from PIL import Image

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images import decode_image
from brev_pipeline.images.decoding import compute_pixel_id
from brev_pipeline.images.formats import read_image_header
from brev_pipeline_tests.images import corpus, worlds

RGB = ImageSettings()
GREY = ImageSettings(color_mode="greyscale")
KINDS = worlds.one_of_each_kind()
FACTS = {  # format, channels, bit depth as stored
    "bmp": ("bmp", 3, 8),
    "bmp grey": ("bmp", 1, 8),
    "bmp palette": ("bmp", 1, 8),
    "bmp 32": ("bmp", 3, 8),
    "jpeg": ("jpeg", 3, 8),
    "jpeg grey": ("jpeg", 1, 8),
    "jpeg progressive": ("jpeg", 3, 8),
    "jpeg turned": ("jpeg", 3, 8),
    "jpeg cmyk": ("jpeg", 4, 8),
    "png": ("png", 3, 8),
    "png palette": ("png", 1, 8),
    "png alpha": ("png", 4, 8),
    "png grey alpha": ("png", 2, 8),
    "png 1 bit": ("png", 1, 1),
    "png 16 bit": ("png", 1, 16),
    "tiff": ("tiff", 3, 8),
    "tiff lzw": ("tiff", 3, 8),
    "tiff deflate": ("tiff", 3, 8),
    "tiff jpeg": ("tiff", 3, 8),
    "tiff 16 bit": ("tiff", 1, 16),
    "webp": ("webp", 3, 8),
    "webp lossless": ("webp", 3, 8),
    "gif": ("gif", 1, 6),
    "jpeg 2000": ("jpeg2000", 3, 8),
    "jpeg 2000 12 bit": ("jpeg2000", 1, 12),
    "avif": ("avif", 3, 8),
    "ppm": ("pnm", 3, 8),
    "pgm": ("pnm", 1, 8),
    "pgm 16 bit": ("pnm", 1, 16),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_decodes_to_pillows_pixels_and_tells_its_facts(kind):
    decoded = decode_image(KINDS[kind], RGB)
    assert (decoded.header.format, decoded.header.channels, decoded.header.bit_depth) == FACTS[kind]
    assert (decoded.header.height, decoded.header.width) == (150, 200)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.flags.c_contiguous
    expected = corpus.pillows_pixels(KINDS[kind])
    if expected is not None:
        assert np.array_equal(decoded.pixels, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_header_alone_tells_the_same_facts(kind):
    assert read_image_header(KINDS[kind]) == decode_image(KINDS[kind], RGB).header


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(kind, orientation):
    image = Image.fromarray(worlds.photo(3, 40, 56))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = worlds.encode_image(image, kind, exif=exif, **options)
    upright = decode_image(data, RGB)
    assert upright.pixels.shape == ((56, 40, 3) if orientation >= 5 else (40, 56, 3))
    assert np.array_equal(upright.pixels, corpus.pillows_pixels(data))
    assert (upright.header.height, upright.header.width) == (40, 56)  # as stored


def test_an_orientation_that_stands_in_xmp_only_is_applied_too():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r"><rdf:Description tiff:Orientation="3" '
    xmp += b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"/></rdf:RDF></x:xmpmeta>'
    data = worlds.encode_image(Image.fromarray(worlds.photo(3, 40, 56)), "JPEG", quality=90, xmp=xmp)
    plain = worlds.encode_image(Image.fromarray(worlds.photo(3, 40, 56)), "JPEG", quality=90)
    assert np.array_equal(decode_image(data, RGB).pixels, decode_image(plain, RGB).pixels[::-1, ::-1])


def test_16_bits_become_8_by_rounding_to_the_nearest():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for kind in ("PNG", "TIFF", "PPM"):
        pixels = decode_image(worlds.encode_image(Image.fromarray(values), kind), GREY).pixels[:, :, 0]
        assert np.array_equal(pixels, (values.astype(int) + 128) // 257), kind


def test_16_bit_colour_is_rounded_from_all_16_bits():
    import cv2

    deep = np.random.default_rng(1).integers(0, 65536, (30, 40, 3)).astype(np.uint16)
    for suffix in (".png", ".tiff"):
        data = cv2.imencode(suffix, deep)[1].tobytes()
        pixels = decode_image(data, RGB).pixels
        assert np.array_equal(pixels, ((deep.astype(int) + 128) // 257)[:, :, ::-1]), suffix


def test_floating_point_samples_are_refused():
    data = worlds.encode_image(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF")
    with pytest.raises(DecodeError, match="floating-point") as caught:
        decode_image(data, RGB)
    assert caught.value.status == "unsupported"


@pytest.mark.parametrize("background", [(0, 0, 0), (255, 128, 7)])
def test_transparency_is_composed_on_the_background(background):
    draw = np.random.default_rng(2)
    rgba = draw.integers(0, 256, (50, 60, 4)).astype(np.uint8)
    colour, alpha = rgba[:, :, :3].astype(int), rgba[:, :, 3:].astype(int)
    expected = (colour * alpha + np.array(background) * (255 - alpha) + 127) // 255
    decoded = decode_image(worlds.encode(rgba, "PNG"), ImageSettings(background=background))
    assert np.array_equal(decoded.pixels, expected)


def test_greyscale_is_the_declared_integer_formula():
    rgb = np.random.default_rng(3).integers(0, 256, (200, 201, 3)).astype(np.uint8)
    red, green, blue = (rgb[:, :, channel].astype(int) for channel in range(3))
    pixels = decode_image(worlds.encode(rgb, "PNG"), GREY).pixels
    assert pixels.shape == (200, 201, 1)
    assert np.array_equal(pixels[:, :, 0], (9798 * red + 19235 * green + 3735 * blue + 16384) >> 15)


def test_a_grey_file_stays_as_it_is_in_greyscale_and_repeats_in_rgb():
    grey = worlds.photo(4, 30, 40, 1)
    for kind in ("BMP", "PNG", "TIFF"):
        data = worlds.encode(grey, kind)
        assert np.array_equal(decode_image(data, GREY).pixels, grey)
        assert np.array_equal(decode_image(data, RGB).pixels, np.repeat(grey, 3, axis=2))


def test_bayer_gives_the_colours_of_a_bggr_sensor():
    flat = np.zeros((6, 8, 1), np.uint8)
    flat[0::2, 0::2], flat[0::2, 1::2], flat[1::2, 0::2], flat[1::2, 1::2] = 30, 20, 20, 10
    pixels = decode_image(worlds.encode(flat, "BMP"), ImageSettings(color_mode="bayer")).pixels
    assert np.array_equal(pixels, np.broadcast_to([10, 20, 30], (6, 8, 3)))


def test_bayer_interpolates_bilinearly_with_rounding():
    raw = np.random.default_rng(5).integers(0, 256, (12, 14)).astype(np.uint8)
    pixels = decode_image(worlds.encode(raw, "PNG"), ImageSettings(color_mode="bayer")).pixels.astype(int)
    r = raw.astype(int)
    y, x = 4, 6  # a blue place
    assert pixels[y, x, 2] == r[y, x]
    assert pixels[y, x, 1] == (r[y - 1, x] + r[y + 1, x] + r[y, x - 1] + r[y, x + 1] + 2) // 4
    assert pixels[y, x, 0] == (r[3, 5] + r[3, 7] + r[5, 5] + r[5, 7] + 2) // 4
    assert pixels[y, x + 1, 2] == (r[y, x] + r[y, x + 2] + 1) // 2
    assert pixels[0, 0, 0] == r[1, 1]  # mirrored at the border


@pytest.mark.parametrize(
    ("kind", "words"), [("png", "colour image"), ("jpeg", "colour image"), ("1×4", "at least 2×2")]
)
def test_bayer_wants_a_raw_image(kind, words):
    data = worlds.encode(np.zeros((1, 4), np.uint8), "PNG") if kind == "1×4" else KINDS[kind]
    with pytest.raises(DecodeError, match=words) as caught:
        decode_image(data, ImageSettings(color_mode="bayer"))
    assert caught.value.status == "unsupported"


@pytest.mark.parametrize("kind", ["BMP", "JPEG", "PNG", "TIFF", "WEBP", "GIF", "JPEG2000", "PPM"])
def test_a_photo_of_one_pixel_is_read(kind):
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    data = worlds.encode(np.full((1, 1, 3), 200, np.uint8), kind, **options)
    assert decode_image(data, RGB).pixels.tolist() == [[[200, 200, 200]]]


@pytest.mark.parametrize("bits", [1, 4, 8, 24])
@pytest.mark.parametrize("width", [1, 2, 3, 5, 31, 33])
def test_bmp_rows_of_every_padding_are_read(bits, width):
    image = Image.fromarray(worlds.photo(6, 7, width))
    image = {1: image.convert("1"), 4: image.quantize(16), 8: image.quantize(256), 24: image}[bits]
    data = worlds.encode_image(image, "BMP")
    assert np.array_equal(decode_image(data, RGB).pixels, corpus.pillows_pixels(data))


def test_a_top_down_bmp_is_read():
    rgb = worlds.photo(7, 20, 30)
    data = bytearray(worlds.encode(np.ascontiguousarray(rgb[::-1]), "BMP"))
    data[22:26] = (-20).to_bytes(4, "little", signed=True)
    assert np.array_equal(decode_image(bytes(data), RGB).pixels, rgb)


def test_several_threads_may_decode_at_once():
    from concurrent.futures import ThreadPoolExecutor

    files = list(KINDS.values()) * 4
    alone = [decode_image(data, RGB).pixels for data in files]
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(alone, pool.map(lambda data: decode_image(data, RGB).pixels, files), strict=True):
            assert np.array_equal(one, other)


def test_a_decoded_images_pixels_do_not_share_the_files_memory():
    data = io.BytesIO(KINDS["bmp grey"]).getvalue()
    assert decode_image(data, GREY).pixels.flags.owndata or decode_image(data, GREY).pixels.base is not None


def test_the_same_pixels_in_any_file_have_the_same_id():
    rgb = worlds.photo(4, 37, 41)
    for mode in ("rgb", "greyscale"):
        settings = ImageSettings(color_mode=mode)
        files = [worlds.encode(rgb, kind) for kind in ("BMP", "PNG", "TIFF", "PPM")]
        files += [worlds.encode(rgb, "WEBP", lossless=True), worlds.bmp32(rgb)]
        assert len({compute_pixel_id(decode_image(data, settings).pixels) for data in files}) == 1


def test_a_grey_file_and_its_colour_copy_have_the_same_id():
    grey = worlds.photo(5, 20, 30, 1)
    files = [worlds.encode(grey, "PNG"), worlds.encode(np.repeat(grey, 3, axis=2), "BMP")]
    for mode in ("rgb", "greyscale"):
        assert len({compute_pixel_id(decode_image(data, ImageSettings(color_mode=mode)).pixels) for data in files}) == 1


def test_one_grey_level_or_another_shape_is_another_id():
    pixels = worlds.photo(6, 12, 16)
    other = pixels.copy()
    other[5, 5, 1] ^= 1
    turned = pixels.reshape(16, 12, 3)
    assert len({compute_pixel_id(pixels), compute_pixel_id(other), compute_pixel_id(turned)}) == 3


def test_the_id_is_golden():
    # It stands in published tables: another value here is another code of prepared_images (see `stages`).
    assert compute_pixel_id(np.arange(60, dtype=np.uint8).reshape(4, 5, 3)) == "4a1c2751c62d0f3d45f7fb867693ac31"
