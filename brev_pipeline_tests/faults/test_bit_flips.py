"""A thousand random bits of a store are flipped, one at a time: each is found, refused, or changes nothing."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from brev_pipeline import read
from brev_pipeline.audit import find_garbage, verify_store
from brev_pipeline.audit.log_inspection import inspect_log
from brev_pipeline.audit.needed_pixels import find_newest_tables
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.images import read_prepared_pixels
from brev_pipeline.images.pixel_cache import PixelCache, settings_id
from brev_pipeline.orchestration.asset_checks import CheckResultStore
from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.readers.access_log import Access
from brev_pipeline.release.exclusions import read_filtered
from brev_pipeline.stages import VERSION
from brev_pipeline.store import PipelineStore, Publication, StoredTable
from brev_pipeline.store.file_entries import list_entries
from brev_pipeline.store.hashed_files import hash_in_name
from brev_pipeline.store.timing_log import TimingLog
from brev_pipeline_tests.audit.worlds import World, make
from brev_pipeline_tests.pipelines import configure, draw_photos, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FLIPS = 1000
LOGS = ("publications", "access", "seals")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A store with two versions, a filtered class, a copy, a quarantined photo and a reading of the test set."""
    made = make(tmp_path_factory.mktemp("flips"))
    read(made.store, "test", why="to have a reading on record")
    return made


