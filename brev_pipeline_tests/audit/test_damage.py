"""Whatever is changed in a published version, or in a log, is found, and named where it is."""

import json
import random
import zlib
from pathlib import Path

import pytest

from brev_pipeline import read
from brev_pipeline.audit import remove_version, verify_store, verify_version
from brev_pipeline.engine import LocalEngine
from brev_pipeline.errors import StoreError
from brev_pipeline_tests.audit.worlds import World, changed, flip


def problems(world: World) -> list[str]:
    """Everything that is wrong with the store and all its versions."""
    found = verify_store(world.store, every=True)
    return [*found.problems, *(line for version in found.versions for line in version.problems)]


def files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def test_an_undamaged_store_is_well(world: World) -> None:
    found = verify_store(world.store, every=True)
    assert found.is_well
    assert (found.problems, found.notes) == ([], [])
    assert [version.notes for version in found.versions] == [[], []]
    assert [version.records for version in found.versions] == [
        world.oldest.read_table("records").num_rows,
        world.newest.read_table("records").num_rows,
    ]
    assert found.head == world.store.publications.read_all()[-1].sha256
    assert json.loads(json.dumps(found.contents()))["is_well"]


@pytest.mark.slow
def test_one_flipped_bit_in_any_file_of_a_version_is_found_and_the_file_named(copy: World) -> None:
    version = copy.root / "versions" / copy.newest.id
    for file in files(version):
        draw = random.Random(zlib.crc32(file.name.encode()))
        for place in (0, draw.randrange(file.stat().st_size), file.stat().st_size - 1):
            with changed(file):
                flip(file, place, draw.randrange(8))
                found = verify_version(copy.store).problems
            assert any(line.startswith(f"{file.relative_to(version)}") for line in found), (file.name, place, found)
    assert problems(copy) == []


@pytest.mark.slow
def test_any_file_that_is_missing_from_a_version_is_named(copy: World) -> None:
    version = copy.root / "versions" / copy.newest.id
    for file in files(version):
        with changed(file):
            file.unlink()
            found = verify_version(copy.store).problems
        assert f"{file.relative_to(version)}: missing" in " ".join(found), file.name


@pytest.mark.parametrize("name", ["extra.txt", "parts-train.tfrecord-00009-of-00009", "report/extra.html"])
def test_a_file_that_was_added_to_a_version_is_named(copy: World, name: str) -> None:
    file = copy.root / "versions" / copy.newest.id / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"x")
    assert verify_version(copy.store).problems == [f"{name}: not in the manifest"]


def test_a_shard_that_is_cut_or_swapped_is_named(copy: World) -> None:
    version = copy.root / "versions" / copy.newest.id
    one, two = sorted(version.glob("parts-train.tfrecord-*"))[:2]
    with changed(one):
        one.write_bytes(one.read_bytes()[:-7])
        assert all(line.startswith(one.name) for line in problems(copy))
        assert len(problems(copy)) == 2
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert {line.partition(":")[0] for line in problems(copy)} >= {one.name, two.name}


@pytest.mark.parametrize(
    "edit",
    [
        lambda manifest: manifest["counts"].update(listed=999),
        lambda manifest: manifest["files"].pop("weights.parquet"),
        lambda manifest: manifest.pop("files"),
        lambda manifest: manifest.clear(),
        lambda manifest: manifest["files"].update({"weights.parquet": {"bytes": 1, "sha256": "0"}}),
    ],
)
def test_an_edited_manifest_is_named(copy: World, edit: object) -> None:
    file = copy.root / "versions" / copy.newest.id / "manifest.json"
    manifest = json.loads(file.read_text())
    edit(manifest)  # type: ignore[operator]
    file.write_text(json.dumps(manifest))
    assert any("manifest.json: altered" in line for line in problems(copy))


def test_a_version_that_is_gone_is_named(copy: World) -> None:
    folder = copy.root / "versions" / copy.oldest.id
    folder.rename(copy.folder / "elsewhere")
    assert any("manifest.json: missing" in line for line in problems(copy))


def log_world(world: World, log: str) -> World:
    """A world whose log has two entries at least."""
    if log == "access":
        for number in range(3):
            read(world.store, "test", why=f"reading {number}")
    elif log == "removals":
        oldest = world.oldest.id
        world.republish({}, note="one more")
        world.republish({}, note="and one more")
        second = world.store.publications.read_all()[1].version
        remove_version(world.store, oldest, "too old")
        remove_version(world.store, second, "too old as well")
    return world


