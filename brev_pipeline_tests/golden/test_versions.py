"""Golden versions: the bytes of every shard and the values of every table, over configurations that use every section.

Recorded in versions.json; `recorded` says how it is written anew, and when it may be. The photos are those of `photos`,
the configurations lie in ``configs/``. Compared are SHA-256s, so the same holds in any folder, on any day, on any CPU,
and with any number of workers:

* a shard's bytes; of a gzip shard the head and what is packed, since zlib may pack otherwise;
* a table's columns, each by the JSON of its values in the order of the rows, so that a failure names the column;
* of the manifest, each key without what is derived from texts, package versions or code numbers;
* class names, and what a version says of a record's features and of its counts, without sentences.

The JPEG shards of jpeg_folds depend on the libjpeg within the locked OpenCV or simplejpeg, and the PNG ones on its
libpng and zlib; the reason and the note of a damaged JPEG quote libjpeg's words. Should a new release of these change
them and nothing else, the raw shards stay as they are, and that is the proof.
"""

import gzip
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from brev_pipeline.cli import main
from brev_pipeline_tests.golden.photos import write_more_photos, write_photos
from brev_pipeline_tests.golden.recorded import HERE, agree

pytestmark = pytest.mark.slow

CONFIGS = HERE / "configs"
# What a manifest says by texts, package versions and code numbers, or by hashes of them.
TEXTS = ("features.json", "label.labels.txt", "metadata.json")
UNSTABLE = {"packages", "recipe", "plan", "stages", "files"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photos(tmp_path)
    shutil.copytree(CONFIGS, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "workers"),
    [
        ("everything", 1),
        pytest.param("everything", 2, marks=pytest.mark.slow),
        pytest.param("raw_frames", 1, marks=pytest.mark.slow),
        pytest.param("jpeg_folds", 2, marks=pytest.mark.slow),
        pytest.param("given_lists", 1, marks=pytest.mark.slow),
        pytest.param("defaults", 1, marks=pytest.mark.slow),
    ],
)
def test_a_version_has_the_recorded_bytes_and_values(folder: Path, name: str, workers: int) -> None:
    agree("versions.json", name, describe(publish(folder, name, workers)))
    if name == "everything":
        agree("schemas.json", "tables", stage_schemas(folder / "store" / name))


def test_a_grown_version_has_the_recorded_bytes_and_values(folder: Path) -> None:
    first = publish(folder, "growth", 1)
    agree("versions.json", "growth, first version", describe(first))
    write_more_photos(folder)
    second = publish(folder, "growth", 1)
    assert second != first
    agree("versions.json", "growth, second version", describe(second))


def publish(folder: Path, name: str, workers: int) -> Path:
    """Run a configuration; the folder of the version that it published."""
    run = CliRunner().invoke(main, ["run", str(folder / f"{name}.yaml"), "--workers", str(workers)])
    assert run.exit_code == 0, run.output[-6000:]
    versions = folder / "store" / name / "versions"
    entries = sorted((folder / "store" / name / "publications").glob("*.json"))
    return versions / json.loads(entries[-1].read_text())["version"]


def describe(version: Path) -> dict[str, Any]:
    """What must not change of a version, as hashes."""
    shards = sorted(file for file in version.iterdir() if ".tfrecord" in file.name)
    tables = sorted(version.glob("*.parquet"))
    return {
        "files": sorted(file.name for file in version.iterdir() if file.is_file()),
        "shards": {file.name: hash_shard(file) for file in shards},
        "tables": {file.stem: describe_table(file) for file in tables},
        "manifest": describe_manifest(json.loads((version / "manifest.json").read_text())),
        "texts": {name: describe_text(version / name) for name in TEXTS if (version / name).exists()},
    }


def hash_shard(file: Path) -> str:
    """SHA-256 of a shard; of a gzip one, of its head (which could hold a time or a name) and of what is packed."""
    data = file.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = data[:10] + gzip.decompress(data)
    return hashlib.sha256(data).hexdigest()


def describe_table(file: Path) -> dict[str, Any]:
    """Number of rows, and the hash of each column's values."""
    table = pq.read_table(file)
    return {"rows": table.num_rows} | {
        name: hash_values(table[name].to_pylist()) for name in sorted(table.column_names)
    }


def describe_manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    """The hash of each key's value, without sentences."""
    kept = {key: value for key, value in manifest.items() if key not in UNSTABLE}
    plain = {"classes", "counts", "purposes"}
    return {key: value if key in plain else hash_values(without(value, {"says"})) for key, value in kept.items()}


def describe_text(file: Path) -> str:
    """The hash of a further file of a version; of JSON without sentences."""
    text = file.read_text(encoding="utf-8")
    return hash_values(
        without(json.loads(text), {"description", "draws", "layout"}) if file.suffix == ".json" else text
    )


def stage_schemas(store: Path) -> dict[str, list[str]]:
    """Columns of the stages' own tables and of the version's: name, Arrow type, and whether it may be null."""
    files = [*store.glob("tables/*/*.parquet"), *store.glob("versions/*/*.parquet")]
    schemas = {f"{file.parent.parent.name}/{file.name.split('.')[0]}": pq.read_schema(file) for file in files}
    return {
        name: [f"{field.name}: {field.type}{'' if field.nullable else ' not null'}" for field in schema]
        for name, schema in sorted(schemas.items())
    }


def without(value: Any, keys: set[str]) -> Any:
    """A JSON value without these keys, at any depth."""
    if isinstance(value, dict):
        return {key: without(one, keys) for key, one in value.items() if key not in keys}
    return [without(one, keys) for one in value] if isinstance(value, list) else value


def hash_values(values: Any) -> str:
    """The first 16 digits of the SHA-256 of a value's JSON."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
