import csv
import gzip
import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from brev_pipeline.errors import ListingError
from brev_pipeline.integrity.checksum_resolution import resolve_identities
from brev_pipeline.listing import list_datasets
from brev_pipeline.storage import Sources
from brev_pipeline_tests.buckets import Server, config_of
from brev_pipeline_tests.integrity.listings import MemoryWithHeads, md5

FIELDS = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, EncryptionStatus"
PARQUET = (
    "bucket",
    "key",
    "version_id",
    "is_latest",
    "is_delete_marker",
    "size",
    "last_modified_date",
    "e_tag",
    "encryption_status",
)
KEYS = [
    "set/good/a b.png",
    "set/good/ü+1%.png",
    "set/bad/c.bmp",
    "set/good/notes.txt",
    "other/good/d.png",
    "set/.x/e.png",
]
DATE = "2024-05-06T01-00Z"


@dataclass
class Made:
    """A report in memory: its files by key."""

    kind: str = "CSV"
    bucket: str = "photos"
    fields: str = FIELDS
    rows: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    prefix: str = "reports/photos/daily"

    def row(self, key: str, **changes: Any) -> None:
        row = dict.fromkeys(PARQUET, "") | {
            "bucket": self.bucket,
            "key": key,
            "is_latest": True,
            "is_delete_marker": False,
        }
        row |= {
            "size": len(key),
            "last_modified_date": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
            "e_tag": md5(key.encode()),
        }
        self.rows.append(row | {"encryption_status": "SSE-S3"} | changes)

    def write(self, date: str = DATE, per_file: int = 4) -> "Made":
        entries = []
        for start in range(0, len(self.rows), per_file):
            part = self.rows[start : start + per_file]
            data = self._csv(part) if self.kind == "CSV" else self._parquet(part)
            key = f"{self.prefix}/data/{start}-{date}.{self.kind.lower()}"
            self.files[key] = data
            entries.append(
                {"key": key, "size": len(data), "MD5checksum": hashlib.md5(data, usedforsecurity=False).hexdigest()}
            )
        manifest = {"sourceBucket": self.bucket, "destinationBucket": "arn:aws:s3:::reports", "version": "2016-11-30"}
        manifest |= {"fileFormat": self.kind, "fileSchema": self.fields, "files": entries}
        data = json.dumps(manifest).encode()
        self.files[f"{self.prefix}/{date}/manifest.json"] = data
        self.files[f"{self.prefix}/{date}/manifest.checksum"] = (
            hashlib.md5(data, usedforsecurity=False).hexdigest().encode()
        )
        return self

    def save(self, folder: Path) -> Path:
        for key, data in self.files.items():
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(data)
        return folder / self.prefix

    def _csv(self, rows: list[dict[str, Any]]) -> bytes:
        names = [name.strip() for name in self.fields.split(",")]
        of = dict(zip((name.strip() for name in FIELDS.split(",")), PARQUET, strict=True))
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        for row in rows:
            texts = row | {"key": quote_plus(row["key"], safe="/"), "last_modified_date": "2024-05-06T07:08:09.000Z"}
            texts |= {name: str(row[name]).lower() for name in ("is_latest", "is_delete_marker")}
            writer.writerow([texts[of[name]] for name in names])
        return gzip.compress(out.getvalue().encode())

    def _parquet(self, rows: list[dict[str, Any]]) -> bytes:
        table = pa.Table.from_pylist(rows)
        # Parquet reports keep times without a zone.
        dates = table["last_modified_date"].cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("ms"))
        table = table.set_column(table.column_names.index("last_modified_date"), "last_modified_date", dates)
        sink = io.BytesIO()
        pq.write_table(table.select([n for n in PARQUET if n in table.column_names]), sink)
        return sink.getvalue()


def usual(kind: str = "CSV", **options: Any) -> Made:
    made = Made(kind, **options)
    for key in KEYS:
        made.row(key)
    made.row("set/good/old.png", is_latest=False)
    made.row("set/good/gone.png", is_delete_marker=True, e_tag="", size="" if kind == "CSV" else None)
    return made


def listed(inventory: str, bucket: str = "s3://photos/set", **storage: Any) -> pa.Table:
    config = config_of({"bucket": bucket, "inventory": inventory, "storage": storage})
    return list_datasets(config.datasets, config.listing, Sources.from_config(config))


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_a_report_gives_the_table_that_listing_gives(tmp_path: Path, s3: Server, kind: str) -> None:
    name = s3.bucket({key: key.encode() for key in KEYS})
    made = usual(kind, bucket=name).write()
    config = config_of({"bucket": f"s3://{name}/set", "storage": s3.storage()})
    straight = list_datasets(config.datasets, config.listing, Sources.from_config(config))
    table = listed(str(made.save(tmp_path)), f"s3://{name}/set")
    same = [one for one in table.column_names if one not in ("modified", "etag_source", "size")]
    assert table.select(same).equals(straight.select(same))
    assert table["modified"].unique().to_pylist() == [datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)]
    assert table["size"].to_pylist() == [len(path) - len(f"s3://{name}/") for path in table["path"].to_pylist()]


