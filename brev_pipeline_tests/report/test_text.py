import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from brev_pipeline.report.text import (
    clean_value,
    count_noun,
    escape_invisible,
    format_percent,
    format_size,
    join_words,
    shorten_name,
    strip_secrets,
)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("https://user:secret@host/path", "https://host/path"),
        ("s3://AKIAIOSFODNN7EXAMPLE:wJalr/bPxRf@bucket/key", "s3://bucket/key"),
        ("https://user:sec?ret@host/path", "https://host/path"),
        ("https://host/a.png?X-Amz-Signature=0123&X-Amz-Credential=AK", "https://host/a.png?…"),
        ("https://host/a.png#token=1", "https://host/a.png#…"),
        ("https://user@host/a@2x.png", "https://host/a@2x.png"),
        ("http://host:9000/a@2x.png", "http://host:9000/a@2x.png"),
        ("http://[::1]:9000/a@2x.png", "http://[::1]:9000/a@2x.png"),
        ("s3://bucket/a@2x.png", "s3://bucket/a@2x.png"),
        ("see https://u:p@one/x and https://two/y?t=1.", "see https://one/x and https://two/y?…"),
        ("key AKIAIOSFODNN7EXAMPLE", "key AKIA…"),
        ("what? good #1.bmp", "what? good #1.bmp"),
    ],
)
def test_addresses_lose_what_is_secret_and_nothing_else(given_text: str, expected: str) -> None:
    assert strip_secrets(given_text) == expected


_WORD = st.text("abcXYZ0189-_.~!$&()*+,;=%", min_size=1, max_size=20)


@given(user=_WORD, password=st.text("abcXYZ01/+=?#:@", min_size=1, max_size=40).filter(lambda one: not one.isdigit()))
def test_no_password_survives_whatever_signs_it_has(user: str, password: str) -> None:
    assert strip_secrets(f"at s3://{user}:Q{password}Q@bucket/key now") == "at s3://bucket/key now"


@given(st.text())
def test_what_is_shown_holds_no_unseen_characters_and_is_stable(text: str) -> None:
    out = clean_value(text)
    assert clean_value(out) == out
    assert not re.search("[\x00-\x08\x0b-\x1f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", out)


def test_a_turned_name_is_written_out() -> None:
    assert escape_invisible("good\u202egnp.exe") == r"good\u202egnp.exe"


def test_markup_numbers_and_nothing_pass_as_they_are() -> None:
    assert clean_value(Markup("<b>")) == Markup("<b>")
    assert clean_value(3) == 3
    assert clean_value(None) == ""


def test_shares_are_never_rounded_to_nothing_or_to_all() -> None:
    assert [format_percent(value) for value in (0.0, 0.0001, 0.123, 0.9999, 1.0)] == [
        "0%",
        "< 0.1%",
        "12.3%",
        "> 99.9%",
        "100%",
    ]


def test_words_for_counts_and_bytes() -> None:
    assert [count_noun(n, "image") for n in (0, 1, 2000)] == ["no images", "1 image", "2,000 images"]
    assert [format_size(n) for n in (1, 999, 1500, 123_456, 5e12)] == [
        "1 bytes",
        "999 bytes",
        "1.5 kB",
        "123 kB",
        "5.0 TB",
    ]
    assert [join_words(list("abcdefgh"[:n]), 3) for n in (0, 1, 2, 5)] == ["", "a", "a and b", "a, b, c and 2 more"]


@given(st.text(max_size=2000))
def test_long_names_keep_their_ends_and_tell_their_length(name: str) -> None:
    out = shorten_name(name)
    assert len(out) < 200
    assert out == name or (out.startswith(name[:90]) and f"({len(name):,} characters)" in out)
