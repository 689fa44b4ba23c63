import base64
from typing import ClassVar

import pyarrow as pa
import pytest

from brev_pipeline.errors import SourceError
from brev_pipeline.integrity.checksum_resolution import parse_md5, resolve_identities
from brev_pipeline.storage.s3 import ObjectHead
from brev_pipeline_tests.integrity.listings import Memory, MemoryWithHeads, listing, md5

A, B = md5(b"a"), md5(b"b")


def told(table: pa.Table) -> list[tuple[str, str]]:
    return list(zip(table["content_id"].to_pylist(), table["content_source"].to_pylist(), strict=True))


def test_an_entity_tag_that_is_an_md5_is_the_identity() -> None:
    source = MemoryWithHeads()
    assert told(resolve_identities(listing({"key": "1.png", "etag": A}), source, None)) == [(A, "etag")]
    assert source.asked == ["s3://b/1.png"]
    assert source.read == []


def test_checksums_that_the_listing_made_need_no_question() -> None:
    source = MemoryWithHeads()
    assert told(resolve_identities(listing({"key": "1.png", "etag": A, "etag_source": "md5"}), source, None)) == [
        (A, "etag")
    ]
    assert source.asked == source.read == []


def test_the_tag_of_a_multipart_object_is_never_taken_for_an_md5() -> None:
    source = MemoryWithHeads({"s3://b/1.png": b"a"})
    assert told(resolve_identities(listing({"key": "1.png", "etag": f"{B}-3"}), source, None)) == [(A, "read")]


def test_the_tag_of_an_object_encrypted_with_a_key_is_never_taken_for_an_md5() -> None:
    source = MemoryWithHeads({"s3://b/1.png": b"a"}, heads={"s3://b/1.png": ObjectHead(None, True)})
    assert told(resolve_identities(listing({"key": "1.png", "etag": B}), source, None)) == [(A, "read")]


@pytest.mark.parametrize("noted", [A, A.upper(), base64.b64encode(bytes.fromhex(A)).decode()])
def test_a_noted_md5_saves_the_reading(noted: str) -> None:
    source = MemoryWithHeads(heads={"s3://b/1.png": ObjectHead(noted, False)})
    assert told(resolve_identities(listing({"key": "1.png", "etag": f"{B}-3"}), source, None)) == [(A, "metadata")]
    assert source.read == []


@pytest.mark.parametrize("noted", ["", "none", A[:-1], A + "0", "é" * 32, base64.b64encode(b"short").decode()])
def test_what_is_noted_but_is_no_md5_is_passed_over(noted: str) -> None:
    assert parse_md5(noted) is None
    source = MemoryWithHeads({"s3://b/1.png": b"a"}, heads={"s3://b/1.png": ObjectHead(noted, False)})
    assert told(resolve_identities(listing({"key": "1.png", "etag": f"{B}-3"}), source, None)) == [(A, "read")]


def test_an_image_without_a_tag_is_read_without_a_question() -> None:
    source = MemoryWithHeads({"s3://b/1.png": b"a"})
    assert told(resolve_identities(listing({"key": "1.png", "etag_source": "none"}), source, None)) == [(A, "read")]
    assert source.asked == []


def test_an_unreadable_image_has_an_identity_of_its_own() -> None:
    rows = listing(
        {"key": "1.png", "etag": "x-2"}, {"key": "2.png", "etag": "x-2"}, {"key": "3.png", "etag_source": "none"}
    )
    found = told(resolve_identities(rows, MemoryWithHeads(), None))
    assert [source for _, source in found] == ["unreadable"] * 3
    assert all(content.startswith("unread-") for content, _ in found)
    assert len({content for content, _ in found}) == 3
    assert told(resolve_identities(rows, MemoryWithHeads(), None)) == found


def test_an_object_that_is_gone_when_asked_is_not_read() -> None:
    source = MemoryWithHeads(heads={"s3://b/1.png": SourceError("missing", "gone")})
    assert told(resolve_identities(listing({"key": "1.png", "etag": A}), source, None))[0][1] == "unreadable"
    assert source.read == []


def test_a_source_without_headers_takes_tags_as_they_look() -> None:
    source = Memory({"s3://b/2.png": b"b"})
    rows = listing({"key": "1.png", "etag": A}, {"key": "2.png", "etag": f"{A}-2"})
    assert told(resolve_identities(rows, source, None)) == [(A, "etag"), (B, "read")]


