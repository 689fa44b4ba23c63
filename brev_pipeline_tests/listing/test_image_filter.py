import re

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brev_pipeline.config import ListingSettings
from brev_pipeline.listing.image_filter import are_images, is_plain_suffix

DEFAULT = ListingSettings().sample_filter
PARTS = st.text(st.sampled_from("abgmnpPjJB.0_é KıİI\n"), max_size=6)
KEYS = st.lists(st.lists(PARTS, min_size=1, max_size=3).map("/".join), max_size=30)
PLAIN = st.recursive(
    st.sampled_from([r"\.", "b", "mp", "p?", "[bg]", "j2k", "_", "-"]),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})")
    ),
    max_leaves=6,
)


def naive(key: str, pattern: str) -> bool:
    name = key.rpartition("/")[2]
    hidden = any(part.startswith(".") for part in key.split("/"))
    return bool(name) and not hidden and re.search(pattern, name, re.IGNORECASE) is not None


@given(
    KEYS,
    st.sampled_from(
        [DEFAULT, r"^a", "b|p$", "(a|b)$", ".", r"\.b$|\.p$", r"a/b", "(?:B)$", r"\d", "[^/]p$", "i$", "k$"]
    ),
)
@example(["good/a.tıf"], DEFAULT)
def test_the_filter_means_what_python_means_by_it(keys: list[str], pattern: str) -> None:
    assert are_images(pa.array(keys, pa.large_string()), pattern).to_pylist() == [naive(key, pattern) for key in keys]


@given(KEYS, PLAIN)
@example(["a.b/p", "b/"], "(b)")
def test_plain_patterns_find_the_same_in_keys_as_in_names(keys: list[str], pattern: str) -> None:
    assert is_plain_suffix(f"{pattern}$")
    assert are_images(pa.array(keys, pa.large_string()), f"{pattern}$").to_pylist() == [
        naive(key, f"{pattern}$") for key in keys
    ]


@pytest.mark.parametrize(
    "name", ["a.BMP", "a.Jpg", "a.jpeg", "a.tif", "a.TIFF", "a.webp", "a.gif", "a.jp2", "a.ppm", "a.b.png"]
)
def test_image_endings_count_in_any_case(name: str) -> None:
    assert are_images(pa.array([f"good/{name}"]), DEFAULT).to_pylist() == [True]


@pytest.mark.parametrize(
    "key", ["good/a.txt", "good/png", "good/a.png.json", ".git/a.png", "a/.b/c.png", "a/.c.png", "png/", ""]
)
def test_other_files_hidden_parts_and_folder_markers_do_not(key: str) -> None:
    assert are_images(pa.array([key]), DEFAULT).to_pylist() == [False]


@pytest.mark.parametrize("key", ["-new/a.png", "(x)/a.png", "#1/a.png", "+a/a.png", "a b/a.png", "a../a.png"])
def test_only_a_leading_dot_hides(key: str) -> None:
    assert are_images(pa.array([key]), DEFAULT).to_pylist() == [True]


def test_the_default_filter_is_searched_in_all_keys_at_once() -> None:
    assert is_plain_suffix(DEFAULT)


@pytest.mark.parametrize("pattern", ["a|b$", "a", ".$", r"\d$", "[^a]$", "a{2}$", "a*$", "(?=a)$", r"a\$", "(a)|(b)$"])
def test_patterns_that_could_mean_something_else_are_left_to_python(pattern: str) -> None:
    assert not is_plain_suffix(pattern)
