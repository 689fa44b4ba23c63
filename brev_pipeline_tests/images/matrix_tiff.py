"""TIFF files of the matrix, by tifffile (with imagecodecs), libvips and ImageMagick (both with libtiff)."""

import itertools
from io import BytesIO

import numpy as np

from brev_pipeline_tests.images.matrix_cells import WIDTH, Cell, imagemagick, scene, smooth

_THROUGH_LIBTIFF = frozenset({"libtiff"})
_KINDS = {"grey": 1, "grey alpha": 2, "rgb": 3, "rgb alpha": 4}
_ORDERS = {"little-endian": "<", "big-endian": ">"}


def cells():
    yield from _depths()
    yield from _product()
    yield from _inverted()
    yield from _tiles()
    yield from _palettes()
    yield from _numbers()
    yield from _inks_and_codecs()
    yield from _by_vips()
    yield from _by_imagemagick()


def _write(samples, **options):
    file = BytesIO()
    import tifffile

    tifffile.imwrite(file, samples, metadata=None, software=False, **options)
    return file.getvalue()


def _layout(samples, planar):
    """The array as tifffile wants it, and what says so."""
    channels = samples.shape[2]
    options = {"photometric": "minisblack" if channels < 3 else "rgb"}
    if channels in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    if channels == 1:
        return samples[:, :, 0], options
    options["planarconfig"] = "separate" if planar else "contig"
    return (np.moveaxis(samples, 2, 0) if planar else samples), options


def _depths():
    """Every depth 1..16, packed without gaps; both photometric interpretations of grey."""
    for bits, (order, mark) in itertools.product(range(1, 17), _ORDERS.items()):
        white = (1 << bits) - 1
        if bits in range(9, 16) and mark == ">":
            continue  # tifffile packs bytes that it has swapped before: its own reader finds other samples
        for photometric in ("minisblack", "miniswhite"):
            name = f"tiff grey {bits} {photometric} {order}"
            samples = scene(1, white, name)
            stored = white - samples if photometric == "miniswhite" else samples
            data = _write(stored[:, :, 0], photometric=photometric, byteorder=mark, bitspersample=bits)
            yield Cell(name, data, samples, white, "tifffile")
        if bits in (1, 2, 4, 5, 10, 12, 14):
            for planar, kind in itertools.product((False, True), ("rgb", "rgb alpha")):
                name = f"tiff {kind} {bits} {'planar' if planar else 'interleaved'} packed {order}"
                samples = scene(_KINDS[kind], white, name)
                array, options = _layout(samples, planar)
                data = _write(array, byteorder=mark, bitspersample=bits, **options)
                yield Cell(name, data, samples, white, "tifffile")


def _product():
    """8 and 16 bits in all layouts, orders and common codes."""
    codes = [(None, False), ("lzw", False), ("lzw", True), ("zlib", False), ("zlib", True), ("packbits", False)]
    for bits, kind, planar, (order, mark), (code, predictor) in itertools.product(
        (8, 16), _KINDS, (False, True), _ORDERS.items(), codes
    ):
        if planar and kind == "grey":
            continue
        layout = "planar" if planar else "interleaved"
        name = f"tiff {kind} {bits} {layout} {order} {code or 'uncompressed'}{' predictor' if predictor else ''}"
        white = (1 << bits) - 1
        samples = scene(_KINDS[kind], white, name)
        array, options = _layout(samples, planar)
        if code:
            options |= {"compression": code, "predictor": predictor, "rowsperstrip": 5}
        yield Cell(name, _write(array, byteorder=mark, **options), samples, white, "tifffile")


def _inverted():
    """Grey of which 0 is white, in codes, orders, strips and tiles."""
    for bits, (order, mark), code, tile in itertools.product(
        (8, 16), _ORDERS.items(), ("lzw", "zlib", "packbits"), (None, (16, 16))
    ):
        name = f"tiff grey {bits} miniswhite {order} {code} {'tiles' if tile else 'predictor'}"
        white = (1 << bits) - 1
        samples = scene(1, white, name)
        options = {"compression": code, "tile": tile, "predictor": not tile and code != "packbits"}
        data = _write((white - samples)[:, :, 0], photometric="miniswhite", byteorder=mark, **options)
        yield Cell(name.replace("packbits predictor", "packbits"), data, samples, white, "tifffile")


