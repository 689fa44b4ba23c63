"""kill -9 at any moment: readers see the old version or the new one, and the next run makes the same bytes."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from brev_pipeline_tests.faults.conftest import Undisturbed
from brev_pipeline_tests.faults.runs import Nursery
from brev_pipeline_tests.faults.worlds import PHASES, Reader, World

KILLS = 50
SECOND_KILL = 0.2
"""Chance that the run that makes up for a killed one is killed as well."""


@dataclass
class Lane:
    """Kills runs of one world, one after the other, at random moments."""

    nursery: Nursery
    undisturbed: Undisturbed
    folder: Path
    random: random.Random
    seconds: float = 0.0
    """That a run takes."""
    hits: Counter[str] = field(default_factory=Counter)
    """Phase → kills that met it."""
    again: Counter[str] = field(default_factory=Counter)
    """The same, of kills that met a run that made up for another."""
    looks: int = 0

    def measure(self) -> None:
        began = time.monotonic()
        world = self.undisturbed.before.copy(self.folder / "measured")
        assert self.nursery.start(*world.arguments).wait() == 0
        self.seconds = time.monotonic() - began

    def kill(self, times: int) -> None:
        """Kill that many runs; each time, let the next one make up for it."""
        while self.hits.total() < times:
            world = self.undisturbed.before.copy(self.folder / f"{self.hits.total()} {time.monotonic_ns()}")
            with Reader(world) as reader:
                if self._killed(world, self.hits):
                    while self.random.random() < SECOND_KILL:
                        self._killed(world, self.again)
                    run = self.nursery.start(*world.arguments)
                    assert run.wait() == 0, run.said
            self._compare(world, reader)

    def _killed(self, world: World, hits: Counter[str]) -> bool:
        """Whether a run was killed before it had ended."""
        runs, publications = world.runs(), len(world.store.publications.read_all())
        run = self.nursery.start(*world.arguments)
        if run.has_ended(self.random.uniform(0, self.seconds)):
            assert run.wait() == 0, run.said
            return False
        run.kill()
        phase = world.phase(runs, publications)
        hits[phase] += 1
        print(f"{self.folder.name}: {hits.total()} killed in {phase}", flush=True)
        return True

    def _compare(self, world: World, reader: Reader) -> None:
        assert reader.problems == []
        assert set(reader.seen) <= set(self.undisturbed.after)
        assert world.published() == self.undisturbed.after
        assert world.store.staging_area.list_names() == []
        self.looks += reader.looks


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_run_killed_at_any_moment_is_made_up_for_by_the_next(
    nursery: Nursery, first: Undisturbed, grown: Undisturbed, tmp_path: Path
) -> None:
    began = time.monotonic()
    lanes = [
        Lane(nursery, undisturbed, tmp_path / str(number), random.Random(number))
        for number, undisturbed in enumerate((first, grown))
    ]
    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(Lane.measure, lanes))
        list(pool.map(Lane.kill, lanes, [KILLS // len(lanes)] * len(lanes)))
    print(*_figures(lanes), f"{time.monotonic() - began:.0f} s", sep="\n")
    hits = sum((lane.hits for lane in lanes), Counter())
    assert hits.total() == KILLS
    assert len(hits) >= 7, "the kills met too few phases of a run to mean anything"


def _figures(lanes: list[Lane]) -> Iterator[str]:
    yield f"{'phase':28}{'first run':>12}{'grown':>8}{'second kill':>14}"
    for phase in PHASES:
        again = sum(lane.again[phase] for lane in lanes)
        yield f"{phase:28}{lanes[0].hits[phase]:12}{lanes[1].hits[phase]:8}{again:14}"
    yield f"looks of the readers: {sum(lane.looks for lane in lanes)}"
