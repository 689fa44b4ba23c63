"""Decoders of others, which share no codec with ours: FFmpeg, Java's, TwelveMonkeys', Rust's, libtiff, ImageMagick, ….

Each takes cells of the matrix and gives, for each, RGB pixels by the rule from its samples at full depth, or a text:
what it says against the file. Which of them count for a cell is decided by the libraries they stand on (`BASIS`).
"""

import subprocess
import tempfile

import numpy as np

from brev_pipeline_tests.images import matrix_rule as rule
from brev_pipeline_tests.images.matrix_ffmpeg import read_by_ffmpeg
from brev_pipeline_tests.images.matrix_java import read_by_java

BASIS = {
    "FFmpeg": "FFmpeg",
    "ImageIO": "JDK",
    "TwelveMonkeys": "TwelveMonkeys",
    "Rust": "Rust",
    "libvips (TIFF)": "libtiff",
    "ImageMagick (TIFF)": "libtiff",
    "libvips (GIF)": "libnsgif",
    "libvips (AVIF)": "libheif, libaom",
    "ImageMagick": "ImageMagick",
    "OpenCV": "OpenCV",
    "spng": "spng",
    "netpbm": "netpbm",
}
"""The library whose code decodes, by reader. A cell's writer and our decoder of it never count."""


def read_by_rust(cell):
    """The crates png, tiff and zune-jpeg, through kornia; 8 or 16 bits, grey or RGB (PNG: RGBA too)."""
    import kornia_rs.io as kornia

    if cell.format == "jpeg":
        samples = kornia.decode_image_jpeg(cell.data)
        return rule.rgb(samples, 255)
    if "planar" in cell.name:
        raise ValueError("it takes the first plane for pixels, or panics")
    with tempfile.NamedTemporaryFile(suffix=f".{cell.format}") as file:
        file.write(cell.data)
        file.flush()
        samples = np.asarray(kornia.read_image(file.name))
    samples = samples.reshape(*samples.shape[:2], -1)
    return rule.rgb(*rule.at_depth(samples, np.iinfo(samples.dtype).max, cell.white))


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
    return rule.rgb(*rule.at_depth(samples, white, cell.white), premultiplied=cell.premultiplied)


def read_by_imagemagick(cell):
    """ImageMagick's own code for BMP, GIF and PNM; for TIFF, libtiff with ImageMagick's way of unpacking samples."""
    command = ["convert", f"{cell.format}:-[0]", "-depth", "16", "-endian", "MSB", "rgba:-"]
    done = subprocess.run(command, input=cell.data, capture_output=True)
    if done.stderr or not done.stdout:
        raise ValueError(done.stderr.decode(errors="replace"))
    samples = np.frombuffer(done.stdout, ">u2").reshape(*cell.samples.shape[:2], 4)
    return rule.rgb(*rule.at_depth(samples, 65535, cell.white))


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
    "libvips (TIFF)": (read_by_vips, {"tiff"}),
    "ImageMagick (TIFF)": (read_by_imagemagick, {"tiff"}),
    "libvips (GIF)": (read_by_vips, {"gif"}),
    "libvips (AVIF)": (read_by_vips, {"avif"}),
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
