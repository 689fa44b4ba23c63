"""Listings for the split's tests: small worlds of folders, items, photos and copies."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.split import SELECTED_SAMPLES

PATTERN = r"/(\d*)_\d*\.bmp$"

Photo = tuple[str, int, int | None, int | None]  # folder, item, number of the bytes or of the pixels that it copies


def digest(*parts: object) -> str:
    return hashlib.md5(repr(parts).encode(), usedforsecurity=False).hexdigest()


def listing(photos: Iterable[Photo]) -> pa.Table:
    """A listing of photos: the same number of bytes means a byte copy, the same number of pixels a pixel copy."""
    rows = []
    for number, (folder, item, content, pixels) in enumerate(photos):
        content_id = digest("own", number) if content is None else digest("bytes", content)
        pixel_id = digest("pixels of", content_id) if pixels is None else digest("pixels", pixels)
        rows.append(
            {
                "path": f"bucket/{folder}/{item}_{number:04d}.bmp",
                "category": [folder],
                "folder": folder,
                "etag": content_id,
                "bucket": "bucket",
                "dataset": "Photos",
                "dataset_id": "photos",
                "reference": "N/A",
                "content_id": content_id,
                "pixel_id": pixel_id,
            }
        )
    return pa.Table.from_pylist(rows, SELECTED_SAMPLES)


def sides(split: pa.Table) -> dict[str, str]:
    """Purpose by path."""
    return dict(zip(split["path"].to_pylist(), split["purpose"].to_pylist(), strict=True))


def plain(folders: dict[str, list[int]]) -> pa.Table:
    """A listing without copies: per folder, the number of photos of each item."""
    return listing(
        (folder, item, None, None)
        for folder, items in folders.items()
        for item, photos in enumerate(items)
        for _ in range(photos)
    )


COPY = st.one_of(st.none(), st.none(), st.none(), st.none(), st.none(), st.none(), st.integers(0, 9))


def photos(folders: str = "abc", copies: st.SearchStrategy[int | None] = COPY) -> st.SearchStrategy[list[Photo]]:
    """Photos of few items, so that items have several and some are copies."""
    return st.lists(
        st.tuples(st.sampled_from(list(folders)), st.integers(0, 12), copies, copies), min_size=2, max_size=60
    ).filter(lambda rows: len({item for _, item, _, _ in rows}) > 1)


FRACTIONS = st.sampled_from(
    [
        {"train": 0.8},
        {"train": 0.5},
        {"train": 1.0},
        {"train": 0.0},
        {"test": 0.1, "train": 0.72},
        {"test": 0.2, "train": 0.6, "extra": 0.2},
        {"test": 0.01, "train": 0.98},
    ]
)


def always(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A property: a few examples in the quick suite, 500 in the slow one."""

    def decorate(holds: Callable[..., None]) -> Any:
        @pytest.mark.parametrize("examples", [25, pytest.param(500, marks=pytest.mark.slow)])
        def test(examples: int) -> None:
            settings(max_examples=examples)(given(**strategies)(holds))()

        test.__doc__ = holds.__doc__
        return test

    return decorate
