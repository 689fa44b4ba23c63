"""A store that is full, at any moment of a run: named, nothing half published, and made up for once there is space."""

import signal
import subprocess
from pathlib import Path

import pytest

from brev_pipeline_tests.faults.conftest import Mount, Undisturbed, remount
from brev_pipeline_tests.faults.runs import Nursery, before
from brev_pipeline_tests.faults.worlds import Reader, World

pytestmark = pytest.mark.slow

PAGE = 4096


def on_disk(undisturbed: Undisturbed, folder: Path, disk: Path) -> World:
    """The world with its store on a disk of its own."""
    world = undisturbed.before.copy(folder / "world")
    if (store := world.folder / "store").exists():
        subprocess.run(["cp", "-a", f"{store}/.", str(disk)], check=True)
    return World(world.folder, str(disk))


def used(disk: Path) -> int:
    """Bytes that stand on a disk."""
    return int(subprocess.run(["du", "-s", "-B1", str(disk)], capture_output=True, check=True).stdout.split()[0])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
def test_a_store_that_fills_up_is_named_and_the_next_run_with_space_succeeds(
    nursery: Nursery, first: Undisturbed, disk: Mount, tmp_path: Path, share: float
) -> None:
    place = disk(f"{int(share * 100)}k")
    world = on_disk(first, tmp_path, place)
    with Reader(world) as reader:
        run = nursery.start(*world.arguments)
        assert run.wait() == 1, run.said
    assert reader.problems == []
    assert "No space left on device; free some space" in run.said
    assert str(place) in run.said
    assert "Traceback" not in run.said
    assert world.published() == {}
    remount(place, "size=64m")
    again = nursery.start(*world.arguments)
    assert again.wait() == 0, again.said
    assert world.published() == first.after


@pytest.mark.parametrize("pages", [0, 3, 12])
def test_a_store_that_fills_up_while_a_version_is_published_keeps_the_old_one(
    nursery: Nursery, grown: Undisturbed, disk: Mount, tmp_path: Path, pages: int
) -> None:
    place = disk("64m")
    world = on_disk(grown, tmp_path, place)
    old = world.published()
    with Reader(world) as reader:
        run = nursery.start(*world.arguments, signal=before(signal.SIGSTOP, f"{world.own}/versions/*"))
        assert run.stops(), run.said
        remount(place, f"size={used(place) + pages * PAGE}")
        run.go_on()
        assert run.wait() == 1, run.said
    assert reader.problems == []
    assert "No space left on device; free some space" in run.said
    assert "Traceback" not in run.said
    assert world.published() == old
    remount(place, "size=64m")
    again = nursery.start(*world.arguments)
    assert again.wait() == 0, again.said
    assert world.published() == grown.after
