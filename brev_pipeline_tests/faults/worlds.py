"""What the tests of faults stand on: photos, a pipeline of them and its store, how far a run came, and a reader."""

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from brev_pipeline.audit import verify_version
from brev_pipeline.config import PipelineConfig, load_config
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.stages import VERSION
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.pipelines import SETTINGS, STAGES, draw_photos, hashes

FIRST = {"good": 8, "bad": 4}
GROWN = {"good": 10, "bad": 5}

PHASES = [phase for stage in STAGES for phase in (stage, f"{stage}: checks")] + [VERSION, "published"]
"""What a run does, one after the other."""


@dataclass(frozen=True)
class World:
    """A folder with photos, the configuration of a pipeline, and its store.

    Args:
        folder: where all of it lies.
        place: of the store; None: beside the photos.
    """

    folder: Path
    place: str | None = None

    @classmethod
    def make(cls, folder: Path, classes: dict[str, int] = FIRST, text: str = SETTINGS) -> Self:
        """Photos and configuration in a folder that is made if it is not there."""
        draw_photos(folder / "photos", classes)
        (folder / "parts.yaml").write_text(text)
        return cls(folder)

    def copy(self, folder: Path) -> "World":
        """All of it once more, in another folder."""
        return World(Path(shutil.copytree(self.folder, folder)))

    def grow(self, classes: dict[str, int] = GROWN) -> None:
        """Take more photos: of as many items per class."""
        draw_photos(self.folder / "photos", classes)

    @property
    def photos(self) -> list[Path]:
        """All photos."""
        return sorted((self.folder / "photos").rglob("*.png"))

    @property
    def arguments(self) -> tuple[str | Path, ...]:
        """Of ``brev-pipeline``, for a run."""
        return "run", self.folder / "parts.yaml", "--store", self.place or self.folder / "store"

    @property
    def config(self) -> PipelineConfig:
        """The configuration, with the store's place."""
        config = load_config(self.folder / "parts.yaml")
        return config.model_copy(update={"store": str(self.place or self.folder / "store")}).with_base(
            config.base_folder
        )

    @property
    def store(self) -> PipelineStore:
        """The pipeline's store."""
        return PipelineStore.from_config(self.config)

    @property
    def own(self) -> Path:
        """The pipeline's folder in a local store."""
        return Path(self.place or self.folder / "store") / "parts"

    def published(self) -> dict[str, dict[str, str]]:
        """Each published version of a local store, with the SHA-256 of every file in its folder."""
        return {
            entry.version: hashes(self.own / "versions" / entry.version) for entry in self.store.publications.read_all()
        }

    def problems(self) -> list[str]:
        """What the newest published version has wrong with it."""
        return verify_version(self.store).problems

    def runs(self) -> set[str]:
        """Ids of the runs that left tables."""
        return set(self.store.tables.list_names())

    def phase(self, earlier: set[str], publications: int) -> str:
        """What a run was doing when it was stopped, by what stands in a local store.

        Args:
            earlier: ids of the runs before it.
            publications: how many there were before it.
        """
        if len(self.store.publications.read_all()) > publications:
            return "published"
        tables = [name for run in self.runs() - earlier for name in (self.store.tables / run).list_names()]
        done = {stage: [n for n in tables if n.startswith(f"{stage}.")] for stage in STAGES}
        for stage, names in done.items():
            if not any(name.endswith(".parquet") for name in names):
                return stage
            if not any(name.endswith(".json") for name in names):
                return f"{stage}: checks"
        return VERSION


@dataclass
class Reader:
    """Somebody who asks for the newest published version all the time, and looks whether it is whole. A context."""

    world: World
    seen: list[str] = field(default_factory=list)
    """Versions in the order in which they became the newest."""
    looks: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._store = self.world.store

    def __enter__(self) -> Self:
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()
        self.look()

    def _watch(self) -> None:
        while not self._enough.wait(0.02):
            self.look()

    def look(self) -> None:
        """Look once; what is new is verified in full, what is known is looked at for missing and cut files."""
        self.looks += 1
        try:
            found = self._store.newest_version()
            if found is None:
                self.problems += ["the published version is gone"] * bool(self.seen)
            elif found[1].id not in self.seen:
                self.seen.append(found[1].id)
                self.problems += verify_version(self._store).problems
            else:
                for name, facts in found[1].read_manifest()["files"].items():
                    if (size := found[1].folder.file_size(name)) != facts["bytes"]:
                        self.problems.append(f"{name} has {size} bytes")
        except BrevPipelineError as error:
            self.problems.append(str(error))
