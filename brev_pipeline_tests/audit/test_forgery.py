"""A version that was forged from end to end, or made with another configuration than it names, is found and named.

Each forgery recomputes every hash, the chain and the seals, so that nothing but its contents speaks against it.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from brev_pipeline.audit import remake, remove_version, verify_folder, verify_store
from brev_pipeline.audit.verification import Verification
from brev_pipeline.cli import main
from brev_pipeline.cli.audit import verify_versions as verify_as_the_command
from brev_pipeline.integrity.check import find_copies
from brev_pipeline.readers.find_version import open_version_folder
from brev_pipeline.stages import SPECS
from brev_pipeline.table_metadata import KNOWN
from brev_pipeline_tests.audit import forging
from brev_pipeline_tests.audit.forging import Forgery
from brev_pipeline_tests.audit.worlds import World, flip
from brev_pipeline_tests.pipelines import draw_photos, published_versions


@pytest.fixture(scope="session")
def left_world(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A third version: a test item has left the listing."""
    own = world.copy(tmp_path_factory.mktemp("left"))
    split = own.newest.read_table("assignments").to_pylist()
    item = next(row["item"] for row in split if row["purpose"] == "test" and row["folder"] == "good")
    for row in split:
        if row["item"] == item and row["folder"] == "good":
            (own.folder / row["path"]).unlink()
    own.run()
    return own


@pytest.fixture
def left(left_world: World, tmp_path: Path) -> World:
    """To be forged."""
    return left_world.copy(tmp_path / "left")


def verified(world: World) -> Verification:
    """The newest version; the logs are well."""
    found = verify_store(world.store)
    assert (found.problems, found.notes) == ([], [])
    return found.versions[0]


def one(forgery: Forgery, table: str = "records", **values: Any) -> dict[str, Any]:
    """The first row with these values."""
    rows = forgery.tables[table].to_pylist()
    return next(row for row in rows if all(row[name] == value for name, value in values.items()))


def test_a_version_that_is_taken_apart_and_put_together_again_is_well(copy: World) -> None:
    before = copy.newest.id
    forgery = Forgery.of(copy.store)
    assert forgery.publish().id == before
    forgery = Forgery.of(copy.store)
    forgery.redraw()
    assert forgery.publish().id == before
    assert verified(copy).problems == []


def test_a_version_whose_record_table_is_empty_is_not_well(copy: World) -> None:
    forgery = Forgery.of(copy.store)
    forgery.drop("records", lambda row: True)
    forgery.publish(consumers=False)
    assert any(".tfrecord-" in line and "no record of it" in line for line in verified(copy).problems)


# Each forges, and says what must be named: the path, and a word of what is wrong with it.
Forger = Callable[[Forgery], tuple[str, str]]


def label(forgery: Forgery) -> tuple[str, str]:
    path = one(forgery, "assignments", purpose="train", folder="good")["path"]
    for table in ("listing", "assignments"):
        forgery.put(table, "category", lambda row: row["path"] == path, ["bad"])
    forgery.redraw()
    return path, "category"


def label_of_a_whole_folder(forgery: Forgery) -> tuple[str, str]:
    for table in ("listing", "assignments"):
        forgery.put(table, "category", lambda row: row["folder"] == "good", ["bad"])
        forgery.put(table, "category", lambda row: row["folder"] == "bad", ["good"])
    forgery.redraw()
    return "photos/bad/", "category"


def folder(forgery: Forgery) -> tuple[str, str]:
    path = one(forgery, "assignments", purpose="train", folder="good")["path"]
    for table in ("listing", "assignments"):
        forgery.put(table, "folder", lambda row: row["path"] == path, "bad")
    forgery.redraw()
    return path, "folder"


def item_split(forgery: Forgery) -> tuple[str, str]:
    row = one(forgery, "assignments", purpose="train", folder="good")
    forgery.put("assignments", "item", lambda own: own["path"] == row["path"], "77")
    forgery.redraw()
    return row["path"], "item"


def items_merged(forgery: Forgery) -> tuple[str, str]:
    mine = one(forgery, "assignments", purpose="train", folder="good")
    rows = forgery.tables["assignments"].to_pylist()
    other = next(row for row in rows if row["purpose"] == "train" and row["item"] != mine["item"])
    forgery.put("assignments", "item", lambda row: row["path"] == other["path"], mine["item"])
    forgery.put("assignments", "leak_group", lambda row: row["path"] == other["path"], mine["leak_group"])
    forgery.redraw()
    return other["path"], "item"


def stratum(forgery: Forgery) -> tuple[str, str]:
    path = one(forgery, "assignments", purpose="devel")["path"]
    forgery.put("assignments", "stratum", lambda row: row["path"] == path, "other")
    forgery.redraw()
    return path, "stratum"


def train_to_devel(forgery: Forgery) -> tuple[str, str]:
    group = one(forgery, "assignments", purpose="train", folder="good")["leak_group"]
    paths = forgery.put("assignments", "purpose", lambda row: row["leak_group"] == group, "devel")
    forgery.redraw()
    return paths[0], "purpose"


def test_to_train(forgery: Forgery) -> tuple[str, str]:
    group = one(forgery, "assignments", purpose="test", folder="good")["leak_group"]
    paths = forgery.put("assignments", "purpose", lambda row: row["leak_group"] == group, "train")
    forgery.redraw()
    return paths[0], "was 'test' in version"


test_to_train.__test__ = False  # type: ignore[attr-defined]


