"""What a kill or a rival leaves behind: the old version or the new one, never half of one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brev_pipeline.config import load_config
from brev_pipeline.store import PipelineStore
from brev_pipeline.audit import verify_version
from brev_pipeline_tests.pipelines import SETTINGS, draw_photos, hashes


def photos(folder: Path) -> Path:
    draw_photos(folder / "photos", {"good": 12, "bad": 6})
    (folder / "parts.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photos(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """Hashes of the version that a run makes which nobody disturbs, and the seconds that it takes."""
    folder = photos(tmp_path_factory.mktemp("undisturbed"))
    began = time.monotonic()
    assert start(folder).wait(120) == 0
    return versions(folder), time.monotonic() - began


def start(folder: Path, store: str = "store") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "brev_pipeline", "run", str(folder / "parts.yaml"), "--store", str(folder / store)]
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )


def store_of(folder: Path, name: str = "store") -> PipelineStore:
    return PipelineStore.at(str(folder / name), load_config(folder / "parts.yaml").name)


def versions(folder: Path, name: str = "store") -> dict[str, str]:
    return hashes(folder / name / "parts" / "versions")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_run_killed_at_any_moment_leads_to_a_clean_next_run(
    folder: Path, undisturbed: tuple[dict[str, str], float], seed: int
) -> None:
    killed = start(folder)
    time.sleep(random.Random(seed).uniform(0.3, 0.95) * undisturbed[1])
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    # A reader sees nothing, or a whole version.
    if store_of(folder).publications.all():
        assert verify_version(store_of(folder)).problems == []
    again = start(folder)
    out, _ = again.communicate(timeout=120)
    assert again.returncode == 0, out
    assert verify_version(store_of(folder)).problems == []
    assert versions(folder) == undisturbed[0]
    assert store_of(folder).staging.names() == []


@pytest.mark.slow
def test_of_two_runs_at_once_nothing_is_lost(folder: Path) -> None:
    both = [start(folder), start(folder)]
    said = [run.communicate(timeout=180)[0] for run in both]
    codes = sorted(run.returncode for run in both)
    # Both make the same version: one publishes it, the other finds it published, or is told that it was beaten.
    assert codes[0] == 0, said
    if codes[1]:
        assert any("another run published while this one worked" in text for text in said), said
    assert verify_version(store_of(folder)).problems == []
    assert len({entry.version for entry in store_of(folder).publications.all()}) == 1
    assert start(folder).wait(120) == 0
    assert len({entry.version for entry in store_of(folder).publications.all()}) == 1


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system of its own needs the rights of root")
def test_a_full_store_is_named_and_the_next_run_with_space_succeeds(folder: Path) -> None:
    small = folder / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        full = start(folder, "small")
        out, _ = full.communicate(timeout=120)
        assert full.returncode == 1, out
        assert "No space left on device; free some space" in out
        assert "Traceback" not in out
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        again = start(folder, "small")
        out, _ = again.communicate(timeout=120)
        assert again.returncode == 0, out
        assert verify_version(store_of(folder, "small")).problems == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
