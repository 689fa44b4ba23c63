"""A store on S3 is read like one on a disk."""

import numpy as np
import pytest

from brev_pipeline import read
from brev_pipeline.config import StorageSettings
from brev_pipeline.errors import ReadError, ShardError
from brev_pipeline.readers import AccessLog
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.readers.worlds import World


def test_records_are_read_one_by_one_and_all_at_once(s3_store: PipelineStore, world: World) -> None:
    records = read(s3_store, "train", verify=True)
    images, labels = records.to_numpy()
    for i, row in enumerate(records.records.to_pylist()[:23]):
        np.testing.assert_array_equal(images[i], world.image(row))
        assert labels[i] == row["label"]
    np.testing.assert_array_equal(records[22]["image"], images[-1])


def test_a_url_is_read_with_the_storage_that_is_given(s3_store: PipelineStore) -> None:
    storage = StorageSettings(endpoint_url=s3_store.folder.options["endpoint_url"])
    version = read("s3://reading/parts", "train", storage=storage).version
    assert read(f"s3://reading/parts/versions/{version}/", "train", storage=storage).version == version
    with pytest.raises(ReadError, match="nothing-here is neither a version nor"):
        read("s3://reading/nothing-here", "train", storage=storage)
    with pytest.raises(ReadError, match="name one of them: s3://reading/parts"):
        read("s3://reading", "train", storage=storage)


def test_readings_are_logged_beside_the_versions(s3_store: PipelineStore) -> None:
    version = s3_store.newest_version()[1]  # type: ignore[index]
    read(version, "test", why="one")
    read(s3_store, "test", why="two")
    assert [entry.why for entry in AccessLog(s3_store).all()] == ["one", "two"]


def test_a_damaged_object_is_found(s3_store: PipelineStore) -> None:
    version = s3_store.newest_version()[1]  # type: ignore[index]
    records = read(version, "train")
    name = records.records["file"][0].as_py()
    whole = version.folder.read(name)
    version.folder.remove(name)
    version.folder.write(name, whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(ShardError, match=f"{name} is damaged: the record at byte 0"):
        records[0]
    version.folder.remove(name)
    version.folder.write(name, whole)
    assert records[0]["label"] == records.records["label"][0].as_py()
