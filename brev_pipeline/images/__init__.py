"""Images: from the bytes of a file to the pixels that are trained on.

A damaged file is refused with a reason, never half-decoded; the same bytes give the same pixels on every CPU;
each content is decoded once in its life.

Terms: a *header* is what a file says of itself before a pixel is decoded; to *decode* gives upright 8-bit
pixels in the wanted channels; to *prepare* decodes, cuts out the regions of interest, resizes and pads; a
*pixel cache* holds prepared pixels in the store.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.images.decoding import DecodedImage, decode_image
    from brev_pipeline.images.pipeline import ImagePipeline
    from brev_pipeline.images.pixel_reader import read_prepared_pixels
    from brev_pipeline.images.prepare import prepare_images

_HOMES = {
    "DecodedImage": "decoding",
    "ImagePipeline": "pipeline",
    "decode_image": "decoding",
    "prepare_images": "prepare",
    "read_prepared_pixels": "pixel_reader",
}

__all__ = ["DecodedImage", "ImagePipeline", "decode_image", "prepare_images", "read_prepared_pixels"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
