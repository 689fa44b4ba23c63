"""What nothing needs is listed and removed; what was published, or a run may need, is not."""

import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from brev_pipeline.audit import (
    Garbage,
    GarbageRules,
    find_garbage,
    remove_garbage,
    remove_version,
    verify_store,
    verify_version,
)
from brev_pipeline.errors import StoreError
from brev_pipeline.images.pixel_cache import hash_ingredients
from brev_pipeline.store import Folder
from brev_pipeline.store.file_entries import list_entries, remove_files
from brev_pipeline.store.identity_cache import holds_all, object_keys
from brev_pipeline_tests.audit.worlds import World
from brev_pipeline_tests.pipelines import hashes, table_name

NOW = timedelta()
AT_ONCE = GarbageRules(min_age=NOW, older_than=NOW, keep_runs=0)
LATER = datetime.now(UTC) + timedelta(days=365)


def found(world: World, rules: GarbageRules | None = None, now: datetime | None = None) -> list[Garbage]:
    return find_garbage(world.config, world.store, rules, now=now).garbage


def kinds(garbage: list[Garbage]) -> set[str]:
    return {one.kind for one in garbage}


def leave(world: World) -> dict[str, Path]:
    """What runs that were killed leave behind."""
    version = world.root / "versions" / world.newest.id
    half = world.root / "versions" / ("0" * 16)
    half.mkdir()
    os.link(next(version.glob("*.tfrecord-*")), half / "parts-train.tfrecord-00000-of-00001")
    staging = world.root / "staging" / "ab" / ".finished"
    staging.mkdir(parents=True)
    (staging.parent / "parts-train.tfrecord-00000-of-00001").write_bytes(b"x" * 1000)
    (staging / "parts-train.tfrecord-00000-of-00001.json").write_text("{}")
    temporary = world.root / "prepared" / ".tmp-0123"
    temporary.write_bytes(b"x")
    return {"unpublished version": half, "staging": staging.parent, "temporary file": temporary}


def test_a_store_without_leftovers_has_no_garbage(world: World) -> None:
    assert found(world) == []
    assert found(world, now=LATER, rules=GarbageRules(keep_runs=100)) == []


def test_what_killed_runs_left_is_listed_with_its_size_and_removed(copy: World) -> None:
    before = hashes(copy.root)
    left = leave(copy)
    garbage = {one.kind: one for one in found(copy, now=LATER) if one.kind in left}
    assert set(garbage) == set(left)
    assert (garbage["staging"].place, garbage["staging"].bytes, len(garbage["staging"].names)) == (
        "staging/ab",
        1002,
        2,
    )
    # A shard that a published version holds too frees nothing.
    assert garbage["unpublished version"].freed == 0 < garbage["unpublished version"].bytes
    assert all(path.exists() for path in left.values())
    assert remove_garbage(copy.store, list(garbage.values())) == list(garbage.values())
    assert not any(path.exists() for path in left.values())
    assert hashes(copy.root) == before


def test_what_is_young_stays(copy: World) -> None:
    leave(copy)
    survey = find_garbage(copy.config, copy.store)
    assert survey.garbage == []
    assert {"staging", "unpublished version", "temporary file"} <= kinds(survey.kept)


def test_while_a_run_may_be_under_way_nothing_that_it_could_take_up_goes(copy: World) -> None:
    left = leave(copy)
    for path in (*(copy.root / "staging").rglob("*"), left["temporary file"]):
        os.utime(path, (0, 0))
    rules = GarbageRules(min_age=timedelta(seconds=2))
    time.sleep(2.1)
    (copy.root / "tables" / "now").mkdir()
    (copy.root / "tables" / "now" / "raw_listing.parquet").write_bytes(b"")
    survey = find_garbage(copy.config, copy.store, rules)
    assert survey.running is not None
    assert "tables/now/raw_listing.parquet was written 0 minutes ago" in survey.running
    assert "temporary file" in kinds(survey.garbage)
    assert {"staging", "unpublished version"} <= kinds(survey.kept)
    assert not {"staging", "unpublished version"} & kinds(survey.garbage)


