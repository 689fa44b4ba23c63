from pathlib import Path
from typing import Any

import pytest

from brev_pipeline import Dataset
from brev_pipeline.errors import ConfigError, ListingError
from brev_pipeline_tests.buckets import Server

ORDER = ["category", "folder", "path", "etag", "bucket", "dataset", "dataset_id", "reference", "url"]


@pytest.fixture
def vials(tmp_path: Path) -> Dataset:
    for name in ("good/1_1.bmp", "good/2_1.BMP", "bad_cap/1_1.jpg", "bad_cap/a.txt", ".samples/x/s.png", "sub/A/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return Dataset(name="vials", bucket=str(tmp_path), id="v1", reference="QA-12")


def test_the_frame_has_the_notebooks_columns_in_their_order(vials: Dataset) -> None:
    frame = vials.get_image_samples()
    assert list(frame.columns) == ORDER
    assert len(frame) == 4
    assert list(frame.index) == [0, 1, 2, 3]
    first = frame.iloc[0].to_dict()
    assert first["category"] == ("bad_cap",)
    assert (first["folder"], first["dataset"], first["dataset_id"], first["reference"]) == (
        "bad_cap",
        "vials",
        "v1",
        "QA-12",
    )
    assert first["path"] == first["url"] == f"{vials.bucket}/bad_cap/1_1.jpg"
    assert frame.groupby("category").size().to_dict() == {("bad_cap",): 1, ("good",): 2, ("A",): 1}


def test_filters_and_mapping_work_as_in_a_pipeline(vials: Dataset) -> None:
    assert len(vials.get_image_samples(sample_filter=r"\.bmp$")) == 2
    assert len(vials.get_image_samples(sample_filter=[r"\.BMP$", r"\.jpg$"])) == 3
    mapped = vials.get_image_samples(class_mapping={"good": "ok", "sub": ["x", "ok"]}, classes=["ok"])
    assert sorted(mapped["category"]) == [("ok",), ("ok",), ("ok",)]


def test_the_class_may_stand_anywhere_in_the_path(vials: Dataset) -> None:
    upper = vials.get_image_samples(category={"folder": 0})
    assert set(upper["category"]) == {("bad_cap",), ("good",), ("sub",)}
    named = vials.get_image_samples(category=r"/(?P<category>[a-z]+)[^/]*/(?:.*)$")
    assert set(named["category"]) == {("bad",), ("good",), ("sub",)}
    with pytest.raises(ConfigError, match="whole numbers as levels"):
        vials.get_image_samples(category={"folder": "good"})


def test_a_location_is_searched_by_itself(vials: Dataset) -> None:
    hidden = vials.get_image_samples(location="samples")
    assert hidden["path"].to_list() == [f"{vials.bucket}/.samples/x/s.png"]
    assert hidden["bucket"].to_list() == [vials.bucket]
    assert vials.get_image_samples(location="sub/A")["folder"].to_list() == ["__root__"]
    with pytest.raises(ListingError, match="there is no such folder"):
        vials.get_image_samples(location="annotations")


def test_without_id_each_dataset_gets_its_own() -> None:
    assert Dataset(bucket="a").id != Dataset(bucket="a").id


@pytest.mark.parametrize("spelling", ["own", "s3fs"])
def test_storage_options_may_be_spelled_as_for_s3fs(s3: Server, spelling: str) -> None:
    name = s3.bucket({"set/good/a.png": b"x"})
    own = {"endpoint_url": s3.endpoint, "region": "us-east-1"}
    fsspec = {"anon": False, "client_kwargs": {"endpoint_url": s3.endpoint, "region_name": "us-east-1"}}
    dataset = Dataset(name="v", bucket=f"s3://{name}/set", storage_options=own if spelling == "own" else fsspec)
    frame = dataset.get_image_samples(url_template="https://{bucket}.example/{quoted_key}")
    assert frame["path"].to_list() == [f"s3://{name}/set/good/a.png"]
    assert frame["url"].to_list() == [f"https://{name}.example/set/good/a.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"bucket": "a", "storage_options": {"key": "AKIA", "secret": "hush"}},
            "key, secret: credentials do not belong",
        ),
        ({"bucket": "a", "storage_options": {"client_kwargs": {"speed": 9}}}, r"storage\.speed"),
        ({"bucket": "gs://a"}, "only s3:// and local folders"),
        ({"bucket": "s3://"}, "names no bucket"),
        ({"bucket": ""}, "bucket"),
    ],
)
def test_arguments_that_cannot_be_used_are_told_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        Dataset(**arguments)
    assert "hush" not in str(raised.value)


def test_a_broken_filter_is_told(vials: Dataset) -> None:
    with pytest.raises(ConfigError, match="sample_filter: not a regular expression"):
        vials.get_image_samples(sample_filter="(")


def test_links_out_of_the_dataset_are_followed_only_where_that_is_said(
    vials: Dataset, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "x.png"
    elsewhere.write_bytes(b"x")
    (Path(vials.bucket) / "sub/A/out.png").symlink_to(elsewhere)
    (Path(vials.bucket) / "sub/A/in.png").symlink_to("../../good/1_1.bmp")
    # What a location leaves is not yet what the dataset leaves.
    names = [path.rpartition("/")[2] for path in vials.get_image_samples(location="sub/A")["path"]]
    assert names == ["1.png", "in.png"]
    assert "1 by link_outside (the first out.png" in caplog.text
    frame = vials.get_image_samples(location="sub/A", follow_links=True)
    assert frame["etag"].notna().all()
    assert len(frame) == 3
    with pytest.raises(ListingError, match="leads out of the dataset"):
        vials.get_image_samples(location="../elsewhere")
