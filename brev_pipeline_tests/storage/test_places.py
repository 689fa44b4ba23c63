import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.config import StorageSettings
from brev_pipeline.storage.places import LocalPlace, S3Place, object_key, parse_place, path_prefix

STORAGE = StorageSettings()


@pytest.mark.parametrize(
    ("bucket", "name", "prefix"),
    [
        ("s3://photos", "photos", ""),
        ("s3://photos/line 7/2024", "photos", "line 7/2024/"),
        (
            "s3://public.data.criterion.ai/data/NeurIPS_2018_reduced",
            "public.data.criterion.ai",
            "data/NeurIPS_2018_reduced/",
        ),
    ],
)
def test_a_bucket_on_s3_is_a_name_and_a_prefix_that_ends_with_a_slash(bucket: str, name: str, prefix: str) -> None:
    assert parse_place(bucket, bucket, STORAGE) == S3Place(bucket, name, prefix, STORAGE)


def test_a_local_bucket_keeps_the_configured_name_beside_the_folder() -> None:
    assert parse_place("../photos", "/somewhere/photos", STORAGE) == LocalPlace("../photos", "/somewhere/photos")


@given(st.sampled_from(["/", "photos", "../a b", "s3://photos/x"]), st.text(min_size=1))
def test_a_path_gives_back_its_key_whatever_characters_it_has(bucket: str, key: str) -> None:
    assert object_key(bucket, path_prefix(bucket) + key) == key