def group_divided(forgery: Forgery) -> tuple[str, str]:
    rows = forgery.tables["assignments"].to_pylist()
    path = next(row["path"] for row in rows if row["purpose"] == "train" and row["leak_group"] != row["path"])
    forgery.put("assignments", "purpose", lambda row: row["path"] == path, "test")
    forgery.put("assignments", "leak_group", lambda row: row["path"] == path, path)
    forgery.redraw()
    return path, "leak_group"


def quarantined_used(forgery: Forgery) -> tuple[str, str]:
    """A photo that could not be read gets a purpose and a record."""
    row = one(forgery, "exclusions", rule="quarantined")
    listed = one(forgery, "listing", path=row["path"])
    like = one(forgery, "assignments", purpose="train", folder="bad")
    made = {**like, **{name: listed[name] for name in ("path", "etag", "content_id")}}
    made |= {"leak_group": row["path"], "pixel_id": "0" * 32}
    rows = sorted([*forgery.tables["assignments"].to_pylist(), made], key=lambda own: str(own["path"]))
    schema = forgery.tables["assignments"].schema
    forgery.tables["assignments"] = forgery.tables["assignments"].from_pylist(rows, schema)
    forgery.drop("exclusions", lambda own: own["path"] == row["path"])
    for side, value in (("height", 24), ("width", 32), ("channels", 3)):
        forgery.put("images", f"prepared_{side}", lambda own: own["source_path"] == row["path"], value)
    forgery.redraw()
    return row["path"], "has a purpose, and does not take part"


def used_excluded(forgery: Forgery) -> tuple[str, str]:
    """An inconvenient photo is declared damaged."""
    row = one(forgery, "assignments", purpose="devel")
    forgery.drop("assignments", lambda own: own["path"] == row["path"])
    rows = forgery.tables["exclusions"].to_pylist()
    rows.append({"path": row["path"], "content_id": row["content_id"], "rule": "quarantined", "reason": "corrupt: x"})
    schema = forgery.tables["exclusions"].schema
    forgery.tables["exclusions"] = forgery.tables["exclusions"].from_pylist(
        sorted(rows, key=lambda own: str(own["path"])), schema
    )
    forgery.redraw()
    return row["path"], "takes part in the split, and has no purpose"


def exclusion_and_image_removed(forgery: Forgery) -> tuple[str, str]:
    row = one(forgery, "exclusions", rule="duplicate")
    for table in ("exclusions", "listing"):
        forgery.drop(table, lambda own: own["path"] == row["path"])
    return row["partner"], "copies"


def image_removed(forgery: Forgery) -> tuple[str, str]:
    row = one(forgery, "assignments", purpose="devel", folder="good")
    content = row["content_id"]
    for table in ("listing", "assignments", "exclusions"):
        forgery.drop(table, lambda own: own["path"] == row["path"])
    forgery.drop("images", lambda own: own["content_id"] == content)
    forgery.redraw()
    return row["path"], "is forgotten"


def wanted_class_filtered(forgery: Forgery) -> tuple[str, str]:
    row = one(forgery, "exclusions", rule="class_filter")
    forgery.put("exclusions", "path", lambda own: own["path"] == row["path"], "photos/good/99_0.png")
    return "photos/good/99_0.png", "is excluded by class_filter, but it has one of listing.classes"


def weights(forgery: Forgery) -> tuple[str, str]:
    forgery.put("weights", "weight", lambda row: row["purpose"] == "train" and row["group"] == "good", 3.0)
    return "train / good", "it is not what the assignments and sampling's settings give"


def class_order(forgery: Forgery) -> tuple[str, str]:
    forgery.manifest["classes"].reverse()
    forgery.redraw()
    return "classes: 'good' has the label 1", "the one before, and the images give it 0"


def dataset(forgery: Forgery) -> tuple[str, str]:
    path = one(forgery, "listing", folder="good")["path"]
    for table in ("listing", "assignments"):
        forgery.put(table, "dataset", lambda row: row["path"] == path, "Another line")
    forgery.redraw()
    return path, "dataset"


def url(forgery: Forgery) -> tuple[str, str]:
    path = one(forgery, "listing", folder="good")["path"]
    forgery.put("listing", "url", lambda row: row["path"] == path, "https://elsewhere")
    return path, "url"


def pixel_id(forgery: Forgery) -> tuple[str, str]:
    """The pixel copies that would join two groups are hidden in the assignments."""
    path = one(forgery, "assignments", purpose="train")["path"]
    forgery.put("assignments", "pixel_id", lambda row: row["path"] == path, "f" * 32)
    return path, "pixel_id"


def hidden_conflict(forgery: Forgery) -> tuple[str, str]:
    row = one(forgery, "exclusions", rule="duplicate")
    forgery.put("listing", "label_conflict", lambda own: own["path"] == row["path"], True)
    return row["path"], "label_conflict"


def identity(forgery: Forgery) -> tuple[str, str]:
    """An identity that is not even the entity tag's."""
    path = one(forgery, "listing", folder="bad")["path"]
    forgery.put("listing", "content_id", lambda row: row["path"] == path, "a" * 32)
    return path, "content_id"


def prepared_size(forgery: Forgery) -> tuple[str, str]:
    path = one(forgery, "images", status="ok")["source_path"]
    forgery.put("images", "prepared_width", lambda row: row["source_path"] == path, 33)
    return path, "prepared_width is not 32"


def label_in_a_shard(forgery: Forgery) -> tuple[str, str]:
    row = one(forgery)
    example = forgery.examples[row["file"]][row["position"]]
    example["label"] = [1 - row["label"]]
    return row["path"], "label is"