def test_a_report_is_read_from_s3_and_the_newest_is_taken(s3: Server) -> None:
    name = s3.bucket()
    old, new = Made(), Made()
    old.row("set/good/old.png")
    new.row("set/good/new.png")
    for made, date in ((old, "2024-05-05T01-00Z"), (new, "2024-05-06T01-00Z")):
        made.write(date)
        for key, data in made.files.items():
            if key.endswith("manifest.json"):
                data = data.replace(b":::reports", f":::{name}".encode())
            if not key.endswith(".checksum"):
                s3.client.put_object(Bucket=name, Key=key, Body=data)
    table = listed(f"s3://{name}/reports/photos/daily", **s3.storage())
    assert table["path"].to_pylist() == ["s3://photos/set/good/new.png"]
    one = listed(f"s3://{name}/reports/photos/daily/2024-05-05T01-00Z/manifest.json", **s3.storage())
    assert one["path"].to_pylist() == ["s3://photos/set/good/old.png"]


def test_entity_tags_count_as_md5s_only_where_the_report_vouches_for_it(tmp_path: Path) -> None:
    made = Made()
    states = {
        "1": {},
        "2": {"encryption_status": "SSE-KMS"},
        "3": {"e_tag": "x-3"},
        "4": {"encryption_status": "NOT-SSE"},
    }
    for name, changes in states.items():
        made.row(f"set/good/{name}.png", **changes)
    table = listed(str(made.write().save(tmp_path)))
    assert table["etag_source"].to_pylist() == ["md5", "s3", "s3", "md5"]
    source = MemoryWithHeads()
    resolve_identities(table, source, None)
    assert sorted(source.asked) == ["s3://photos/set/good/2.png", "s3://photos/set/good/3.png"]


def test_without_encryption_in_the_report_headers_decide(tmp_path: Path) -> None:
    made = usual(fields=FIELDS.removesuffix(", EncryptionStatus")).write()
    assert listed(str(made.save(tmp_path)))["etag_source"].unique().to_pylist() == ["s3"]


def test_a_copied_report_is_found_beside_its_data_folder(tmp_path: Path) -> None:
    made = usual().write()
    moved = {key.removeprefix("reports/photos/"): data for key, data in made.files.items()}
    folder = Made(files=moved, prefix="daily").save(tmp_path)
    assert listed(str(folder / DATE / "manifest.json")).num_rows == 3


def damage(made: Made, ending: str, change: Any) -> None:
    [key] = [key for key in made.files if key.endswith(ending)]
    made.files[key] = change(made.files[key])


@pytest.mark.parametrize(
    ("ending", "change", "words"),
    [
        ("0-2024-05-06T01-00Z.csv", lambda data: data[:-1] + b"x", "has the MD5 .* the manifest says .* damaged"),
        ("manifest.json", lambda data: data + b" ", "another MD5 than manifest.checksum"),
        ("manifest.checksum", lambda _: b"0" * 32, "another MD5 than manifest.checksum"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, ending: str, change: Any, words: str) -> None:
    made = usual().write()
    damage(made, ending, change)
    with pytest.raises(ListingError, match=rf"dataset 'Set 0' .*{words}"):
        listed(str(made.save(tmp_path)))


@pytest.mark.parametrize("gone", ["0-2024-05-06T01-00Z.csv", "manifest.json"])
def test_missing_files_are_named(tmp_path: Path, gone: str) -> None:
    made = usual().write()
    folder = made.save(tmp_path)
    next(tmp_path.rglob(gone)).unlink()
    with pytest.raises(ListingError, match=f"report cannot be read: .*{gone}: No such file"):
        listed(str(folder))


def test_missing_files_on_s3_are_named(s3: Server) -> None:
    name = s3.bucket()
    made = usual().write()
    damage(made, "manifest.json", lambda data: data.replace(b":::reports", f":::{name}".encode()))
    for key, data in made.files.items():
        if not key.endswith((".checksum", ".csv")):
            s3.client.put_object(Bucket=name, Key=key, Body=data)
    with pytest.raises(ListingError, match=r"report cannot be read: s3://.*\.csv"):
        listed(f"s3://{name}/reports/photos/daily", **s3.storage())


def test_a_report_of_another_bucket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ListingError, match="is of the bucket 'elsewhere', not of 'photos'"):
        listed(str(usual(bucket="elsewhere").write().save(tmp_path)))


def test_a_report_that_lacks_fields_says_which_to_add(tmp_path: Path) -> None:
    made = usual(fields="Bucket, Key, Size").write()
    with pytest.raises(ListingError, match="has no ETag, LastModifiedDate: add these fields"):
        listed(str(made.save(tmp_path)))


def test_a_report_in_another_format_is_refused(tmp_path: Path) -> None:
    made = usual().write()
    for key in list(made.files):
        if key.endswith(".json"):
            made.files[key] = made.files[key].replace(b'"CSV"', b'"ORC"')
        if key.endswith(".checksum"):
            del made.files[key]
    with pytest.raises(ListingError, match="is in ORC; have the report written as CSV or Parquet"):
        listed(str(made.save(tmp_path)))


def test_a_folder_without_reports_is_told(tmp_path: Path) -> None:
    with pytest.raises(ListingError, match="holds no S3 Inventory report"):
        listed(str(tmp_path))
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ListingError, match="is not the manifest of an S3 Inventory report"):
        listed(str(tmp_path / "manifest.json"))
