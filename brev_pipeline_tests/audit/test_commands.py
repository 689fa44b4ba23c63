"""verify, trace and gc as an auditor meets them: what they print, and their exit status."""

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brev_pipeline import read
from brev_pipeline.cli import main
from brev_pipeline_tests.audit.worlds import World, flip


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_verify_all_deep_says_that_all_is_well(copy: World) -> None:
    said = call("verify", copy.yaml(), "--all", "--deep", 3, "--workers", 1)
    assert said.exit_code == 0, said.output
    for version in (copy.oldest, copy.newest):
        assert f"✓ version {version.id}: " in said.output
        assert f"version {version.id}: 3 of 3 records made again from the raw images: same bytes" in said.output
    entry = (copy.root / "publications/00000002.json").read_bytes()
    assert f"publication 2 has the hash {hashlib.sha256(entry).hexdigest()}" in said.output


def test_verify_holds_the_log_against_a_hash_that_was_kept(copy: World) -> None:
    head = hashlib.sha256((copy.root / "publications/00000001.json").read_bytes()).hexdigest()
    assert call("verify", copy.yaml(), "--head", head).exit_code == 0
    wrong = call("verify", copy.yaml(), "--head", "0" * 64)
    assert wrong.exit_code == 1
    assert "the log was cut or rewritten" in wrong.output


def test_verify_takes_an_older_version(copy: World) -> None:
    said = call("verify", copy.yaml(), copy.oldest.id[:6])
    assert (said.exit_code, copy.oldest.id in said.output, copy.newest.id in said.output) == (0, True, False)


def test_a_raw_image_that_has_gone_has_an_outcome_of_its_own(copy: World) -> None:
    for photo in (copy.folder / "photos/good").glob("[2-9]_*.png"):
        photo.unlink()
    said = call("verify", copy.yaml(), "--deep", 10_000)
    assert said.exit_code == 3
    assert "◌ not looked at: parts-" in said.output
    assert "images have gone, or cannot be read" in said.output
    assert "whole" not in said.output
    assert "✗" not in said.output


def test_deep_all_makes_everything_again_and_a_sample_says_what_it_may_miss(copy: World) -> None:
    count = copy.newest.read_table("records").num_rows
    images = copy.newest.read_table("listing").num_rows
    said = call("verify", copy.yaml(), "--deep", "all", "--workers", 1)
    assert said.exit_code == 0, said.output
    assert f"{count} of {count} records made again from the raw images: same bytes" in said.output
    assert f"{images} of {images} images are what it says of them" in said.output
    assert "missed with probability" not in said.output
    said = call("verify", copy.yaml(), "--deep", 2)
    share = f"{(count - 2) / count:.0%}".replace("%", " %")
    rest = f"{(images - 2) / images:.0%}".replace("%", " %")
    assert (
        f"2 of {count} records, 2 of {images} images drawn: a single forged record would be missed with probability "
        f"{share}, what is said of a single image with {rest}"
    ) in said.output
    assert call("verify", copy.yaml(), "--deep", "some").exit_code == 2


def test_other_bytes_are_never_called_whole(copy: World) -> None:
    flip(copy.folder / "photos/good/2_0.png", 2000)
    said = call("verify", copy.yaml(), "--deep", "all", "--workers", 1)
    assert said.exit_code == 3
    assert "◌ other bytes: parts-" in said.output
    assert "◌ 1 of " in said.output
    assert "images have other bytes, changed since or forged: compare them with a copy that was kept" in said.output
    assert "whole" not in said.output


def test_a_version_with_problems_is_said_not_to_be_made_again(copy: World) -> None:
    flip(next(Path(copy.newest.path).glob("*.tfrecord-*")), 1000)
    said = call("verify", copy.yaml(), "--all", "--deep", 1)
    assert said.exit_code == 1
    assert f"◌ version {copy.newest.id}: not made again, because of the problems above" in said.output
    assert f"version {copy.oldest.id}: 1 of 1 records made again" in said.output
    told = json.loads(call("verify", copy.yaml(), "--deep", 1, "--json").output)["remade"]
    assert [(one["version"], one["skipped"]) for one in told] == [
        (copy.newest.id, "not made again, because of the problems above")
    ]


def test_not_every_claim_follows_where_something_is_named_above(copy: World) -> None:
    whole = call("verify", copy.yaml())
    assert "; every claim follows from what it holds" in whole.output
    (Path(copy.oldest.path) / "assignments.parquet").unlink()
    lacking = call("verify", copy.yaml())
    assert lacking.exit_code == 1
    assert f"✗ version {copy.oldest.id}, the one before, is not as it was published" in lacking.output
    assert "not checked: continuity with" in lacking.output
    assert "every claim follows" not in lacking.output
    alone = call("verify", copy.newest.path)
    assert "every claim but what is named above follows" in alone.output


def test_an_image_that_was_made_from_its_copy_has_the_same_outcome_as_one_that_has_gone(copy: World) -> None:
    (copy.folder / "photos/good/1_0.png").unlink()
    said = call("verify", copy.yaml(), "--deep", "all", "--workers", 1)
    assert said.exit_code == 3
    assert "◌ its own object was not read: parts-" in said.output
    assert "made from its copy photos/good/1_7.png" in said.output