def multi_hot_in_a_shard(forgery: Forgery) -> tuple[str, str]:
    row = one(forgery)
    forgery.examples[row["file"]][row["position"]]["label/multi_hot"] = [1, 1]
    return row["path"], "label/multi_hot"


def augmented(forgery: Forgery) -> tuple[str, str]:
    path = one(forgery, augmented=True)["path"]
    forgery.put("records", "augmented", lambda row: row["path"] == path, False)
    return "records.parquet: augmented of", path


def verdict(forgery: Forgery) -> tuple[str, str]:
    (check,) = [own for own in forgery.manifest["checks"]["prepared_images"] if own["check"] == "few_quarantined"]
    check["observed"] = 0.0
    return "prepared_images.few_quarantined", "'observed': 0.0"


def rule_removed(forgery: Forgery) -> tuple[str, str]:
    checks = forgery.manifest["checks"]["sample_split"]
    checks[:] = [own for own in checks if own["check"] != "contents_whole"]
    return "sample_split.contents_whole", "is missing"


def user_check(forgery: Forgery) -> tuple[str, str]:
    forgery.manifest["user_checks"] = {"sample_split": [{"check": "balance", "severity": "error", "passed": False}]}
    return "sample_split.balance", "failed, and the version was published"


def card(forgery: Forgery) -> tuple[str, str]:
    """Only the file for other readers."""
    forgery.manifest["configuration"]["card"]["license"] = "CC0"
    return "croissant.json", "it is not what tables and configuration give"


