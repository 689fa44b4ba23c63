"""Every image that is listed stands in a shard or among the exclusions, with the rule that took it out."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from brev_pipeline.config import ListingSettings
from brev_pipeline.errors import BrevPipelineError, StoreError
from brev_pipeline.listing import list_datasets
from brev_pipeline.release.exclusions import (
    RULES,
    check_image_account,
    find_account_problems,
    list_exclusions,
    read_filtered,
    store_filtered,
)
from brev_pipeline.release.release_version import release_version
from brev_pipeline.storage import Sources
from brev_pipeline.store.parquet import from_parquet
from brev_pipeline_tests.audit.worlds import World
from brev_pipeline_tests.held import held
from brev_pipeline_tests.pipelines import STAGES, configure, draw_photos, run, table_name


def stage_tables(world: World) -> dict[str, pa.Table]:
    """The tables of the run that published last."""
    run_id = world.store.publications.read_all()[-1].run_id
    names = {stage: table_name(world.store, run_id, stage) for stage in STAGES}
    return {stage: from_parquet(world.store.tables.read(name)) for stage, name in names.items()}


def test_exclusions_name_rule_partner_and_reason(world: World) -> None:
    rows = {row["path"]: row for row in world.newest.read_table("exclusions").to_pylist()}
    said = {path: (row["rule"], row["partner"]) for path, row in rows.items() if row["rule"] != "not_drawn"}
    assert said == {
        "photos/bad/2_1.png": ("quarantined", None),
        "photos/good/1_7.png": ("duplicate", "photos/good/1_0.png"),
        **{f"photos/scratch/{item}_{number}.png": ("class_filter", None) for item in range(2) for number in range(2)},
    }
    assert {row["rule"] for row in rows.values()} <= set(RULES)
    assert all(row["reason"] for row in rows.values())
    assert rows["photos/scratch/0_0.png"]["reason"] == "not among listing.classes: scratch"


def test_listed_is_used_and_excluded_images_filtered_ones_included(world: World) -> None:
    version = world.newest
    photos = sorted(str(file.relative_to(world.folder)) for file in (world.folder / "photos").rglob("*.png"))
    used = set(version.read_table("records")["path"].to_pylist())
    excluded = version.read_table("exclusions")["path"].to_pylist()
    assert sorted([*used, *excluded]) == photos
    assert version.read_manifest()["counts"]["listed"] == len(photos)
    assert version.read_manifest()["counts"]["excluded"] == len(excluded)


def test_an_image_without_a_purpose_is_excluded_as_unassigned(world: World) -> None:
    tables = stage_tables(world)
    split, records = tables["sample_split"], tables["tfrecord_shards"]
    lost = split["path"][0].as_py()
    tables["sample_split"] = split.slice(1)
    tables["tfrecord_shards"] = records.filter(pc.not_equal(records["path"], lost))
    none = read_filtered(world.store, split.slice(0, 0).replace_schema_metadata(None))
    found = list_exclusions(world.config, held(tables), none)
    assert found.filter(pc.equal(found["path"], lost))["rule"].to_pylist() == ["unassigned"]


def paths(*names: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(names, pa.large_string())])


@pytest.mark.parametrize(
    ("recorded", "excluded", "said"),
    [
        (["a", "a", "b"], ["c", "d"], []),
        (["a", "b"], ["c"], ["1 images are listed, but neither in a shard nor excluded, the first d"]),
        (["a", "b"], ["b", "c", "d"], ["1 images are both in a shard and excluded, the first b"]),
        (["a", "b", "x"], ["c", "d"], ["1 images are in a shard or excluded, but not listed, the first x"]),
        (["a", "b"], ["c", "c", "d"], ["1 images are excluded twice"]),
    ],
)
def test_an_account_that_does_not_come_out_even_is_told(recorded: list[str], excluded: list[str], said: Any) -> None:
    assert find_account_problems(paths("a", "b", "c"), paths("d"), paths(*recorded), paths(*excluded)) == said


def test_a_version_whose_account_does_not_come_out_even_is_not_published(world: World) -> None:
    tables = stage_tables(world)
    with pytest.raises(BrevPipelineError, match="the account of the images does not come out even: 4 images are in"):
        check_image_account(
            tables["raw_listing"],
            tables["raw_listing"].slice(0, 0),
            tables["tfrecord_shards"],
            world.newest.read_table("exclusions"),
        )


def test_the_listing_tells_what_the_classes_leave_out_without_reading_it(world: World) -> None:
    left_out: list[pa.Table] = []
    config = world.config
    settings = ListingSettings(classes=["good"], class_mapping={"bad": ["bad", "broken"]})
    listed = list_datasets(config.datasets, settings, Sources.from_config(config), None, left_out.append)
    rows = pa.concat_tables(left_out).to_pylist()
    assert {row["path"].split("/")[1]: row["category"] for row in rows} == {
        "bad": ["bad", "broken"],
        "scratch": ["scratch"],
    }
    assert all(row["etag"] is None for row in rows)
    assert {(row["rule"], row["reason"]) for row in rows} == {
        ("class_filter", "not among listing.classes: bad, broken"),
        ("class_filter", "not among listing.classes: scratch"),
    }
    assert len(rows) + listed.num_rows == len(list((world.folder / "photos").rglob("*.png")))


def test_a_listing_that_leaves_nothing_out_names_nothing(world: World) -> None:
    left_out: list[pa.Table] = []
    listed = list_datasets(
        world.config.datasets, ListingSettings(), Sources.from_config(world.config), None, left_out.append
    )
    assert left_out == []
    assert store_filtered(world.store, listed, left_out) is listed


def test_shards_that_another_run_published_and_removed_meanwhile_stop_the_release(copy: World) -> None:
    # This run's record table stands on a staging folder; another run with the same plan published it, then a third
    # one published something else.
    tables = stage_tables(copy)
    copy.republish({}, plan="another", note="of a third run")
    before = [entry.version for entry in copy.store.publications.read_all()]
    with pytest.raises(StoreError, match=r"lacks \d+ of the shards.*: another run published meanwhile.*Materialize"):
        release_version(copy.config, copy.store, held(tables), checks={}, run_id="late")
    assert [entry.version for entry in copy.store.publications.read_all()] == before


@pytest.mark.slow
def test_the_known_assignments_that_a_split_was_made_with_are_on_record_by_their_hash(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 6, "bad": 5})
    known = b"folder,item,purpose\ngood,3,test\n"
    (tmp_path / "known.csv").write_bytes(known)
    done = run(configure(tmp_path, split=configure(tmp_path).split.model_dump() | {"ledger_csv": "known.csv"}))
    assert done.success, done.failures
    newest = done.store.newest_version()
    assert newest is not None
    assert newest[1].read_manifest()["known_assignments_sha256"] == hashlib.sha256(known).hexdigest()
    assert newest[1].read_manifest()["configuration"]["split"]["ledger_csv"] == "known.csv"


def test_without_known_assignments_there_is_no_hash(world: World) -> None:
    assert world.newest.read_manifest()["known_assignments_sha256"] is None