def test_staging_that_the_newest_record_table_stands_on_stays(copy: World) -> None:
    tables = list(copy.root.glob("tables/*/tfrecord_shards.*.parquet"))
    newest = max(tables, key=lambda file: file.stat().st_mtime)
    import pyarrow.parquet as pq

    plan = pq.read_schema(newest).metadata[b"brev_pipeline.staging"].decode()
    (copy.root / "staging" / plan).mkdir(parents=True)
    (copy.root / "staging" / plan / "shard").write_bytes(b"x")
    assert "staging" not in kinds(found(copy, AT_ONCE))


def test_a_version_that_was_published_meanwhile_is_not_removed(copy: World) -> None:
    leave(copy)
    garbage = [one for one in found(copy, AT_ONCE) if one.kind == "unpublished version"]
    newest = copy.store.publications.read_newest()
    copy.store.publications.append_publication("0" * 16, run_id="r", manifest_sha256="", after=newest)
    assert remove_garbage(copy.store, garbage) == []
    assert (copy.root / "versions" / ("0" * 16)).exists()


def test_a_version_whose_publication_was_removed_is_no_garbage(copy: World) -> None:
    (copy.root / "publications/00000002.json").unlink()
    assert "unpublished version" not in kinds(found(copy, AT_ONCE))


def test_with_a_damaged_log_of_publications_nothing_is_called_garbage(copy: World) -> None:
    (copy.root / "publications/00000001.json").write_text("{}")
    with pytest.raises(StoreError, match=r"00000001\.json: not a publication"):
        found(copy, AT_ONCE)


def test_tables_of_old_runs_go_but_the_newest_and_the_published_stay(copy: World) -> None:
    runs = {folder.name: folder for folder in (copy.root / "tables").iterdir()}
    newest = copy.store.publications.read_all()[-1].run_id
    rules = GarbageRules(min_age=NOW, keep_runs=0)
    assert "tables of an old run" not in kinds(found(copy, rules))
    (old,) = (one for one in found(copy, AT_ONCE) if one.kind == "tables of an old run")
    assert old.place == f"tables/{next(name for name in runs if name != newest)}"
    assert found(copy, GarbageRules(min_age=NOW, older_than=NOW, keep_runs=2)) == []
    remove_garbage(copy.store, [old])
    assert [folder.name for folder in (copy.root / "tables").iterdir()] == [newest]


def test_the_newest_table_of_a_stage_stays_in_whatever_run_it_is(copy: World) -> None:
    older = copy.store.publications.read_all()[0].run_id
    later = time.time() + 10
    os.utime(copy.root / "tables" / table_name(copy.store, older, "raw_listing"), (later, later))
    assert "tables of an old run" not in kinds(found(copy, AT_ONCE, now=LATER))


def test_old_memories_and_filtered_listings_go_but_the_newest_stay(copy: World) -> None:
    kept = hashes(copy.root / "memory") | hashes(copy.root / "filtered")
    (copy.root / "memory/20000101T000000.000000Z-x.parquet").write_bytes(b"x")
    (copy.root / "filtered/0123.parquet").write_bytes(b"x")
    garbage = [one for one in found(copy, AT_ONCE) if one.kind in ("memory", "filtered listing")]
    assert len(garbage) == 2
    remove_garbage(copy.store, garbage)
    assert hashes(copy.root / "memory") | hashes(copy.root / "filtered") == kept


@pytest.mark.slow
def test_prepared_pixels_stay_while_a_version_or_the_newest_listing_refers_to_them(copy: World) -> None:
    assert "prepared pixels" not in kinds(found(copy, AT_ONCE))
    shutil.rmtree(copy.folder / "photos/bad")
    copy.run()
    # The newest version has no bad ones, but older ones do.
    assert "prepared pixels" not in kinds(found(copy, AT_ONCE))


