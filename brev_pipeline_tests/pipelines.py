"""Small real pipelines for the tests: photos made on the spot, a configuration, and a run of the whole chain."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import numpy as np

from brev_pipeline.config import EngineSettings, PipelineConfig, parse_config
from brev_pipeline.engine import SerialEngine, create_engine
from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.stages import table_stages
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.store.versions import MANIFEST, REPORT, file_facts

STAGES = table_stages()

SETTINGS = """
name: parts
store: store
datasets:
  - {name: Parts, id: parts, bucket: photos}
image: {target_size: [24, 32]}
split:
  stratification: [folder]
  uniqueness: '/(\\d+)_\\d+\\.png$'
  uniqueness_scope: stratum
  seed: 42
  purposes: {train: 0.6, test: 0.2}
sampling: {groupby: [folder], group_weighing: logx+1, seed: 3}
shards: {records_per_shard: 8}
engine: {workers: 1}
"""


def draw_photos(folder: Path, classes: dict[str, int], *, photos_per_item: int = 2) -> None:
    """Write noise as PNG photos: ``<class>/<item>_<number>.png``, no two alike, the same on every call."""
    import cv2

    for name, items in classes.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for item in range(items):
            for number in range(photos_per_item):
                key = hashlib.sha256(f"{name}/{item}/{number}".encode()).digest()
                pixels = np.random.Generator(np.random.Philox(key=int.from_bytes(key[:8], "big"))).bytes(40 * 48 * 3)
                image = np.frombuffer(pixels, np.uint8).reshape(40, 48, 3)
                cv2.imwrite(str(folder / name / f"{item}_{number}.png"), image)


def configure(folder: Path, text: str = SETTINGS, **sections: Any) -> PipelineConfig:
    """The settings of ``text`` with whole sections replaced, places meant from ``folder``."""
    config = parse_config(text, "parts.yaml", folder)
    merged = config.model_dump(mode="json") | sections
    return PipelineConfig.model_validate(merged).with_base(folder)


def table_name(store: PipelineStore, run_id: str, stage: str) -> str:
    """Name of a stage's newest table of a run, below the store's ``tables`` folder."""
    names = [
        name for name in (store.tables / run_id).list_names() if re.fullmatch(rf"{stage}\.\d+\.\w+\.parquet", name)
    ]
    return f"{run_id}/{max(names, key=lambda name: int(name.split('.')[1]))}"


@dataclass(frozen=True)
class Run:
    """A finished run of the whole chain."""

    result: Any
    store: PipelineStore

    @property
    def success(self) -> bool:
        return bool(self.result.success)

    @property
    def materialized(self) -> list[str]:
        """Stages in the order in which they were materialized."""
        return [event.asset_key.path[-1] for event in self.result.get_asset_materialization_events()]

    @property
    def failed_checks(self) -> list[str]:
        """``stage.check`` of every check that did not pass, warnings included."""
        return [f"{c.asset_key.path[-1]}.{c.check_name}" for c in self.checks if not c.passed]

    @property
    def checks(self) -> list[Any]:
        return list(self.result.get_asset_check_evaluations())

    @property
    def failures(self) -> str:
        """What the failed steps said."""
        said = []
        for event in self.result.all_events:
            if event.event_type_value == "STEP_FAILURE":
                data = event.step_failure_data
                said.append(data.user_failure_data.description if data.user_failure_data else data.error.to_string())
        return "\n".join(filter(None, said))


@contextmanager
def work_in_this_process() -> Iterator[None]:
    """Runs decode images and write shards in this process: the same bytes, without two seconds for starting workers.

    Ray is used where it is configured.
    """

    def create(settings: EngineSettings, *listeners: Any) -> Any:
        return SerialEngine(*listeners) if settings.kind == "local" else create_engine(settings, *listeners)

    with patch("brev_pipeline.engine.create_engine", create):
        yield


def run(
    config: PipelineConfig, *, instance: dg.DagsterInstance | None = None, workers: bool = False, **options: Any
) -> Run:
    """Run the pipeline's own job in this process, as the command does; with worker processes only if asked for."""
    job = build_pipeline_definitions(config).resolve_job_def(config.name)
    with instance or dg.DagsterInstance.ephemeral() as own, nullcontext() if workers else work_in_this_process():
        result = job.execute_in_process(instance=own, raise_on_error=False, **options)
    return Run(result, PipelineStore.from_config(config))


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by relative name."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def published_versions(store: PipelineStore) -> list[Version]:
    """The version of every publication, oldest first."""
    return [Version(store.versions / entry.version, entry.version) for entry in store.publications.read_all()]


def has_its_files(version: Version) -> bool:
    """Whether the manifest is the one that was published, and lists all files but the report with their hashes."""
    there = {name for name in version.folder.walk() if name != MANIFEST and not name.startswith(f"{REPORT}/")}
    listed = version.read_manifest(verified=True)["files"]
    return {name: file_facts(version.folder.read(name)) for name in there} == listed
