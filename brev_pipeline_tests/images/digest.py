"""Prints one hash per way of preparing, over generated photos: run under restricted CPU features and compare."""

import hashlib
import json

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.decoding import decode_image
from brev_pipeline.images.geometry import arrange_regions
from brev_pipeline.images.prepare_task import measure_pixels
from brev_pipeline_tests.images import worlds

WAYS = {
    "kept": {},
    "bilinear": {"target_size": (128, 96)},
    "area": {"target_size": (61, 128), "antialias": True},
    "nearest": {"target_size": (128, 128), "resize_method": "nearest"},
    "enlarged": {"target_size": (301, 517), "resize_method": "area"},
    "mixed": {"target_size": (400, 50), "antialias": True},
    "padded": {"target_size": (100, 130), "keep_aspect_ratio": True, "padding_mode": "reflect", "center_padding": True},
    "greyscale": {"target_size": (64, 64), "color_mode": "greyscale"},
    "frames": {"rois": [((3, 5), (103, 90)), ((50, 60), (150, 145))], "roi_mode": "as_timeseries"},
}


def main():
    """Decode each format once per way."""
    files = [*worlds.one_of_each_kind().values()]
    raw = worlds.encode(worlds.photo(9, 150, 200)[:, :, :1], "png")
    found = {}
    for name, fields in WAYS.items():
        settings = ImageSettings(**fields)
        state = hashlib.sha256()
        for data in files:
            decoded = decode_image(data, settings)
            image = arrange_regions(decoded.pixels, settings)
            state.update(repr((measure_pixels(image), decoded.pixel_id, image.shape)).encode())
            state.update(image.tobytes())
        found[name] = state.hexdigest()
    found["bayer"] = decode_image(raw, ImageSettings(color_mode="bayer")).pixel_id
    print(json.dumps(found))


if __name__ == "__main__":
    main()
