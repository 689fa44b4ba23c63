from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import ListingError
from brev_pipeline.listing import s3_pages
from brev_pipeline.listing.s3_pages import OBJECTS, parse_page
from brev_pipeline_tests.listing.simulated import SimulatedBucket, contents, keys_of

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.lists(KEYS, max_size=8, unique=True))
def test_keys_of_any_characters_are_read_back(keys: list[str]) -> None:
    bucket = SimulatedBucket(keys)
    page = parse_page(bucket("b", ""), "s3://b/")
    assert keys_of(page.objects) == bucket.keys
    assert page.objects.schema == OBJECTS
    assert page.objects["size"].to_pylist() == [len(key) for key in bucket.keys]
    assert page.next_token == ""


@given(st.lists(KEYS, max_size=8, unique=True))
def test_both_ways_of_reading_agree(keys: list[str]) -> None:
    xml = SimulatedBucket(keys, page_size=5)("b", "", delimiter="/")
    fast, slow = parse_page(xml, "p"), s3_pages._parse_slowly(xml, "p", True)
    assert fast.objects.equals(slow.objects)
    assert (fast.prefixes, fast.next_token) == (slow.prefixes, slow.next_token)


def test_columns_have_their_types_and_values() -> None:
    [row] = parse_page(SimulatedBucket(["good/a b.png"])("b", ""), "p").objects.to_pylist()
    modified = datetime(2024, 5, 6, 7, 8, 9, 123000, UTC)
    assert row == {"key": "good/a b.png", "etag": f"{12:032x}", "size": 12, "modified": modified}


def test_encoded_slashes_are_slashes() -> None:
    xml = f"<ListBucketResult><EncodingType>url</EncodingType>{contents('a/b/c%.png')}</ListBucketResult>"
    page = parse_page(xml.replace("/b", "%2Fb").encode(), "p")
    assert keys_of(page.objects) == ["a/b/c%.png"]


def test_a_server_that_does_not_encode_keys_is_understood() -> None:
    item = contents("a").replace("<Key>a</Key>", "<Key>good/a+b &amp; 100%.png</Key>")
    page = parse_page(f"<ListBucketResult>{item}</ListBucketResult>".encode(), "p")
    assert keys_of(page.objects) == ["good/a+b & 100%.png"]


def test_an_object_without_entity_tag_has_none() -> None:
    item = contents("a").replace(f"<ETag>&quot;{1:032x}&quot;</ETag>", "")
    page = parse_page(f"<ListBucketResult><EncodingType>url</EncodingType>{item}</ListBucketResult>".encode(), "p")
    assert page.objects["etag"].to_pylist() == [None]


def test_namespaces_owners_and_checksums_do_not_disturb() -> None:
    item = contents("a.png").replace(
        "<Size>", "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><Owner><ID>x</ID></Owner><Size>"
    )
    xml = f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>{item}</ListBucketResult>'
    assert keys_of(parse_page(xml.encode(), "p").objects) == ["a.png"]


def test_tokens_are_unescaped() -> None:
    token = "<NextContinuationToken>a&amp;b&lt;</NextContinuationToken>"
    xml = f"<ListBucketResult><EncodingType>url</EncodingType>{contents('a')}{token}</ListBucketResult>"
    page = parse_page(xml.encode(), "p")
    assert page.next_token == "a&b<"
    assert page.last_key == "a"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("<Size>5</Size>", "", "without key, size or date"),
        ("<Size>5</Size>", "<Size>many</Size>", "a size or a date that is none"),
        ("2024-05-06T07:08:09.123Z", "yesterday", "a size or a date that is none"),
        ("</Size>", "", "not XML"),
    ],
)
def test_a_page_that_lacks_something_is_an_error_that_names_the_place(old: str, new: str, words: str) -> None:
    xml = f"<ListBucketResult><EncodingType>url</EncodingType>{contents('a.png')}</ListBucketResult>".replace(old, new)
    with pytest.raises(ListingError, match=f"s3://b/x/: .*{words}"):
        parse_page(xml.encode(), "s3://b/x/")