def _tiles():
    for bits, kind, planar, code in itertools.product((8, 16), _KINDS, (False, True), (None, "lzw", "zlib")):
        if planar and kind == "grey":
            continue
        order = "big-endian" if code == "lzw" else "little-endian"
        name = f"tiff {kind} {bits} {'planar' if planar else 'interleaved'} tiles {order} {code or 'uncompressed'}"
        white = (1 << bits) - 1
        samples = scene(_KINDS[kind], white, name)
        array, options = _layout(samples, planar)
        if code:
            options |= {"compression": code, "predictor": code == "lzw"}
        data = _write(array, tile=(16, 16), byteorder=_ORDERS[order], bigtiff=code == "zlib", **options)
        yield Cell(name + (" bigtiff" if code == "zlib" else ""), data, samples, white, "tifffile")
    for bits, code in itertools.product((8, 16), ("zstd", "lzma")):
        name = f"tiff rgb {bits} interleaved little-endian {code}"
        samples = scene(3, (1 << bits) - 1, name)
        yield Cell(name, _write(samples, photometric="rgb", compression=code), samples, (1 << bits) - 1, "tifffile")


def _palettes():
    for bits, code in itertools.product((8, 16), (None, "lzw")):
        name = f"tiff palette {bits} {code or 'uncompressed'}"
        indexes = scene(1, 255, name)[:, :, 0].astype(f"u{bits // 8}")
        colours = np.random.default_rng(bits).integers(0, 256, (3, 1 << bits), dtype=np.uint16) * 257
        data = _write(indexes, photometric="palette", colormap=colours, compression=code)
        yield Cell(name, data, np.moveaxis(colours[:, indexes], 0, 2), 65535, "tifffile", _THROUGH_LIBTIFF)
    for bits in (1, 2, 4):
        name = f"tiff palette {bits} uncompressed"
        indexes = scene(1, (1 << bits) - 1, name)[:, :, 0]
        colours = np.random.default_rng(bits).integers(0, 256, (3, 1 << bits), dtype=np.uint16) * 257
        data = _write(indexes, photometric="minisblack", bitspersample=bits)
        data = _with_colours(data, colours)
        yield Cell(name, data, np.moveaxis(colours[:, indexes], 0, 2), 65535, "tifffile", _THROUGH_LIBTIFF)


def _with_colours(data, colours):
    """A file of small indexes, to which tifffile gives no palette, with one: tags 262 and 320 of a new directory."""
    import struct

    place = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, place)[0]
    entries = [data[place + 2 + 12 * index : place + 14 + 12 * index] for index in range(count)]
    entries = [struct.pack("<HHIHH", 262, 3, 1, 3, 0) if entry[:2] == b"\x06\x01" else entry for entry in entries]
    data += bytes(len(data) % 2)
    entries.append(struct.pack("<HHII", 320, 3, colours.size, len(data)))
    data += colours.astype("<u2").tobytes()
    directory = struct.pack("<H", len(entries)) + b"".join(sorted(entries, key=lambda entry: entry[1::-1])) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


