"""kill -9 before each single file operation of publishing, where half a version could show if anywhere."""

import itertools
import signal
from pathlib import Path

import pytest

from brev_pipeline_tests.faults.conftest import Undisturbed
from brev_pipeline_tests.faults.publishing import publish
from brev_pipeline_tests.faults.runs import Nursery, before
from brev_pipeline_tests.faults.worlds import Reader, World

OPERATIONS = 40
"""That publishing has at the least: shards, tables, manifest and publication, and the staging to be removed."""


def made(nursery: Nursery, undisturbed: Undisturbed, folder: Path) -> World:
    """A world whose run was killed when it had made all and published nothing."""
    world = undisturbed.before.copy(folder)
    killed = nursery.start(*world.arguments, signal=before(signal.SIGKILL, f"{world.own}/versions/*"))
    assert killed.wait() == -signal.SIGKILL, killed.said
    return world


def killed_at(nursery: Nursery, world: World, run_id: str, nth: int) -> bool:
    """Publish what the run made; whether that was killed before an nth operation."""
    signalled = before(signal.SIGKILL, f"{world.own}/*", nth)
    run = nursery.start(
        *_arguments(world, run_id), call="brev_pipeline_tests.faults.publishing:publish", signal=signalled
    )
    assert run.wait() in (0, -signal.SIGKILL), run.said
    return run.status != 0


def _arguments(world: World, run_id: str) -> tuple[str, str, str]:
    return str(world.folder / "parts.yaml"), str(world.folder / "store"), run_id


@pytest.mark.slow
@pytest.mark.parametrize(("start", "step"), [("first", 1), ("grown", 5)])
def test_publishing_killed_before_any_of_its_operations_is_made_up_for(
    nursery: Nursery, request: pytest.FixtureRequest, tmp_path: Path, start: str, step: int
) -> None:
    ready = made(nursery, request.getfixturevalue(start), tmp_path / "ready")
    old = ready.published()
    run_id = max(ready.runs(), key=lambda run: (ready.own / "tables" / run).stat().st_mtime_ns)
    expected: dict[str, dict[str, str]] | None = None
    kills = visible = 0
    for nth in itertools.count(1, step):
        world = ready.copy(tmp_path / str(nth))
        killed = killed_at(nursery, world, run_id, nth)
        reader = Reader(world)
        reader.look()
        assert reader.problems == []
        kills += killed
        visible += killed and len(world.published()) > len(old)
        publish(*_arguments(world, run_id))
        expected = expected or world.published()
        assert world.published() == expected
        assert world.problems() == []
        assert world.store.staging_area.list_names() == []
        if not killed:
            break
    print(f"{kills} kills, {visible} of them after the publication")
    assert kills * step >= OPERATIONS
    assert 0 < visible < kills