FORGERIES: list[Forger] = [
    label,
    label_of_a_whole_folder,
    folder,
    item_split,
    items_merged,
    stratum,
    train_to_devel,
    test_to_train,
    group_divided,
    quarantined_used,
    used_excluded,
    exclusion_and_image_removed,
    image_removed,
    wanted_class_filtered,
    weights,
    class_order,
    dataset,
    url,
    pixel_id,
    hidden_conflict,
    identity,
    prepared_size,
    label_in_a_shard,
    multi_hot_in_a_shard,
    augmented,
    verdict,
    rule_removed,
    user_check,
    card,
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forgery_is_found_and_named(copy: World, forge: Forger) -> None:
    forgery = Forgery.of(copy.store)
    named, what = forge(forgery)
    forgery.publish(consumers=forge is not card)
    problems = verified(copy).problems
    assert any(named in line and what in line for line in problems), problems


MISSED_BEFORE: list[Forger] = [
    label,
    label_of_a_whole_folder,
    folder,
    item_split,
    items_merged,
    stratum,
    train_to_devel,
    group_divided,
    quarantined_used,
    exclusion_and_image_removed,
    image_removed,
    wanted_class_filtered,
    dataset,
    url,
    pixel_id,
    hidden_conflict,
    prepared_size,
    multi_hot_in_a_shard,
    augmented,
    verdict,
    rule_removed,
]


@pytest.mark.slow
@pytest.mark.parametrize("forge", MISSED_BEFORE)
def test_hashes_and_counts_alone_miss_it(copy: World, forge: Forger) -> None:
    # Versions of format 1 are held to hashes and counts alone: this is what the derivations are for.
    forgery = Forgery.of(copy.store)
    forge(forgery)
    forgery.call_old()
    forgery.publish()
    found = verified(copy)
    # Nobody escapes by calling a forgery old: the version before is of the new format.
    (problem,) = found.problems
    assert problem.startswith(f"manifest.json: format 1, and version {copy.oldest.id}, which was published before, is")
    assert "held to hashes and counts" in found.unchecked[0]


@pytest.mark.parametrize("sign", ["purposes", "stages", "user_checks", "arguments", "page checksums"])
def test_a_manifest_that_calls_itself_old_is_given_away_by_what_only_newer_ones_have(copy: World, sign: str) -> None:
    # Even where nothing was published before, and in a folder by itself.
    forgery = Forgery.of(copy.store, copy.oldest)
    kept = {key: forgery.manifest[key] for key in ("purposes", "stages", "user_checks")}
    forgery.call_old()
    if sign == "arguments":
        forgery.manifest["checks"]["raw_listing"][0]["arguments"] = {}
    elif sign != "page checksums":
        forgery.manifest[sign] = kept[sign]
    forged = forgery.publish(checksums=sign == "page checksums")
    (problem,) = verify_folder(open_version_folder(forged.path)).problems
    assert problem.startswith("manifest.json: format 1, and")
    assert sign in problem
    assert problem in verify_store(copy.store, every=True).versions[0].problems


def gone(world: World, name: str) -> None:
    (Path(world.oldest.path) / name).unlink()


def other_bytes(world: World, name: str) -> None:
    flip(Path(world.oldest.path) / name, 99)


@pytest.mark.parametrize("harm", [gone, other_bytes])
@pytest.mark.parametrize("name", ["assignments.parquet", "manifest.json"])
def test_harm_to_the_version_before_turns_nothing_green(
    copy: World, harm: Callable[[World, str], None], name: str
) -> None:
    forgery = Forgery.of(copy.store)
    test_to_train(forgery)
    forgery.publish()
    assert verified(copy).problems
    harm(copy, name)
    problems = verified(copy).problems
    assert any(f"version {copy.oldest.id}, the one before, is not as it was published" in line for line in problems)
    assert any(name in line for line in problems)


def test_a_version_before_that_was_removed_on_record_is_no_fault(copy: World) -> None:
    remove_version(copy.store, copy.oldest.id, "consent withdrawn")
    found = verified(copy)
    assert found.problems == []
    assert f"continuity with version {copy.oldest.id}" in found.unchecked[0]


@pytest.mark.slow
def test_nobody_escapes_by_calling_a_forgery_old_after_harm_to_those_before(left: World) -> None:
    # The direct parent is called old too, and the first version's manifest is gone.
    first = left.oldest
    middle = next(own for own in published_versions(left.store) if own.id not in (first.id, left.newest.id))
    for version in (left.newest, middle):
        forgery = Forgery.of(left.store, version)
        forgery.call_old()
        forgery.publish()
    newest = verified(left)
    assert [
        line for line in newest.problems if f"version {first.id}, which was published before, is of a newer" in line
    ]
    (Path(first.path) / "manifest.json").unlink()
    assert [line for line in verified(left).problems if "may be of a newer one: manifest.json: missing" in line]
    every = verify_store(left.store, every=True)
    assert all(own.problems for own in every.versions)


GIVEN: dict[str, dict[str, Any]] = {
    "pattern": {"pattern": r"/(?P<purpose>99)_", "words": {"99": "test"}},
    "lists": {"lists": {"test": "held.txt"}},
}


@pytest.mark.slow
@pytest.mark.parametrize("way", GIVEN)
def test_what_is_given_for_a_dropped_copy_is_forged_in_vain(tmp_path: Path, way: str) -> None:
    """The copy says that its content is of the test set: it is no more, or another image is too."""
    sound = World(tmp_path / "sound")
    draw_photos(sound.folder / "photos", {"good": 8, "bad": 6})
    shutil.copy(sound.folder / "photos/good/0_0.png", sound.folder / "photos/good/99_9.png")
    (sound.folder / "held.txt").write_text("good/99_9.png\n")
    given = {"given": GIVEN[way], "purposes": {"train": 0.9, "test": 0.0}}
    sections = {"split": sound.config.split.model_dump() | given}
    sound.run(**sections)

    def problems(world: World) -> list[str]:
        found, _ = verify_as_the_command(world.configured(**sections), None)
        return found.versions[0].problems

    assert problems(sound) == []
    for was, now, path in (("test", "train", "photos/good/0_0.png"), ("train", "test", None)):
        world = sound.copy(tmp_path / now)
        forgery = Forgery.of(world.store)
        path = path or one(forgery, "assignments", purpose=was)["path"]
        group = one(forgery, "assignments", path=path, purpose=was)["leak_group"]
        paths = forgery.put("assignments", "purpose", lambda row, group=group: row["leak_group"] == group, now)
        forgery.redraw()
        forgery.publish()
        assert path in paths
        assert any(line.startswith(f"assignments.parquet: purpose of {path} is '{now}'") for line in problems(world))


def new_group(forgery: Forgery, world: World) -> str:
    before = {row["path"] for row in world.oldest.read_table("listing").to_pylist()}
    return next(
        str(row["leak_group"]) for row in forgery.tables["assignments"].to_pylist() if row["path"] not in before
    )


def test_a_sham_file_of_known_assignments_explains_only_what_is_counted(copy: World) -> None:
    forgery = Forgery.of(copy.store)
    forgery.manifest["known_assignments_sha256"] = "a" * 64
    forgery.set("split.ledger_csv", "known.csv")
    forgery.publish()
    assert "no purpose rests on it" in verified(copy).unchecked[0]
    forgery = Forgery.of(copy.store)
    group = new_group(forgery, copy)
    draw_otherwise(forgery, copy)
    count = sum(row["leak_group"] == group for row in forgery.tables["assignments"].to_pylist())
    forgery.redraw()
    forgery.publish()
    other = pa.table({}).replace_schema_metadata({KNOWN: "b" * 64})
    found = verify_store(copy.store, assignments={"split.ledger_csv": other}).versions[0]
    assert found.problems == []
    (line,) = found.unchecked
    total = len(forgery.tables["assignments"])
    assert line.startswith(f"the purposes of {count} of {total} images (1 leak groups, the first {group}): they rest")
    (note,) = [note for note in found.notes if "split.ledger_csv" in note]
    assert "b" * 64 in note
    assert "a" * 64 in note
    said = CliRunner().invoke(main, ["verify", str(copy.yaml())]).output
    assert "every claim follows" not in said
    assert "not checked: the purposes of" in said


def test_images_of_the_version_before_are_moved_by_no_file(copy: World) -> None:
    forgery = Forgery.of(copy.store)
    forgery.manifest["known_assignments_sha256"] = "a" * 64
    forgery.set("split.ledger_csv", "known.csv")
    path, what = test_to_train(forgery)
    forgery.publish()
    assert any(path in line and what in line for line in verified(copy).problems)


@pytest.mark.parametrize("removed", ["the key", "the value", "the purpose"])
def test_a_lock_that_was_removed_is_missed(copy: World, monkeypatch: pytest.MonkeyPatch, removed: str) -> None:
    forgery = Forgery.of(copy.store)
    lock = forgery.manifest["test_lock"]
    assert "test" in lock
    if removed == "the key":
        monkeypatch.setattr(forgery, "_lock", lambda _: forgery.manifest.pop("test_lock"))
    else:
        lock = None if removed == "the value" else {}
        monkeypatch.setattr(forgery, "_lock", lambda _: forgery.manifest.update(test_lock=lock))
    forgery.publish()
    (problem,) = verified(copy).problems
    assert problem.startswith(f"manifest.json: test_lock is {lock if removed != 'the key' else None}, the assignments")


def test_a_recipe_of_other_settings_is_found(copy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forgery = Forgery.of(copy.store)
    said = forgery.manifest["recipe"]
    forgery.set("image.resize_method", "nearest")
    monkeypatch.setattr(forging, "record_recipe", lambda _: said)
    forgery.publish()
    (problem,) = verified(copy).problems
    assert problem.startswith(f"manifest.json: recipe is {said}, configuration, code and packages give")


@pytest.mark.parametrize("package", ["numpy", "brev-pipeline"])
def test_packages_of_a_stage_are_those_of_the_version(copy: World, package: str) -> None:
    forgery = Forgery.of(copy.store)
    forgery.manifest["stages"]["tfrecord_shards"][package] = "0.1"
    forgery.publish()
    (problem,) = verified(copy).problems
    assert problem.startswith(f"manifest.json: stages.tfrecord_shards.{package} is 0.1, packages has")


def test_an_item_that_is_forgotten_from_the_ledger_is_named(left: World) -> None:
    assert verified(left).problems == []
    forgery = Forgery.of(left.store)
    gone = [row["path"] for row in forgery.tables["assignments"].to_pylist() if not row["listed"]]
    assert gone
    forgery.drop("assignments", lambda row: not row["listed"])
    forgery.publish()
    problems = verified(left).problems
    assert any(f"{gone[0]} stands in version" in line and "is forgotten" in line for line in problems), problems


@pytest.mark.parametrize(("column", "value"), [("purpose", "train"), ("item", "78"), ("content_id", "c" * 32)])
def test_an_absent_image_whose_line_is_changed_is_named(left: World, column: str, value: str) -> None:
    forgery = Forgery.of(left.store)
    (path, *_) = forgery.put("assignments", column, lambda row: not row["listed"], value)
    forgery.publish()
    assert any(path in line for line in verified(left).problems)


def test_an_image_that_the_ledger_never_had_is_named(left: World) -> None:
    forgery = Forgery.of(left.store)
    table = forgery.tables["assignments"]
    made = {**table.to_pylist()[0], "path": "photos/good/55_0.png", "content_id": "d" * 32, "listed": False}
    forgery.tables["assignments"] = table.from_pylist(
        sorted([*table.to_pylist(), made], key=lambda row: str(row["path"])), table.schema
    )
    forgery.publish()
    assert any("photos/good/55_0.png is remembered" in line for line in verified(left).problems)


def test_the_same_in_the_first_version_is_named(copy: World) -> None:
    # Nothing was published before, so nothing can be remembered.
    forgery = Forgery.of(copy.store, copy.oldest)
    (path, *_) = forgery.put("assignments", "listed", lambda row: row["path"] == "photos/good/3_0.png", False)
    forgery.publish()
    problems = verify_store(copy.store, every=True).versions[0].problems
    assert any(path in line and "nothing was published before" in line for line in problems), problems


# The configuration says something else than the data were made with: setting, other value, what is named.
STALE: list[tuple[str, Any, str]] = [
    ("datasets", [{"name": "Other", "id": "parts", "bucket": "photos"}], "dataset of photos/bad/"),
    ("datasets", [{"name": "Parts", "id": "other", "bucket": "photos"}], "dataset_id of photos/bad/"),
    ("datasets", [{"name": "Parts", "id": "parts", "bucket": "photos", "reference": "SOP"}], "reference of photos/"),
    ("datasets", [{"name": "Parts", "id": "parts", "bucket": "pictures"}], "no configured dataset has it (pictures)"),
    (
        "datasets",
        [{"name": "Parts", "id": "parts", "bucket": "photos"}, {"name": "More", "id": "more", "bucket": "more"}],
        "no image of dataset 'More'",
    ),
    ("listing.class_mapping", {"good": ["fine"]}, "photos/good/"),
    ("listing.classes", ["good"], "photos/bad/"),
    ("listing.classes", ["good", "bad", "scratch"], "is excluded by class_filter, but it has one of"),
    ("listing.classes", None, "listing.classes is not set"),
    ("listing.sample_filter", r"\.bmp$", "is no image by listing.sample_filter"),
    ("listing.url_template", "https://x/{key}", "url of photos/bad/"),
    ("integrity.duplicates", "keep_all", "photos/good/1_7.png"),
    ("image.target_size", [24, 33], "prepared_width is not 33"),
    ("image.target_size", None, "was resized"),
    ("image.color_mode", "greyscale", "prepared_channels is not 1"),
    ("image.max_pixels", 10, "has more pixels than image.max_pixels"),
    ("image.roi_mode", "as_timeseries", "prepared_frames is not 1"),
    ("split.seed", 43, "purpose of photos/"),
    ("split.uniqueness", None, "item of photos/"),
    ("split.uniqueness", r"/([^/]+)\.png$", "item of photos/"),
    ("split.uniqueness_scope", "global", "leak_group of photos/"),
    ("split.stratification", None, "stratum of photos/"),
    ("split.method", "murmurhash3", "purpose of photos/"),
    ("split.purposes", {"train": 0.2, "test": 0.6}, "purpose of photos/"),
    ("split.remainder", "validation", "validation"),
    ("split.allow_moves", True, "severity of the check sample_split.ledger_kept"),
    ("split.allow_additions", True, "severity of the check sample_split.locks_kept"),
    ("split.locked", ["devel"], "purpose of photos/"),
    ("split.ledger_csv", "known.csv", "known_assignments_sha256 is None"),
    ("sampling.groupby", ["category", "folder"], "weights.parquet"),
    ("sampling.group_weighing", "uniform", "weights.parquet: it is not what"),
    ("sampling.seed", 4, "records.parquet"),
    ("sampling.max_epoch_samples", 9, "weights.parquet"),
    ("sampling.purposes", ["train", "devel"], "records.parquet"),
    ("shards.encoding", "raw", "image/format is 'png', recorded 'raw'"),
    ("shards.compression", "gzip", "is not a whole gzip file"),
    ("shards.records_per_shard", 7, "records.parquet"),
    ("shards.target_shard_mb", 3.0, "records.parquet"),
    ("shards.epochs", 2, "records.parquet"),
    ("card.license", "CC0", "croissant.json"),
    ("validation.raw_listing.min_images", 2, "arguments of the check raw_listing.enough_images"),
    ("validation.raw_listing.max_shrinkage", 0.3, "arguments of the check raw_listing.paths_kept"),
    ("validation.sample_integrity.max_duplicates", 0.5, "arguments of the check sample_integrity.few_copies"),
    ("validation.prepared_images.max_quarantined", 0.8, "arguments of the check prepared_images.few_quarantined"),
    ("validation.sample_split.max_fraction_error", 0.2, "arguments of the check sample_split.fractions_met"),
]


@pytest.mark.parametrize(("setting", "value", "said"), STALE)
def test_a_configuration_that_did_not_make_the_data_is_found(copy: World, setting: str, value: Any, said: str) -> None:
    forgery = Forgery.of(copy.store)
    forgery.set(setting, value)
    if setting == "datasets":
        defaults = copy.newest.read_manifest()["configuration"]["datasets"][0]
        forgery.set(setting, [{**defaults, "reference": "N/A", **dataset} for dataset in value])
    forgery.publish(consumers=False)
    problems = verified(copy).problems
    assert any(said in line for line in problems), problems


DEEP: list[tuple[str, Any]] = [
    ("image.resize_method", "nearest"),
    ("image.keep_aspect_ratio", True),
    ("image.rois", [[[0, 0], [20, 20]]]),
    ("augmentation.transform", None),
    ("augmentation.noise.brightness", 0.1),
]


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "value"), DEEP)
def test_a_setting_that_only_pixels_show_is_found_by_deep(copy: World, setting: str, value: Any) -> None:
    forgery = Forgery.of(copy.store)
    forgery.set(setting, value)
    forgery.publish()
    assert verified(copy).problems == []
    found = remake(copy.config, copy.newest, records=None)
    assert any("made again, it differs in image/encoded" in line for line in found.problems)


