"""A folder on S3 keeps the promises of one on a disk."""

import pytest

from brev_pipeline.errors import StoreError
from brev_pipeline.store import Folder, Publications


def test_what_is_written_is_read(s3_folder: Folder) -> None:
    s3_folder.write("a/b/ü %+#.bin", b"0123456789")
    assert s3_folder.read("a/b/ü %+#.bin") == b"0123456789"
    assert s3_folder.read("a/b/ü %+#.bin", 3, 4) == b"3456"
    assert s3_folder.file_size("a/b/ü %+#.bin") == 10
    assert list(s3_folder.walk()) == ["a/b/ü %+#.bin"]
    assert s3_folder.list_names() == ["a"]


def test_an_object_is_never_overwritten(s3_folder: Folder) -> None:
    s3_folder.write("a", b"first")
    s3_folder.write("a", b"second")
    assert not s3_folder.create_file("a", b"third", exist_ok=True)
    with pytest.raises(FileExistsError):
        s3_folder.create_file("a", b"fourth")
    assert s3_folder.read("a") == b"first"


def test_what_is_missing_or_too_short_is_an_error_that_names_it(s3_folder: Folder) -> None:
    with pytest.raises(StoreError, match="nothing cannot be read"):
        s3_folder.read("nothing")
    s3_folder.write("short", b"123")
    with pytest.raises(StoreError, match="short was cut short: 5 bytes"):
        s3_folder.read("short", 0, 5)


def test_empty_folders_links_and_removals(s3_folder: Folder) -> None:
    assert s3_folder.list_names() == []
    assert list(s3_folder.walk()) == []
    (s3_folder / "one").write("a", b"x")
    (s3_folder / "one").link_file("a", s3_folder / "two", "b")
    s3_folder.remove("one")
    s3_folder.remove("one")
    assert list(s3_folder.walk()) == ["two/b"]


def test_of_two_publishers_one_is_told(s3_folder: Folder) -> None:
    log = Publications(s3_folder / "publications")
    log.append_publication("a", run_id="1", manifest_sha256="", after=None)
    with pytest.raises(StoreError, match="another run published"):
        log.append_publication("b", run_id="2", manifest_sha256="", after=None)
    assert [entry.version for entry in log.read_all()] == ["a"]


def test_a_bucket_that_is_not_there_is_an_error(s3_folder: Folder) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        Folder("s3://nowhere/at-all", s3_folder.options).write("a", b"")


def test_an_answer_without_words_is_told_by_its_code(s3_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ceph's gateway sends codes alone, which s3fs makes an error of that says None."""
    from botocore.exceptions import ClientError
    from s3fs import S3FileSystem
    from s3fs.errors import translate_boto_error

    refused = ClientError({"Error": {"Code": "SignatureDoesNotMatch", "Message": None}}, "ListObjectsV2")

    def refuse(*_: object, **__: object) -> None:
        raise translate_boto_error(refused) from refused

    for name in ("ls", "find"):
        monkeypatch.setattr(S3FileSystem, name, refuse)
    with pytest.raises(StoreError, match="cannot be listed: SignatureDoesNotMatch; check the store's address"):
        s3_folder.list_names()
