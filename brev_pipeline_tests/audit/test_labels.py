"""Verification reads the labels of records, and misses one that a record does not have."""

import json
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.audit.file_checks import find_file_problems
from brev_pipeline.audit.manifest_model import read_manifest
from brev_pipeline.engine import SerialEngine
from brev_pipeline.errors import StoreError
from brev_pipeline.store import Version
from brev_pipeline_tests.audit.worlds import World as AuditedWorld
from brev_pipeline_tests.readers.labelled import Flip, label_source
from brev_pipeline_tests.readers.worlds import World


def problems(version: Version, **said: Any) -> list[str]:
    """What is wrong with the shards of a version whose manifest says this besides."""
    manifest = version.read_manifest() | said
    records = version.read_table("records")
    return [line for lines in find_file_problems(version, manifest, records, SerialEngine()).values() for line in lines]


def test_records_with_labels_are_well(tmp_path: Path) -> None:
    assert problems(World(tmp_path, augmenter=Flip(), labels=label_source()).publish()) == []


def test_a_record_without_a_label_that_the_manifest_names_is_found(tmp_path: Path) -> None:
    described = [{"name": "target/weight", "kind": "float32", "description": "g", "stored": "labels", "tfds": "Scalar"}]
    found = problems(World(tmp_path).publish(), label_features=described)
    assert found[0].startswith("parts-devel.tfrecord-00000-of-00001, record 0: it has no target/weight (photos/")
    # Of each of five shards five records, and how many more there are where it has six.
    assert len(found) == 5 + 6 + 6 + 6 + 5


def test_a_record_with_a_label_that_the_manifest_does_not_name_is_found(tmp_path: Path) -> None:
    found = problems(World(tmp_path, augmenter=Flip(), labels=label_source()).publish(), label_features=[])
    assert len(found) == 5  # shards
    assert all("has a feature 'mask/encoded' that this version" in line for line in found)


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "sound"},
        {"tfds": "Video"},
        {"stored": "always"},
        {"width": 0},
        {"width": True},
        {"classes": [1]},
        {"pitch": 440},
        {"name": None},
    ],
)
def test_a_manifest_that_describes_labels_as_nobody_does_is_refused(world: AuditedWorld, said: dict[str, Any]) -> None:
    feature = {"name": "a/b", "kind": "bytes", "description": "", "stored": "labels", "tfds": "Text"}
    manifest = world.newest.read_manifest()
    assert read_manifest(json.dumps(manifest | {"label_features": [feature]}).encode())
    with pytest.raises(StoreError, match="label_features"):
        read_manifest(json.dumps(manifest | {"label_features": [feature | said]}).encode())