def _numbers():
    """Samples that are not unsigned whole numbers of 16 bits at most."""
    for bits, (order, mark) in itertools.product((8, 16), _ORDERS.items()):
        name = f"tiff grey {bits} signed {order}"
        samples = scene(1, (1 << bits) - 1, name)
        stored = (samples[:, :, 0].astype(np.int64) - (1 << bits - 1)).astype(f"i{bits // 8}")
        data = _write(stored, photometric="minisblack", byteorder=mark)
        yield Cell(name, data, samples, (1 << bits) - 1, "tifffile")
    for kind, code in itertools.product(("grey", "rgb"), (None, "zlib")):
        name = f"tiff {kind} 32 of 16-bit values {code or 'uncompressed'}"
        samples = scene(_KINDS[kind], 65535, name)
        array, options = _layout(samples.astype(np.uint32), planar=False)
        yield Cell(name, _write(array, compression=code, **options), samples, 65535, "tifffile")
    samples = scene(1, 65535, "tiff grey 32 beyond 16 bits")
    yield Cell(
        "tiff grey 32 beyond 16 bits", _write(samples[:, :, 0].astype(np.uint32) << 8), samples, 65535, "tifffile"
    )
    for bits in (16, 32, 64):
        name = f"tiff grey {bits} floating point"
        samples = scene(1, 255, name)
        yield Cell(name, _write((samples[:, :, 0] / 255).astype(f"f{bits // 8}")), samples, 255, "tifffile")
    samples = scene(1, 255, "complex")
    yield Cell("tiff grey 64 complex numbers", _write(samples[:, :, 0].astype(np.complex64)), samples, 255, "tifffile")


def _inks_and_codecs():
    for planar, code in itertools.product((False, True), (None, "lzw")):
        name = f"tiff cmyk 8 {'planar' if planar else 'interleaved'} {code or 'uncompressed'}"
        samples = scene(4, 255, name)
        array = np.moveaxis(samples, 2, 0) if planar else samples
        layout = "separate" if planar else "contig"
        data = _write(array, photometric="separated", planarconfig=layout, compression=code)
        yield Cell(name, data, samples, 255, "tifffile", _THROUGH_LIBTIFF, inks=True, tolerance=1)
    name = "tiff cmyk 16 interleaved uncompressed"
    samples = scene(4, 65535, name)
    yield Cell(
        name,
        _write(samples, photometric="separated"),
        samples,
        65535,
        "tifffile",
        _THROUGH_LIBTIFF,
        inks=True,
        tolerance=1,
    )
    for kind, photometric in (("grey", "minisblack"), ("rgb", "rgb"), ("rgb", "ycbcr")):
        for tile in (None, (16, 16)):
            name = f"tiff {kind} 8 jpeg {photometric}{' tiles' if tile else ''}"
            samples = smooth(_KINDS[kind], 255, name)
            array = samples[:, :, 0] if kind == "grey" else samples
            options = {"compressionargs": {"level": 95}, "tile": tile}
            if photometric == "rgb":
                options["compressionargs"]["outcolorspace"] = "rgb"
            given = "rgb" if photometric == "ycbcr" else photometric
            data = _write(array, photometric=given, compression="jpeg", **options)
            yield Cell(name, data, samples, 255, "tifffile", _THROUGH_LIBTIFF, tolerance=1, lossy=True)
    for bits in (8, 16):
        name = f"tiff rgb {bits} alpha premultiplied"
        samples = scene(4, (1 << bits) - 1, name)
        samples[:, :, :3] = np.minimum(samples[:, :, :3], samples[:, :, 3:])
        data = _write(samples, photometric="rgb", extrasamples=["assocalpha"])
        yield Cell(name, data, samples, (1 << bits) - 1, "tifffile", premultiplied=True, tolerance=1)
        name = f"tiff rgb {bits} extra channel unspecified"
        samples = scene(4, (1 << bits) - 1, name)
        data = _write(samples, photometric="rgb", extrasamples=["unspecified"])
        yield Cell(name, data, samples[:, :, :3], (1 << bits) - 1, "tifffile")
    for code in ("webp", "jpeg2000", "png", "jpegxl"):
        name = f"tiff rgb 8 coded as {code}"
        samples = scene(3, 255, name)
        options = {"lossless": True} if code == "webp" else {"level": 0} if code == "jpeg2000" else {}
        data = _write(samples, photometric="rgb", compression=code, compressionargs=options)
        yield Cell(name, data, samples, 255, "tifffile")
    name = "tiff rgb 8 five channels"
    samples = scene(3, 255, name)
    data = _write(np.dstack([samples, samples[:, :, :2]]), photometric="rgb", extrasamples=["unspecified"] * 2)
    yield Cell(name, data, samples, 255, "tifffile")
    name = "tiff cielab 8"
    yield Cell(name, _write(scene(3, 255, name), photometric="cielab"), scene(3, 255, name), 255, "tifffile")