LOGS = ["publications", "access", "removals"]


@pytest.mark.slow
@pytest.mark.parametrize("log", LOGS)
def test_one_flipped_bit_in_any_entry_of_a_log_is_found_and_the_entry_named(copy: World, log: str) -> None:
    log_world(copy, log)
    entries = files(copy.root / log)
    assert len(entries) >= 2
    for entry in entries:
        draw = random.Random(entry.name)
        for _ in range(6):
            with changed(entry):
                flip(entry, draw.randrange(entry.stat().st_size), draw.randrange(8))
                found = verify_store(copy.store).problems
            assert any(str(entry) in line for line in found), (entry.name, found)
    assert verify_store(copy.store).is_well


@pytest.mark.parametrize("log", LOGS)
def test_an_entry_that_was_removed_from_a_log_is_named_the_newest_included(copy: World, log: str) -> None:
    log_world(copy, log)
    for entry in files(copy.root / log):
        with changed(entry):
            entry.unlink()
            found = verify_store(copy.store).problems
        assert any(f"{entry}: removed" in line and "its seal is a copy of it" in line for line in found), found


def test_all_publications_removed_is_no_empty_store(copy: World) -> None:
    for entry in files(copy.root / "publications"):
        entry.unlink()
    found = verify_store(copy.store)
    assert len(found.problems) == 2
    assert not found.is_well
    with pytest.raises(StoreError, match=r"00000002\.json: removed: version "):
        verify_version(copy.store)


@pytest.mark.parametrize("log", LOGS)
def test_exchanged_entries_of_a_log_are_named(copy: World, log: str) -> None:
    log_world(copy, log)
    one, two = files(copy.root / log)[:2]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    found = " ".join(verify_store(copy.store).problems)
    assert f"{one}: re-ordered or altered: it holds" in found
    assert f"{two}: re-ordered or altered: it holds" in found


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("name", ["note.txt", "00000009.json", "0.json"])
def test_a_file_that_was_added_to_a_log_is_named(copy: World, log: str, name: str) -> None:
    log_world(copy, log)
    (copy.root / log / name).write_text("{}")
    assert any(name in line for line in verify_store(copy.store).problems)


def test_an_entry_removed_together_with_its_seal_breaks_the_chain(copy: World) -> None:
    copy.republish({}, note="a third")
    (copy.root / "publications/00000002.json").unlink()
    next((copy.root / "seals/publications").glob("00000002-*")).unlink()
    found = verify_store(copy.store).problems
    assert any("00000002.json: missing: publications were removed before publication 3" in line for line in found)


def test_damaged_and_added_seals_are_named_and_a_missing_one_is_noted(copy: World) -> None:
    seals = files(copy.root / "seals/publications")
    with changed(seals[0]):
        flip(seals[0], 10)
        assert any(str(seals[0]) in line for line in problems(copy))
    with changed(seals[1]):
        seals[1].unlink()
        found = verify_store(copy.store)
        assert found.is_well
        assert any("00000002.json has no seal" in line for line in found.notes)
        copy.republish({}, note="the next publication heals it")
        assert verify_store(copy.store).notes == []
    (seals[0].parent / "x").write_text("")
    assert any(f"{seals[0].parent / 'x'}: not a seal" in line for line in problems(copy))


def test_a_log_that_was_rewritten_with_its_seals_is_found_by_a_hash_kept_elsewhere(copy: World) -> None:
    kept = verify_store(copy.store).head
    assert verify_store(copy.store, head=kept).is_well
    (copy.root / "publications/00000002.json").unlink()
    next((copy.root / "seals/publications").glob("00000002-*")).unlink()
    assert verify_store(copy.store).is_well
    (problem,) = verify_store(copy.store, head=kept).problems
    assert f"no entry has the hash {kept}: the log was cut or rewritten" in problem


@pytest.mark.slow
def test_worker_processes_find_the_same(copy: World) -> None:
    version = copy.root / "versions" / copy.newest.id
    flip(next(version.glob("parts-test.tfrecord-*")), 100)
    flip(version / "images.parquet", 100)
    alone = verify_store(copy.store, every=True)
    together = verify_store(copy.store, every=True, engine=LocalEngine(2))
    assert together.contents() == alone.contents()
    assert len(alone.versions[1].problems) == 3
