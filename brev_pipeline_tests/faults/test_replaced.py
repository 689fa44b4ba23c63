"""A raw photo that is replaced or removed while a run works: told, or without effect; never mixed."""

import hashlib
import signal
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline_tests.faults.conftest import Undisturbed
from brev_pipeline_tests.faults.runs import Nursery, before
from brev_pipeline_tests.faults.worlds import World
from brev_pipeline_tests.pipelines import draw_photos

pytestmark = pytest.mark.slow


def disturbed(nursery: Nursery, world: World, moment: str, photo: Path, data: bytes | None) -> None:
    """Run; before the run writes a table, put other bytes in a photo's place, or none."""
    run = nursery.start(*world.arguments, signal=before(signal.SIGSTOP, f"{world.own}/tables/*/{moment}.*.parquet"))
    assert run.stops(), run.said
    if data is None:
        photo.unlink()
    else:
        photo.write_bytes(data)
    run.go_on()
    assert run.wait() == 0, run.said


def other_photo(folder: Path) -> bytes:
    """A photo of the same kind as the others, and of no bytes that they have."""
    draw_photos(folder, {"other": 1}, photos_per_item=1)
    return next(folder.rglob("*.png")).read_bytes()


def rows(world: World, table: str, **wanted: Any) -> list[dict[str, Any]]:
    newest = world.store.newest_version()
    assert newest is not None
    found = newest[1].read_table(table).to_pylist()
    return [row for row in found if all(row[name] == value for name, value in wanted.items())]


@pytest.mark.parametrize("status", ["changed", "missing"])
def test_a_photo_replaced_or_removed_after_the_listing_is_quarantined(
    nursery: Nursery, first: Undisturbed, tmp_path: Path, status: str
) -> None:
    world = first.before.copy(tmp_path / "world")
    photo = world.photos[5]
    path = photo.relative_to(world.folder).as_posix()
    old = hashlib.md5(photo.read_bytes()).hexdigest()
    new = other_photo(tmp_path / "other") if status == "changed" else None
    disturbed(nursery, world, "raw_listing", photo, new)
    (image,) = rows(world, "images", content_id=old)
    assert image["status"] == status
    assert image["reason"]
    assert rows(world, "records", content_id=old) == []
    assert rows(world, "records", path=path) == []
    (excluded,) = rows(world, "exclusions", path=path)
    assert excluded["rule"] == "quarantined"
    assert world.problems() == []

    # The next run takes what is there now.
    again = nursery.start(*world.arguments)
    assert again.wait() == 0, again.said
    contents = {row["content_id"] for row in rows(world, "images", status="ok")}
    assert contents == {hashlib.md5(file.read_bytes()).hexdigest() for file in world.photos}
    assert world.problems() == []


@pytest.mark.parametrize("replaced", [True, False])
def test_a_photo_replaced_or_removed_after_its_pixels_were_prepared_changes_nothing(
    nursery: Nursery, first: Undisturbed, tmp_path: Path, replaced: bool
) -> None:
    world = first.before.copy(tmp_path / "world")
    new = other_photo(tmp_path / "other") if replaced else None
    disturbed(nursery, world, "prepared_images", world.photos[5], new)
    assert world.published() == first.after


def test_photos_that_all_vanish_in_mid_run_publish_nothing(
    nursery: Nursery, grown: Undisturbed, tmp_path: Path
) -> None:
    world = grown.before.copy(tmp_path / "world")
    published = world.published()
    run = nursery.start(*world.arguments, signal=before(signal.SIGSTOP, f"{world.own}/tables/*/raw_listing.*.parquet"))
    assert run.stops(), run.said
    away = (world.folder / "photos").rename(world.folder / "away")
    run.go_on()
    assert run.wait() == 1, run.said
    assert "few_quarantined" in run.said
    assert "Traceback" not in run.said
    assert world.published() == published
    away.rename(world.folder / "photos")
    again = nursery.start(*world.arguments)
    assert again.wait() == 0, again.said
    assert world.published() == grown.after
