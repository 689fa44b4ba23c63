"""A store on S3 is read like one on a disk."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from brev_pipeline import read
from brev_pipeline.config import StorageSettings
from brev_pipeline.errors import ReadError, ShardError
from brev_pipeline.reading import AccessLog
from brev_pipeline.store import Folder
from brev_pipeline_tests.reading.worlds import World


@pytest.fixture
def there(s3_folder: Folder, tmp_path: Path) -> Iterator[World]:
    counts = {("train", 0): 23, ("test", 0): 4}
    world = World(tmp_path, counts, folder=s3_folder, split={"access_log": ["test"]})
    world.publish()
    yield world


def test_records_are_read_one_by_one_and_all_at_once(there: World) -> None:
    records = read(there.store, "train", verify=True)
    images, labels = records.to_numpy()
    for i, row in enumerate(records.records.to_pylist()):
        np.testing.assert_array_equal(images[i], there.image(row))
        assert labels[i] == row["label"]
    np.testing.assert_array_equal(records[-1]["image"], images[-1])


def test_a_url_is_read_with_the_storage_that_is_given(there: World, s3_folder: Folder) -> None:
    storage = StorageSettings(endpoint_url=s3_folder.options["endpoint_url"])
    version = read(s3_folder.url, "train", storage=storage).version
    assert read(f"{s3_folder.url}/versions/{version}/", "train", storage=storage).version == version
    with pytest.raises(ReadError, match="nothing-here is neither a version nor"):
        read("s3://store/nothing-here", "train", storage=storage)
    with pytest.raises(ReadError, match="name one of them: s3://store/vials"):
        read("s3://store", "train", storage=storage)


def test_readings_are_logged_beside_the_versions(there: World) -> None:
    version = there.store.newest()[1]  # type: ignore[index]
    read(version, "test", why="one")
    read(there.store, "test", why="two")
    assert [entry.why for entry in AccessLog(there.store).all()] == ["one", "two"]


def test_a_damaged_object_is_found(there: World) -> None:
    version = there.store.newest()[1]  # type: ignore[index]
    records = read(version, "train")
    name = records.records["file"][0].as_py()
    data = bytearray(version.folder.read(name))
    data[100] ^= 1
    version.folder.remove(name)
    version.folder.write(name, bytes(data))
    with pytest.raises(ShardError, match=f"{name} is damaged: the record at byte 0"):
        records[0]