def test_prepared_pixels_of_other_settings_go_when_no_version_refers_to_them(copy: World) -> None:
    (cache,) = (copy.root / "prepared").iterdir()
    settings = (cache / "settings.json").read_text().replace('"opencv": "', '"opencv": "0.')
    other = copy.root / "prepared" / hash_ingredients(json.loads(settings))
    shutil.copytree(cache, other)
    (other / "settings.json").write_text(settings)
    assert "prepared pixels" not in kinds(found(copy, GarbageRules(min_age=NOW, keep_runs=0)))
    (garbage,) = (one for one in found(copy, AT_ONCE) if one.kind == "prepared pixels")
    assert garbage.place == f"prepared/{other.name}"
    endings = [name.rpartition(".")[2] for name in garbage.names]
    assert endings == sorted(endings, key=["parquet", "tfrecord", "json"].index)
    before = hashes(cache)
    remove_garbage(copy.store, [garbage])
    assert not other.exists()
    assert hashes(cache) == before


def test_pixels_without_an_index_go_and_needed_ones_beside_them_stay(copy: World) -> None:
    (cache,) = (copy.root / "prepared").iterdir()
    before = hashes(cache)
    (cache / "0123.tfrecord").write_bytes(b"x" * 100)
    (garbage,) = (one for one in found(copy, AT_ONCE) if one.kind == "prepared pixels")
    assert garbage.names == (f"prepared/{cache.name}/0123.tfrecord",)
    remove_garbage(copy.store, [garbage])
    assert hashes(cache) == before