def test_answers_go_to_their_rows_whatever_order_they_come_in() -> None:
    keys = [f"{number}.png" for number in range(50)]
    data = {f"s3://b/{key}": key.encode() for key in keys}
    rows = listing(*({"key": key, "etag": md5(key.encode()) if n % 3 else f"x-{n}"} for n, key in enumerate(keys)))
    found = resolve_identities(rows, MemoryWithHeads(data), None)
    assert found["content_id"].to_pylist() == [md5(key.encode()) for key in keys]


class TestKnown:
    rows = listing(
        {"key": "1.png", "etag": A}, {"key": "2.png", "etag": "x-2", "size": 7}, {"key": "3.png", "etag": "y-2"}
    )
    data: ClassVar = {"s3://b/2.png": b"b", "s3://b/3.png": b"c"}

    def known(self) -> pa.Table:
        found = resolve_identities(self.rows, MemoryWithHeads(self.data), None)
        return pa.table(
            {name: self.rows[name] for name in ("path", "etag", "size")} | {n: found[n] for n in found.column_names}
        )

    def test_what_is_known_is_neither_asked_nor_read_again(self) -> None:
        source = MemoryWithHeads()
        assert told(resolve_identities(self.rows, source, self.known())) == [
            (A, "etag"),
            (B, "read"),
            (md5(b"c"), "read"),
        ]
        assert source.asked == source.read == []

    @pytest.mark.parametrize(("column", "value"), [("etag", "x-3"), ("size", 8), ("path", "s3://b/moved.png")])
    def test_an_object_with_another_path_tag_or_size_is_read_again(self, column: str, value: object) -> None:
        rows = self.rows.to_pylist()
        rows[1][column] = value
        changed = pa.Table.from_pylist(rows, self.rows.schema)
        source = MemoryWithHeads({**self.data, "s3://b/moved.png": b"new", "s3://b/2.png": b"new"})
        assert told(resolve_identities(changed, source, self.known()))[1] == (md5(b"new"), "read")
        assert len(source.read) == 1

    def test_what_could_not_be_read_is_tried_again(self) -> None:
        failed = resolve_identities(self.rows, MemoryWithHeads(), None)
        known = pa.table(
            {name: self.rows[name] for name in ("path", "etag", "size")} | {n: failed[n] for n in failed.column_names}
        )
        assert told(resolve_identities(self.rows, MemoryWithHeads(self.data), known))[1] == (B, "read")

    def test_an_empty_memory_is_none(self) -> None:
        empty = self.known().slice(0, 0)
        assert told(resolve_identities(self.rows, MemoryWithHeads(self.data), empty))[2] == (md5(b"c"), "read")


def local(**more: object) -> pa.Table:
    row = {"key": "1.png", "etag": None, "etag_source": "none", "file_stamp": "1-2-3"}
    return listing(row | more)


def test_a_local_file_is_remembered_only_with_its_stamp() -> None:
    known = local(etag=A, etag_source="none")
    known = known.append_column("content_id", pa.array([B])).append_column("content_source", pa.array(["read"]))
    source = MemoryWithHeads({"s3://b/1.png": b"a"})
    assert told(resolve_identities(local(etag=A), source, known)) == [(B, "read")]
    assert source.read == []
    for other in (local(etag=A, file_stamp="1-2-4"), local(etag=A, file_stamp="1-3-3"), local(etag=A, size=2)):
        assert told(resolve_identities(other, source, known)) == [(A, "read")]
    for silent in (known.drop_columns(["file_stamp"]), known.set_column(12, "file_stamp", pa.nulls(1, pa.string()))):
        assert told(resolve_identities(local(etag=A), source, silent)) == [(A, "read")]


def test_an_object_of_a_bucket_is_remembered_without_a_stamp() -> None:
    rows = listing({"key": "1.png", "etag": f"{B}-3"})
    known = rows.append_column("content_id", pa.array([B])).append_column("content_source", pa.array(["read"]))
    for memory in (known, known.drop_columns(["file_stamp"])):
        assert told(resolve_identities(rows, MemoryWithHeads(), memory)) == [(B, "read")]
