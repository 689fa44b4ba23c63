"""How a call treats deaths, with workers whose fate is written beforehand."""

import itertools
import time

import pytest

from brev_pipeline.engine import LostTask
from brev_pipeline.engine.base import MapOptions
from brev_pipeline.engine.progress import ProgressReporter
from brev_pipeline.engine.scheduler import Scheduler, WorkerLost, WorkerPool
from brev_pipeline.engine.transport import MessageKind, encode_message, parse_message
from brev_pipeline.errors import EngineError

DIES, MACHINE_LOST = WorkerLost("it died"), WorkerLost("its machine was lost", blameless=True)


class Fated(WorkerPool):
    """A pool of one; each task is the list of what becomes of its tries, in order. Notes when each was begun."""

    def __init__(self):
        self.begun = []
        super().__init__(None, 1, None)
        self._job = None

    def __exit__(self, *_):
        pass

    @property
    def busy_count(self):
        return int(self._job is not None)

    def assign(self, job):
        self._job = job
        self.begun.append(time.monotonic())

    def wait_for_events(self, seconds):
        if self._job is None:
            time.sleep(min(seconds, 0.01))
            return []
        job, self._job = self._job, None
        fate = job.task.pop(0)
        return [
            (
                job,
                fate
                if isinstance(fate, WorkerLost)
                else parse_message(b"".join(encode_message(MessageKind.DONE, fate))),
            )
        ]


def run(fates, lost="raise", tries=2):
    pool, options = Fated(), MapOptions("decode", lost, None, tries)
    scheduler = Scheduler(pool, iter([fates]), options, ProgressReporter("", [], None, 1))
    return [result for _, result in scheduler.run()], pool.begun


def test_a_death_costs_a_retry_after_a_pause():
    results, begun = run([DIES, "done"])
    assert results == ["done"]
    assert begun[1] - begun[0] >= 0.1


def test_pauses_grow():
    results, begun = run([MACHINE_LOST, MACHINE_LOST, DIES, "done"])
    assert results == ["done"]
    pauses = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert pauses[0] >= 0.1
    assert pauses[1] >= 0.4
    assert pauses[2] >= 1.6


def test_the_second_death_is_the_tasks_fault():
    assert run([DIES, DIES], "yield")[0] == [LostTask("it died, twice")]
    with pytest.raises(EngineError, match=r"^decode: task .* was lost: it died, twice$"):
        run([DIES, DIES])


def test_the_deaths_may_differ(monkeypatch):
    monkeypatch.setattr("brev_pipeline.engine.scheduler._BACK_OFF", 0.001)
    lost = LostTask("a; on the next try b; on the next try a")
    assert run([WorkerLost(one) for one in "aba"], "yield", tries=3)[0] == [lost]


def test_a_call_may_want_no_second_try_and_is_told_the_signal():
    assert run([WorkerLost("it crashed", signal=11)], "yield", tries=1)[0] == [LostTask("it crashed", 11)]
    assert run([MACHINE_LOST, "done"], "yield", tries=1)[0] == ["done"]


def test_machines_that_are_lost_are_never_held_against_the_task(monkeypatch):
    monkeypatch.setattr("brev_pipeline.engine.scheduler._BACK_OFF", 0.001)
    assert run([*[MACHINE_LOST] * 5, "done"])[0] == ["done"]
    # Not even as a result that says "lost": an image would go into quarantine for it.
    with pytest.raises(EngineError, match=r"was lost: its machine was lost, 6 times$") as caught:
        run([MACHINE_LOST] * 6, "yield")
    assert caught.value.may_pass
