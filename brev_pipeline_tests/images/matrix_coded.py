"""Files of the matrix in formats that only their libraries write: JPEG, JPEG 2000, GIF, WebP, AVIF.

Tolerances of lossy files are what was measured, in grey levels: inverse transforms and colour conversions round in
other places (JPEG 3, WebP 2, AVIF and JPEG 2000 1). Decoders that enlarge chroma another way are in
`matrix_exceptions.SLACK`.
"""

import itertools
from io import BytesIO

import numpy as np

from brev_pipeline_tests.images.matrix_cells import HEIGHT, WIDTH, Cell, imagemagick, scene, smooth, tool

_KINDS = {"grey": 1, "rgb": 3}
_JPEG = {"writer": "libjpeg-turbo", "ours": frozenset({"libjpeg-turbo"})}
_OPENJPEG = {"writer": "openjpeg", "ours": frozenset({"openjpeg"})}
_WEBP = {"writer": "libwebp", "ours": frozenset({"libwebp"})}
_AVIF = {"writer": "libavif", "ours": frozenset({"libavif", "dav1d"})}


def jpeg_cells():
    import imagecodecs
    import pyvips

    for subsampling, optimize, level in itertools.product(("444", "422", "420", "440", "411"), (False, True), (75, 97)):
        name = f"jpeg rgb 8 {subsampling}{' optimized' if optimize else ''} quality {level}"
        samples = smooth(3, 255, name)
        data = imagecodecs.jpeg8_encode(samples, level=level, subsampling=subsampling, optimize=optimize)
        yield Cell(name, data, samples, 255, tolerance=3, lossy=True, **_JPEG)
    for kind, progressive, restart in itertools.product(_KINDS, (False, True), (0, 1)):
        for samples_kind in (smooth, scene):
            mark = f"{' progressive' if progressive else ''}{' restart' if restart else ''}"
            name = f"jpeg {kind} 8 libvips{mark}{' noise' if samples_kind is scene else ''}"
            samples = samples_kind(_KINDS[kind], 255, name)
            image = pyvips.Image.new_from_array(samples)
            data = image.jpegsave_buffer(Q=92, interlace=progressive, restart_interval=restart, subsample_mode="off")
            yield Cell(name, data, samples, 255, tolerance=3, lossy=True, **_JPEG)
    for kind, sampling, progressive in itertools.product(_KINDS, ("1x1", "2x1", "1x2", "2x2"), (False, True)):
        if kind == "grey" and sampling != "1x1":
            continue
        name = f"jpeg {kind} 8 ImageMagick {sampling}{' progressive' if progressive else ''}"
        samples = smooth(_KINDS[kind], 255, name)
        options = ["-sampling-factor", sampling, "-quality", "90", *(["-interlace", "JPEG"] if progressive else [])]
        data = imagemagick(samples, 255, *options, "jpeg:-")
        yield Cell(name, data, samples, 255, tolerance=3, lossy=True, **_JPEG)
    for colours in ("rgb", "cmyk", "ycck"):
        name = f"jpeg {colours} 8 coded as {colours}"
        samples = smooth(3 if colours == "rgb" else 4, 255, name)
        # Adobe's programs, and libjpeg with them, store inks inverted.
        stored = samples if colours == "rgb" else 255 - samples
        data = imagecodecs.jpeg8_encode(
            stored, level=95, colorspace="rgb" if colours == "rgb" else "cmyk", outcolorspace=colours
        )
        yield Cell(name, data, samples, 255, tolerance=3, lossy=True, inks=colours != "rgb", **_JPEG)
    for kind in _KINDS:
        name = f"jpeg {kind} 12"
        samples = smooth(_KINDS[kind], 4095, name)
        data = imagecodecs.jpeg8_encode(samples.squeeze(), level=95, bitspersample=12, subsampling="444")
        yield Cell(name, data, samples, 4095, tolerance=3, lossy=True, **_JPEG)
    for bits in (8, 12, 16):
        name = f"jpeg grey {bits} lossless"
        samples = scene(1, (1 << bits) - 1, name)
        data = imagecodecs.jpeg8_encode(samples[:, :, 0], lossless=True, bitspersample=bits)
        yield Cell(name, data, samples, (1 << bits) - 1, **_JPEG)