def test_pixels_that_were_replaced_are_found_by_deep(copy: World) -> None:
    forgery = Forgery.of(copy.store)
    row = one(forgery, purpose="test")
    picture = cv2.imencode(".png", np.full((24, 32, 3), 77, np.uint8))[1].tobytes()
    forgery.examples[row["file"]][row["position"]]["image/encoded"] = [picture]
    forgery.publish()
    assert verified(copy).problems == []
    found = remake(copy.config, copy.newest, records=None)
    assert found.problems == [
        f"{row['file']}, record {row['position']} ({row['path']}): made again, it differs in image/encoded"
    ]


@pytest.mark.slow
def test_an_identity_that_is_another_photos_is_found_by_deep_at_the_images_own_path(copy: World) -> None:
    # The photo is said to have the bytes of its item's other photo, and everything follows from that.
    copy.run(integrity={"duplicates": "keep_all"})
    forgery = Forgery.of(copy.store)
    split = {row["path"]: row for row in forgery.tables["assignments"].to_pylist()}
    mine = next(
        row
        for path, row in split.items()
        if path.endswith("_1.png") and row["purpose"] == "test" and path.replace("_1.png", "_0.png") in split
    )
    other = split[mine["path"].replace("_1.png", "_0.png")]

    def is_mine(row: dict[str, Any]) -> bool:
        return bool(row["path"] == mine["path"])

    for column in ("content_id", "etag"):
        for table in ("listing", "assignments"):
            forgery.put(table, column, is_mine, other[column])
    forgery.put("assignments", "pixel_id", is_mine, other["pixel_id"])
    # The version before had the photo with its own bytes, which are remembered now.
    rows = [*forgery.tables["assignments"].to_pylist(), {**mine, "listed": False}]
    rows.sort(key=lambda row: (str(row["path"]), str(row["content_id"])))
    forgery.tables["assignments"] = pa.Table.from_pylist(rows, forgery.tables["assignments"].schema)
    forgery.drop("images", lambda row: row["content_id"] == mine["content_id"])
    listing = forgery.tables["listing"]
    copies = find_copies(listing["content_id"], listing["path"], listing["category"])._asdict()
    for name, column in copies.items():
        place = listing.schema.get_field_index(name)
        listing = listing.set_column(place, listing.schema.field(name), column)
    forgery.tables["listing"] = listing
    share = sum(row["duplicate_of"] is not None for row in listing.to_pylist()) / len(listing)
    gone = len(forgery.tables["images"])
    bad = sum(row["status"] != "ok" for row in forgery.tables["images"].to_pylist())
    for stage, name, observed in (
        ("sample_integrity", "few_copies", share),
        ("prepared_images", "few_quarantined", bad / gone),
    ):
        next(own for own in forgery.manifest["checks"][stage] if own["check"] == name)["observed"] = observed
    forgery.redraw()
    examples = [example for examples in forgery.examples.values() for example in examples]
    shown = next(own for own in examples if own["path"] == [other["path"].encode()])["image/encoded"]
    for example in examples:
        if example["path"] == [mine["path"].encode()]:
            example["image/encoded"] = shown
    forgery.publish()
    assert verified(copy).problems == []
    found = remake(copy.config, copy.newest, records=None)
    assert found.problems == []
    (line,) = found.other_bytes
    md5 = hashlib.md5((copy.folder / mine["path"]).read_bytes()).hexdigest()
    assert f"({mine['path']}): {mine['path']}: the object at this path has the MD5 {md5}" in line
    assert f"the version says {other['content_id']}" in line
    assert "changed since, or never were what the version says" in line