def _by_vips():
    import pyvips

    for bits, kind, code, tile in itertools.product((8, 16), _KINDS, ("none", "lzw", "deflate"), (False, True)):
        name = f"tiff {kind} {bits} libvips {code}{' predictor' if code == 'deflate' else ''}{' tiles' if tile else ''}"
        samples = scene(_KINDS[kind], (1 << bits) - 1, name)
        image = pyvips.Image.new_from_array(samples).copy(interpretation=_interpretation(kind, bits))
        options = {"predictor": "horizontal"} if code == "deflate" else {"predictor": "none"}
        data = image.tiffsave_buffer(compression=code, tile=tile, tile_width=16, tile_height=16, **options)
        yield Cell(name, data, samples, (1 << bits) - 1, "libtiff")
    for bits, inverted, code in itertools.product((1, 2, 4), (False, True), ("none", "lzw", "packbits", "ccittfax4")):
        if code == "ccittfax4" and bits != 1:
            continue
        name = f"tiff grey {bits} libvips {'miniswhite' if inverted else 'minisblack'} {code}"
        white = (1 << bits) - 1
        samples = scene(1, white, name)
        samples = samples[:, : WIDTH // 2 * 2] if bits == 4 else samples  # libvips writes a last half byte wrongly
        wide = np.ascontiguousarray((samples * (255 // white)).astype(np.uint8))
        image = pyvips.Image.new_from_array(wide).copy(interpretation="b-w")
        data = image.tiffsave_buffer(compression=code, bitdepth=bits, miniswhite=inverted, predictor="none")
        yield Cell(name, data, samples, white, "libtiff")
    for subsampling in ("on", "off"):
        name = f"tiff rgb 8 libvips jpeg subsampling {subsampling}"
        samples = smooth(3, 255, name)
        options = {"Q": 85 if subsampling == "on" else 95}
        data = pyvips.Image.new_from_array(samples).tiffsave_buffer(compression="jpeg", **options)
        yield Cell(name, data, samples, 255, "libtiff", tolerance=1, lossy=True)


def _interpretation(kind, bits):
    return ("b-w" if bits == 8 else "grey16") if kind.startswith("grey") else ("srgb" if bits == 8 else "rgb16")


def _by_imagemagick():
    for bits, kind, order in itertools.product((8, 10, 12, 14, 16), ("grey", "rgb", "rgb alpha"), ("lsb", "msb")):
        if kind == "rgb alpha" and bits not in (8, 16):
            continue
        for planar in (False, True) if kind != "grey" else (False,):
            name = f"tiff {kind} {bits} ImageMagick {'planar' if planar else 'interleaved'} {order}"
            white = (1 << bits) - 1
            samples = scene(_KINDS[kind], white, name)
            options = ["-depth", str(bits), "-define", f"tiff:endian={order}", "-compress", "None"]
            options += ["-interlace", "plane"] if planar else []
            options += ["-define", "tiff:alpha=unassociated"] if "alpha" in kind else []
            # ImageMagick rounds to its 16 bits, then truncates to fewer: this is what it writes.
            wide = -(-samples.astype(np.int64) * 65535 // white) if bits > 8 else samples
            if bits in (10, 12, 14):
                samples = (samples.astype(np.int64) * 65535 * 2 + white) // (2 * white) * white // 65535
            data = imagemagick(wide, 255 if bits == 8 else 65535, *options, "tiff:-")
            yield Cell(name, data, samples, white, "libtiff")
    for code in ("Fax", "Group4", "RLE", "LZW", "Zip"):
        name = f"tiff grey 1 ImageMagick {code.lower()}"
        samples = scene(1, 1, name)
        data = imagemagick(samples, 1, "-depth", "1", "-type", "bilevel", "-compress", code, "tiff:-")
        yield Cell(name, data, samples, 1, "libtiff")