@contextmanager
def flipped(file: Path, draw: random.Random) -> Iterator[str]:
    """Flip one bit of a file; put it back afterwards. Gives its place, for messages."""
    data = file.read_bytes()
    place = draw.randrange(len(data) * 8)
    file.write_bytes(data[: place // 8] + bytes([data[place // 8] ^ (1 << place % 8)]) + data[place // 8 + 1 :])
    try:
        yield f"bit {place % 8} of byte {place // 8}"
    finally:
        file.write_bytes(data)


@dataclass
class Judge:
    """Tells what a flipped bit of a file did: found, refused, or harmless. Anything else is an assertion that fails.

    A file is asked for as those ask for it who would be misled by it. What they see in a store without damage is kept.
    """

    world: World
    caplog: pytest.LogCaptureFixture
    counts: Counter[str] = field(default_factory=Counter)

    def judge(self, file: Path) -> str:
        room = file.relative_to(self.world.root).parts[0]
        ask: Callable[[Path], Any] | None = getattr(self, f"_{'logs' if room in LOGS else room}", None)
        assert ask is not None, f"nobody here knows how {room}/ is read: add it"
        self.caplog.clear()
        try:
            verdict = ask(file)
        except BrevPipelineError as error:
            return "refused" if file.name in str(error) else f"not named by: {error}"
        return str(verdict)

    def _told(self, file: Path, same: bool) -> str:
        """Found, if the log names the file; else what was read must be the same as before."""
        if any(file.name in record.getMessage() for record in self.caplog.records):
            return "found"
        assert same, "other values, and nobody was told"
        return "harmless"

    # Versions and logs: `verify` names each damage.

    def _versions(self, file: Path) -> str:
        version = file.relative_to(self.world.root / "versions").parts[0]
        (found,) = verify_store(self.world.store, version).versions
        inside = file.relative_to(self.world.root / "versions" / version).as_posix()
        assert any(line.startswith(inside) for line in found.problems), found.problems
        return "found"

    def _logs(self, file: Path) -> str:
        store = self.world.store
        if file.parent.name == "publications" and file.parent.parent == self.world.root:
            found = verify_store(store)
            lines = [*found.problems, *(line for version in found.versions for line in version.problems)]
        else:
            kinds: dict[str, Any] = {"publications": Publication, "access": Access}
            reports = [inspect_log(store.folder / log, store.witness_log(log), log, kinds[log]) for log in kinds]
            lines = [line for report in reports for line in report.problems]
        number = file.name.partition("-")[0].removesuffix(".json")
        assert any(number in line for line in lines), lines
        return "found"

    # Tables of the runs.

    def _tables(self, file: Path) -> str:
        name = file.relative_to(self.world.root / "tables").as_posix()
        if name.endswith(".pace.json"):
            run, _, step = name.removesuffix(".pace.json").partition("/")
            paces = TimingLog(self.world.store.tables).read_timings()[step]
            assert run not in {pace.run for pace in paces}, "a flipped pace was believed"
            return "refused"
        if file.suffix == ".json":
            table = name.partition(".checks.")[0]
            assert CheckResultStore(self.world.store.tables).read_newest(table) == "refused", (
                "a flipped verdict was believed"
            )
        found = StoredTable(self.world.store.tables, name, verified=True).read()
        assert found.equals(self._read_before[file], check_metadata=True), "other values, and nobody was told"
        return "harmless"

    @cached_property
    def _read_before(self) -> dict[Path, pa.Table]:
        root = self.world.root / "tables"
        with self.whole():
            return {
                file: StoredTable(self.world.store.tables, file.relative_to(root).as_posix()).read()
                for file in root.rglob("*.parquet")
            }

    # What is remembered.

    def _memory(self, file: Path) -> str:
        before, found = self._memory_before, self.world.store.identity_cache.load_newest()
        return self._told(file, found is not None and found.equals(before))

    @cached_property
    def _memory_before(self) -> pa.Table:
        with self.whole():
            return self.world.store.identity_cache.load_newest()

    def _rechecks(self, file: Path) -> str:
        return self._told(
            file, self.world.store.recheck_log.read_checked().sort_by("key").equals(self._rechecks_before)
        )

    @cached_property
    def _rechecks_before(self) -> pa.Table:
        with self.whole():
            return self.world.store.recheck_log.read_checked().sort_by("key")

    def _filtered(self, file: Path) -> str:
        return "harmless" if read_filtered(self.world.store, self._listing).equals(self._filtered_before) else "silent"

    @cached_property
    def _listing(self) -> pa.Table:
        with self.whole():
            newest = find_newest_tables(
                [one for one in list_entries(self.world.store.folder) if one.name.startswith("tables/")]
            )
            return StoredTable(self.world.store.folder, newest["raw_listing"].name).read()

    @cached_property
    def _filtered_before(self) -> pa.Table:
        with self.whole():
            return read_filtered(self.world.store, self._listing)

    # Prepared pixels, their indexes, and what their settings were.

    def _prepared(self, file: Path) -> str:
        known = self._cache.find_known(self._cache_before["content_id"])
        if file.suffix == ".json":
            survey = find_garbage(self.world.config, self.world.store)
            return self._told(file, known.equals(self._cache_before) and survey.garbage == self._garbage_before)
        if file.suffix == ".parquet":
            return self._told(file, known.equals(self._cache_before))
        with_pixels = known.filter(pa.compute.equal(known["status"], "ok"))
        found = list(read_prepared_pixels(self.world.store.prepared_pixels, with_pixels))
        assert all(np.array_equal(a, b) for a, b in zip(found, self._pixels_before, strict=True))
        return "harmless"

    @cached_property
    def _cache(self) -> PixelCache:
        return PixelCache(self.world.store.prepared_pixels, settings_id(self.world.config.image))

    @cached_property
    def _cache_before(self) -> pa.Table:
        with self.whole():
            memory = self.world.store.identity_cache.load_newest()
            assert memory is not None
            return self._cache.find_known(memory["content_id"])

    @cached_property
    def _pixels_before(self) -> list[Any]:
        rows = self._cache_before.filter(pa.compute.equal(self._cache_before["status"], "ok"))
        with self.whole():
            return [image.copy() for image in read_prepared_pixels(self.world.store.prepared_pixels, rows)]

    @cached_property
    def _garbage_before(self) -> list[Any]:
        with self.whole():
            return find_garbage(self.world.config, self.world.store).garbage

    def look(self) -> None:
        """See what all of it is like in a store without damage."""
        for name in ("_read_before", "_memory_before", "_rechecks_before", "_filtered_before", "_pixels_before"):
            getattr(self, name)
        assert self._garbage_before == []

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Nothing that is read here may be damaged."""
        yield
        assert not self.caplog.records or all(record.levelname == "INFO" for record in self.caplog.records)


def rooms(world: World) -> dict[str, list[Path]]:
    """Room of the store → its files."""
    found: dict[str, list[Path]] = {}
    for file in sorted(world.root.rglob("*")):
        # Beside the runs' tables lie pages for people, which nobody reads on.
        judged = not file.is_relative_to(world.root / "tables") or file.suffix in (".parquet", ".json")
        if file.is_file() and file.stat().st_size and judged:
            found.setdefault(file.relative_to(world.root).parts[0], []).append(file)
    return found


def test_a_thousand_flipped_bits_are_found_refused_or_harmless(world: World, caplog: pytest.LogCaptureFixture) -> None:
    judge, draw = Judge(world, caplog), random.Random(13)
    judge.look()
    found = rooms(world)
    assert {"versions", "publications", "seals", "tables", "prepared", "memory", "filtered", "rechecks"} <= set(found)
    counts: Counter[tuple[str, str]] = Counter()
    for number in range(FLIPS):
        room = list(found)[number % len(found)]
        file = draw.choice(found[room])
        with flipped(file, draw) as place:
            try:
                counts[room, judge.judge(file)] += 1
            except Exception as error:
                error.add_note(f"{place} of {file.relative_to(world.root)}")
                raise
    print(json.dumps({f"{room}: {verdict}": count for (room, verdict), count in sorted(counts.items())}, indent=1))
    assert {verdict for _, verdict in counts} <= {"found", "refused", "harmless"}
    for room in ("versions", "publications", "seals", "access"):
        assert {verdict for one, verdict in counts if one == room} == {"found"}
    assert {verdict for one, verdict in counts if one in ("rechecks", "filtered", "tables")} <= {"found", "refused"}


def test_the_runs_tables_carry_their_hashes_in_their_names(world: World) -> None:
    names = [file.name for file in (world.root / "tables").rglob("*.parquet")]
    assert names
    assert all(hash_in_name(name) for name in names)


PLACES = {
    "memory": "memory/*.parquet",
    "index": "prepared/*/*.parquet",
    "pixels": "prepared/*/*.tfrecord",
    "publication": "publications/*.json",
    "ledger": "versions/{newest}/assignments.parquet",
    "manifest": "versions/{newest}/manifest.json",
}


@pytest.mark.parametrize("what", PLACES)
def test_a_run_over_a_flipped_bit_publishes_the_same_or_says_why_not(world: World, tmp_path: Path, what: str) -> None:
    copy, draw = world.copy(tmp_path / "copy"), random.Random(what)
    newest = copy.newest.id
    file = max(copy.root.glob(PLACES[what].format(newest=newest)))
    with flipped(file, draw) as place:
        done = run(copy.config)
        versions = copy.store.versions.list_names()
    assert "Traceback" not in done.failures, place
    assert versions == world.store.versions.list_names()
    if done.success:
        assert {entry.version for entry in copy.store.publications.read_all()} == {
            entry.version for entry in world.store.publications.read_all()
        }
    else:
        assert file.name in done.failures or "prepared pixels" in done.failures, done.failures
    again = run(copy.config)
    assert again.success, again.failures
    assert copy.newest.id == newest
    assert verify_store(copy.store, every=True).is_well


def test_a_flipped_bit_of_a_verdict_or_a_table_changes_no_version_that_is_made_of_it(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 6, "bad": 3})
    config, draw = configure(tmp_path), random.Random(5)
    key = dg.AssetKey([config.name, VERSION])
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_pipeline_definitions(config).resolve_job_def(config.name)
        assert job.execute_in_process(instance=instance).success
        store = PipelineStore.from_config(config)
        (tables,) = (tmp_path / "store" / config.name / "tables").iterdir()
        files = [file for file in sorted(tables.iterdir()) if file.suffix in (".json", ".parquet")]
        before = store.versions.list_names()
        for number in range(24):
            with flipped(files[number % len(files)], draw) as place:
                done = job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=[key])
            told = [event for event in done.all_events if event.event_type_value == "STEP_FAILURE"]
            assert all(event.step_failure_data.user_failure_data for event in told), (files[number % len(files)], place)
            assert done.success or told
            assert store.versions.list_names() == before, (files[number % len(files)], place)
