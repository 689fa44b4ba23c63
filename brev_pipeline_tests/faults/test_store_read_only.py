"""A store that cannot be written any more: named, and the old version can be read as before."""

import signal
from pathlib import Path

import pytest

from brev_pipeline_tests.faults.conftest import Mount, Undisturbed, remount
from brev_pipeline_tests.faults.runs import Nursery, before
from brev_pipeline_tests.faults.test_store_full import on_disk
from brev_pipeline_tests.faults.worlds import Reader

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("moment", [None, ("tables/*", 10), ("versions/*", 1)])
def test_a_read_only_store_is_named_and_its_version_stays_readable(
    nursery: Nursery, grown: Undisturbed, disk: Mount, tmp_path: Path, moment: tuple[str, int] | None
) -> None:
    place = disk("64m")
    world = on_disk(grown, tmp_path, place)
    old = world.published()
    with Reader(world) as reader:
        if moment is None:
            remount(place, "ro")
            run = nursery.start(*world.arguments)
        else:
            # Before the folder of a file is made: with a file open to be written, no disk is made read-only.
            stop = before(signal.SIGSTOP, f"{world.own}/{moment[0]}", moment[1])
            run = nursery.start(*world.arguments, signal=stop)
            assert run.stops(), run.said
            remount(place, "ro")
            run.go_on()
        assert run.wait() == 1, run.said
    assert reader.problems == []
    assert "the file system is read-only: choose another store" in run.said
    assert str(place) in run.said
    assert "Traceback" not in run.said
    assert world.published() == old
    verified = nursery.start("verify", world.folder / "parts.yaml", "--store", place)
    assert verified.wait() == 0, verified.said
    remount(place, "rw")
    again = nursery.start(*world.arguments)
    assert again.wait() == 0, again.said
    assert world.published() == grown.after
