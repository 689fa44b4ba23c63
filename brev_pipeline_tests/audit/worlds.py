"""A small real pipeline with a past: two versions, a filtered class, a copy, a cut photo, a watched test set."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from brev_pipeline.config import PipelineConfig
from brev_pipeline.release.publishing import publish_version
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline_tests.pipelines import configure, draw_photos, published_versions, run

TOLERANT = {"raw_listing": {"max_shrinkage": 1.0}, "prepared_images": {"max_quarantined": 0.9}}
TABLES = ("listing", "images", "assignments", "weights", "records", "exclusions")


@dataclass(frozen=True)
class World:
    """A pipeline in a folder: photos and store."""

    folder: Path

    @property
    def config(self) -> PipelineConfig:
        return self.configured()

    def configured(self, **sections: Any) -> PipelineConfig:
        split = configure(self.folder).split.model_dump() | {"access_log": ["test"]}
        settings = {
            "split": split,
            "listing": {"classes": ["good", "bad"]},
            "integrity": {"duplicates": "keep_first"},
            "validation": TOLERANT,
        }
        return configure(self.folder, **settings | sections)

    def yaml(self) -> Path:
        """The configuration as a file, for the command."""
        file = self.folder / "parts.yaml"
        file.write_text(json.dumps(self.config.model_dump(mode="json")))
        return file

    @property
    def store(self) -> PipelineStore:
        return PipelineStore.from_config(self.config)

    @property
    def root(self) -> Path:
        """The pipeline's store."""
        return self.folder / "store" / "parts"

    @property
    def newest(self) -> Version:
        found = self.store.newest_version()
        assert found is not None
        return found[1]

    @property
    def oldest(self) -> Version:
        return published_versions(self.store)[0]

    def run(self, **sections: Any) -> None:
        done = run(self.configured(**sections))
        assert done.success, done.failures

    def copy(self, to: Path) -> "World":
        shutil.copytree(self.folder, to, dirs_exist_ok=True)
        return World(to)

    def republish(self, tables: Mapping[str, pa.Table], **account: Any) -> Version:
        """Publish the newest version once more with other tables or another account: whole, and wrong."""
        version = self.newest
        manifest = version.read_manifest()
        shards = {name: facts for name, facts in manifest["files"].items() if ".tfrecord-" in name}
        kept = {name: value for name, value in manifest.items() if name not in ("files", "packages")}
        others = [
            name for name in manifest["files"] if name not in shards and name.removesuffix(".parquet") not in TABLES
        ]
        whole = {name: version.read_table(name) for name in TABLES} | dict(tables)
        done = publish_version(
            self.store,
            shards_in=version.folder,
            shards=shards,
            extras={name: version.folder.read(name) for name in others}
            | {f"{name}.parquet": to_parquet(table) for name, table in whole.items()},
            account=kept | account,
            run_id="wrong",
        )
        return done.version


def make(folder: Path) -> World:
    """Photos of three classes, one of them filtered; with a byte copy and a truncated file; then more photos."""
    world = World(folder)
    draw_photos(folder / "photos", {"good": 10, "bad": 6, "scratch": 2})
    shutil.copy(folder / "photos/good/1_0.png", folder / "photos/good/1_7.png")
    cut = folder / "photos/bad/2_1.png"
    half = cut.read_bytes()[:2000]
    cut.write_bytes(half)
    world.run()
    draw_photos(folder / "photos", {"bad": 9})
    cut.write_bytes(half)
    world.run()
    return world


def flip(file: Path, place: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    data = bytearray(file.read_bytes())
    data[place % len(data)] ^= 1 << bit
    file.write_bytes(data)


@contextmanager
def changed(*files: Path) -> Iterator[None]:
    """Put files back as they were, afterwards; those that were not there are removed."""
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    try:
        yield
    finally:
        for file, data in before.items():
            file.unlink(missing_ok=True)
            if data is not None:
                file.write_bytes(data)
