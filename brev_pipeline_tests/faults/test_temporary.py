"""The machine's temporary folder full or locked: a run does without it, or names it."""

import signal
import subprocess
from pathlib import Path

import pytest

from brev_pipeline_tests.faults.conftest import Mount, Undisturbed, remount
from brev_pipeline_tests.faults.runs import Nursery, before

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("lack", ["full", "locked"])
def test_a_run_without_its_temporary_folder_goes_on_or_names_it(
    nursery: Nursery, first: Undisturbed, disk: Mount, tmp_path: Path, lack: str
) -> None:
    world = first.before.copy(tmp_path / "world")
    place = disk("8m")
    stop = before(signal.SIGSTOP, f"{world.own}/tables/*/sample_integrity.*.parquet")
    run = nursery.start(*world.arguments, environment={"TMPDIR": str(place)}, signal=stop)
    assert run.stops(), run.said
    if lack == "locked":
        remount(place, "ro")
    else:
        filled = subprocess.run(["dd", "if=/dev/zero", f"of={place}/filler", "bs=4k"], capture_output=True, check=False)
        assert b"No space left" in filled.stderr
    run.go_on()
    if run.wait() != 0:
        assert "set TMPDIR to a folder that can be written" in run.said
        assert "Traceback" not in run.said
        assert world.published() == {}
        again = nursery.start(*world.arguments)
        assert again.wait() == 0, again.said
    assert world.published() == first.after
