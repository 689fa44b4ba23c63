from pathlib import Path

import numpy as np
import pyarrow as pa

from brev_pipeline.integrity import check_integrity, list_duplicate_groups
from brev_pipeline.listing import list_datasets
from brev_pipeline.storage import Sources
from brev_pipeline.tables import SAMPLE_INTEGRITY
from brev_pipeline_tests.buckets import Server, config_of
from brev_pipeline_tests.integrity.listings import MemoryWithHeads, listing, md5


def test_the_table_keeps_the_listings_rows_and_has_the_schema() -> None:
    rows = listing(
        {"key": "b.png", "etag": md5(b"b")}, {"key": "a.png", "etag": md5(b"a")}, {"key": "c.png", "etag": md5(b"b")}
    )
    table = check_integrity(rows, fetch=MemoryWithHeads())
    assert table.schema == SAMPLE_INTEGRITY
    assert table.select(rows.column_names).equals(rows.cast(table.select(rows.column_names).schema))
    assert table["duplicate_of"].to_pylist() == [None, None, "s3://b/b.png"]


def test_the_order_of_rows_changes_no_row() -> None:
    rows = listing(*({"key": f"f{n % 3}/{n:02d}.png", "etag": md5(str(n % 9).encode())} for n in range(40)))
    order = np.random.default_rng(1).permutation(40)
    straight = check_integrity(rows, fetch=MemoryWithHeads()).sort_by("path")
    shuffled = check_integrity(rows.take(pa.array(order)), fetch=MemoryWithHeads()).sort_by("path")
    assert shuffled.equals(straight)


def test_the_real_photos_hold_one_byte_copy(shared: Path) -> None:
    config = config_of({"bucket": str(shared / "data/inspection")})
    sources = Sources.from_config(config)
    table = check_integrity(list_datasets(config.datasets, config.listing, sources), fetch=sources)
    [group] = list_duplicate_groups(table).to_pylist()
    assert group["folders"] == ["pitting", "recheck"]
    assert table["label_conflict"].to_pylist().count(True) == 2
    assert set(table["content_source"].to_pylist()) == {"etag"}


def test_a_bucket_with_all_kinds_of_objects_is_identified_and_then_remembered(s3: Server) -> None:
    photo = bytes(range(256)) * 24_576  # 6 MiB: parts must have 5
    name = s3.bucket({"good/plain.png": photo})
    s3.client.put_object(Bucket=name, Key="good/kms.png", Body=photo, ServerSideEncryption="aws:kms")
    for key, metadata in (("good/noted.png", {"md5": md5(photo)}), ("bad/parts.png", {})):
        upload = s3.client.create_multipart_upload(Bucket=name, Key=key, Metadata=metadata)["UploadId"]
        parts = []
        for number, part in enumerate((photo[: 5 << 20], photo[5 << 20 :]), 1):
            put = s3.client.upload_part(Bucket=name, Key=key, UploadId=upload, PartNumber=number, Body=part)
            parts.append({"PartNumber": number, "ETag": put["ETag"]})
        s3.client.complete_multipart_upload(Bucket=name, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    config = config_of({"bucket": f"s3://{name}", "storage": s3.storage()})
    sources = Sources.from_config(config)
    rows = list_datasets(config.datasets, config.listing, sources)
    table = check_integrity(rows, fetch=sources)
    assert table["content_id"].to_pylist() == [md5(photo)] * 4
    assert table["content_source"].to_pylist() == ["read", "read", "metadata", "etag"]
    assert table["copies"].to_pylist() == [4] * 4
    assert table["label_conflict"].to_pylist() == [True] * 4
    s3.client.delete_object(Bucket=name, Key="bad/parts.png")
    assert check_integrity(rows, fetch=sources, known=table).equals(table)
