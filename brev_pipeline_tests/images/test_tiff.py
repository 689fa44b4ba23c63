"""TIFF at every depth: what was written is what is read; what is damaged, too costly or of another kind is refused."""

import gzip
import io
import itertools
import struct
import time
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import DecodeError
from brev_pipeline.images.formats import tiff
from brev_pipeline.images.formats.ifd import count_directories, iterate_directories

SETTINGS = ImageSettings()
HEIGHT, WIDTH = 19, 37
WHOLE = [8, 16]
PACKED = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15]


def read(data, settings=SETTINGS):
    header = tiff.read_header(data)
    note = tiff.check_file(data, header, settings)
    raster = tiff.decode_samples(data, header, settings)
    return raster._replace(note="; ".join(filter(None, [note, raster.note])) or None)


def refusal(data, settings=SETTINGS):
    with pytest.raises(DecodeError) as caught:
        read(data, settings)
    return caught.value.status, str(caught.value)


def image(channels=1, bits=8, height=HEIGHT, width=WIDTH):
    """Whole numbers (height, width, channels) that reach from black to white."""
    samples = np.random.default_rng(bits).integers(0, 1 << bits, (height, width, channels))
    samples[0, 0], samples[-1, -1] = 0, (1 << bits) - 1
    return samples.astype(np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32)


def write(samples, *, planar=False, **options):
    """A TIFF of (height, width, channels), written by tifffile."""
    channels = samples.shape[2]
    options = {"photometric": "rgb" if channels >= 3 else "minisblack", "metadata": None, **options}
    if channels > 1:
        options["planarconfig"] = "separate" if planar else "contig"
    array = samples[..., 0] if channels == 1 else np.moveaxis(samples, -1, 0) if planar else samples
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def tiff_of(data, *, order="<", big=False, compression=1, lengths=None, **tags):
    """A TIFF by hand: `data` are the bytes of its parts."""
    numbers = {
        "width": 256, "height": 257, "bits": 258, "photometric": 262, "fill": 266, "channels": 277, "rows": 278,
        "planar": 284, "predictor": 317, "tile_width": 322, "tile_height": 323, "extra": 338, "format": 339,
        "orientation": 274,
    }  # fmt: skip
    fields = {256: (5,), 257: (3,), 258: (8,), 259: (compression,), 262: (1,)}
    fields |= {numbers[name]: value if isinstance(value, tuple) else (value,) for name, value in tags.items()}
    place, starts = 16, []
    for part in data:
        starts.append(place)
        place += len(part)
    fields[273] = tuple(starts)
    fields[279] = tuple(map(len, data)) if lengths is None else lengths
    letter, size = ("Q", 8) if big else ("I", 4)
    entries, values, after = b"", b"", place + (8 if big else 2) + len(fields) * (20 if big else 12) + size
    for tag, found in sorted(fields.items()):
        coded = struct.pack(f"{order}{len(found)}{letter}", *found)
        if len(found) > 1:
            coded, values = struct.pack(order + letter, after + len(values)), values + coded
        entries += struct.pack(order + "HH" + letter, tag, 16 if big else 4, len(found)) + coded.ljust(size, b"\0")
    magic = struct.pack(order + "HHH", 43, 8, 0) if big else struct.pack(order + "H", 42)
    head = ({"<": b"II", ">": b"MM"}[order] + magic + struct.pack(order + letter, place)).ljust(16, b"\0")
    count = struct.pack(order + ("Q" if big else "H"), len(fields))
    return head + b"".join(data) + count + entries + bytes(size) + values


def packed(samples, bits):
    """Rows of samples, packed from the highest bit on, each row to its byte."""
    rows = samples.reshape(len(samples), -1)
    texts = ("".join(f"{int(value):0{bits}b}" for value in row) for row in rows)
    return b"".join(
        int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big") for text in texts
    )


