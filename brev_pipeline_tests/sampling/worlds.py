"""Small splits for the tests of sampling."""

import hashlib
from collections.abc import Sequence

import pyarrow as pa
from hypothesis import strategies as st


def split_of(rows: Sequence[tuple[str, str, str]]) -> pa.Table:
    """A split of (purpose, folder, content) rows; each has a path of its own."""
    return pa.table(
        {
            "path": [f"bucket/{folder}/{number}_{content}.bmp" for number, (_, folder, content) in enumerate(rows)],
            "content_id": [hashlib.md5(content.encode()).hexdigest() for _, _, content in rows],
            "item": [content for _, _, content in rows],
            "category": pa.array([[folder] for _, folder, _ in rows], pa.list_(pa.large_string())),
            "folder": pa.array([folder for _, folder, _ in rows], pa.large_string()),
            "purpose": pa.array([purpose for purpose, _, _ in rows], pa.large_string()),
        }
    )


def counted(**sizes: int) -> pa.Table:
    """A split whose train side has a folder of each size, and four devel images."""
    rows = [("train", folder, f"{folder}{i}") for folder, size in sizes.items() for i in range(size)]
    return split_of([*rows, *[("devel", next(iter(sizes)), f"devel{i}") for i in range(4)]])


@st.composite
def splits(draw: st.DrawFn) -> pa.Table:
    """Splits of up to 40 images in up to 5 folders, some with the same bytes, at least one of them in train."""
    row = st.tuples(st.sampled_from(["train", "devel"]), st.sampled_from("abcde"), st.integers(0, 25).map(str))
    rows = draw(st.lists(row, max_size=40))
    return split_of([("train", "a", "first"), *rows])
