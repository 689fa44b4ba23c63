"""The written configuration loads, and says what was answered, whatever the answers contain."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.config import StorageSettings, parse_config
from brev_pipeline.starter import Answers, configuration, name_from

PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1)


@given(PRINTABLE, PRINTABLE, st.booleans())
def test_any_place_and_store_are_read_back_as_they_were_given(bucket: str, store: str, per_folder: bool) -> None:
    bucket, store = bucket.replace("://", ":") + "x", store.replace("://", ":") + "x"
    answers = Answers("parts", bucket, r"/(\d+)_it's # odd: \.png$", per_folder, store)
    config = parse_config(configuration(answers), "parts.yaml", Path("/"))
    assert (config.datasets[0].bucket, config.store) == (bucket, store)
    assert config.split.uniqueness == answers.uniqueness
    assert config.split.uniqueness_scope == ("stratum" if per_folder else "global")


def test_how_a_bucket_is_reached_stands_in_the_file() -> None:
    storage = StorageSettings(anon=True, endpoint_url="http://127.0.0.1:9000", region="eu-west-1")
    config = parse_config(configuration(Answers("a", "s3://b/c", "(x)", False, storage=storage)), "a.yaml", Path("/"))
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
    assert name_from(bucket) == name
    parse_config(configuration(Answers(name, "x", "(x)", False)), "x.yaml", Path("/"))