CODES = [(None, False), ("packbits", False), *itertools.product(["lzw", "zlib", "zstd", "lzma"], [False, True])]


@pytest.mark.parametrize(("code", "predictor"), CODES)
@pytest.mark.parametrize("bits", WHOLE)
@pytest.mark.parametrize("order", "<>")
def test_what_tifffile_writes_is_read_whatever_its_shape(code, predictor, bits, order):
    cuts = [{"tile": (16, 32)}, {"tile": (16, 16), "bigtiff": True}, {"rowsperstrip": 5, "bigtiff": True}, {}]
    for channels, planar, cut in itertools.product([1, 2, 3, 4], [False, True], cuts):
        samples = image(channels, bits)
        extra = {"extrasamples": ["unassalpha"]} if channels in (2, 4) else {}
        options = {"compression": code, "predictor": predictor or None, "byteorder": order}
        raster = read(write(samples, planar=planar, **options, **cut, **extra))
        assert np.array_equal(raster.samples, samples)
        assert (raster.samples.dtype, raster.white, raster.zero) == (samples.dtype, (1 << bits) - 1, 0)
        assert raster.note is None


@pytest.mark.parametrize("bits", PACKED)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("planar", [False, True])
def test_packed_samples_are_unpacked_and_below_8_bits_scaled_to_the_nearest(bits, channels, planar):
    samples, white = image(channels, bits), (1 << bits) - 1
    expected = samples if bits > 8 else np.array([round(v * 255 / white) for v in range(white + 1)], np.uint8)[samples]
    planes = [samples[..., i] for i in range(channels)] if planar else [samples]
    tags = {
        "width": WIDTH, "height": HEIGHT, "bits": (bits,) * channels, "channels": channels, "rows": 7,
        "photometric": 2 if channels == 3 else 1, "planar": 2 if planar else 1,
    }  # fmt: skip
    parts = [packed(plane[top : top + 7], bits) for plane in planes for top in range(0, HEIGHT, 7)]
    for order, code in itertools.product("<>", [1, 8]):
        coded = [zlib.compress(part) for part in parts] if code == 8 else parts
        raster = read(tiff_of(coded, order=order, compression=code, **tags))
        assert np.array_equal(raster.samples, expected)
        assert raster.white == (white if bits > 8 else 255)
    reversed_bits = [bytes(int(f"{byte:08b}"[::-1], 2) for byte in part) for part in parts]
    assert np.array_equal(read(tiff_of(reversed_bits, fill=2, **tags)).samples, expected)


@pytest.mark.parametrize("bits", [12, 14])
def test_tifffile_packs_as_it_is_read(bits):
    samples = image(1, bits)
    assert np.array_equal(read(write(samples, bitspersample=bits)).samples, samples)


@pytest.mark.parametrize("bits", WHOLE)
def test_signed_samples_begin_at_the_lowest(bits):
    samples = image(3, bits)
    lowest = -(1 << bits - 1)
    signed = (samples.astype(int) + lowest).astype(f"i{bits // 8}")
    for code, predictor in CODES:
        raster = read(write(signed, compression=code, predictor=predictor or None))
        assert np.array_equal(raster.samples, samples)
        assert raster.zero == (lowest if bits > 8 else 0)


