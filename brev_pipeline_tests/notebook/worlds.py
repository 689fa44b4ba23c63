"""Small frames of samples, as the notebook's listing gives them."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd


def frame_of(**sizes: int) -> pd.DataFrame:
    """So many samples in each folder, no two with the same bytes."""
    rows = [(folder, number) for folder, size in sizes.items() for number in range(size)]
    return pd.DataFrame(
        {
            "category": [(folder,) for folder, _ in rows],
            "folder": [folder for folder, _ in rows],
            "path": [f"bucket/{folder}/{number}.bmp" for folder, number in rows],
            "etag": [hashlib.md5(f"{folder}{number}".encode()).hexdigest() for folder, number in rows],
        }
    )


def flat_image(sample: dict[str, Any]) -> dict[str, Any]:
    """A callable for map: an 8×8 image whose pixels tell the sample."""
    value = int(hashlib.md5(sample["path"].encode()).hexdigest()[:2], 16)
    return {**sample, "img": np.full((8, 8, 3), value, np.uint8)}
