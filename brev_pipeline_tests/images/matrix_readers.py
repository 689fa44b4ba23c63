"""Decoders of others, which share no codec with ours: FFmpeg, Java's, TwelveMonkeys', Rust's, libtiff, ImageMagick, ….

Each takes cells of the matrix and gives, for each, RGB pixels by the rule from its samples at full depth, or a text:
what it says against the file. Which of them count for a cell is decided by the libraries they stand on (`BASIS`).
"""

import re
import subprocess
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np

from brev_pipeline_tests.images import matrix_rule as rule

BASIS = {
    "FFmpeg": "FFmpeg",
    "ImageIO": "JDK",
    "TwelveMonkeys": "TwelveMonkeys",
    "Rust": "Rust",
    "libvips": "libtiff",
    "libtiff": "libtiff",
    "libnsgif": "libnsgif",
    "libheif": "libaom",
    "ImageMagick": "ImageMagick",
    "OpenCV": "OpenCV",
    "spng": "spng",
    "netpbm": "netpbm",
}
"""The library whose code decodes, by reader. A cell's writer and our decoder of it never count."""


def at_depth(samples, white, wanted):
    """Samples that were stretched to ``white`` for want of a type of their own, back at the depth of the file."""
    if np.ndim(white) or np.size(wanted) > samples.shape[2] or white == wanted:
        return samples, white
    if np.ndim(wanted):
        samples = samples[:, :, : len(wanted)]
    return (samples.astype(np.int64) * wanted + white // 2) // white, wanted


# FFmpeg ------------------------------------------------------------------------------------------------------------

_DEMUXERS = {
    "tiff": "tiff_pipe",
    "png": "png_pipe",
    "bmp": "bmp_pipe",
    "gif": "gif",
    "jpeg": "jpeg_pipe",
    "webp": "webp_pipe",
    "jpeg2000": "j2k_pipe",
}
_PNM = {
    b"P1": "pbm_pipe",
    b"P4": "pbm_pipe",
    b"P2": "pgm_pipe",
    b"P5": "pgm_pipe",
    b"P3": "ppm_pipe",
    b"P6": "ppm_pipe",
}


def read_by_ffmpeg(cell):
    import av

    av.logging.set_level(av.logging.PANIC)
    demuxer = _PNM[cell.data[:2]] if cell.format == "pnm" else _DEMUXERS[cell.format]
    with av.open(BytesIO(cell.data), format=demuxer) as container:
        frame = next(container.decode(video=0))
    samples, white = _frame(frame, cell)
    if cell.format == "jpeg2000" and not np.ndim(white) and white > np.max(cell.white):
        # Its decoder moves samples to the top of a wider type and leaves zeros behind them.
        return rule.rgb(samples >> int(white).bit_length() - int(np.max(cell.white)).bit_length(), cell.white)
    return rule.rgb(*at_depth(samples, white, cell.white), premultiplied=cell.premultiplied)


_ORDERS = {
    "rgb": [0, 1, 2],
    "bgr": [2, 1, 0],
    "rgba": [0, 1, 2, 3],
    "bgra": [2, 1, 0, 3],
    "argb": [1, 2, 3, 0],
    "abgr": [3, 2, 1, 0],
}


def _frame(frame, cell):
    """Samples (height, width, channels) and their white, by the name of FFmpeg's pixel format."""
    name, planes = frame.format.name, list(frame.planes)
    if name in ("monow", "monob"):
        bits = np.unpackbits(_plane(planes[0], "u1"), axis=1)[: frame.height, : frame.width, None]
        return (1 - bits if name == "monow" else bits), 1
    if name == "pal8":
        colours = np.frombuffer(planes[1], "<u4", 256)
        table = np.stack([colours >> shift & 255 for shift in (16, 8, 0, 24)], axis=1)
        return table[_plane(planes[0], "u1")[: frame.height, : frame.width]], 255
    if found := re.fullmatch(r"(rgb|bgr)(444|555|565)le", name):
        return _short_pixels(_plane(planes[0], "<u2")[: frame.height, : frame.width], *found.groups())
    if found := re.fullmatch(r"yuv(j?)a?(\d{3})p(16le)?", name):
        return _colour(frame, 16 if found[3] else 8, full=found[1] == "j" or cell.format != "webp")
    if found := re.fullmatch(r"gbra?p(\d*)(le|be)?", name):
        bits = int(found[1] or 8)
        order = [2, 0, 1] + ([3] if name.startswith("gbrap") else [])
        parts = [_plane(planes[index], _kind(bits, found[2]))[: frame.height, : frame.width] for index in order]
        return np.stack(parts, axis=2), (1 << bits) - 1
    if found := re.fullmatch(r"(gray|ya)(\d*)(le|be)?", name):
        channels, bits = (1 if found[1] == "gray" else 2), int(found[2] or 8)
        return _packed(frame, channels, bits, found[3]), (1 << bits) - 1
    found = re.fullmatch(r"(rgba|bgra|argb|abgr|rgb|bgr)(0|24|48|64)?(le|be)?", name)
    if not found:
        raise ValueError(f"pixel format {name}")
    channels = 4 if len(found[1]) == 4 or found[2] == "0" else 3
    bits = 16 if found[2] in ("48", "64") else 8
    return _packed(frame, channels, bits, found[3])[:, :, _ORDERS[found[1]]], (1 << bits) - 1


def _kind(bits, order):
    return "u1" if bits == 8 else (">u2" if order == "be" else "<u2")


def _plane(plane, kind):
    """(height, values of a line)."""
    size = np.dtype(kind).itemsize
    return np.frombuffer(plane, kind).reshape(-1, plane.line_size // size)


def _packed(frame, channels, bits, order):
    values = _plane(frame.planes[0], _kind(bits, order))[: frame.height, : frame.width * channels]
    return values.reshape(frame.height, frame.width, channels)


def _short_pixels(values, order, widths):
    red, green, blue = map(int, widths)
    whites = [(1 << width) - 1 for width in (red, green, blue)]
    parts = [values >> green + blue & whites[0], values >> blue & whites[1], values & whites[2]]
    return np.stack(parts if order == "rgb" else parts[::-1], axis=2), tuple(whites)


def _colour(frame, bits, *, full):
    """YCbCr (BT.601) as RGB: full range as JFIF has it, or video range as WebP has it; alpha as it is."""
    white, middle = (1 << bits) - 1, 1 << bits - 1
    planes = [_plane(plane, _kind(bits, "le")).astype(float)[:, : plane.width] for plane in frame.planes]
    luma, alpha = planes[0][: frame.height], [plane[: frame.height] for plane in planes[3:]]
    blue, red = (
        _enlarge(part, frame.height, frame.width)[: frame.height, : frame.width] - middle for part in planes[1:3]
    )
    stretch = 1.0 if full else 255 / 224
    luma = luma if full else (luma - 16) * 255 / 219
    parts = [
        luma + 1.402 * stretch * red,
        luma - (0.344136 * blue + 0.714136 * red) * stretch,
        luma + 1.772 * stretch * blue,
        *alpha,
    ]
    return np.clip(np.floor(np.stack(parts, axis=2) + 0.5), 0, white).astype(np.int64), white


def _enlarge(chroma, height, width):
    """Halved chroma between its neighbours at 3 : 1; quartered chroma repeated, as libjpeg does."""
    for axis, size in enumerate((height, width)):
        times = -(-size // chroma.shape[axis])
        if times == 2:
            before = np.concatenate([chroma.take([0], axis), chroma], axis).take(range(chroma.shape[axis]), axis)
            after = np.concatenate([chroma, chroma.take([-1], axis)], axis).take(range(1, chroma.shape[axis] + 1), axis)
            pair = [(3 * chroma + before) / 4, (3 * chroma + after) / 4]
            shape = [*chroma.shape]
            shape[axis] *= 2
            chroma = np.stack(pair, axis + 1).reshape(shape)
        elif times > 2:
            chroma = np.repeat(chroma, times, axis)
    return chroma


# Java --------------------------------------------------------------------------------------------------------------

_JAVA = Path(__file__).with_name("MatrixReader.java")
_JARS = "/usr/share/java"
_PARTS = ["common-lang", "common-io", "common-image", "imageio-core", "imageio-metadata"]
_PLUGINS = ["imageio-bmp", "imageio-jpeg", "imageio-pnm", "imageio-tiff", "imageio-webp"]


def read_by_java(requests):
    """[(family, cell)] → their pixels or texts, by one virtual machine."""
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for number, (family, cell) in enumerate(requests):
            place = Path(folder) / str(number)
            place.write_bytes(cell.data)
            lines.append(f"{family}\t{cell.format}\t{place}\n")
        listing, answer = Path(folder) / "requests", Path(folder) / "answer"
        listing.write_text("".join(lines))
        jars = ":".join(f"{_JARS}/{name}.jar" for name in [*_PARTS, *_PLUGINS])
        flags = ["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]
        subprocess.run(
            ["java", *flags, "-cp", jars, str(_JAVA), str(listing), str(answer)], check=True, capture_output=True
        )
        stream = BytesIO(answer.read_bytes())
    return [_java_pixels(stream, cell) for _, cell in requests]


def _java_pixels(stream, cell):
    def numbers(kind, count):
        return np.frombuffer(stream.read(count * np.dtype(kind).itemsize), kind)

    wrong = stream.read(int(numbers(">u2", 1)[0])).decode()
    if wrong:
        return wrong
    width, height, channels = (int(value) for value in numbers(">u4", 3))
    white = numbers(">u4", channels).astype(np.int64)
    premultiplied, inks = stream.read(2)
    samples = numbers(">u2", height * width * channels).reshape(height, width, channels)
    if channels > 4:
        return f"{channels} channels"
    if inks:
        return rule.rgb_of_cmyk(rule.eight_bits(samples, white))
    if len(set(white.tolist())) == 1:
        samples, white = at_depth(samples, int(white[0]), cell.white)
    return rule.rgb(samples, white, premultiplied=bool(premultiplied))


# Others ------------------------------------------------------------------------------------------------------------


def read_by_rust(cell):
    """The crates png, tiff and zune-jpeg, through kornia; 8 or 16 bits, grey or RGB (PNG: RGBA too)."""
    import kornia_rs.io as kornia

    if cell.format == "jpeg":
        samples = kornia.decode_image_jpeg(cell.data)
        return rule.rgb(samples, 255)
    with tempfile.NamedTemporaryFile(suffix=f".{cell.format}") as file:
        file.write(cell.data)
        file.flush()
        samples = np.asarray(kornia.read_image(file.name))
    samples = samples.reshape(*samples.shape[:2], -1)
    return rule.rgb(*at_depth(samples, np.iinfo(samples.dtype).max, cell.white))


def read_by_vips(cell):
    """libvips' ways of libtiff, libnsgif, and libheif with libaom; signed samples are moved to begin at 0."""
    import pyvips

    image = pyvips.Image.new_from_buffer(cell.data, "")
    samples = image.numpy()
    samples = samples.reshape(image.height, image.width, -1)
    if image.interpretation == "cmyk":
        return rule.rgb_of_cmyk(samples)
    if samples.dtype in (np.int8, np.int16):
        lowest = np.iinfo(samples.dtype).min
        samples = (samples.astype(np.int64) - lowest).astype(f"u{samples.dtype.itemsize}")
    if samples.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"samples {samples.dtype}")
    white = np.iinfo(samples.dtype).max
    if cell.format == "avif" and cell.white < white:
        return rule.rgb(samples >> 16 - cell.white.bit_length(), cell.white)
    return rule.rgb(*at_depth(samples, white, cell.white), premultiplied=cell.premultiplied)


def read_by_imagemagick(cell):
    """ImageMagick's own code for BMP, GIF and PNM; for TIFF, libtiff with ImageMagick's way of unpacking samples."""
    command = ["convert", f"{cell.format}:-[0]", "-depth", "16", "-endian", "MSB", "rgba:-"]
    done = subprocess.run(command, input=cell.data, capture_output=True)
    if done.stderr or not done.stdout:
        raise ValueError(done.stderr.decode(errors="replace"))
    samples = np.frombuffer(done.stdout, ">u2").reshape(*cell.samples.shape[:2], 4)
    return rule.rgb(*at_depth(samples, 65535, cell.white))


def read_by_netpbm(cell):
    """The samples as numbers, by the library of PNM's authors."""
    done = subprocess.run(["pnmtoplainpnm"], input=cell.data, capture_output=True, check=True)
    mark, width, height, *numbers = done.stdout.split()
    white = 1 if mark == b"P1" else int(numbers.pop(0))
    digits = [byte - 48 for byte in b"".join(numbers)] if mark == b"P1" else list(map(int, numbers))
    samples = np.array(digits).reshape(int(height), int(width), -1)
    return rule.rgb(1 - samples if mark == b"P1" else samples, white)


def read_by_opencv(cell):
    """OpenCV's own code for BMP, PNM and GIF."""
    import cv2

    samples = cv2.imdecode(np.frombuffer(cell.data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise ValueError("nothing read")
    samples = samples.reshape(*samples.shape[:2], -1)
    samples = samples[:, :, {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[samples.shape[2]]]
    white = np.iinfo(samples.dtype).max
    return rule.rgb(samples, cell.white if samples.dtype == np.uint16 else white)


def read_by_spng(cell):
    import imagecodecs

    samples = imagecodecs.spng_decode(cell.data)
    samples = samples.reshape(*samples.shape[:2], -1)
    return rule.rgb(samples, np.iinfo(samples.dtype).max)


SINGLE = {
    "FFmpeg": (read_by_ffmpeg, {"tiff", "png", "bmp", "gif", "jpeg", "webp", "jpeg2000", "pnm"}),
    "Rust": (read_by_rust, {"tiff", "png", "jpeg"}),
    "libvips": (read_by_vips, {"tiff"}),
    "libtiff": (read_by_imagemagick, {"tiff"}),
    "libnsgif": (read_by_vips, {"gif"}),
    "libheif": (read_by_vips, {"avif"}),
    "ImageMagick": (read_by_imagemagick, {"pnm", "bmp", "gif"}),
    "OpenCV": (read_by_opencv, {"pnm", "bmp", "gif"}),
    "spng": (read_by_spng, {"png"}),
    "netpbm": (read_by_netpbm, {"pnm"}),
}
JAVA = {
    "ImageIO": {"tiff", "png", "bmp", "gif", "jpeg"},
    "TwelveMonkeys": {"tiff", "bmp", "pnm", "webp"},
}


def readers_of(cell):
    """Names of the readers that are independent of the cell's writer and of our decoder."""
    able = [name for name, (_, formats) in SINGLE.items() if cell.format in formats]
    able += [name for name, formats in JAVA.items() if cell.format in formats]
    return [name for name in able if BASIS[name] not in cell.relatives]


def read_all(cells):
    """{cell's name: {reader's name: RGB pixels, or what it says against the file}}, of independent readers."""
    answers = {cell.name: {} for cell in cells}
    java = []
    for cell in cells:
        for name in readers_of(cell):
            if name in JAVA:
                java.append((name, cell))
            else:
                answers[cell.name][name] = _attempt(SINGLE[name][0], cell)
    if java:
        for (name, cell), answer in zip(java, read_by_java(java), strict=True):
            answers[cell.name][name] = answer
    return answers


def _attempt(read, cell):
    try:
        return read(cell)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - what a decoder of others raises is its answer, Rust's panics too
        return " ".join(str(error).split())[:160] or type(error).__name__
