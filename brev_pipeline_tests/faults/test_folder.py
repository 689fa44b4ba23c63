"""What a folder of the store does when an answer is lost, and what it leaves behind."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from brev_pipeline.config import StorageSettings
from brev_pipeline.errors import StoreError
from brev_pipeline.store import Folder, PipelineStore, Publications
from brev_pipeline_tests.buckets import mock_server
from brev_pipeline_tests.faults.proxy import FaultyProxy


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    with mock_server() as server, FaultyProxy(server.endpoint, kinds=("lost",)) as proxy:
        server.client.create_bucket(Bucket="store")
        yield proxy


@pytest.fixture
def folder(proxy: FaultyProxy, request: pytest.FixtureRequest) -> Iterator[Folder]:
    """A folder of its own; the answer to the first PUT below ``lost`` does not arrive."""
    proxy.injected.clear()
    proxy.method, proxy.path, proxy.most, proxy.share = "PUT", "/lost/", 1, 1.0
    store = PipelineStore.at_url("s3://store", request.node.name, StorageSettings(**proxy.storage()))
    yield store.folder
    proxy.share = 0.0


def test_a_file_whose_answer_was_lost_was_written_by_the_call_that_wrote_it(folder: Folder, proxy: FaultyProxy) -> None:
    assert (folder / "lost").create_file("a", b"1")
    assert proxy.injected["lost"] == 1
    assert folder.read("lost/a") == b"1"
    # The same bytes of another call are still another file.
    with pytest.raises(FileExistsError):
        (folder / "lost").create_file("a", b"1")
    assert not (folder / "lost").create_file("a", b"1", exist_ok=True)


def test_a_publication_whose_answer_was_lost_counts_once_and_a_rival_is_told(
    folder: Folder, proxy: FaultyProxy
) -> None:
    log = Publications(folder / "lost")
    entry = log.append_publication("a", run_id="1", manifest_sha256="", after=None)
    assert proxy.injected["lost"] == 1
    with pytest.raises(StoreError, match="another run published"):
        log.append_publication("b", run_id="2", manifest_sha256="", after=None)
    assert log.read_all() == [entry]


@pytest.mark.parametrize("without_names", [True, False])
def test_a_file_that_cannot_be_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_names: bool
) -> None:
    if not without_names:
        monkeypatch.delattr(os, "O_TMPFILE")
    folder = Folder(str(tmp_path))
    folder.write("a", b"first")
    with pytest.raises(FileExistsError):
        folder.create_file("a", b"second")
    assert os.listdir(tmp_path) == ["a"]
    assert folder.read("a") == b"first"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now
