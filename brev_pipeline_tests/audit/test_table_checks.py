"""A version that is whole, file by file, and yet wrong: its tables and its manifest are held against each other."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from brev_pipeline.audit import verify_version
from brev_pipeline_tests.audit.worlds import World

Change = tuple[dict[str, pa.Table], dict[str, Any]]


def put(table: pa.Table, name: str, row: int, value: Any) -> pa.Table:
    """The table with one value replaced."""
    values = table[name].to_pylist()
    values[row] = value
    field = table.schema.field(name)
    return table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))


def first(table: pa.Table, **values: Any) -> int:
    """Number of the first row with these values."""
    mask = np.logical_and.reduce([pc.equal(table[name], value).to_numpy() for name, value in values.items()])
    return int(np.flatnonzero(mask)[0])


def seed(world: World) -> Change:
    records = world.newest.read_table("records")
    return {"records": put(records, "seed", 3, 7)}, {}


def label(world: World) -> Change:
    records = world.newest.read_table("records")
    return {"records": put(records, "label", 0, 1 - records["label"][0].as_py())}, {}


def ordinal(world: World) -> Change:
    return {"records": put(world.newest.read_table("records"), "ordinal", 0, 5)}, {}


def leak(world: World) -> Change:
    split = world.newest.read_table("assignments")
    return {"assignments": put(split, "purpose", first(split, purpose="train", listed=True), "test")}, {}


def draws(world: World) -> Change:
    weights = world.newest.read_table("weights")
    return {"weights": put(weights, "draws", 0, weights["draws"][0].as_py() + 1)}, {}


def weight(world: World) -> Change:
    return {"weights": put(world.newest.read_table("weights"), "probability", 0, 0.9)}, {}


def lost_exclusion(world: World) -> Change:
    excluded = world.newest.read_table("exclusions")
    counts = world.newest.read_manifest()["counts"] | {"excluded": excluded.num_rows - 1}
    return {"exclusions": excluded.slice(1)}, {"counts": counts}


def counts(world: World) -> Change:
    said = world.newest.read_manifest()["counts"]
    return {}, {"counts": said | {"images": said["images"] | {"test": 999}}}


def etag(world: World) -> Change:
    return {"listing": put(world.newest.read_table("listing"), "etag", 0, "0" * 32)}, {}


def lock(world: World) -> Change:
    return {}, {"test_lock": {"test": {"contents": 1, "sha256": "0" * 64}}}


def classes(world: World) -> Change:
    return {}, {"classes": ["bad", "goood"]}


def failed_check(world: World) -> Change:
    checks = world.newest.read_manifest()["checks"]
    stage = [{**checks["sample_split"][0], "passed": False, "severity": "error"}]
    return {}, {"checks": checks | {"sample_split": stage}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (seed, "records.parquet: seed of 1 records is not what the plan gives, the first: parts-"),
        (label, "records.parquet: label of 1 records is not its image's class's"),
        (ordinal, "records.parquet: ordinal of 1 records is not what the plan gives"),
        (leak, "LEAK: the leak group"),
        (leak, "is not the assignment's"),
        (draws, "records.parquet has"),
        (weight, "weights.parquet: it is not what the assignments and sampling's settings give"),
        (
            lost_exclusion,
            "exclusions.parquet: 1 images are listed, but neither in a shard nor excluded, the first photos/",
        ),
        (counts, "manifest.json: counts.images is"),
        (etag, "listing.parquet: its fingerprint is"),
        (lock, "manifest.json: test_lock is"),
        (classes, "manifest.json: classes is ['bad', 'goood'], and the assignments hold ['good'] besides"),
        (failed_check, "failed, and the version was published"),
    ],
)
def test_a_wrong_account_is_named(copy: World, change: Any, said: str) -> None:
    tables, account = change(copy)
    copy.republish(tables, **account)
    problems = verify_version(copy.store).problems
    assert any(said in problem for problem in problems), problems


def test_the_same_account_republished_is_well(copy: World) -> None:
    copy.republish({}, note="nothing else")
    assert verify_version(copy.store).problems == []


def test_records_are_compared_with_their_rows(copy: World) -> None:
    records = copy.newest.read_table("records")
    copy.republish({"records": put(records, "item", 2, "another")})
    name = records["file"][2].as_py()
    assert f"{name}, record 2: item is" in " ".join(verify_version(copy.store).problems)


def test_a_version_that_lacks_a_table_is_named(copy: World) -> None:
    version = copy.newest
    manifest = version.read_manifest()
    kept = {name: facts for name, facts in manifest["files"].items() if name != "weights.parquet"}
    from brev_pipeline.release.publishing import publish_version

    publish_version(
        copy.store,
        shards_in=version.folder,
        shards=kept,
        extras={},
        account={name: value for name, value in manifest.items() if name not in ("files", "packages")},
        run_id="wrong",
    )
    found = verify_version(copy.store)
    assert found.problems == ["weights.parquet: not in the manifest: every version has it"]
    assert any("because of weights.parquet" in note for note in found.notes)
