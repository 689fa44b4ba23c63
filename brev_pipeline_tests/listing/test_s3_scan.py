import threading

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brev_pipeline.errors import ListingError
from brev_pipeline.listing.s3_scan import (
    KeySpan,
    cut_at_folders,
    cut_span,
    end_of_folder,
    list_s3_objects,
    span_per_folder,
)
from brev_pipeline_tests.listing.simulated import SimulatedBucket, keys_of

KEY_NAMES = st.text(st.sampled_from("0123456789abzABZ_-./ é漢"), min_size=1, max_size=8)


def inside(span: KeySpan, key: str) -> bool:
    return key.startswith(span.prefix) and key > span.after and (span.until is None or key <= span.until)


@given(KEY_NAMES, st.none() | KEY_NAMES, KEY_NAMES)
def test_a_cut_loses_no_key_and_shows_none_twice(after: str, until: str | None, key: str) -> None:
    assume(until is None or until > after)
    span = KeySpan("p/", f"p/{after}", None if until is None else f"p/{until}")
    halves = cut_span(span)
    if halves is not None:
        seen = [inside(half, f"p/{key}") for half in halves]
        assert sum(seen) == inside(span, f"p/{key}")


@given(KEY_NAMES, st.none() | KEY_NAMES)
def test_a_cut_lies_strictly_within_the_span(after: str, until: str | None) -> None:
    assume(until is None or until > after)
    span = KeySpan("p/", f"p/{after}", None if until is None else f"p/{until}")
    halves = cut_span(span)
    if halves is not None:
        middle = halves[0].until
        assert middle == halves[1].after
        assert middle is not None
        assert span.after < middle
        assert span.until is None or middle < span.until


def test_numbers_are_cut_half_way() -> None:
    assert cut_span(KeySpan("p/", "p/000123_15.bmp")) == (KeySpan("p/", "p/000123_15.bmp", "p/5"), KeySpan("p/", "p/5"))
    assert cut_span(KeySpan("p/", "p/2000", "p/5")) == (KeySpan("p/", "p/2000", "p/4"), KeySpan("p/", "p/4", "p/5"))
    assert cut_span(KeySpan("p/", "p/2000", "p/3")) == (KeySpan("p/", "p/2000", "p/25"), KeySpan("p/", "p/25", "p/3"))


def test_names_that_give_no_hint_are_not_cut() -> None:
    assert cut_span(KeySpan("p/", "p/漢字")) is None
    assert cut_span(KeySpan("p/", "p/")) is None


@given(st.lists(KEY_NAMES, min_size=1, max_size=30), KEY_NAMES, st.integers(1, 5))
def test_spans_of_folders_cover_each_key_behind_the_start_once(names: list[str], after: str, parts: int) -> None:
    keys = [f"p/{name}" for name in names]
    folders = sorted({key[: key.index("/", 2) + 1] for key in keys if "/" in key[2:]})
    rest = KeySpan("p/", f"p/{after}")
    for key in keys:
        grouped = sum(inside(span, key) for span in cut_at_folders(rest, folders, parts))
        single = sum(inside(span, key) for span in span_per_folder(rest, folders))
        assert grouped == (key > rest.after)
        assert single == (key > rest.after and "/" in key[2:])


@given(KEY_NAMES, KEY_NAMES)
def test_the_end_of_a_folder_lies_behind_all_its_keys(folder: str, name: str) -> None:
    assert f"{folder}/" < f"{folder}/{name}" < end_of_folder(f"{folder}/")


def test_folders_are_grouped_evenly() -> None:
    spans = cut_at_folders(KeySpan("", "f03/9"), [f"f{number:02d}/" for number in range(24)], 5)
    assert len(spans) == 5
    assert spans[0].after == "f03/9"
    assert [span.until for span in spans] == ["f060", "f100", "f140", "f180", None] or len(
        {s.until for s in spans}
    ) == 5


SHORT_NAMES = st.text(st.sampled_from("0129abz_./é"), min_size=1, max_size=6)
KEYS = st.lists(SHORT_NAMES.map(lambda name: f"p/{name}") | SHORT_NAMES, max_size=120, unique=True)


@settings(deadline=None, max_examples=150)
@given(KEYS, st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_every_key_of_the_prefix_is_found_once_and_in_order(
    keys: list[str], page: int, threads: int, new: bool
) -> None:
    bucket = SimulatedBucket(keys, page, knows_start_after=new)
    assert keys_of(list_s3_objects(bucket, "b", "p/", threads)) == [key for key in bucket.keys if key.startswith("p/")]
    assert keys_of(list_s3_objects(bucket, "b", "", threads)) == bucket.keys


def test_one_page_costs_one_request() -> None:
    bucket = SimulatedBucket([f"good/{number}.png" for number in range(1000)])
    assert list_s3_objects(bucket, "b", "").num_rows == 1000
    assert len(bucket.requests) == 1


def test_large_folders_are_listed_each_by_itself_and_no_key_is_sent_twice() -> None:
    keys = [f"line{folder}/{number:04d}.png" for folder in range(50) for number in range(400)]
    bucket = SimulatedBucket(keys)
    assert keys_of(list_s3_objects(bucket, "b", "")) == bucket.keys
    assert bucket.sent < len(keys) + 1000
    assert len(bucket.requests) <= 52


def test_small_folders_cost_about_as_many_requests_as_pages() -> None:
    keys = [f"item{folder:05d}/{number}.png" for folder in range(10_000) for number in range(2)]
    bucket = SimulatedBucket(keys)
    assert keys_of(list_s3_objects(bucket, "b", "", 8)) == bucket.keys
    assert len(bucket.requests) <= 3 * 20


def test_a_single_large_folder_is_divided_among_the_threads() -> None:
    keys = [f"good/{number * 7919 % 1_000_000:06d}_1543412161923.bmp" for number in range(40_000)]
    bucket = SimulatedBucket(keys)
    busy: dict[str, int] = {}

    def counted(*args: str, **kwargs: str) -> bytes:
        name = threading.current_thread().name
        busy[name] = busy.get(name, 0) + 1
        return bucket(*args, **kwargs)

    assert keys_of(list_s3_objects(counted, "b", "", 4)) == bucket.keys
    assert len(bucket.requests) < 80
    assert len([name for name, requests in busy.items() if requests > 3]) >= 3


def test_images_beside_folders_are_found() -> None:
    keys = [f"f{folder}/{number:04d}.png" for folder in range(6) for number in range(600)]
    keys += ["0.png", "f3.png", "f5x.png", "z.png"]
    bucket = SimulatedBucket(keys)
    assert keys_of(list_s3_objects(bucket, "b", "")) == bucket.keys


def test_an_empty_prefix_is_an_empty_table() -> None:
    assert list_s3_objects(SimulatedBucket([]), "b", "p/").num_rows == 0


def test_a_failure_in_one_thread_ends_the_scan() -> None:
    bucket = SimulatedBucket([f"f{folder:02d}/{number:04d}" for folder in range(40) for number in range(500)])

    def failing(name: str, prefix: str, **kwargs: str) -> bytes:
        if prefix == "f07/":
            raise ListingError("the disk is on fire")
        return bucket(name, prefix, **kwargs)

    with pytest.raises(ListingError, match="on fire"):
        list_s3_objects(failing, "b", "", 4)
    assert len(bucket.requests) < 40
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("listing")]