def jpeg2000_cells():
    import imagecodecs

    for bits, channels, signed, suffix in itertools.product(
        (2, 4, 8, 10, 12, 14, 16), (1, 3), (False, True), ("jp2", "j2k")
    ):
        if signed and channels == 3:
            continue
        kind = "grey" if channels == 1 else "rgb"
        name = f"jpeg2000 {kind} {bits} {suffix}{' signed' if signed else ''}"
        samples = scene(channels, (1 << bits) - 1, name)
        yield Cell(name, _opj(samples, bits, suffix, signed=signed), samples, (1 << bits) - 1, **_OPENJPEG)
    for bits, channels in itertools.product(
        (1, 3, 5, 6, 7, 9, 11, 13, 15), (1, 3)
    ):  # odd ones, which the program refuses
        name = f"jpeg2000 {'grey' if channels == 1 else 'rgb'} {bits} imagecodecs"
        samples = scene(channels, (1 << bits) - 1, name)
        options = {"level": 0, "reversible": True, "resolutions": 3, "codecformat": "jp2"}
        data = imagecodecs.jpeg2k_encode(samples.squeeze(), bitspersample=bits, **options)
        yield Cell(name, data, samples, (1 << bits) - 1, **_OPENJPEG)
    ways = {
        "tiles": ["-t", "16,16"], "one resolution": ["-n", "1"], "many resolutions": ["-n", "5"],
        "RPCL": ["-p", "RPCL"], "CPRL": ["-p", "CPRL"], "small blocks": ["-b", "16,16"], "markers": ["-SOP", "-EPH"],
        "precincts": ["-c", "[32,32],[16,16]"], "layers": ["-r", "20,10,1"], "tile parts": ["-t", "16,16", "-TP", "R"],
        "bypass": ["-M", "1"], "termination": ["-M", "4"], "causal": ["-M", "8"],
    }  # fmt: skip
    for (way, options), bits in itertools.product(ways.items(), (8, 12)):
        name = f"jpeg2000 rgb {bits} {way}"
        samples = scene(3, (1 << bits) - 1, name)
        yield Cell(name, _opj(samples, bits, "jp2", options), samples, (1 << bits) - 1, **_OPENJPEG)
    for channels, bits in itertools.product((1, 3), (8, 12, 16)):
        name = f"jpeg2000 {'grey' if channels == 1 else 'rgb'} {bits} irreversible"
        samples = smooth(channels, (1 << bits) - 1, name)
        data = _opj(samples, bits, "jp2", ["-I", "-r", "3"])
        yield Cell(name, data, samples, (1 << bits) - 1, tolerance=1, lossy=True, **_OPENJPEG)
    for bits in (8, 12):
        name = f"jpeg2000 rgb {bits} no colour transform"
        samples = scene(3, (1 << bits) - 1, name)
        head = b"P6\n%d %d\n%d\n" % (WIDTH, HEIGHT, (1 << bits) - 1)
        ppm = head + samples.astype(">u2" if bits > 8 else "u1").tobytes()
        data = tool("opj_compress", "-i", "in.ppm", "-o", "out.jp2", "-n", "3", "-mct", "0", files={"in.ppm": ppm})
        yield Cell(name, data, samples, (1 << bits) - 1, **_OPENJPEG)
    yield _luma_and_chroma()
    yield from _jpeg2000_with_alpha()


