import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.errors import ListingError
from brev_pipeline.listing.scan import scan
from brev_pipeline_tests.listing.simulated import SimulatedBucket, keys_of

NAMES = st.text(st.sampled_from("0129abz_./é"), min_size=1, max_size=6)
KEYS = st.lists(NAMES.map(lambda name: f"p/{name}") | NAMES, max_size=120, unique=True)


@settings(deadline=None, max_examples=150)
@given(KEYS, st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_every_key_of_the_prefix_is_found_once_and_in_order(
    keys: list[str], page: int, threads: int, new: bool
) -> None:
    bucket = SimulatedBucket(keys, page, knows_start_after=new)
    assert keys_of(scan(bucket, "b", "p/", threads)) == [key for key in bucket.keys if key.startswith("p/")]
    assert keys_of(scan(bucket, "b", "", threads)) == bucket.keys


def test_one_page_costs_one_request() -> None:
    bucket = SimulatedBucket([f"good/{number}.png" for number in range(1000)])
    assert scan(bucket, "b", "").num_rows == 1000
    assert len(bucket.requests) == 1


def test_large_folders_are_listed_each_by_itself_and_no_key_is_sent_twice() -> None:
    keys = [f"line{folder}/{number:04d}.png" for folder in range(50) for number in range(400)]
    bucket = SimulatedBucket(keys)
    assert keys_of(scan(bucket, "b", "")) == bucket.keys
    assert bucket.sent < len(keys) + 1000
    assert len(bucket.requests) <= 52


def test_small_folders_cost_about_as_many_requests_as_pages() -> None:
    keys = [f"item{folder:05d}/{number}.png" for folder in range(10_000) for number in range(2)]
    bucket = SimulatedBucket(keys)
    assert keys_of(scan(bucket, "b", "", 8)) == bucket.keys
    assert len(bucket.requests) <= 3 * 20


def test_a_single_large_folder_is_divided_among_the_threads() -> None:
    keys = [f"good/{number * 7919 % 1_000_000:06d}_1543412161923.bmp" for number in range(40_000)]
    bucket = SimulatedBucket(keys)
    busy: dict[str, int] = {}

    def counted(*args: str, **kwargs: str) -> bytes:
        name = threading.current_thread().name
        busy[name] = busy.get(name, 0) + 1
        return bucket(*args, **kwargs)

    assert keys_of(scan(counted, "b", "", 4)) == bucket.keys
    assert len(bucket.requests) < 80
    assert len([name for name, requests in busy.items() if requests > 3]) >= 3


def test_images_beside_folders_are_found() -> None:
    keys = [f"f{folder}/{number:04d}.png" for folder in range(6) for number in range(600)]
    keys += ["0.png", "f3.png", "f5x.png", "z.png"]
    bucket = SimulatedBucket(keys)
    assert keys_of(scan(bucket, "b", "")) == bucket.keys


def test_an_empty_prefix_is_an_empty_table() -> None:
    assert scan(SimulatedBucket([]), "b", "p/").num_rows == 0


def test_a_failure_in_one_thread_ends_the_scan() -> None:
    bucket = SimulatedBucket([f"f{folder:02d}/{number:04d}" for folder in range(40) for number in range(500)])

    def failing(name: str, prefix: str, **kwargs: str) -> bytes:
        if prefix == "f07/":
            raise ListingError("the disk is on fire")
        return bucket(name, prefix, **kwargs)

    with pytest.raises(ListingError, match="on fire"):
        scan(failing, "b", "", 4)
    assert len(bucket.requests) < 40
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("listing")]
