"""Versions of the tests of reading, with the files for other readers beside their shards."""

import json
import shutil
from pathlib import Path
from typing import Any

from brev_pipeline.exporters import export_files
from brev_pipeline.record_features import parse_features
from brev_pipeline.store import Version
from brev_pipeline_tests.readers.worlds import World


def arguments(world: World, version: Version) -> dict[str, Any]:
    """What `export_files` takes, of a published world."""
    manifest = version.read_manifest()
    return {
        "config": world.config,
        "classes": manifest["classes"],
        "split": world.draws.select(["path", "category"]),
        "images": world.prepared,
        "records": version.read_table("records"),
        "files": manifest["files"],
        "label_features": parse_features(manifest.get("label_features", ())),
    }


def made(world: World, **changes: Any) -> dict[str, bytes]:
    """Publish a world, and make its files for other readers."""
    return export_files(**arguments(world, world.publish()) | changes)


def parsed(files: dict[str, bytes], name: str) -> Any:
    return json.loads(files[name])


def folder_of(world: World, place: Path) -> Path:
    """The folder of a published world's version, copied to ``place`` and completed."""
    version = world.publish()
    shutil.copytree(version.path, place)
    for name, data in export_files(**arguments(world, version)).items():
        (place / name).write_bytes(data)
    return place
