"""Run monitoring asks whether the process of a run lives that no code server was given."""

import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from brev_pipeline.orchestration.launcher import PROCESS_TAG, WatchedRunLauncher, has_process_ended, identify_process

PRINT = (
    "from brev_pipeline.orchestration.launcher import identify_process; print(identify_process(), flush=True); input()"
)


@pytest.fixture
def other() -> Any:
    with subprocess.Popen(
        [sys.executable, "-c", PRINT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        yield SimpleNamespace(child=child, name=child.stdout.readline().strip())
        child.kill()


def test_a_process_is_there_until_it_ends(other: Any) -> None:
    assert not has_process_ended(identify_process())
    assert not has_process_ended(other.name)
    other.child.kill()
    other.child.wait()
    assert has_process_ended(other.name)


def test_another_process_with_the_same_number_is_another_one() -> None:
    host, number, started = identify_process().rsplit(":", 2)
    assert has_process_ended(f"{host}:{number}:{int(started) - 1}")


@pytest.mark.parametrize("name", ["::", f"elsewhere:{2**22}:7", f"{socket.gethostname()}:{2**22}:"])
def test_what_is_not_known_is_not_gone(name: str) -> None:
    assert not has_process_ended(name)


def test_a_run_of_a_terminal_counts_as_running_while_its_process_lives(other: Any) -> None:
    @dg.job(tags={PROCESS_TAG: other.name})
    def by_hand() -> None:
        pass

    with dg.instance_for_test(
        overrides={"run_launcher": {"module": WatchedRunLauncher.__module__, "class": WatchedRunLauncher.__name__}}
    ) as instance:
        run = instance.create_run_for_job(by_hand, status=dg.DagsterRunStatus.STARTED, tags=by_hand.tags)
        launcher = instance.run_launcher
        assert launcher.check_run_worker_health(run).status.value == "RUNNING"
        other.child.kill()
        other.child.wait()
        assert launcher.check_run_worker_health(run).status.value == "NOT_FOUND"
        untold = instance.create_run_for_job(by_hand, status=dg.DagsterRunStatus.STARTED)
        assert launcher.check_run_worker_health(untold).status.value == "RUNNING"
