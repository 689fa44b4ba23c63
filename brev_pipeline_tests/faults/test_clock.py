"""A clock that is set back: the order of publications is that of their numbers, and nothing refuses to work."""

from pathlib import Path

import pytest

from brev_pipeline_tests.faults.conftest import Undisturbed
from brev_pipeline_tests.faults.runs import Nursery
from brev_pipeline_tests.faults.worlds import World

pytestmark = pytest.mark.slow

BACK = -400 * 86_400.0


def test_a_clock_set_back_changes_the_dates_and_nothing_else(
    nursery: Nursery, grown: Undisturbed, tmp_path: Path
) -> None:
    world = grown.before.copy(tmp_path / "world")
    back = nursery.start(*world.arguments, clock=BACK)
    assert back.wait() == 0, back.said
    first, second = world.store.publications.read_all()
    assert second.published_at < first.published_at
    assert world.published() == grown.after
    assert world.problems() == []

    # The newest is the one that was published last, whatever the clock said.
    for clock in (BACK, 0.0):
        again = nursery.start(*world.arguments, clock=clock)
        assert again.wait() == 0, again.said
        assert "nothing new" in again.said
    assert world.store.publications.read_newest() == second
    told(nursery, world)


def told(nursery: Nursery, world: World) -> None:
    """The other commands take such a store."""
    for command in ("versions", "verify"):
        run = nursery.start(command, *world.arguments[1:])
        assert run.wait() == 0, run.said
        assert "Traceback" not in run.said