def draw_otherwise(forgery: Forgery, world: World) -> str:
    """Give a group that is new in this version another purpose; the path of an image of it."""
    before = {row["path"] for row in world.oldest.read_table("listing").to_pylist()}
    rows = forgery.tables["assignments"].to_pylist()
    group = next(row["leak_group"] for row in rows if row["path"] not in before)
    return forgery.put("assignments", "purpose", lambda row: row["leak_group"] == group, "train")[0]


def test_older_code_may_explain_a_draw_but_no_class(copy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forgery = Forgery.of(copy.store)
    drawn = draw_otherwise(forgery, copy)
    path, _ = label(forgery)
    forgery.publish()
    spec = SPECS["sample_split"]
    monkeypatch.setitem(SPECS, spec.name, replace(spec, code=str(int(spec.code) + 1)))
    found = verified(copy)
    assert any(path in line for line in found.problems)
    assert not any(f"purpose of {drawn}" in line for line in found.problems)
    assert any(f"purpose of {drawn}" in line and "made with sample_split by code" in line for line in found.notes)


# A claim that older code may explain, and the stages of which one may.
EXPLAINED: list[tuple[Forger, str, set[str]]] = [
    (url, "url of", {"raw_listing"}),
    (verdict, "few_quarantined", set()),
    (rule_removed, "sample_split.contents_whole", {"sample_split"}),
    (card, "croissant.json", {"tfrecord_shards", "dataset_version"}),
    (weights, "weights.parquet", {"sampling_weights"}),
    (augmented, "records.parquet: augmented of", {"tfrecord_shards"}),
]


@pytest.mark.parametrize(("forge", "named", "stages"), EXPLAINED)
def test_another_stages_older_code_excuses_nothing(
    copy: World, monkeypatch: pytest.MonkeyPatch, forge: Forger, named: str, stages: set[str]
) -> None:
    forgery = Forgery.of(copy.store)
    forge(forgery)
    if forge is verdict:  # what it passed with is not for code to explain
        next(one for one in forgery.manifest["checks"]["prepared_images"] if one["check"] == "few_quarantined")[
            "passed"
        ] = False
    forgery.publish(consumers=forge is not card)

    def problems_with_newer(*names: str) -> list[str]:
        with monkeypatch.context() as patch:
            for name in names:
                patch.setitem(SPECS, name, replace(SPECS[name], code=str(int(SPECS[name].code) + 1)))
            return [line for line in verified(copy).problems if named in line]

    assert problems_with_newer(*(SPECS.keys() - stages))
    if stages:
        assert not problems_with_newer(min(stages))


@pytest.mark.parametrize("claim", ["another package", "newer code", "no code"])
def test_nobody_is_excused_by_code_that_there_never_was(copy: World, claim: str) -> None:
    forgery = Forgery.of(copy.store)
    drawn = draw_otherwise(forgery, copy)
    if claim == "another package":
        forgery.manifest["packages"]["brev-pipeline"] = "99.0"
    else:
        forgery.manifest["stages"]["sample_split"]["code"] = "99" if claim == "newer code" else "0"
    forgery.publish()
    found = verified(copy)
    assert any(f"purpose of {drawn}" in line or "stages.sample_split: no code" in line for line in found.problems)


def test_a_bucket_of_photos_that_is_copied_elsewhere_is_no_contradiction(copy: World) -> None:
    # Nothing of the verification reads the raw images, unless it is asked to.
    shutil.rmtree(copy.folder / "photos")
    assert verified(copy).problems == []


@pytest.fixture(scope="session")
def twin_world(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A third version, made where the photos lie: with a pixel copy of photo 1_0 in another container, of item 50."""
    own = world.copy(tmp_path_factory.mktemp("twin"))
    pixels = cv2.imread(str(own.folder / "photos/good/1_0.png"))
    assert pixels is not None
    cv2.imwrite(str(own.folder / "photos/good/50_0.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    own.run()
    return own


@pytest.fixture
def twin(twin_world: World, tmp_path: Path) -> Iterator[World]:
    """To be forged; the photos stay where they are, unchanged since they were published."""
    kept = tmp_path / "kept"
    shutil.copytree(twin_world.root, kept)
    yield twin_world
    shutil.rmtree(twin_world.root)
    shutil.copytree(kept, twin_world.root)


def new_path(forgery: Forgery, world: World) -> str:
    """An image that the newest version has first: nothing before contradicts what is said of it."""
    versions = published_versions(world.store)[:-1]
    before = {row["path"] for version in versions for row in version.read_table("listing").to_pylist()}
    return next(
        row["path"] for row in forgery.tables["assignments"].to_pylist() if row["listed"] and row["path"] not in before
    )


def content_of(forgery: Forgery, path: str) -> str:
    return str(one(forgery, "listing", path=path)["content_id"])


def declared_corrupt(forgery: Forgery, path: str) -> str:
    own = content_of(forgery, path)
    corrupt = one(forgery, "images", status="corrupt")
    for column in set(corrupt) - {"content_id", "source_path", "format", "height", "width", "channels", "bit_depth"}:
        forgery.put("images", column, lambda row: row["content_id"] == own, corrupt[column])
    return f"images.parquet: {path}: status is 'corrupt' on record, and 'ok' by its bytes"


def copied(forgery: Forgery, path: str) -> dict[str, Any]:
    """Another image of the same class."""
    mine = one(forgery, "listing", path=path)
    rows = forgery.tables["listing"].to_pylist()
    return next(row for row in rows if row["folder"] == mine["folder"] and row["path"] != path)


def declared_a_copy(forgery: Forgery, path: str) -> str:
    other = copied(forgery, path)
    for column in ("content_id", "etag"):
        forgery.put("listing", column, lambda row: row["path"] == path, other[column])
    return f"{path}: the object at this path has the MD5 "


def other_statistics(forgery: Forgery, path: str) -> str:
    own = content_of(forgery, path)
    for column in ("mean", "std", "sharpness"):
        forgery.put("images", column, lambda row: row["content_id"] == own, lambda row, name=column: row[name] + 1e-9)
    return f"images.parquet: {path}: mean is "


def other_pixels(forgery: Forgery, path: str) -> str:
    own = content_of(forgery, path)
    forgery.put("images", "pixel_id", lambda row: row["content_id"] == own, "f" * 32)
    return f"images.parquet: {path}: pixel_id is '{'f' * 32}' on record"


@pytest.mark.parametrize("forge", [declared_corrupt, declared_a_copy, other_statistics, other_pixels])
def test_who_is_kept_out_of_the_shards_by_a_forgery_is_found_by_deep(
    copy: World, forge: Callable[[Forgery, str], str]
) -> None:
    forgery = Forgery.of(copy.store)
    path = new_path(forgery, copy)
    said = forge(forgery, path)
    forgery.derive(copy.folder)
    forgery.publish()
    assert verified(copy).problems == []
    found = remake(copy.config, copy.newest, records=None)
    lines = found.other_bytes if forge is declared_a_copy else found.problems
    assert len(lines) == 1
    assert said in lines[0]
    assert len(found.problems) + len(found.other_bytes) == 1
    assert found.images_same == found.images - 1
    assert found.same == found.records, "the records themselves are what the forgery says"


@pytest.mark.slow
def test_a_leak_group_that_was_divided_by_a_forged_pixel_id_is_found_by_deep(twin: World) -> None:
    forgery = Forgery.of(twin.store)
    path = "photos/good/50_0.png"
    assert one(forgery, "assignments", path=path)["leak_group"] == "photos/good/1_0.png"
    said = other_pixels(forgery, path)
    forgery.derive(twin.folder)
    assert one(forgery, "assignments", path=path)["leak_group"] == path
    forgery.publish()
    assert verified(twin).problems == []
    (line,) = remake(twin.config, twin.newest, records=None).problems
    assert said in line


def test_an_identity_that_the_store_remembers_of_the_file_as_it_is_now_is_a_contradiction(twin: World) -> None:
    forgery = Forgery.of(twin.store)
    path = "photos/good/50_0.png"
    declared_a_copy(forgery, path)
    forgery.derive(twin.folder)
    forgery.publish()
    # So far nothing tells whether the file was changed since.
    found = remake(twin.config, twin.newest, records=None)
    assert (found.problems, len(found.other_bytes)) == ([], 1)
    memory = twin.store.identity_cache.load_newest()
    assert memory is not None
    other = content_of(forgery, path)
    rows = [{**row, "content_id": other} if row["path"] == path else row for row in memory.to_pylist()]
    assert twin.store.identity_cache.save_identities(pa.Table.from_pylist(rows, memory.schema), "poison")
    found = remake(twin.config, twin.newest, records=None)
    (line,) = found.problems
    assert f"{path}: the object at this path has the MD5 " in line
    assert "and the store remembers that of the file as it is now (" in line
    assert found.other_bytes == []


REASONS = {
    "object_too_large": "has 999,999,999,999 bytes",
    "link_outside": "a link to a file outside of the dataset",
    "not_a_file": "a named pipe, no file",
}


def refuse(forgery: Forgery, world: World, path: str, rule: str) -> None:
    """Say that the listing did not read an image for what it is."""
    forgery.drop("listing", lambda row: row["path"] == path)
    said = {"path": path, "content_id": None, "rule": rule, "partner": None, "reason": REASONS[rule]}
    rows = [*forgery.tables["exclusions"].to_pylist(), said]
    forgery.tables["exclusions"] = pa.Table.from_pylist(rows, forgery.tables["exclusions"].schema)
    forgery.derive(world.folder)
    forgery.publish()


@pytest.mark.parametrize("rule", REASONS)
def test_a_refusal_of_a_file_that_may_be_read_is_found_by_deep(twin: World, rule: str) -> None:
    forgery = Forgery.of(twin.store)
    path = "photos/good/50_0.png"
    refuse(forgery, twin, path, rule)
    assert verified(twin).problems == []
    found = remake(twin.config, twin.newest, records=None)
    (line,) = found.problems
    size = (twin.folder / path).stat().st_size
    assert f"exclusions.parquet: {path} ({rule}: {REASONS[rule]}) is a file of {size:,} bytes that may be read" in line
    assert "before this version was published" in line
    assert found.images == found.images_asked == found.images_same + 1


def test_a_refused_file_that_was_replaced_since_is_told_apart(copy: World) -> None:
    # A copied file was changed when it was copied: after the version was published.
    forgery = Forgery.of(copy.store)
    path = new_path(forgery, copy)
    refuse(forgery, copy, path, "link_outside")
    found = remake(copy.config, copy.newest, records=None)
    assert found.problems == []
    (line,) = found.changed
    assert path in line
    assert line.endswith("after this version was published")
    (copy.folder / path).unlink()
    (line,) = remake(copy.config, copy.newest, records=None).gone
    assert path in line
    (copy.folder / path).symlink_to("nowhere")
    assert remake(copy.config, copy.newest, records=None).is_whole
