"""Which version is read."""

import os
from pathlib import Path

import pytest

from brev_pipeline import read
from brev_pipeline.errors import ReadError, StoreError
from brev_pipeline.store import Version
from brev_pipeline_tests.readers.worlds import World


@pytest.fixture
def grown(tmp_path: Path) -> tuple[World, Version, Version]:
    """A store with two published versions, the older one first."""
    old = World(tmp_path, {("train", 0): 5})
    first = old.publish()
    return old, first, World(tmp_path, {("train", 0): 6}).publish()


def test_a_store_gives_its_newest_published_version(grown: tuple[World, Version, Version]) -> None:
    world, _, new = grown
    for where in (
        world.store,
        world.store.folder.url,
        Path(world.store.folder.url),
        f"file://{world.root}/store/parts/",
    ):
        assert (read(where, "train").version, len(read(where, "train"))) == (new.id, 6)


def test_an_older_version_is_read_by_the_beginning_of_its_id(grown: tuple[World, Version, Version]) -> None:
    world, old, _ = grown
    assert len(read(world.store, "train", version=old.id[:6])) == 5
    assert len(read(world.store, "train", version=old.id)) == 5


def test_a_version_is_read_by_its_object_or_its_folder_wherever_it_lies(
    grown: tuple[World, Version, Version], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, old, new = grown
    for version in (old, new):
        assert read(version, "train").version == version.id
        assert read(version.path, "train", version=version.id[:4]).version == version.id
    os.rename(old.path, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert read("mine", "train", verify=True).version == old.id


def test_what_there_is_not_is_named_with_what_there_is(grown: tuple[World, Version, Version], tmp_path: Path) -> None:
    world, old, new = grown
    with pytest.raises(ReadError, match=f"no published version.* begin with zz; published are: {old.id}, {new.id}"):
        read(world.store, "train", version="zz")
    with pytest.raises(ReadError, match=r"2 published version\(s\) begin with"):
        read(_with_common_beginning(world, old, new), "train", version=old.id[0])
    with pytest.raises(ReadError, match=f"is version {new.id}, and abc was asked for"):
        read(new, "train", version="abc")
    with pytest.raises(ReadError, match=r"has no records of purpose 'test'; it has train \(6\)"):
        read(new, "test")
    with pytest.raises(ReadError, match=r"nowhere is neither a version nor .*: it is not there, or empty"):
        read(tmp_path / "nowhere", "train")
    with pytest.raises(ReadError, match=f"holds several pipelines' stores; name one of them: {tmp_path}/store/parts"):
        read(tmp_path / "store", "train")
    with pytest.raises(ReadError, match=r"neither a version nor .*: it holds store"):
        read(tmp_path, "train")


def _with_common_beginning(world: World, old: Version, new: Version) -> Version | object:
    """The store, with publications until two ids begin with the same digit as the first."""
    for size in range(7, 60):
        entries = [entry.version for entry in world.store.publications.read_all()]
        if sum(name[0] == old.id[0] for name in entries) == 2:
            break
        World(world.root, {("train", 0): size}).publish()
    return world.store


def test_nothing_that_was_not_published_is_read(tmp_path: Path) -> None:
    world = World(tmp_path, {("train", 0): 5})
    version = world.publish()
    os.unlink(world.store.folder.file_url("publications/00000001.json"))
    with pytest.raises(ReadError, match="nothing was published yet"):
        read(world.store, "train")
    with pytest.raises(ReadError, match="published are: none"):
        read(world.store, "train", version=version.id)


def test_a_changed_manifest_is_found_at_once(tmp_path: Path) -> None:
    version = World(tmp_path, {("train", 0): 5}).publish()
    manifest = Path(version.path) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"good"', '"bad!"'))
    for where in (version, version.path, tmp_path / "store" / "parts"):
        with pytest.raises(StoreError, match=rf"{version.id}/manifest\.json was changed after it was published"):
            read(where, "train")


def test_a_version_of_another_format_is_refused(tmp_path: Path) -> None:
    version = World(tmp_path, {("train", 0): 5}).publish()
    manifest = Path(version.path) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 9'))
    os.rename(version.path, tmp_path / "newer")
    with pytest.raises(ReadError, match="newer is of format 9, and this package reads 1"):
        read(tmp_path / "newer", "train")
