"""The written configuration loads, and says what was answered, whatever the answers contain."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.config import FolderCategory, StorageSettings, parse_config
from brev_pipeline.init_wizard import ConfigurationAnswers, format_configuration, make_pipeline_name

PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1)


@given(PRINTABLE, PRINTABLE, st.sampled_from(["global", "stratum"]))
def test_any_place_and_store_are_read_back_as_they_were_given(bucket: str, store: str, scope: str) -> None:
    # No address of another kind (`://`), and none that looks like a mistaken one of S3 (`S3:x`).
    bucket, store = (re.sub(r"://|^\s*s3", ":", place, flags=re.IGNORECASE) + "x" for place in (bucket, store))
    answers = ConfigurationAnswers("parts", bucket, r"/(\d+)_it's # odd: \.png$", scope, store=store)
    config = parse_config(format_configuration(answers), "parts.yaml", Path("/"))
    assert (config.datasets[0].bucket, config.store) == (bucket, store)
    assert config.split.uniqueness == answers.uniqueness
    assert config.split.uniqueness_scope == scope
    assert (config.split.stratification, config.sampling.groupby) == (["category"], ["category"])


@given(PRINTABLE.filter(str.strip))
def test_any_class_and_word_are_read_back(word: str) -> None:
    listing = {"sample_filter": r"^(?!.*(_mask)\.[^.]+$).*\.png$", "class_mapping": {word: [word]}, "classes": [word]}
    given = {"folder": 0, "words": {word: "devel", "not " + word: None}}
    config = parse_config(
        format_configuration(ConfigurationAnswers("parts", "x", "(x)", listing=listing, given=given)),
        "x.yaml",
        Path("/"),
    )
    assert config.listing.sample_filter == listing["sample_filter"]
    assert (config.listing.class_mapping, config.listing.classes) == ({word: [word]}, [word])
    assert config.split.given is not None
    assert config.split.given.words == given["words"]


@pytest.mark.parametrize("rule", [{"folder": -2}, r"/(?P<category>[^/]+)_\d+\.[^./]+$"])
def test_what_says_the_class_stands_in_the_file(rule: Any) -> None:
    config = parse_config(
        format_configuration(ConfigurationAnswers("a", "b", "(x)", listing={"category": rule})), "a.yaml", Path("/")
    )
    assert config.listing.category == (FolderCategory(**rule) if isinstance(rule, dict) else rule)


def test_a_given_test_set_takes_nothing_else() -> None:
    given = {"folder": 0, "words": {"train": None, "test": "test"}}
    answers = ConfigurationAnswers("a", "b", "(x)", given=given, purposes={"train": 0.8, "test": 0})
    config = parse_config(format_configuration(answers), "a.yaml", Path("/"))
    assert config.split.shares == pytest.approx({"train": 0.8, "test": 0, "devel": 0.2})


def test_how_a_bucket_is_reached_stands_in_the_file() -> None:
    storage = StorageSettings(anon=True, endpoint_url="http://127.0.0.1:9000", region="eu-west-1")
    config = parse_config(
        format_configuration(ConfigurationAnswers("a", "s3://b/c", "(x)", storage=storage)), "a.yaml", Path("/")
    )
    assert config.datasets[0].storage == storage


@pytest.mark.parametrize(
    ("bucket", "name"),
    [
        ("s3://plant/line-2/Photos/", "photos"),
        ("/data/Vials 2018", "vials_2018"),
        ("../2024", "photos_2024"),
        ("ünï", "n"),
        ("/", "photos"),
    ],
)
def test_a_name_is_made_of_the_last_part_of_the_place(bucket: str, name: str) -> None:
    assert make_pipeline_name(bucket) == name
    parse_config(format_configuration(ConfigurationAnswers(name, "x", "(x)")), "x.yaml", Path("/"))
