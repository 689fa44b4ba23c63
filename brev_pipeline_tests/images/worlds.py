"""Small worlds for the image tests: photos, files of every kind, folders with a samples table, faulty sources."""

import hashlib
import io
from pathlib import Path

import imagecodecs
import numpy as np
import pyarrow as pa
from PIL import Image

from brev_pipeline.errors import SourceError


def photo(number=0, height=150, width=200, channels=3):
    """A smooth picture with a little noise, (height, width, channels) uint8; integer arithmetic only."""
    draw = np.random.default_rng(number)
    coarse = draw.integers(0, 256, (5, 6, channels)).astype(np.int64)
    rows, columns = np.arange(height) * 4 * 256 // height, np.arange(width) * 5 * 256 // width
    y, fy = rows[:, None, None] // 256, rows[:, None, None] % 256
    x, fx = columns[None, :, None] // 256, columns[None, :, None] % 256
    c = np.arange(channels)
    upper = coarse[y, x, c] * (256 - fx) + coarse[y, x + 1, c] * fx
    lower = coarse[y + 1, x, c] * (256 - fx) + coarse[y + 1, x + 1, c] * fx
    noise = draw.integers(-4, 5, (height, width, channels))
    return np.clip(((upper * (256 - fy) + lower * fy) >> 16) + noise, 0, 255).astype(np.uint8)


def encode(pixels, kind, **options):
    """A file of Pillow's making."""
    pixels = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def encode_image(image, kind, **options):
    """A file of a Pillow image."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def one_of_each_kind(number=1, height=150, width=200):
    """Name → file: every format and variant that is read, of the same motif."""
    rgb = photo(number, height, width)
    image = Image.fromarray(rgb)
    grey = image.convert("L")
    deep = (np.asarray(grey).astype(np.uint16) * 257 + 100 * (np.asarray(grey) < 200)).astype(np.uint16)
    rgba = np.dstack([rgb, photo(number + 1, height, width, 1)])
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "bmp": encode_image(image, "BMP"),
        "bmp grey": encode_image(grey, "BMP"),
        "bmp palette": encode_image(image.quantize(200), "BMP"),
        "bmp 32": bmp32(rgb),
        "jpeg": encode_image(image, "JPEG", quality=90),
        "jpeg grey": encode_image(grey, "JPEG", quality=90),
        "jpeg progressive": encode_image(image, "JPEG", quality=80, progressive=True),
        "jpeg turned": encode_image(image, "JPEG", quality=90, exif=exif),
        "jpeg cmyk": encode_image(image.convert("CMYK"), "JPEG", quality=90),
        "png": encode_image(image, "PNG"),
        "png palette": encode_image(image.quantize(100), "PNG"),
        "png alpha": encode(rgba, "PNG"),
        "png grey alpha": encode_image(Image.fromarray(rgba).convert("LA"), "PNG"),
        "png 1 bit": encode_image(grey.convert("1"), "PNG"),
        "png 16 bit": encode_image(Image.fromarray(deep), "PNG"),
        "tiff": encode_image(image, "TIFF"),
        "tiff lzw": encode_image(image, "TIFF", compression="tiff_lzw"),
        "tiff deflate": encode_image(image, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": encode_image(image, "TIFF", compression="jpeg"),
        "tiff 16 bit": encode_image(Image.fromarray(deep), "TIFF"),
        "webp": encode_image(image, "WEBP", quality=80),
        "webp lossless": encode_image(image, "WEBP", lossless=True),
        "gif": encode_image(image.quantize(64), "GIF"),
        "jpeg 2000": encode_image(image, "JPEG2000"),
        "jpeg 2000 12 bit": imagecodecs.jpeg2k_encode(deep >> 4, level=0, bitspersample=12),
        "avif": encode_image(image, "AVIF", quality=80),
        "ppm": encode_image(image, "PPM"),
        "pgm": encode_image(grey, "PPM"),
        "pgm 16 bit": b"P5 %d %d 65535 " % (width, height) + deep.astype(">u2").tobytes(),
    }


def bmp32(rgb):
    """A 32-bit BMP without compression, the fourth byte unused."""
    height, width = rgb.shape[:2]
    rows = np.dstack([rgb[::-1, :, ::-1], np.full((height, width), 7, np.uint8)]).tobytes()
    head = b"BM" + np.array([54 + len(rows), 0, 54, 40, width, height], "<u4").tobytes()
    head += np.array([1, 32], "<u2").tobytes() + np.array([0, len(rows), 0, 0, 0, 0], "<u4").tobytes()
    return head + rows


def samples(*folders, bucket="photos", etag_source="md5"):
    """The columns of sample_integrity that the images need, for all files below the folders."""
    rows = []
    for folder in folders:
        for file in sorted(Path(folder).rglob("*")):
            if file.is_file():
                data = file.read_bytes()
                rows.append(sample(f"{bucket}/{file.relative_to(folder)}", data, bucket, etag_source))
    return table(rows)


def sample(path, data, bucket="photos", etag_source="md5"):
    """One row of samples."""
    digest = hashlib.md5(data).hexdigest()
    return {
        "path": path,
        "bucket": bucket,
        "etag": digest,
        "etag_source": etag_source,
        "content_id": digest,
        "size": len(data),
    }


def table(rows):
    """Rows of samples as a table; extra columns of sample_integrity are not needed by the images."""
    text = ["path", "bucket", "etag", "etag_source", "content_id"]
    schema = pa.schema([*((name, pa.large_string()) for name in text), ("size", pa.int64())])
    return pa.Table.from_pylist(rows, schema=schema)


class Memory:
    """A source that lies in memory, counts what is read, and fails on request."""

    def __init__(self, files, errors=None):
        self.files = dict(files)
        self.errors = dict(errors or {})
        self.read = []

    def fetch_many(self, rows):
        """Yields in another order than asked, as a source may."""
        for row in reversed(list(rows)):
            self.read.append(row.path)
            if row.path in self.errors:
                yield row, self.errors[row.path]
            elif row.path not in self.files:
                yield row, SourceError("missing", f"{row.path} is not there")
            else:
                yield row, self.files[row.path]
