"""An image that no decoder came to an end with stops the run, until the configuration accepts to go without it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from brev_pipeline.audit import remake, verify_store
from brev_pipeline_tests.audit.worlds import World
from brev_pipeline_tests.images import worlds
from brev_pipeline_tests.pipelines import Run, draw_photos, run

pytestmark = pytest.mark.slow

SLOW = "photos/good/9_0.png"
REASON = "its decoding was stopped after 0.25 s of CPU time (image.max_seconds)"
IMAGE = {"target_size": [24, 32], "max_seconds": 0.25}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Photos, one of which takes most of a second, and a pipeline that gives each a quarter of one."""
    folder = tmp_path_factory.mktemp("unjudged")
    draw_photos(folder / "photos", {"good": 8, "bad": 5})
    large = np.tile(worlds.photo(1, 600, 600), (10, 10, 1))
    (folder / SLOW).write_bytes(worlds.encode(large, "PNG", compress_level=1))
    return World(folder)


def once(world: World, accepted: list[str], **image: Any) -> Run:
    tolerance = {"prepared_images": {"max_quarantined": 0.9, "accept_unjudged": accepted}}
    # A limit of CPU time is kept by worker processes alone.
    return run(world.configured(image=IMAGE | image, validation=tolerance), workers=True)


@pytest.fixture(scope="module")
def accepted(world: World) -> World:
    """The same, published without that photo."""
    assert once(world, [SLOW]).success
    return world


def test_what_was_stopped_blocks_the_run_and_says_which_and_what_to_set(world: World) -> None:
    done = once(world, ["photos/good/8_0.png"])
    assert not done.success
    assert done.store.newest_version() is None
    assert "sample_split" not in done.materialized
    # What is accepted is no photo at all.
    assert done.failed_checks == ["prepared_images.all_judged", "prepared_images.accepted_matched"]
    (check,) = [one for one in done.checks if one.check_name == "all_judged"]
    assert check.description.startswith("Not so: ")
    assert "validation.prepared_images.accept_unjudged" in check.description
    assert "1 row breaks this: photos/good/9_0.png" in check.description
    (row,) = [record.data for record in check.metadata["examples"].value.records]
    assert (row["source_path"], row["status"], row["reason"]) == (SLOW, "stopped", REASON)


def test_what_is_accepted_is_left_out_with_its_reason(accepted: World) -> None:
    (row,) = [row for row in accepted.newest.read_table("images").to_pylist() if row["status"] != "ok"]
    assert (row["source_path"], row["status"], row["reason"]) == (SLOW, "stopped", REASON)
    (left,) = [row for row in accepted.newest.read_table("exclusions").to_pylist() if row["path"] == SLOW]
    assert (left["rule"], left["reason"]) == ("quarantined", f"stopped: {REASON}")
    (verified,) = verify_store(accepted.store).versions
    assert verified.problems == []
    (note,) = verified.notes
    assert note.startswith("images.parquet: 1 image(s) left out unjudged, because their decoding came to no end")
    assert SLOW in note


def test_its_content_may_be_named_instead_and_a_longer_limit_is_no_matter_of_the_others(
    accepted: World, tmp_path: Path
) -> None:
    copy = accepted.copy(tmp_path)
    content = next(
        row["content_id"] for row in copy.newest.read_table("images").to_pylist() if row["status"] == "stopped"
    )
    assert once(copy, [content]).success
    pixels = set((copy.root / "prepared").rglob("*.tfrecord"))
    assert once(copy, [], max_seconds=60).success
    assert len(set((copy.root / "prepared").rglob("*.tfrecord")) - pixels) == 1
    assert set(copy.newest.read_table("images")["status"].to_pylist()) == {"ok"}


def forged(world: World, path: str, **facts: object) -> None:
    """Publish the newest version once more with another row of an image."""
    images = world.newest.read_table("images")
    bare = dict.fromkeys(images.column_names[4:])
    rows = [row | bare | facts if row["source_path"] == path else row for row in images.to_pylist()]
    world.republish({"images": pa.Table.from_pylist(rows, images.schema)})


def test_deep_judges_what_was_stopped_again_in_a_process_of_its_own(accepted: World) -> None:
    config = accepted.configured(image=IMAGE)
    found = remake(config, accepted.newest, records=None)
    assert found.is_whole
    assert found.images_same == found.images


def test_a_good_photo_that_is_said_to_be_stopped_is_found(accepted: World, tmp_path: Path) -> None:
    copy = accepted.copy(tmp_path)
    forged(copy, "photos/good/2_0.png", status="stopped", reason=REASON)
    found = remake(copy.configured(image=IMAGE), copy.newest, records=None)
    told = [line for line in found.problems if line.startswith("images.parquet: photos/good/2_0.png: ")]
    assert len(told) == 1
    assert "status is 'stopped' on record, and 'ok' by its bytes" in told[0]
    assert "faster" not in told[0]
    # Without the pixels, too, the checks tell: nobody accepted that.
    assert any("all_judged" in line for line in verify_store(copy.store).versions[0].problems)


def test_what_a_faster_machine_may_explain_is_told_apart(accepted: World, tmp_path: Path) -> None:
    copy = accepted.copy(tmp_path)
    # As if a machine had prepared it that took more than two seconds for what takes most of one here.
    configuration = copy.newest.read_manifest()["configuration"]
    configuration["image"]["max_seconds"] = 2.5
    images = copy.newest.read_table("images")
    rows = [
        row | {"reason": REASON.replace("0.25", "2.5")} if row["status"] == "stopped" else row
        for row in images.to_pylist()
    ]
    copy.republish({"images": pa.Table.from_pylist(rows, images.schema)}, configuration=configuration)
    found = remake(copy.configured(image=IMAGE), copy.newest, records=0)
    assert found.problems == []
    found = remake(copy.configured(image=IMAGE), copy.newest, records=None)
    (line,) = found.explained
    assert "status is 'stopped' on record, and 'ok' by its bytes" in line
    assert line.endswith("(a machine that is faster than the one that prepared it)")


@pytest.mark.parametrize("reason", [REASON.replace("0.25", "3"), "the decoder crashed on it (SIGKILL)", "no time"])
def test_a_reason_that_cannot_be_is_a_contradiction(accepted: World, tmp_path: Path, reason: str) -> None:
    copy = accepted.copy(tmp_path)
    forged(copy, SLOW, status="stopped", reason=reason)
    told = [line for line in verify_store(copy.store).versions[0].problems if "images.parquet" in line]
    assert any(f"{SLOW} was stopped by another clock than image.max_seconds, or by no crash" in line for line in told)


def test_an_interruption_that_was_accepted_is_told_as_such(accepted: World, tmp_path: Path) -> None:
    copy = accepted.copy(tmp_path)
    forged(copy, SLOW, status="interrupted", reason="its decoding was cut off")
    found = remake(copy.configured(image=IMAGE), copy.newest, records=None)
    (line,) = found.changed
    assert "interrupted: its decoding was cut off" in line
    assert REASON in line
