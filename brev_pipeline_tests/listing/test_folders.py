from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.listing.folders import folder_lengths, runs

KEYS = st.lists(st.text(st.sampled_from("ab/é.1"), min_size=1, max_size=7), max_size=60, unique=True).map(sorted)


def folder(key: str) -> str:
    return key[: key.rfind("/") + 1]


@given(KEYS, st.integers(0, 5))
def test_runs_name_the_folder_of_every_key(keys: list[str], skipped: int) -> None:
    array = pa.array(keys, pa.large_string()).slice(skipped)
    found = runs(array)
    assert [run.folder for run in found for _ in range(run.keys)] == [folder(key) for key in keys[skipped:]]
    assert all(one.folder != other.folder for one, other in pairwise(found))


@given(KEYS)
def test_folder_lengths_are_counted_in_bytes(keys: list[str]) -> None:
    lengths = folder_lengths(pa.array(keys, pa.large_string()))
    assert lengths.tolist() == [len(folder(key).encode()) for key in keys]


def test_a_million_keys_of_few_folders_are_few_runs() -> None:
    keys = pa.array([f"line{n // 1000:03d}/good/{n % 1000:04d}.png" for n in range(100_000)])
    found = runs(keys)
    assert len(found) == 100
    assert np.all([run.keys == 1000 for run in found])
