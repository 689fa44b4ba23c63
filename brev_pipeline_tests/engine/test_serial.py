"""The serial engine keeps the promises of every engine."""

import pytest

from brev_pipeline.engine import Engine, Progress, SerialEngine
from brev_pipeline.errors import DecodeError, EngineError
from brev_pipeline_tests.engine import tasks


def test_results_come_in_the_order_of_the_tasks_each_taken_just_before_it_is_run():
    taken = []

    def source():
        for number in range(5):
            taken.append(number)
            yield number

    for received, (task, result) in enumerate(SerialEngine().map(lambda number: number * 2, source()), start=1):
        assert result == task * 2
        assert len(taken) == received


def test_our_errors_arrive_as_themselves_and_name_the_task():
    with pytest.raises(DecodeError) as caught:
        list(SerialEngine().map(tasks.fail, ["ours"], label="decode"))
    assert caught.value.status == "corrupt"
    assert caught.value.__notes__ == ["in decode: task 'ours'"]


def test_foreign_errors_become_engine_errors_that_name_the_task():
    with pytest.raises(EngineError, match="decode: task 'nested' failed: ValueError: outer") as caught:
        list(SerialEngine().map(tasks.fail, ["nested"], label="decode"))
    assert isinstance(caught.value.__cause__, ValueError)


def test_ctrl_c_is_not_an_error_of_the_task():
    with pytest.raises(KeyboardInterrupt):
        list(SerialEngine().map(tasks.fail, ["interrupt"]))


def test_progress():
    heard: list[Progress] = []
    engine: Engine = SerialEngine(heard.append, progress_seconds=0)
    list(engine.map(tasks.square, [1, 2], label="squares"))
    assert [(one.label, one.done, one.total) for one in heard] == [
        ("squares", 1, 2),
        ("squares", 2, 2),
        ("squares", 2, 2),
    ]
    assert engine.workers == 1


def test_progress_only_at_the_end_when_the_work_is_short():
    heard: list[Progress] = []
    list(SerialEngine(heard.append).map(tasks.square, [1, 2]))
    assert [one.done for one in heard] == [2]


def test_no_tasks():
    assert list(SerialEngine().map(tasks.square, [])) == []
