import hashlib
import os
import pickle
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from brev_pipeline.errors import BrevPipelineError, SourceError
from brev_pipeline.storage import LocalPlace, Sources
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline.storage.local_files import read_any_file
from brev_pipeline.storage.places import ReadLimits
from brev_pipeline_tests.buckets import config_of

NOBODY = 65534


@contextmanager
def without_root() -> Iterator[None]:
    """Root may read everything; nobody may not."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def row(name: str, data: bytes | None = None, bucket: str = "photos") -> SourceRow:
    etag = None if data is None else md5(data)
    return SourceRow(f"{bucket}/{name}", bucket, etag, "none" if etag is None else "md5", etag or "")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for name in ("good/a.png", "good/b.png", "bad/ü #1.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(name.encode())
    return Sources.from_config(config_of({"bucket": "photos"}, base=tmp_path))


def fetch_one(sources: Sources, wanted: SourceRow) -> bytes | SourceError:
    [(got, data)] = sources.fetch_many([wanted])
    assert got == wanted
    return data


def test_every_row_comes_once_with_its_bytes(sources: Sources) -> None:
    rows = [row(name, name.encode()) for name in ("good/a.png", "bad/ü #1.png", "good/b.png")]
    assert list(sources.fetch_many(rows)) == [(one, one.path.removeprefix("photos/").encode()) for one in rows]


def test_a_file_without_a_checksum_on_record_is_read_as_it_is(sources: Sources) -> None:
    assert fetch_one(sources, row("good/a.png")) == b"good/a.png"


def test_a_deleted_file_is_missing_and_says_so(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "photos/good/a.png").unlink()
    error = fetch_one(sources, row("good/a.png", b"good/a.png"))
    assert isinstance(error, SourceError)
    assert error.status == "missing"
    assert "photos/good/a.png was deleted after it was listed" in str(error)


def test_a_file_with_other_bytes_comes_as_it_is(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "photos/good/a.png").write_bytes(b"other")
    assert fetch_one(sources, row("good/a.png", b"good/a.png")) == b"other"


def test_a_file_that_may_not_be_read_is_missing_with_the_reason(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "photos/good/a.png").chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    with without_root():
        error = fetch_one(sources, row("good/a.png"))
    assert isinstance(error, SourceError)
    assert error.status == "missing"
    assert "permission denied" in str(error)


def test_a_folder_in_place_of_a_file_is_changed_not_a_crash(sources: Sources) -> None:
    error = fetch_one(sources, row("good"))
    assert isinstance(error, SourceError)
    assert error.status == "changed"
    assert "photos/good is a folder, no file" in str(error)


def test_the_rest_is_read_when_one_fails(sources: Sources) -> None:
    got = dict(sources.fetch_many([row("good/a.png"), row("good/none.png"), row("good/b.png")]))
    assert [isinstance(data, bytes) for data in got.values()] == [True, False, True]


def test_a_bucket_that_no_dataset_has_is_an_error_before_anything_is_read(sources: Sources) -> None:
    with pytest.raises(
        BrevPipelineError, match="no dataset has the bucket 'elsewhere'; the configured ones are photos"
    ):
        sources.fetch_many([row("a.png", bucket="elsewhere")])


def test_sources_travel_to_workers(sources: Sources) -> None:
    travelled = pickle.loads(pickle.dumps(sources))
    assert travelled == sources
    assert fetch_one(travelled, row("good/a.png")) == b"good/a.png"


def test_local_files_have_no_headers_to_ask_for(sources: Sources) -> None:
    [(_, head)] = sources.head_many([row("good/a.png")])
    assert (head.md5, head.keyed) == (None, False)  # type: ignore[union-attr]


def test_a_file_is_looked_at_by_the_rules_that_hold_for_reading(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (tmp_path / "secret.png").write_bytes(b"12345")
    (photos / "a.png").write_bytes(b"123")
    (photos / "large.png").write_bytes(b"1" * 1001)
    (photos / "out.png").symlink_to(tmp_path / "secret.png")
    (photos / "nowhere.png").symlink_to("nothing")
    os.mkfifo(photos / "pipe.png")
    names = ("a", "large", "out", "nowhere", "pipe", "none")
    place = LocalPlace("photos", str(photos), ReadLimits(max_bytes=1000))
    looked = dict(Sources({"photos": place}).stat_many([row(f"{name}.png") for name in names]))
    a, *others = (looked[row(f"{name}.png")] for name in names)
    assert not isinstance(a, SourceError)
    assert a == (3, datetime.fromtimestamp((photos / "a.png").stat().st_ctime, UTC))
    assert [error.status for error in others if isinstance(error, SourceError)] == [*["changed"] * 4, "missing"]
    followed = LocalPlace("photos", str(photos), ReadLimits(follow_links=True))
    ((_, out),) = Sources({"photos": followed}).stat_many([row("out.png")])
    assert not isinstance(out, SourceError)
    assert out[0] == 5


def refused(sources: Sources, name: str) -> str:
    """Why a file is not read; at once, and as changed."""
    began = time.perf_counter()
    error = fetch_one(sources, row(name))
    assert time.perf_counter() - began < 5
    assert isinstance(error, SourceError)
    assert error.status == "changed"
    return str(error)


def test_what_is_no_file_is_refused_at_once(sources: Sources, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    os.mkfifo(photos / "fifo.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(photos / "s.png"))
    assert refused(sources, "fifo.png") == "photos/fifo.png is a named pipe, no file; remove it"
    assert refused(sources, "s.png") == "photos/s.png is a socket, no file; remove it"


def test_a_device_is_refused_even_where_links_are_followed(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "photos/zero.png").symlink_to("/dev/zero")
    following = Sources.from_config(config_of({"bucket": "photos"}, base=tmp_path, listing={"follow_links": True}))
    assert refused(following, "zero.png") == "photos/zero.png is a device, no file; remove it"
    assert "is a link, or lies behind one, that leaves the dataset" in refused(sources, "zero.png")


def test_links_within_the_dataset_are_followed_and_others_only_where_allowed(tmp_path: Path, sources: Sources) -> None:
    photos = tmp_path / "photos"
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/ü.png").write_bytes(b"secret")
    (photos / "inner").symlink_to("good")
    (photos / "absolute.png").symlink_to(photos / "inner/a.png")
    (photos / "out.png").symlink_to("../outside/ü.png")
    (photos / "more").symlink_to(tmp_path / "outside")
    (photos / "way").symlink_to("more")
    assert fetch_one(sources, row("inner/a.png")) == b"good/a.png"
    assert fetch_one(sources, row("absolute.png")) == b"good/a.png"
    for name in ("out.png", "more/ü.png", "way/ü.png"):
        said = refused(sources, name)
        assert f"photos/{name} is a link, or lies behind one, that leaves the dataset; listing.follow_links" in said
        following = Sources.from_config(config_of({"bucket": "photos"}, base=tmp_path, listing={"follow_links": True}))
        assert fetch_one(following, row(name)) == b"secret"


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path, sources: Sources) -> None:
    wanted = row("good/a.png", b"good/a.png")
    assert fetch_one(sources, wanted) == b"good/a.png"
    (tmp_path / "photos/good").rename(tmp_path / "away")
    (tmp_path / "photos/good").symlink_to(tmp_path / "away")
    # Even with the same bytes behind it.
    error = fetch_one(sources, wanted)
    assert isinstance(error, SourceError)
    assert error.status == "changed"


@pytest.mark.parametrize("name", ["../outside.png", "good/../../outside.png", "good//a.png", "./a.png", "a\0.png"])
@pytest.mark.parametrize("follow_links", [False, True])
def test_paths_that_name_no_file_of_the_dataset_are_refused(tmp_path: Path, name: str, follow_links: bool) -> None:
    (tmp_path / "photos/good").mkdir(parents=True)
    (tmp_path / "outside.png").write_bytes(b"secret")
    of = Sources.from_config(config_of({"bucket": "photos"}, base=tmp_path, listing={"follow_links": follow_links}))
    error = fetch_one(of, row(name))
    assert isinstance(error, SourceError)
    assert str(error) == f"photos/{name} names no file of the dataset"


def test_a_giant_is_not_read(tmp_path: Path, sources: Sources) -> None:
    with open(tmp_path / "photos/giant.png", "wb") as giant:
        giant.truncate(8 << 30)
    said = "photos/giant.png has 8,589,934,592 bytes, more than listing.max_object_mb allows"
    assert refused(sources, "giant.png") == said
    small = Sources.from_config(config_of({"bucket": "photos"}, base=tmp_path, listing={"max_object_mb": 9e-6}))
    assert "has 10 bytes, more than listing.max_object_mb allows" in refused(small, "good/a.png")


def test_a_file_that_grows_while_it_is_read_is_told_and_read_no_further(
    tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, asked = os.read, []

    def growing(descriptor: int, most: int) -> bytes:
        asked.append(most)
        with open(tmp_path / "photos/good/a.png", "ab") as file:
            file.write(b"more" * 1000)
        return read(descriptor, most)

    monkeypatch.setattr(os, "read", growing)
    assert "photos/good/a.png was written to while it was read" in refused(sources, "good/a.png")
    assert asked == [len(b"good/a.png") + 1]


def test_a_notebook_reads_any_file_but_only_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "link.png").symlink_to("a.png")
    os.mkfifo(tmp_path / "fifo.png")
    assert read_any_file(str(tmp_path / "link.png")) == b"a"
    with pytest.raises(SourceError, match=r"fifo\.png is a named pipe, no file"):
        read_any_file(str(tmp_path / "fifo.png"))
    with pytest.raises(FileNotFoundError):
        read_any_file(str(tmp_path / "b.png"))


def test_no_descriptor_is_left_open(tmp_path: Path, sources: Sources) -> None:
    os.mkfifo(tmp_path / "photos/fifo.png")
    (tmp_path / "photos/out.png").symlink_to("/etc/hostname")
    before = len(os.listdir("/proc/self/fd"))
    for name in ("good/a.png", "fifo.png", "out.png", "good", "none/a.png", "good/a.png/b.png"):
        fetch_one(sources, row(name))
    assert len(os.listdir("/proc/self/fd")) == before
