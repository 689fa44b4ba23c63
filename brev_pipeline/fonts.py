"""Fonts: one that knows most scripts, on every machine, for pictures and previews."""

import functools
import importlib.util
from pathlib import Path
from typing import Any


@functools.cache
def font(size: int, *, bold: bool = False) -> Any:
    """DejaVu Sans of a size in px, which knows most scripts; Pillow's own where that is not to be had."""
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    # Matplotlib brings the font along; it need not be imported for that.
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (file := Path(folder) / "mpl-data/fonts/ttf" / name).is_file():
            # The other layout engine refuses some control characters.
            return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size)