def _luma_and_chroma():
    """What the program takes three raw channels for when it is not to transform them: sYCC, and says so in the file."""
    name = "jpeg2000 rgb 8 sYCC"
    samples = smooth(3, 255, name)
    red, green, blue = np.moveaxis(samples.astype(float), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    stored = np.stack([luma, (blue - luma) / 1.772 + 128, (red - luma) / 1.402 + 128], axis=2)
    data = _opj(np.clip(np.rint(stored), 0, 255), 8, "jp2", ["-mct", "0"])
    return Cell(name, data, samples, 255, tolerance=1, lossy=True, **_OPENJPEG)


def _jpeg2000_with_alpha():
    from PIL import Image

    for kind, mode in (("grey alpha", "LA"), ("rgb alpha", "RGBA")):
        name = f"jpeg2000 {kind} 8 Pillow"
        samples = scene(len(mode), 255, name)
        file = BytesIO()
        Image.fromarray(samples, mode).save(file, "JPEG2000", irreversible=False)
        yield Cell(name, file.getvalue(), samples, 255, **_OPENJPEG)


def _opj(samples, bits, suffix, options=(), *, signed=False):
    values = samples.astype(np.int64) - ((1 << bits - 1) if signed else 0)
    raw = np.moveaxis(values, 2, 0).astype(f">{'i' if signed else 'u'}{1 if bits <= 8 else 2}").tobytes()
    shape = f"{WIDTH},{HEIGHT},{samples.shape[2]},{bits},{'s' if signed else 'u'}"
    few = [] if "-n" in options else ["-n", "3"]
    command = ("opj_compress", "-i", "in.raw", "-o", f"out.{suffix}", "-F", shape, *few, *options)
    return tool(*command, files={"in.raw": raw})


def gif_cells():
    import pyvips
    from PIL import Image

    for colours, interlaced, clear in itertools.product((2, 4, 16, 32, 256), (False, True), (False, True)):
        name = f"gif {colours} colours{' interlaced' if interlaced else ''}{' transparent colour' if clear else ''}"
        table = np.random.default_rng(colours).integers(0, 256, (colours, 3), dtype=np.uint8)
        indexes = scene(1, colours - 1, name)[:, :, 0]
        image = Image.fromarray(indexes, "P")
        image.putpalette(table.tobytes())
        file = BytesIO()
        image.save(file, "GIF", interlace=interlaced, optimize=False, **({"transparency": 1} if clear else {}))
        opaque = np.where(indexes == 1, 0, 255) if clear else np.full_like(indexes, 255)
        samples = np.dstack([table[indexes], opaque.astype(np.uint8)])
        yield Cell(name, file.getvalue(), samples, 255, "Pillow", frozenset({"Pillow"}))
    for interlaced in (False, True):
        mark = " interlaced" if interlaced else ""
        name = f"gif ImageMagick{mark}"
        samples = scene(1, 15, name) * 17
        options = ["-interlace", "GIF"] if interlaced else []
        yield Cell(
            name, imagemagick(samples, 255, *options, "gif:-"), samples, 255, "ImageMagick", frozenset({"Pillow"})
        )
        name = f"gif libvips{mark}"
        samples = np.repeat(scene(1, 15, name) * 17, 3, axis=2)
        image = pyvips.Image.new_from_array(samples)
        yield Cell(
            name, image.gifsave_buffer(interlace=interlaced, dither=0), samples, 255, "cgif", frozenset({"Pillow"})
        )


def webp_cells():
    import imagecodecs
    import pyvips

    for channels, method in itertools.product((3, 4), (0, 3, 6)):
        name = f"webp {'rgb' if channels == 3 else 'rgb alpha'} lossless method {method}"
        samples = scene(channels, 255, name)
        if channels == 4:
            samples[:, :, 3] = np.maximum(samples[:, :, 3], 1)  # colours behind nothing need not be kept
        yield Cell(name, imagecodecs.webp_encode(samples, lossless=True, method=method), samples, 255, **_WEBP)
        name = f"webp {'rgb' if channels == 3 else 'rgb alpha'} lossy method {method}"
        samples = smooth(channels, 255, name)
        data = imagecodecs.webp_encode(samples, level=95, lossless=False, method=method)
        yield Cell(name, data, samples, 255, tolerance=2, lossy=True, **_WEBP)
    for channels, lossless in itertools.product((3, 4), (False, True)):
        name = f"webp {'rgb' if channels == 3 else 'rgb alpha'} libvips{' lossless' if lossless else ' lossy'}"
        samples = smooth(channels, 255, name)
        data = pyvips.Image.new_from_array(samples).webpsave_buffer(lossless=lossless, Q=90, exact=True, alpha_q=100)
        yield Cell(name, data, samples, 255, tolerance=0 if lossless else 2, lossy=not lossless, **_WEBP)


def avif_cells():
    import imagecodecs
    import pyvips

    for kind, channels in (("grey", 1), ("rgb", 3), ("rgb alpha", 4)):
        for bits in (8, 10, 12):
            name = f"avif {kind} {bits} lossless"
            samples = scene(channels, (1 << bits) - 1, name)
            data = imagecodecs.avif_encode(samples.squeeze(), level=100, bitspersample=bits, speed=8)
            yield Cell(name, data, samples, (1 << bits) - 1, **_AVIF)
        name = f"avif {kind} 8 lossy"
        samples = smooth(channels, 255, name)
        data = imagecodecs.avif_encode(samples.squeeze(), level=80, speed=8)
        yield Cell(name, data, samples, 255, tolerance=1, lossy=True, **_AVIF)
    for subsample in ("on", "off"):
        name = f"avif rgb 8 libvips lossy subsampling {subsample}"
        samples = smooth(3, 255, name)
        image = pyvips.Image.new_from_array(samples)
        data = image.heifsave_buffer(compression="av1", Q=80, subsample_mode=subsample, effort=2)
        yield Cell(name, data, samples, 255, tolerance=1, lossy=True, writer="libheif", ours=_AVIF["ours"])
