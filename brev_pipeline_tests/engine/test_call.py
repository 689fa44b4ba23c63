"""How a call treats deaths, with workers whose fate is written beforehand."""

import itertools
import time

import pytest

from brev_pipeline.engine import Lost
from brev_pipeline.engine.call import Call
from brev_pipeline.engine.job import Death
from brev_pipeline.engine.ticker import Ticker
from brev_pipeline.engine.wire import Kind, dump, pack, unpack
from brev_pipeline.errors import EngineError

DIES, MACHINE_LOST = Death("it died"), Death("its machine was lost", blameless=True)


class Fated:
    """A crew of one; each task is the list of what becomes of its tries, in order. Notes when each was begun."""

    def __init__(self):
        self.begun = []
        self._job = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @property
    def busy(self):
        return int(self._job is not None)

    @property
    def free(self):
        return 1 - self.busy

    def give(self, job):
        self._job = job
        self.begun.append(time.monotonic())

    give_again = give

    def listen(self, seconds):
        if self._job is None:
            time.sleep(min(seconds, 0.01))
            return []
        job, self._job = self._job, None
        fate = job.task.pop(0)
        return [(job, fate if isinstance(fate, Death) else unpack(pack(dump(Kind.DONE, fate))))]


def run(fates, lost="raise", **options):
    crew = Fated()
    call = Call(crew, iter([fates]), 2, "decode", lost, Ticker("", [], None, 1), **options)
    return [result for _, result in call.results()], crew.begun


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
    assert run([DIES, DIES], "yield")[0] == [Lost("it died, twice")]
    with pytest.raises(EngineError, match=r"^decode: task .* was lost: it died, twice$"):
        run([DIES, DIES])


def test_a_call_may_want_no_second_try_and_is_told_the_signal():
    assert run([Death("it crashed", signal=11)], "yield", tries=1)[0] == [Lost("it crashed", 11)]
    assert run([MACHINE_LOST, "done"], "yield", tries=1)[0] == ["done"]


def test_machines_that_are_lost_are_never_held_against_the_task(monkeypatch):
    monkeypatch.setattr("brev_pipeline.engine.call._BACK_OFF", 0.001)
    assert run([*[MACHINE_LOST] * 5, "done"])[0] == ["done"]
    # Not even as a result that says "lost": an image would go into quarantine for it.
    with pytest.raises(EngineError, match=r"was lost: its machine was lost, 6 times$") as caught:
        run([MACHINE_LOST] * 6, "yield")
    assert caught.value.may_pass
