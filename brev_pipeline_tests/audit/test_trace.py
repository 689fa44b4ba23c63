"""A record is traced back to its object, and an image to its records or to the rule that left it out."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from brev_pipeline.audit import trace_image, trace_record
from brev_pipeline.augmentation import ImageAugmenter
from brev_pipeline.cli import main
from brev_pipeline.errors import ReadError
from brev_pipeline_tests.audit.worlds import World


def test_a_record_is_traced_to_its_object_listing_split_weight_and_seed(world: World) -> None:
    version = world.newest
    for row in version.read_table("records").to_pylist()[::7]:
        facts = trace_record(world.store, version, purpose=row["purpose"], shard=row["shard"], position=row["position"])
        listed = next(one for one in version.read_table("listing").to_pylist() if one["path"] == row["path"])
        split = next(one for one in version.read_table("assignments").to_pylist() if one["path"] == row["path"])
        weights = {(one["purpose"], one["group"]): one for one in version.read_table("weights").to_pylist()}
        assert {name: facts["record"][name] for name in ("path", "seed", "epoch", "ordinal", "label")} == {
            name: row[name] for name in ("path", "seed", "epoch", "ordinal", "label")
        }
        assert facts["record"]["class"] == listed["category"][0]
        assert {name: facts["object"][name] for name in ("path", "url", "etag", "size")} == {
            name: listed[name] for name in ("path", "url", "etag", "size")
        }
        assert {name: facts["split"][name] for name in ("item", "stratum", "leak_group", "purpose")} == {
            name: split[name] for name in ("item", "stratum", "leak_group", "purpose")
        }
        assert facts["sampling"]["weight"] == weights[row["purpose"], row["group"]]["weight"]
        assert facts["version"]["listing_fingerprint"] == version.read_manifest()["listing_fingerprint"]
        assert facts["version"]["publications"][0]["number"] == 2
        assert json.loads(json.dumps(facts)) == facts


def test_the_augmentation_is_that_of_the_records_seed(world: World) -> None:
    row = next(row for row in world.newest.read_table("records").to_pylist() if row["augmented"])
    facts = trace_record(
        world.store, world.newest, purpose=row["purpose"], shard=row["shard"], position=row["position"]
    )
    drawn = ImageAugmenter(world.config.augmentation).parameters(row["seed"], 24, 32)
    assert facts["augmentation"] == json.loads(json.dumps(drawn))
    test = trace_record(world.store, world.newest, purpose="test", shard=0, position=0)
    assert test["augmentation"] is None


def test_an_image_is_traced_to_all_of_its_records_and_copies(world: World) -> None:
    records = [row for row in world.newest.read_table("records").to_pylist() if row["path"] == "photos/good/1_0.png"]
    facts = trace_image(world.store, world.newest, path="photos/good/1_0.png")
    assert [one["seed"] for one in facts["records"]] == [row["seed"] for row in records]
    assert facts["copies"] == ["photos/good/1_7.png"]
    assert facts["exclusion"] is None
    by_content = trace_image(world.store, world.newest, content=facts["content_id"])
    assert by_content == facts


@pytest.mark.parametrize(
    ("path", "rule", "partner"),
    [
        ("photos/good/1_7.png", "duplicate", "photos/good/1_0.png"),
        ("photos/bad/2_1.png", "quarantined", None),
        ("photos/scratch/0_0.png", "class_filter", None),
    ],
)
def test_an_image_without_records_is_traced_to_the_rule_that_left_it_out(
    world: World, path: str, rule: str, partner: str | None
) -> None:
    facts = trace_image(world.store, world.newest, path=path)
    assert (facts["exclusion"]["rule"], facts["exclusion"]["partner"]) == (rule, partner)
    assert facts["records"] == []
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize(
    ("purpose", "shard", "position", "said"),
    [
        ("exam", 0, 0, "no records of purpose 'exam'; it has devel, test, train"),
        ("train", 99, 0, r"has the shards 0 to \d+, and no 99"),
        ("train", 0, 99, r"has the records 0 to \d+, and no 99"),
    ],
)
def test_what_is_not_there_is_named(world: World, purpose: str, shard: int, position: int, said: str) -> None:
    with pytest.raises(ReadError, match=said):
        trace_record(world.store, world.newest, purpose=purpose, shard=shard, position=position)


def test_an_unknown_image_is_named(world: World) -> None:
    with pytest.raises(ReadError, match=r"lists no image photos/good/none\.png"):
        trace_image(world.store, world.newest, path="photos/good/none.png")


def test_the_place_opens_and_says_where_nothing_is(copy: World, tmp_path: Path) -> None:
    path = "photos/good/1_0.png"
    facts = trace_image(copy.store, copy.newest, path=path)
    assert facts["place"] == {"address": str(copy.folder / path), "note": None}
    elsewhere = trace_image(copy.store, copy.newest, path=path, base=tmp_path / "elsewhere")
    assert elsewhere["place"]["address"] is None
    assert f"it would be the folder {tmp_path / 'elsewhere/photos'}" in elsewhere["place"]["note"]
    place = copy.folder / path
    assert place.read_bytes() == Path(facts["place"]["address"]).read_bytes()
    done = CliRunner().invoke(main, ["trace", str(copy.yaml()), "--path", path])
    assert done.exit_code == 0, done.output
    assert f"address: {place}" in done.output
    place.unlink()
    facts = trace_image(copy.store, copy.newest, path=path)
    assert facts["place"] == {"address": str(place), "note": "nothing is there now"}