@pytest.mark.parametrize("bits", [1, 4, 8, 10, 12, 16])
def test_where_0_is_white_black_is_read_as_0(bits):
    samples, white = image(1, bits), (1 << bits) - 1
    raw = samples.astype("<u2").tobytes() if bits == 16 else packed(samples, bits)
    raster = read(tiff_of([raw], width=WIDTH, height=HEIGHT, bits=bits, photometric=0))
    expected = white - samples.astype(int)
    assert np.array_equal(raster.samples, expected if bits >= 8 else expected * (255 // white))


def test_alpha_is_not_inverted_where_0_is_white():
    raster = read(tiff_of([bytes([0, 7, 255, 9])], width=2, height=1, bits=(8, 8), channels=2, photometric=0, extra=2))
    assert raster.samples.tolist() == [[[255, 7], [0, 9]]]


@pytest.mark.parametrize("sign", "ui")
def test_32_bits_are_read_where_they_fit_into_16(sign):
    samples = image(1, 16).astype(f"{sign}4")
    for options in ({}, {"compression": "zlib", "predictor": True}, {"byteorder": ">"}):
        raster = read(write(samples, **options))
        assert (raster.samples.dtype, raster.white, raster.zero) == (np.uint16, 65535, 0)
        assert np.array_equal(raster.samples, samples)
    samples[2, 3] = 65536 if sign == "u" else -1
    status, reason = refusal(write(samples))
    assert status == "unsupported"
    assert ("65536" if sign == "u" else "-1") in reason


def test_premultiplied_colours_are_divided_to_the_nearest():
    samples = image(4, 16)
    samples[0, 1], samples[0, 2] = (5, 6, 7, 0), (9, 9, 9, 3)
    alpha = samples[..., 3:].astype(object)
    nearest = np.where(
        alpha > 0, (2 * samples[..., :3].astype(object) * 65535 + alpha) // (2 * np.maximum(alpha, 1)), 0
    )
    for planar in (False, True):
        found = read(write(samples, planar=planar, extrasamples=["assocalpha"])).samples
        assert np.array_equal(found[..., 3], samples[..., 3])
        assert np.array_equal(found[..., :3], np.minimum(nearest, 65535))


def pillows(data):
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        opened = opened.convert("RGBA") if opened.mode in ("RGBA", "LA") else opened
        return np.asarray(opened.convert("L") if opened.mode == "1" else opened)


@pytest.mark.parametrize("extra", [[], ["unspecified"], ["assocalpha"], ["unassalpha"], ["unassalpha", "unspecified"]])
def test_extra_samples_of_8_bits_mean_what_they_mean_to_pillow(extra):
    samples = image(3 + len(extra), 8)
    # A pixel without alpha has no colour.
    samples[samples[..., 3:4].repeat(samples.shape[2], 2) == 0] = 0
    data = write(samples, extrasamples=extra or None, compression="lzw")
    raster = read(data)
    assert np.array_equal(raster.samples, pillows(data))
    assert (raster.note is None) == (raster.samples.shape[2] == samples.shape[2])


def test_rgb_with_a_fourth_value_that_is_not_named_has_alpha():
    data = tiff_of([bytes(range(24))], width=2, height=3, bits=(8, 8, 8, 8), channels=4, photometric=2)
    assert np.array_equal(read(data).samples, pillows(data))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_told_and_not_applied(orientation):
    raster = read(tiff_of([bytes(range(15))], orientation=orientation))
    assert raster.orientation == orientation
    assert raster.samples.shape == (3, 5, 1)


# All but a palette by JPEG, which libtiff does not write.
KINDS_AND_CODES = [(kind, code) for kind in ("P", "CMYK", "YCbCr") for code in (None, "tiff_lzw", "tiff_adobe_deflate")]


@pytest.mark.parametrize(("mode", "code"), [*KINDS_AND_CODES, ("CMYK", "jpeg"), ("YCbCr", "jpeg")])
def test_other_kinds_of_8_bits_are_left_to_pillow(mode, code):
    file = io.BytesIO()
    Image.fromarray(image(3)).convert(mode).save(file, "TIFF", compression=code)
    with Image.open(io.BytesIO(file.getvalue())) as opened:
        assert np.array_equal(read(file.getvalue()).samples, np.asarray(opened.convert("RGB")))


def test_jpeg_coded_strips_are_strict_where_that_is_asked_for():
    file = io.BytesIO()
    Image.fromarray(image(3, height=64, width=64)).save(file, "TIFF", compression="jpeg")
    data = bytearray(file.getvalue())
    page = next(iterate_directories(bytes(data)))
    (start,), (length,) = page.read_values(273), page.read_values(279)
    data[start + length // 2 : start + length // 2 + 2] = b"\xff\xd9"
    status, reason = refusal(bytes(data), ImageSettings(strict_jpeg=True))
    assert status == "corrupt"
    assert "JPEG" in reason or "marker" in reason


@pytest.mark.parametrize("name", ["tf_planar16", "tf_planar16_be", "rgba16_planar", "tf_default_3chw"])
def test_planar_cases_of_16_bits(shared, name):
    folder = shared / "cases" / "pixels"
    raster = read((folder / f"{name}.tif").read_bytes())
    expected = np.load(folder / "planar16_expected.npz")["rgb"]
    assert np.array_equal((2 * 255 * raster.samples[..., :3].astype(int) + 65535) // (2 * 65535), expected)


@pytest.mark.parametrize("name", ["tf_mw16", "mw16_big", "tf_mw8"])
def test_cases_where_0_is_white(shared, name):
    raster = read((shared / "cases" / "pixels" / f"{name}.tif").read_bytes())
    assert (raster.samples[0, 0, 0], raster.samples[-1, -1, 0]) == (raster.white, 0)


def test_case_of_grey_and_alpha_of_16_bits(shared):
    file = shared / "cases" / "pixels" / "tf_ga16.tif"
    assert np.array_equal(read(file.read_bytes()).samples, tifffile.imread(file))


SMALL = {"width": 2, "height": 2}
KINDS = {
    "floating-point": tiff_of([bytes(8)], **SMALL, bits=16, format=3),
    "complex": tiff_of([bytes(16)], **SMALL, bits=32, format=5),
    "64 bits": tiff_of([bytes(32)], **SMALL, bits=64),
    "24 bits": tiff_of([bytes(12)], **SMALL, bits=24),
    "CMYK": tiff_of([bytes(32)], **SMALL, bits=(16,) * 4, channels=4, photometric=5),
    "a palette": tiff_of([bytes(8)], **SMALL, bits=16, photometric=3),
    "LogLuv": tiff_of([bytes(24)], **SMALL, bits=(16,) * 3, channels=3, photometric=32845),
    "JPEG": tiff_of([bytes(8)], **SMALL, bits=12, compression=7),
    "WebP": tiff_of([bytes(8)], **SMALL, compression=50001),
    "unknown kind 4711": tiff_of([bytes(8)], **SMALL, compression=4711),
    "unknown kind 77": tiff_of([bytes(8)], **SMALL, photometric=77),
    "differ": tiff_of([bytes(8)], **SMALL, bits=(5, 6, 5), channels=3, photometric=2),
    "predictor 3": tiff_of([zlib.compress(bytes(4))], **SMALL, compression=8, predictor=3),
    "premultiplied": tiff_of([bytes(8)], **SMALL, bits=(8, 8), channels=2, photometric=0, extra=1),
    "20 values per pixel": tiff_of([bytes(80)], **SMALL, channels=20),
    "CIE L*a*b*": tiff_of([bytes(8)], **SMALL, bits=(4,) * 3, channels=3, photometric=8),
}


@pytest.mark.parametrize("words", KINDS)
def test_a_kind_that_is_not_read_is_named_and_not_called_damaged(words):
    status, reason = refusal(KINDS[words])
    assert status == "unsupported"
    assert words in reason


def test_floating_point_of_16_bits_is_not_called_damaged(shared):
    assert refusal((shared / "cases" / "pixels" / "tf_f16.tif").read_bytes())[0] == "unsupported"


def wrong_checksum(data):
    return data[:-1] + bytes([data[-1] ^ 1])


ROWS = bytes(range(15))
DAMAGED = {
    "has no directory": b"II*\0" + bytes(8),
    "ends before its image does": tiff_of([ROWS[:-1]]),
    "has 14 bytes of 15": tiff_of([zlib.compress(ROWS[:-1])], compression=8),
    "has 0 bytes of 15": tiff_of([b""], compression=5),
    "1 strips are listed, where its image has 3": tiff_of([ROWS], rows=1),
    "lies outside of the file": tiff_of([ROWS], lengths=(0,)).replace(
        struct.pack("<HHII", 273, 4, 1, 16), struct.pack("<HHII", 273, 4, 1, 99999)
    ),
    "has 5 bytes of 15": tiff_of([ROWS], lengths=(5,)),
    "their checksum or code is wrong": tiff_of([wrong_checksum(zlib.compress(ROWS))], compression=8),
    "compressed image data are damaged": tiff_of([b"\x99\x88\x77" * 9], compression=5),
    "tiles have a size of 0×16 px": tiff_of([ROWS], tile_width=0, tile_height=16),
    "its tag 258": tiff_of([ROWS], bits=(8, 8)).replace(struct.pack("<HH", 258, 4), struct.pack("<HH", 258, 5)),
    "its colours are 3": tiff_of([ROWS], photometric=2),
}


@pytest.mark.parametrize("words", DAMAGED)
def test_damage_is_refused_and_never_filled_in(words):
    status, reason = refusal(DAMAGED[words])
    assert status == "corrupt"
    assert words in reason


@pytest.mark.parametrize("code", ["lzw", "zlib", "zstd", "lzma", "packbits", None])
@pytest.mark.parametrize("bits", WHOLE)
def test_a_strip_that_is_cut_short_is_refused(code, bits):
    data = write(image(3, bits), compression=code)
    page = next(iterate_directories(data))
    (start,), (length,) = page.read_values(273), page.read_values(279)
    assert start + length == len(data)
    for lost in (40, length // 2, length - 1):
        assert refusal(data[:-lost])[0] == "corrupt"


def test_a_palette_whose_deflated_data_are_damaged_is_refused():
    file = io.BytesIO()
    Image.fromarray(image(3)).convert("P").save(file, "TIFF", compression="tiff_adobe_deflate")
    data = bytearray(file.getvalue())
    page = next(iterate_directories(bytes(data)))
    data[page.read_values(273)[0] + page.read_values(279)[0] - 1] ^= 1
    assert refusal(bytes(data))[0] == "corrupt"


@pytest.mark.parametrize("code", [1, 5, 8, 32773, 34925, 50000])
def test_a_strip_that_is_filled_up_beyond_the_image_is_read(code):
    import imagecodecs

    encode = {
        1: bytes, 5: imagecodecs.lzw_encode, 8: zlib.compress, 32773: imagecodecs.packbits_encode,
        34925: imagecodecs.lzma_encode, 50000: imagecodecs.zstd_encode,
    }[code]  # fmt: skip
    raster = read(tiff_of([encode(ROWS + bytes(20))], compression=code))
    assert raster.samples.tobytes() == ROWS


def test_lzw_of_before_1990_is_read():
    codes = [256, *ROWS, 257]
    bits = sum(code << 9 * number for number, code in enumerate(codes))
    data = tiff_of([bits.to_bytes(-(-9 * len(codes) // 8), "little")], compression=5)
    assert read(data).samples.tobytes() == ROWS


def test_lengths_that_are_left_out_are_not_needed():
    for part, code in ((ROWS, 1), (zlib.compress(ROWS), 8)):
        data = tiff_of([part], compression=code).replace(struct.pack("<HH", 279, 4), struct.pack("<HH", 280, 4))
        assert read(data).samples.tobytes() == ROWS


BOMBS = {
    "unpacks to more than 4126 bytes": tiff_of([zlib.compress(bytes(10**6))], compression=8),
    "it lists 100 strips, where its image can have 3": tiff_of([ROWS] + [b""] * 99, rows=3),
    "hold 3600000000 px": tiff_of([bytes(64)], **SMALL, tile_width=60_000, tile_height=60_000),
    "1000000 strips": tiff_of([b"1"], width=1, height=1_000_000, rows=1),
    "5000 entries": tiff_of([ROWS], photometric=3).replace(struct.pack("<H", 7), struct.pack("<H", 5000))
    + bytes(5000 * 12),
    "together claim over": tiff_of([ROWS[:5]] * 9, height=9, rows=1, photometric=3, lengths=(9999,) * 9) + bytes(9999),
}


@pytest.mark.parametrize("words", BOMBS)
def test_work_that_the_size_does_not_account_for_is_refused_with_its_count(words):
    began = time.process_time()
    status, reason = refusal(BOMBS[words])
    assert status == "too_large"
    assert words in reason
    assert time.process_time() - began < 1


def test_a_thousand_strips_may_lie_in_one_place():
    part = zlib.compress(bytes(range(8)))
    data = tiff_of([part], width=8, height=1000, rows=1, compression=8)
    # The list of strips names the one part a thousand times.
    lists = struct.pack("<1000I", *[16] * 1000) + struct.pack("<1000I", *[len(part)] * 1000)
    for tag, place in ((273, len(data)), (279, len(data) + 4000)):
        old = next(data[i : i + 12] for i in range(len(data)) if data[i : i + 4] == struct.pack("<HH", tag, 4))
        data = data.replace(old, struct.pack("<HHII", tag, 4, 1000, place))
    assert np.array_equal(read(data + lists).samples[..., 0], np.tile(np.arange(8), (1000, 1)))


def test_bombs_of_the_cases_cost_little(shared):
    folder = shared / "cases" / "bombs"
    began = time.process_time()
    assert refusal((folder / "strips.tif").read_bytes())[0] == "too_large"
    pages = gzip.decompress((folder / "ifd.tif.gz").read_bytes())
    assert read(pages).note == "first page of 10000"
    assert count_directories(pages, 100) == 100
    assert time.process_time() - began < 1


def test_a_tag_that_claims_a_billion_values_costs_nothing():
    data = tiff_of([ROWS], bits=(8, 8)).replace(struct.pack("<HHI", 258, 4, 2), struct.pack("<HHI", 258, 4, 10**9))
    assert refusal(data)[0] == "corrupt"


def outcome(data):
    try:
        header = tiff.read_header(data)
        if header.height * header.width > 1_000_000:
            return DecodeError("too_large", "it has too many pixels")
        tiff.check_file(data, header, SETTINGS)
        return tiff.decode_samples(data, header, SETTINGS)
    except DecodeError as error:
        return error


@given(st.data())
def test_a_directory_that_is_changed_at_random_is_read_or_refused(data):
    file = bytearray(data.draw(st.sampled_from([*KINDS.values(), *DAMAGED.values(), *BOMBS.values()])))
    page = next(iterate_directories(bytes(file)), None)
    for _ in range(data.draw(st.integers(1, 3))):
        entry = (
            0
            if page is None
            else page.first_entry + 12 * data.draw(st.integers(0, max(0, min(page.entry_count, 12) - 1)))
        )
        place, size = data.draw(st.sampled_from([(0, "H"), (2, "H"), (4, "I"), (8, "I")]))
        value = data.draw(
            st.integers(0, 40) | st.integers(256, 340) | st.integers(0, (1 << (16 if size == "H" else 32)) - 1)
        )
        if entry + place + 4 <= len(file):
            struct.pack_into("<" + size, file, entry + place, value & (0xFFFF if size == "H" else 0xFFFFFFFF))
    found = outcome(bytes(file))
    if isinstance(found, DecodeError):
        assert found.status in ("corrupt", "unsupported", "too_large")
        assert len(str(found).split()) > 3
    else:
        assert found.samples.dtype == (np.uint8 if found.white == 255 else np.uint16)
