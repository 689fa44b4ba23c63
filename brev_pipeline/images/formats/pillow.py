"""Pillow, which decodes what no other decoder here reads."""

from brev_pipeline.config import ImageSettings
from brev_pipeline.images.formats.header import Header
from brev_pipeline.images.formats.raster import Raster


def decode_with_pillow(data: bytes, header: Header, plugin: str, settings: ImageSettings) -> Raster:  # noqa: ARG001
    """Decode the first picture of an image file, or refuse it."""
    from brev_pipeline.images.judge import judge

    raster = judge(data, header, settings.max_pixels)
    return Raster(raster.pixels, orientation=raster.orientation)
