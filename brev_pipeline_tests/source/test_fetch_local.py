import hashlib
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brev_pipeline.errors import BrevPipelineError, SourceError
from brev_pipeline.source import Sources
from brev_pipeline.source_base import SourceRow
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
    return Sources.of(config_of({"bucket": "photos"}, base=tmp_path))


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


def test_a_file_with_other_bytes_is_changed_and_both_checksums_are_named(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "photos/good/a.png").write_bytes(b"other")
    error = fetch_one(sources, row("good/a.png", b"good/a.png"))
    assert isinstance(error, SourceError)
    assert error.status == "changed"
    assert md5(b"other") in str(error)
    assert md5(b"good/a.png") in str(error)


def test_a_file_that_may_not_be_read_is_missing_with_the_reason(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "photos/good/a.png").chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    with without_root():
        error = fetch_one(sources, row("good/a.png"))
    assert isinstance(error, SourceError)
    assert error.status == "missing"
    assert "permission denied" in str(error)


def test_a_folder_in_place_of_a_file_is_missing_not_a_crash(sources: Sources) -> None:
    error = fetch_one(sources, row("good"))
    assert isinstance(error, SourceError)
    assert error.status == "missing"


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