def test_another_configuration_than_the_versions_is_told_setting_by_setting(copy: World) -> None:
    file = copy.yaml()
    document = json.loads(file.read_text())
    document["split"]["seed"] = 43
    document["listing"]["classes"] = ["good", "bad", "scratch"]
    file.write_text(json.dumps(document))
    said = call("verify", file)
    assert said.exit_code == 0
    assert "made with another configuration than the present one" in said.output
    assert "split.seed: 42 → 43" in said.output
    assert 'listing.classes: ["good", "bad"] → ["good", "bad", "scratch"]' in said.output
    assert call("verify", copy.yaml()).output.count("another configuration") == 0


def test_damage_in_any_log_fails_the_verification(copy: World) -> None:
    read(copy.store, "test", why="release test")
    assert call("verify", copy.yaml()).exit_code == 0
    (copy.root / "access/00000001.json").unlink()
    said = call("verify", copy.yaml())
    assert said.exit_code == 1
    assert "access/00000001.json: removed: version" in said.output


def test_a_damaged_old_version_is_found_by_all_only(copy: World) -> None:
    flip(copy.root / "versions" / copy.oldest.id / "weights.parquet", 100)
    assert call("verify", copy.yaml()).exit_code == 0
    said = call("verify", copy.yaml(), "--all", "--deep", 1)
    assert said.exit_code == 1
    assert "✗ weights.parquet: altered" in said.output
    assert f"{copy.newest.id}: 1 of 1 records made again" in said.output


def test_trace_tells_where_a_record_comes_from(copy: World) -> None:
    row = next(row for row in copy.newest.read_table("records").to_pylist() if row["augmented"])
    place = ("--purpose", row["purpose"], "--shard", row["shard"], "--record", row["position"])
    said = call("trace", copy.yaml(), *place)
    assert said.exit_code == 0, said.output
    listed = next(one for one in copy.newest.read_table("listing").to_pylist() if one["path"] == row["path"])
    for fact in (row["path"], listed["etag"], str(row["seed"]), copy.newest.id, "leak_group", "weight", "augmentation"):
        assert fact in said.output, fact


def test_trace_tells_of_an_image_its_records_or_why_it_has_none(copy: World) -> None:
    file = copy.yaml()
    used = call("trace", file, "--path", "photos/good/1_0.png")
    assert "copies\n  path: photos/good/1_7.png" in used.output
    content = copy.newest.read_table("listing")["content_id"][0].as_py()
    assert call("trace", file, "--content", content).exit_code == 0
    excluded = call("trace", file, copy.oldest.id, "--path", "photos/good/1_7.png")
    assert "rule: duplicate" in excluded.output


@pytest.mark.parametrize(
    "place",
    [[], ["--purpose", "train"], ["--path", "a", "--content", "b"], ["--path", "a", "--record", "0"]],
)
def test_trace_wants_one_record_or_one_image(copy: World, place: list[str]) -> None:
    said = call("trace", copy.yaml(), *place)
    assert said.exit_code == 2
    assert "name a record by --purpose, --shard and --record" in said.output


def test_trace_names_what_is_not_there(copy: World) -> None:
    said = call("trace", copy.yaml(), "--purpose", "train", "--shard", 99, "--record", 0)
    assert said.exit_code == 1
    assert "has the shards 0 to" in said.output


def test_gc_lists_and_removes_only_when_asked(copy: World) -> None:
    (copy.root / "staging/ab").mkdir(parents=True)
    (copy.root / "staging/ab/shard").write_bytes(b"x" * 2000)
    file = copy.yaml()
    assert "nothing to remove" in call("gc", file).output
    assert "kept: staging: staging/ab: 1 files, 2.0 kB; a run may be under way" in call("gc", file).output
    listed = call("gc", file, "--min-age", 0)
    assert "staging: staging/ab: 1 files, 2.0 kB; shards of a run that did not publish them" in listed.output
    assert "1 thing(s), 1 files, 2.0 kB: would be removed (run again with --remove)" in listed.output
    assert (copy.root / "staging/ab/shard").exists()
    removed = call("gc", file, "--min-age", 0, "--remove")
    assert "1 thing(s), 1 files, 2.0 kB: removed" in removed.output
    assert not (copy.root / "staging/ab").exists()
    assert call("verify", file, "--all").exit_code == 0


def test_gc_removes_a_published_version_by_force_and_verify_tells_of_it(copy: World) -> None:
    file, oldest = copy.yaml(), copy.oldest.id
    assert "--force and --why go together" in call("gc", file, "--force", oldest).output
    assert "nothing was changed" in call("gc", file, "--force", oldest, "--why", "old").output
    done = call("gc", file, "--force", oldest[:8], "--why", "old", "--remove")
    assert done.exit_code == 0, done.output
    assert f"removed version {oldest}" in done.output
    told = call("verify", file, "--all")
    assert told.exit_code == 0
    assert f"! {oldest}: removed on purpose" in told.output
    assert call("versions", file).exit_code == 0
    refused = call("gc", file, "--force", copy.newest.id, "--why", "old", "--remove")
    assert refused.exit_code == 1
    assert "is the newest one" in refused.output
