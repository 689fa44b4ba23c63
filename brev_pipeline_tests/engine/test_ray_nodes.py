"""The engine of a Ray cluster keeps the promises of every engine, on a real cluster of two nodes."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from brev_pipeline.engine import LostTask, Progress, RayEngine
from brev_pipeline.errors import DecodeError, EngineError
from brev_pipeline_tests.engine import tasks
from brev_pipeline_tests.engine.clusters import REPOSITORY, Cluster
from brev_pipeline_tests.engine.processes import alive, read_number, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

START = 60  # seconds that workers may take to start on a busy machine


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        cluster = Cluster(client=True)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(autouse=True)
def no_process_is_left():
    """In place of the folder's: the cluster's nodes are our children, and `Cluster.stop` leaves none of them."""


@pytest.fixture
def engine(cluster):
    return RayEngine(cluster.address)


@contextmanager
def meanwhile(results):
    """The results, taken by another thread while this one looks on; all are there when the context is left."""
    found = []
    thread = threading.Thread(target=lambda: found.extend(results))
    thread.start()
    yield found
    thread.join()


def test_every_task_comes_back_once_with_its_own_result_and_progress_is_told(cluster):
    heard: list[Progress] = []
    engine = RayEngine(cluster.address, on_progress=heard.append, progress_seconds=0)
    before = signal.getsignal(signal.SIGTERM)
    results = list(engine.map(tasks.square, range(50), label="squares"))
    assert sorted(results) == [(number, number * number) for number in range(50)]
    assert (heard[-1].label, heard[-1].done, heard[-1].total) == ("squares", 50, 50)
    # Dagster's own answer to SIGTERM stands, which Ray replaces.
    assert signal.getsignal(signal.SIGTERM) is before


def test_both_nodes_work_and_the_function_travels_once_to_each_worker(cluster, engine, tmp_path):
    go = tmp_path / "go"
    files = [(str(tmp_path / name), str(go)) for name in ("first", "second")]
    with meanwhile(engine.map(tasks.wait_and_tell, [*files, (str(tmp_path / "third"), "")])) as found:
        processes = {read_number(file, START) for file, _ in files}
        assert {cluster.node_of(process).pid for process in processes} == {node.pid for node in cluster.nodes}
        go.touch()
    assert len(found) == 3
    assert read_number(tmp_path / "third") in processes
    results = [result for _, result in engine.map(tasks.CountsLoads(), range(30))]
    assert {loads for _, loads in results} == {1}


def test_results_come_in_order_of_completion(engine, tmp_path):
    blocked, seen = str(tmp_path / "go"), []
    for task, _ in engine.map(tasks.wait_for, [blocked, ""]):
        seen.append(task)
        Path(blocked).touch()
    assert seen == ["", blocked]


def test_large_arrays_travel_both_ways_and_come_back_writable(engine):
    images = [np.arange(3_000_000, dtype=np.uint8).reshape(1000, 1000, 3), np.asfortranarray(np.ones((500, 400)))]
    for image, doubled in engine.map(tasks.double, images):
        np.testing.assert_array_equal(doubled, image * 2)
        doubled[0] = 1


def test_a_worker_has_one_opencv_thread_and_none_of_our_secrets(engine, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for everybody")
    ((_, found),) = engine.map(tasks.worker_facts, [None])
    assert found["opencv threads"] == 1
    assert "AWS_SECRET_ACCESS_KEY" not in found["environment"]


def test_an_installed_package_is_used_where_none_is_sent(cluster):
    ((_, found),) = RayEngine(cluster.address, ship_package=False).map(tasks.worker_facts, [None])
    assert Path(found["package"]).is_relative_to(REPOSITORY)


def test_a_machine_outside_the_cluster_works_through_rays_client_and_sends_this_package(cluster):
    engine = RayEngine(cluster.client_address)
    ((_, found),) = patiently(lambda: list(engine.map(tasks.worker_facts, [None])))
    assert "_ray_pkg_" in found["package"]
    results = dict(patiently(lambda: list(engine.map(tasks.die, [0, -1], lost="yield"))))
    assert results[0] == 0
    assert isinstance(results[-1], LostTask)


def patiently(call, tries=4):
    """Ray's own proxy gives a client's server 30 s to start, which is little on a busy machine."""
    for _ in range(tries - 1):
        try:
            return call()
        except EngineError as error:
            if not error.may_pass:
                raise
    return call()


# Deaths


def test_a_task_whose_worker_is_killed_once_succeeds_on_another(engine, tmp_path):
    marker = tmp_path / "died"
    ((_, survivor),) = engine.map(tasks.die_once, [str(marker)])
    assert survivor != read_number(marker)


def test_a_task_whose_workers_always_die_is_lost_with_its_name_and_the_others_are_not(engine):
    died = r"the worker was killed by a signal or crashed; .*; on the next try the worker was killed"
    with pytest.raises(EngineError, match=rf"^decode: task 9 was lost: {died}"):
        list(engine.map(tasks.die, [9], label="decode"))
    results = dict(engine.map(tasks.die, [0, 9, -3], lost="yield"))
    assert results.pop(0) == 0
    assert [type(one) for one in results.values()] == [LostTask, LostTask]


def test_a_task_that_hangs_is_ended_and_tried_again_and_one_that_always_does_is_lost(engine, tmp_path):
    ((_, result),) = engine.map(tasks.hang_once, [str(tmp_path / "hung")], task_timeout=0.5)
    assert result == "second run"
    results = dict(engine.map(tasks.sleep, [0, 60], lost="yield", task_timeout=0.5))
    assert results == {
        0: 0,
        60: LostTask("the task took longer than 0.5 s (task_timeout), and its worker was ended, twice"),
    }


def test_the_loss_of_a_node_costs_time_but_no_task(cluster, engine, tmp_path):
    files = [(str(tmp_path / f"told{number}"), str(tmp_path / "go")) for number in range(4)]
    try:
        with meanwhile(engine.map(tasks.wait_and_tell, files)) as found:
            # Both workers are at it: one of them goes with its node.
            processes = [read_number(file, START) for file, _ in files[:2]]
            cluster.kill_node(cluster.node_of(processes[0]))
            (tmp_path / "go").touch()
        assert sorted(found) == sorted((one, one[1]) for one in files)
    finally:
        cluster.add_node()


def test_when_the_driver_is_killed_its_workers_end(cluster, tmp_path):
    code = (
        "import sys\n"
        "from brev_pipeline.engine import RayEngine\n"
        "from brev_pipeline_tests.engine import tasks\n"
        "plan = [(f'{sys.argv[2]}/first', f'{sys.argv[2]}/no'), (f'{sys.argv[2]}/second', f'{sys.argv[2]}/no')]\n"
        "list(RayEngine(sys.argv[1]).map(tasks.wait_and_tell, plan))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    driver = subprocess.Popen(
        [sys.executable, "-c", code, cluster.address, str(tmp_path)], env=environment, cwd=REPOSITORY
    )
    workers = [read_number(tmp_path / name, START) for name in ("first", "second")]
    driver.kill()
    driver.wait()
    wait_until(lambda: not any(alive(worker) for worker in workers), 30)


# Errors and endings


def test_errors_arrive_as_themselves_and_name_the_task(engine):
    with pytest.raises(DecodeError, match="ends in the middle") as caught:
        list(engine.map(tasks.fail, ["ours"], label="decode"))
    assert caught.value.status == "corrupt"
    assert caught.value.__notes__ == ["in decode: task 'ours'"]
    assert "in fail" in str(caught.value.__cause__)
    with pytest.raises(EngineError, match=r"^prepare: task 'exit' failed: SystemExit: enough"):
        list(engine.map(tasks.fail, ["exit"], label="prepare"))


def test_a_function_that_the_worker_cannot_import_runs_no_task(engine):
    with pytest.raises(EngineError, match=r"squares: task 1 was not begun: the function cannot be imported .*define"):
        list(engine.map(tasks.BreaksWhenLoaded(), [1, 2, 3], label="squares"))


def test_the_first_error_stops_the_rest_at_once(engine, tmp_path):
    told = tmp_path / "told"
    plan = [(str(told), str(tmp_path / "never")), (str(tmp_path / "no folder" / "told"), str(told))]
    with pytest.raises(EngineError, match=r"task \(.*no folder.* failed: FileNotFoundError"):
        list(engine.map(tasks.wait_and_tell, plan))
    if told.exists():
        wait_until(lambda: not alive(read_number(told)), 10)


def test_closing_early_ends_all_workers(engine, tmp_path):
    plan = [(str(tmp_path / "first"), ""), (str(tmp_path / "second"), str(tmp_path / "never"))]
    results = engine.map(tasks.wait_and_tell, plan)
    next(results)
    busy = read_number(tmp_path / "second", START)
    results.close()
    wait_until(lambda: not alive(busy), 10)


def test_two_calls_at_once_share_the_connection_and_a_full_cluster_is_named(cluster, engine, tmp_path):
    plan = [(str(tmp_path / f"told{number}"), str(tmp_path / "go")) for number in range(3)]
    with meanwhile(engine.map(tasks.wait_and_tell, plan)) as found:
        for file, _ in plan[:2]:
            read_number(file, START)
        with pytest.raises(EngineError, match=r"started no worker within 1 s .*0 of its 2 CPUs are free") as caught:
            list(RayEngine(cluster.address, start_seconds=1).map(tasks.square, [1]))
        assert caught.value.may_pass
        (tmp_path / "go").touch()
    assert len(found) == 3


# Clusters that do not fit


def test_a_cluster_with_other_package_versions_is_refused(engine, monkeypatch):
    from brev_pipeline.engine.ray import pool as ray_pool

    other = ray_pool.collect_versions() | {"numpy": "1.0"}
    monkeypatch.setattr(ray_pool, "collect_versions", lambda: other)
    with pytest.raises(EngineError, match=rf"has numpy {np.__version__}, not 1\.0, and might make"):
        list(engine.map(tasks.square, [1]))


def test_a_cluster_with_another_ray_is_refused(engine, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "__version__", "2.0.0")
    with pytest.raises(EngineError, match=r"Version mismatch: The cluster was started with: Ray: .* install the same"):
        list(engine.map(tasks.square, [1]))


def test_a_connection_that_somebody_else_opened_is_used_and_left(cluster):
    import ray

    environment = {"py_modules": [str(REPOSITORY / "brev_pipeline")]}
    ray.init(cluster.address, runtime_env=environment, configure_logging=False)
    try:
        assert list(RayEngine(cluster.address).map(tasks.square, [2])) == [(2, 4)]
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def test_workers_that_cannot_be_set_up_are_an_error_that_says_why(cluster):
    engine = RayEngine(cluster.address, runtime_env={"working_dir": "s3://there.is/nothing.zip"}, start_seconds=5)
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"runtime_env|working_dir"):
        list(engine.map(tasks.square, [1]))
    assert time.monotonic() - began < 120
