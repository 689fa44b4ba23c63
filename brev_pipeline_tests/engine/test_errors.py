"""Errors raised in a worker reach the caller as what they are."""

import inspect
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from brev_pipeline import errors
from brev_pipeline.engine import LocalEngine
from brev_pipeline.engine.transport import task_name
from brev_pipeline.errors import BrevPipelineError, DecodeError, EngineError
from brev_pipeline_tests.engine import tasks

OURS = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, BrevPipelineError)]


@pytest.mark.parametrize("cls", OURS)
def test_every_error_of_the_family_arrives_as_itself(cls):
    parameters = inspect.signature(cls).parameters.values()
    arguments = ["text" for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY]
    original = cls(*arguments)
    with pytest.raises(cls) as caught:
        list(LocalEngine(1).map(tasks.fail_with, [(cls, arguments)], label="decode"))
    assert type(caught.value) is cls
    assert str(caught.value) == str(original)
    assert caught.value.args == original.args
    assert {name: value for name, value in vars(caught.value).items() if name != "__notes__"} == vars(original)
    assert "decode: task" in caught.value.__notes__[0]
    assert "in fail_with" in str(caught.value.__cause__)


def test_an_error_with_its_own_constructor_loses_only_what_does_not_pickle():
    with pytest.raises(tasks.CellError, match="bad cell 3:label") as caught:
        list(LocalEngine(1).map(tasks.fail, ["arguments"]))
    assert (caught.value.row, caught.value.column) == (3, "label")
    assert not hasattr(caught.value, "lock")


def test_an_error_whose_class_cannot_be_imported_arrives_as_its_base():
    with pytest.raises(DecodeError, match="1 Tpx") as caught:
        list(LocalEngine(1).map(tasks.fail, ["local class"]))
    assert type(caught.value) is DecodeError
    assert caught.value.status == "too_large"


@pytest.mark.parametrize(
    ("what", "message", "trace"),
    [
        ("nested", "ValueError: outer", "direct cause of the following"),
        ("unsendable", "UnsendableError: <exception str\\(\\) failed>", "raise UnsendableError"),
        ("exit", "SystemExit: enough", "sys.exit"),
        ("interrupt", "KeyboardInterrupt", "raise KeyboardInterrupt"),
        ("group", "ExceptionGroup: several \\(2 sub-exceptions\\)", "KeyError: 'second'"),
    ],
)
def test_foreign_errors_become_engine_errors_with_the_tasks_name_and_the_workers_traceback(what, message, trace):
    with pytest.raises(EngineError, match=f"^prepare: task '{what}' failed: .*{message}") as caught:
        list(LocalEngine(1).map(tasks.fail, [what], label="prepare"))
    assert trace in str(caught.value.__cause__)


def test_a_result_that_does_not_pickle_is_named():
    with pytest.raises(EngineError, match=r"task 1 was done, but its result cannot be sent back: .*lambda"):
        list(LocalEngine(1).map(tasks.unpicklable_result, [1]))


def test_a_result_that_does_not_unpickle_is_named():
    with pytest.raises(
        EngineError, match=r"task 1 was done, but its result cannot be read: ValueError: .*'not a number'"
    ):
        list(LocalEngine(1).map(tasks.result_that_cannot_be_read, [1]))


def test_a_task_that_does_not_pickle_is_named():
    with pytest.raises(EngineError, match=r"read: task <.*lock.*> cannot be sent to a worker: .*pickle"):
        list(LocalEngine(1).map(tasks.square, [threading.Lock()], label="read"))


def test_a_task_that_the_worker_cannot_read_is_named():
    with pytest.raises(
        EngineError, match=r"BreaksWhenLoaded.* cannot be read in the worker \(define it.*\): ValueError"
    ):
        list(LocalEngine(1).map(tasks.square, [tasks.BreaksWhenLoaded()]))


def test_a_function_that_the_worker_cannot_import_runs_no_task(capfd):
    with pytest.raises(
        EngineError, match=r"squares: task \d was not begun: the function cannot be imported .*ValueError"
    ):
        list(LocalEngine(2).map(tasks.BreaksWhenLoaded(), [1, 2, 3], label="squares"))
    assert capfd.readouterr().out == ""


def test_a_function_without_a_name_to_import_is_refused_before_any_worker_starts():
    with pytest.raises(EngineError, match=r"cannot be sent to workers: .*define it at the top level of a module"):
        LocalEngine(1).map(lambda task: task, [1])


def test_a_function_of_the_main_script_is_refused_with_advice(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from functools import partial\n"
        "from brev_pipeline.engine import LocalEngine\n"
        "def mine(task): return task\n"
        "LocalEngine(1).map(partial(mine), [1])\n"
    )
    process = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env={"PYTHONPATH": _path()}, check=False
    )
    assert "EngineError: workers cannot import <function mine" in process.stderr
    assert "not in the script that runs" in process.stderr


def test_a_task_of_a_class_of_the_main_script_gets_the_same_advice(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from brev_pipeline.engine import LocalEngine\nclass Mine: pass\nlist(LocalEngine(1).map(str, [Mine()]))\n"
    )
    process = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env={"PYTHONPATH": _path()}, check=False
    )
    assert "cannot be read in the worker (define it at the top level of a module" in process.stderr


def test_the_first_error_stops_the_rest():
    taken = []

    def source():
        for what in ["fine", "ours", *["fine"] * 1000]:
            taken.append(what)
            yield what

    with pytest.raises(DecodeError):
        list(LocalEngine(1).map(tasks.fail, source()))
    assert len(taken) <= 4


def test_the_error_comes_at_once_although_another_task_goes_on():
    with pytest.raises(EngineError, match="task 'no number' failed: TypeError"):
        list(LocalEngine(2).map(tasks.sleep, [60, "no number"]))


@pytest.mark.parametrize("task", ["x" * 10**6, b"x" * 10**6, list(range(10**5)), {"a": "x" * 10**5}, object()])
def test_long_tasks_are_named_shortly(task):
    assert 10 < len(task_name("", task)) < 300


def _path():
    return str(Path(__file__).parents[2])
