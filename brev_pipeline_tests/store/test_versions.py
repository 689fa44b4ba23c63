"""What a version is made of has the same bytes for the same content, and is compared before it is built upon."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.errors import StoreError
from brev_pipeline.store import Folder, Version
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.store.versions import MANIFEST, file_facts, to_json, version_id


def test_json_bytes_depend_on_content_alone() -> None:
    assert to_json({"b": 1, "a": "ü"}) == to_json({"a": "ü", "b": 1})


def test_an_id_is_the_beginning_of_the_manifests_hash() -> None:
    assert version_id(b"") == file_facts(b"")["sha256"][:16] == "e3b0c44298fc1c14"


@pytest.mark.parametrize("place", ["disk", "s3"])
def test_a_verified_table_is_the_one_that_was_published(
    request: pytest.FixtureRequest, tmp_path: Path, place: str
) -> None:
    store = Folder(str(tmp_path)) if place == "disk" else request.getfixturevalue("s3_folder")
    data, other = (to_parquet(pa.table({"purpose": [purpose] * 3})) for purpose in ("train", "test"))
    facts = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = to_json({"files": {"assignments.parquet": facts}})
    folder = store / "versions" / version_id(manifest)
    version = Version(folder, version_id(manifest))
    folder.write(MANIFEST, manifest)
    folder.write("assignments.parquet", data)
    assert version.read_table("assignments", verified=True)["purpose"].to_pylist() == ["train"] * 3
    folder.remove("assignments.parquet")
    folder.write("assignments.parquet", other)
    assert version.read_table("assignments").num_rows == 3
    with pytest.raises(StoreError, match=r"assignments\.parquet: damaged or altered: its SHA-256 on record"):
        version.read_table("assignments", verified=True)
    folder.remove(MANIFEST)
    folder.write(MANIFEST, manifest.replace(facts["sha256"].encode(), hashlib.sha256(other).hexdigest().encode()))
    with pytest.raises(StoreError, match=r"manifest\.json: altered: its hash does not begin with"):
        version.read_table("assignments", verified=True)
