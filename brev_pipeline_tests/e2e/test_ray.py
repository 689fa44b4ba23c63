"""The whole chain on a Ray cluster of two nodes: the same version, byte for byte, whatever dies on the way."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from brev_pipeline_tests.e2e.processes import start, versions
from brev_pipeline_tests.engine.clusters import Cluster, descendants
from brev_pipeline_tests.engine.processes import alive, wait_until
from brev_pipeline_tests.pipelines import SETTINGS, configure, draw_photos, hashes, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RUN_SECONDS = 400
"""A run takes seconds; the machine may be busy."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        cluster = Cluster()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def folder(cluster: Any, tmp_path: Path) -> Path:
    """Photos and a configuration that makes some hundred small shards of them, so that there is time to disturb."""
    draw_photos(tmp_path / "photos", {"good": 12, "bad": 6})
    settings = yaml.safe_load(SETTINGS)
    settings |= {"shards": {"records_per_shard": 1, "epochs": 8}, "engine": {"kind": "ray", "address": cluster.address}}
    (tmp_path / "parts.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


@pytest.fixture
def expected(folder: Path) -> dict[str, str]:
    """Hashes of the version that this machine makes by itself."""
    return made(folder, "expected", {"workers": 1})


def made(folder: Path, store: str, engine: dict[str, Any]) -> dict[str, str]:
    text = (folder / "parts.yaml").read_text()
    done = run(configure(folder, text, engine=engine, store=store))
    assert done.success, done.failures
    return hashes(folder / store / "parts" / "versions")


def shards(folder: Path) -> list[Path]:
    """Shards that stand in the staging."""
    return [file for file in (folder / "store" / "parts" / "staging").rglob("*.tfrecord-*") if file.suffix != ".json"]


def in_the_midst(folder: Path) -> Callable[[], bool]:
    return lambda: len(shards(folder)) >= 5


def workers(cluster: Any) -> list[int]:
    """Processes of the cluster that hold one of our workers."""
    found = [process for node in cluster.nodes for process in descendants(node.pid)]
    return [process for process in found if _title(process).startswith("ray::RemoteWorker")]


def _title(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def finish(running: "subprocess.Popen[str]") -> str:
    out, _ = running.communicate(timeout=RUN_SECONDS)
    assert running.returncode == 0, out
    return out


def test_a_cluster_makes_the_version_that_one_machine_makes(
    cluster: Any, folder: Path, expected: dict[str, str]
) -> None:
    assert made(folder, "store", {"kind": "ray", "address": cluster.address}) == expected


def test_a_worker_and_then_a_node_that_die_in_mid_run_do_not_show(
    cluster: Any, folder: Path, expected: dict[str, str]
) -> None:
    running = start(folder)
    wait_until(in_the_midst(folder), RUN_SECONDS)
    os.kill(workers(cluster)[0], signal.SIGKILL)
    before = len(shards(folder))
    wait_until(lambda: len(shards(folder)) > before or running.poll() is not None, RUN_SECONDS)
    try:
        cluster.kill_node(cluster.nodes[0])
        finish(running)
    finally:
        cluster.add_node()
    assert versions(folder) == expected


def test_a_run_that_is_killed_leaves_no_worker_and_the_next_takes_its_shards_up(
    cluster: Any, folder: Path, expected: dict[str, str]
) -> None:
    running = start(folder)
    wait_until(in_the_midst(folder), RUN_SECONDS)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    at_work = workers(cluster)
    wait_until(lambda: not any(alive(process) for process in at_work), 60)
    assert workers(cluster) == []
    written = {file.name: file.stat().st_ino for file in shards(folder)}
    finish(start(folder))
    assert versions(folder) == expected
    # The very files: a version's shards are further names of those in the staging.
    published = {file.name: file.stat().st_ino for file in (folder / "store").rglob("*.tfrecord-*")}
    taken_up = [name for name, inode in written.items() if published.get(name) == inode]
    # The last one or two may have been cut off between file and note.
    assert len(taken_up) >= len(written) - 2
    assert taken_up
