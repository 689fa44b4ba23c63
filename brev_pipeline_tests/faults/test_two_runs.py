"""Two runs of one pipeline at once: one publishes, the other is told or finds nothing new, and nothing is lost."""

import signal
from pathlib import Path

import pytest

from brev_pipeline_tests.faults.conftest import Undisturbed
from brev_pipeline_tests.faults.runs import Nursery, before
from brev_pipeline_tests.faults.worlds import Reader, World

pytestmark = pytest.mark.slow

BEATEN = "another run published while this one worked"


@pytest.mark.parametrize("start", ["first", "grown"])
def test_of_two_runs_that_begin_together_one_publishes(
    nursery: Nursery, request: pytest.FixtureRequest, tmp_path: Path, start: str
) -> None:
    undisturbed: Undisturbed = request.getfixturevalue(start)
    world = undisturbed.before.copy(tmp_path / "world")
    with Reader(world) as reader:
        both = [nursery.start(*world.arguments) for _ in range(2)]
        codes = sorted(run.wait() for run in both)
    assert reader.problems == []
    said = "\n".join(run.said for run in both)
    assert codes[0] == 0, said
    if codes[1]:
        assert "run again" in said.lower(), said
        assert "Traceback" not in said
    assert nursery.start(*world.arguments).wait() == 0
    assert world.published() == undisturbed.after
    assert world.problems() == []
    assert world.store.staging_area.list_names() == []


@pytest.mark.parametrize(
    ("moment", "nth"),
    [
        ("staging/*/*.tfrecord-*", 2),
        ("tables/*/tfrecord_shards.*.parquet", 1),
        ("versions/*/*.tfrecord-*", 2),
        ("versions/*/manifest.json", 1),
        ("versions/*/report/*", 1),
        ("publications/*", 1),
        ("staging/*", 1),
    ],
)
def test_a_run_that_another_overtakes_with_the_same_images_finds_them_published(
    nursery: Nursery, first: Undisturbed, tmp_path: Path, moment: str, nth: int
) -> None:
    world = first.before.copy(tmp_path / "world")
    slow = nursery.start(*world.arguments, signal=before(signal.SIGSTOP, f"{world.own}/{moment}", nth))
    assert slow.stops(), slow.said
    fast = nursery.start(*world.arguments)
    assert fast.wait() == 0, fast.said
    published = world.published()
    slow.go_on()
    assert slow.wait() == 0, slow.said
    assert "Traceback" not in slow.said
    assert world.published() == published
    assert world.problems() == []
    assert world.store.staging_area.list_names() == []


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("tables/*/sample_split.*.parquet", "ledger_kept"),
        ("tables/*/tfrecord_shards.*.parquet", BEATEN),
        ("publications/*", BEATEN),
    ],
)
def test_a_run_that_split_before_another_published_is_told_and_publishes_nothing(
    nursery: Nursery, first: Undisturbed, tmp_path: Path, moment: str, told: str
) -> None:
    world = first.before.copy(tmp_path / "world")
    slow = nursery.start(*world.arguments, signal=before(signal.SIGSTOP, f"{world.own}/{moment}"))
    assert slow.stops(), slow.said
    world.grow()
    fast = nursery.start(*world.arguments)
    assert fast.wait() == 0, fast.said
    published = world.published()
    slow.go_on()
    assert slow.wait() == 1, slow.said
    assert told in slow.said
    assert "Traceback" not in slow.said
    assert world.published() == published
    # What is newest stays so: the next run finds it.
    assert nursery.start(*world.arguments).wait() == 0
    assert world.published() == published
    assert world.problems() == []


def test_a_run_that_listed_before_another_published_keeps_what_that_assigned(
    nursery: Nursery, first: Undisturbed, tmp_path: Path
) -> None:
    world = first.before.copy(tmp_path / "world")
    pattern = f"{world.own}/tables/*/sample_integrity.*.parquet"
    slow = nursery.start(*world.arguments, signal=before(signal.SIGSTOP, pattern))
    assert slow.stops(), slow.said
    world.grow()
    assert nursery.start(*world.arguments).wait() == 0
    purposes = _purposes(world)
    slow.go_on()
    slow.wait()
    assert "Traceback" not in slow.said
    assert _purposes(world) == purposes
    again = nursery.start(*world.arguments)
    assert again.wait() == 0, again.said
    assert _purposes(world) == purposes
    assert world.problems() == []


def _purposes(world: World) -> dict[str, str]:
    newest = world.store.newest_version()
    assert newest is not None
    rows = newest[1].read_table("assignments").to_pylist()
    return {row["path"]: row["purpose"] for row in rows}