def test_a_damaged_index_goes_with_its_pixels_and_stops_nothing(copy: World) -> None:
    (cache,) = (copy.root / "prepared").iterdir()
    index = min(cache.glob("*.parquet"))
    index.write_bytes(index.read_bytes()[:-1])
    assert "prepared pixels" not in kinds(found(copy))
    (garbage,) = (one for one in found(copy, AT_ONCE) if one.kind == "prepared pixels")
    assert garbage.names[0] == f"prepared/{cache.name}/{index.name}"
    remove_garbage(copy.store, [garbage])
    left = {file.name for file in cache.iterdir()}
    for other in cache.glob("*.parquet"):
        named = pq.read_table(other)["file"].drop_null().to_pylist()
        assert {file.rpartition("/")[2] for file in named} <= left


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff{", b'{"image": {}, "opencv": "1"}'])
def test_damaged_settings_of_a_cache_keep_its_pixels(copy: World, damage: bytes) -> None:
    (cache,) = (copy.root / "prepared").iterdir()
    (cache / "settings.json").write_bytes(damage)
    assert "prepared pixels" not in kinds(found(copy, AT_ONCE))


def test_of_memories_two_whole_ones_stay_however_many_damaged_ones_lie_before_them(copy: World) -> None:
    memory = copy.store.identity_cache
    known = memory.load_newest()
    assert known is not None
    for number in range(4):
        assert memory.save_identities(known.slice(number + 1), f"run-{number}")
    names = memory.folder.list_names()
    (copy.root / "memory" / names[-1]).write_bytes(b"damaged")
    (garbage,) = (one for one in found(copy, AT_ONCE) if one.kind == "memory")
    assert garbage.names == tuple(f"memory/{name}" for name in names[:-3])
    remove_garbage(copy.store, [garbage])
    recalled = memory.load_newest()
    assert recalled is not None
    assert recalled.equals(known.slice(3))


def test_the_log_of_rechecks_goes_as_far_as_a_newer_file_holds_all_that_counts(
    copy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, memory = copy.store.recheck_log, copy.store.identity_cache.load_newest()
    assert memory is not None
    assert "log of rechecks" not in kinds(found(copy, AT_ONCE))
    monkeypatch.setattr("brev_pipeline.store.identity_cache.MANY", 2)
    keys = object_keys(memory)
    for number in range(5):
        log.append_checked(keys[number : number + 3], f"run-{number}", keys)
    names = log.folder.list_names()
    assert [holds_all(name) for name in names[-4:]] == [True, False, False, True]
    # The newest that holds all is damaged: the one before it does too.
    (copy.root / "rechecks" / names[-1]).write_bytes(b"damaged")
    before = log.read_checked()
    (garbage,) = (one for one in found(copy, AT_ONCE) if one.kind == "log of rechecks")
    assert garbage.names == tuple(f"rechecks/{name}" for name in names[:-4])
    remove_garbage(copy.store, [garbage])
    assert log.read_checked().sort_by("key").equals(before.sort_by("key"))


@pytest.mark.slow
def test_after_everything_was_removed_a_run_gives_the_same_version(copy: World) -> None:
    leave(copy)
    remove_garbage(copy.store, found(copy, AT_ONCE))
    shutil.rmtree(copy.root / "prepared")
    before = copy.newest.id
    copy.run()
    assert copy.newest.id == before
    assert verify_store(copy.store, every=True).is_well


def test_a_version_is_removed_by_force_on_record_and_verify_says_so(copy: World) -> None:
    oldest, newest = copy.oldest, copy.newest
    count = len(list(oldest.folder.walk()))
    entry = remove_version(copy.store, oldest.id, " superseded, disk full ")
    assert list(oldest.folder.walk()) == ["manifest.json"]
    assert (entry.number, entry.files, entry.why) == (1, count - 1, "superseded, disk full")
    assert entry.removed_by
    checked = verify_store(copy.store, every=True)
    assert checked.is_well
    gone, whole = checked.versions
    assert gone.removed == entry
    assert gone.notes == [f"removed on purpose, {entry.removed_at}, by {entry.removed_by}: superseded, disk full"]
    assert (whole.version.id, whole.problems) == (newest.id, [])
    with pytest.raises(StoreError, match="removed already"):
        remove_version(copy.store, oldest.id, "again")


def test_the_newest_version_an_unknown_one_and_a_removal_without_reason_are_refused(copy: World) -> None:
    before = hashes(copy.root)
    for version, why, said in (
        (copy.newest.id, "x", "is the newest one"),
        ("f" * 16, "x", "no version ffffffffffffffff was published"),
        (copy.oldest.id, "  ", "say why"),
    ):
        with pytest.raises(StoreError, match=said):
            remove_version(copy.store, version, why)
    assert hashes(copy.root) == before


def test_an_interrupted_removal_is_noted_and_finished(copy: World) -> None:
    oldest = Path(copy.oldest.path)
    kept = {name: (oldest / name).read_bytes() for name in ("weights.parquet", "records.parquet")}
    remove_version(copy.store, copy.oldest.id, "old")
    for name, data in kept.items():
        (oldest / name).write_bytes(data)
    noted = verify_version(copy.store, copy.oldest.id)
    assert noted.problems == []
    assert any("2 of its files are still there" in note for note in noted.notes)
    (rest,) = (one for one in found(copy, AT_ONCE) if one.kind == "rest of a removed version")
    remove_garbage(copy.store, [rest])
    assert [file.name for file in oldest.iterdir()] == ["manifest.json"]


def test_a_removed_version_that_is_published_again_is_verified_again(copy: World) -> None:
    removed = copy.oldest
    kept = {name: removed.folder.read(name) for name in removed.folder.walk()}
    remove_version(copy.store, removed.id, "old")
    for name, data in kept.items():
        removed.folder.write(name, data)
    first = copy.store.publications.read_all()[0]
    digest = first.manifest_sha256
    newest = copy.store.publications.read_newest()
    copy.store.publications.append_publication(removed.id, run_id="r", manifest_sha256=digest, after=newest)
    again = verify_version(copy.store, removed.id)
    assert (again.removed, again.problems) == (None, [])
    assert again.records == removed.read_table("records").num_rows


def test_a_removed_versions_altered_manifest_is_found(copy: World) -> None:
    remove_version(copy.store, copy.oldest.id, "old")
    file = Path(copy.oldest.path) / "manifest.json"
    file.write_text(file.read_text().replace("parts", "party"))
    assert verify_version(copy.store, copy.oldest.id).problems[0].startswith("manifest.json: altered")


def test_entries_and_removal_on_s3(s3_folder: Folder) -> None:
    for number in range(3):
        s3_folder.write(f"a/{number}", b"x" * number)
    s3_folder.write("b", b"xyz")
    listed = {entry.name: entry for entry in list_entries(s3_folder)}
    assert {name: entry.bytes for name, entry in listed.items()} == {"a/0": 0, "a/1": 1, "a/2": 2, "b": 3}
    assert all(abs(datetime.now(UTC) - entry.written) < timedelta(minutes=5) for entry in listed.values())
    remove_files(s3_folder, ["a/0", "a/2"])
    assert [entry.name for entry in list_entries(s3_folder)] == ["a/1", "b"]
