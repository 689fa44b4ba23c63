from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.config import ListingSettings
from brev_pipeline.listing.path_classes import (
    ROOT,
    ClassRules,
    filter_classes,
    find_folder_runs,
    folder_name,
    measure_folders,
)


def categories(folder: str, mapping: dict[str, list[str]]) -> list[str]:
    return ClassRules(ListingSettings(class_mapping=mapping)).classify_folder(folder).categories


@pytest.mark.parametrize(("folder", "name"), [("line1/good/", "good"), ("good/", "good"), ("", ROOT), ("a//", "a")])
def test_the_leaf_folder_names_the_images(folder: str, name: str) -> None:
    assert folder_name(folder) == name
    assert categories(folder, {}) == [name]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("A/", ["Tilted"]),
        ("A/1/", ["Crimp", "Cap"]),
        ("A/2/", ["Tilted"]),
        ("1/A/2/", ["Tilted"]),
        ("B/2/", ["2"]),
    ],
)
def test_the_nearest_mapped_folder_wins_from_leaf_to_root(folder: str, expected: list[str]) -> None:
    assert categories(folder, {"A": ["Tilted"], "1": ["Crimp", "Cap"]}) == expected


def test_the_root_can_be_mapped_and_is_the_last_resort() -> None:
    mapping = {ROOT: ["unsorted"], "good": ["ok"]}
    assert [categories(folder, mapping) for folder in ("", "x/", "good/")] == [["unsorted"], ["unsorted"], ["ok"]]


def test_classes_keep_their_own_categories_only() -> None:
    assert filter_classes(["a", "b", "c"], ["c", "a"]) == ["a", "c"]
    assert filter_classes(["a"], ["b"]) == []
    assert filter_classes(["a"], None) == ["a"]


KEYS = st.lists(st.text(st.sampled_from("ab/é.1"), min_size=1, max_size=7), max_size=60, unique=True).map(sorted)


def folder(key: str) -> str:
    return key[: key.rfind("/") + 1]


@given(KEYS, st.integers(0, 5))
def test_runs_name_the_folder_of_every_key(keys: list[str], skipped: int) -> None:
    array = pa.array(keys, pa.large_string()).slice(skipped)
    found = find_folder_runs(array)
    assert [run.folder for run in found for _ in range(run.keys)] == [folder(key) for key in keys[skipped:]]
    assert all(one.folder != other.folder for one, other in pairwise(found))


@given(KEYS)
def test_folder_lengths_are_counted_in_bytes(keys: list[str]) -> None:
    lengths = measure_folders(pa.array(keys, pa.large_string()))
    assert lengths.tolist() == [len(folder(key).encode()) for key in keys]


def test_a_million_keys_of_few_folders_are_few_runs() -> None:
    keys = pa.array([f"line{n // 1000:03d}/good/{n % 1000:04d}.png" for n in range(100_000)])
    found = find_folder_runs(keys)
    assert len(found) == 100
    assert np.all([run.keys == 1000 for run in found])
