"""The collection of odd and damaged files in ``shared``, and Pillow's reading of them as the tests expect it."""

import csv
import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


def entries(shared):
    """Rows of the manifest, each with ``place`` added."""
    folder = Path(shared) / "data" / "corrupt_formats"
    with (folder / "manifest.csv").open(newline="") as file:
        return [{**row, "place": folder / row["file"]} for row in csv.DictReader(file)]


def pillows_pixels(data):
    """RGB as Pillow has it, upright, on black; None for samples of more than 8 bits of one channel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data))
        image.load()
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return None
    if image.has_transparency_data:
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return np.asarray(image.convert("RGB"))
