"""What can be said of the Ray engine without a cluster: how it is made, and what it says when there is none."""

import importlib.util
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.config import EngineSettings, parse_config
from brev_pipeline.engine import Engine, LocalEngine, RayEngine, create_engine
from brev_pipeline.engine.ray.engine import check_address, check_reachable, worker_environment
from brev_pipeline.engine.ray.pool import RemoteWorker, collect_versions
from brev_pipeline.engine.transport import MessageKind, encode_message, parse_message
from brev_pipeline.errors import ConfigError, EngineError
from brev_pipeline.stages import PACKAGES
from brev_pipeline_tests.engine import tasks

REPOSITORY = Path(__file__).parents[2]
PIPELINE = "name: p\nstore: s3://bucket/store\ndatasets: [{name: a, id: a, bucket: s3://bucket/a}]\nengine: "


@pytest.fixture
def listener():
    """A port on which somebody listens who never says a word."""
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield silent.getsockname()[1]


def unused_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("text", ["10.0.0.7:6379", "ray-head.ml.svc:6379", "ray://head:10001", "[fd00::1]:6379"])
def test_addresses(text):
    assert check_address(text) == text


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "[::1]:{}", "ray://[::1]:{}"])
def test_with_tls_it_is_asked_whether_anybody_listens(monkeypatch, address):
    monkeypatch.setenv("RAY_USE_TLS", "1")
    family = socket.AF_INET6 if "[" in address else socket.AF_INET
    with closing(socket.socket(family)) as listener:
        listener.bind(("::1" if family is socket.AF_INET6 else "127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        check_reachable(address.format(port), 1)
    with pytest.raises(EngineError, match=r"cannot be reached: .*refused"):
        check_reachable(address.format(port), 1)


@pytest.mark.parametrize("text", ["", "auto", "local", "head", "http://head:8265", "head:", "a b:1", "ray://head"])
def test_what_is_no_address_is_refused_at_once(text):
    with pytest.raises(EngineError, match=r"engine.address: .* is no address of a Ray cluster: give host:6379"):
        RayEngine(text)


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_a_port_where_nobody_listens_is_an_error_in_time_that_may_pass(address):
    began = time.monotonic()
    with pytest.raises(EngineError, match="cannot be reached: no Ray cluster answered within 1 s; check") as caught:
        list(RayEngine(address.format(unused_port()), connect_seconds=1).map(tasks.square, [1]))
    assert time.monotonic() - began < 10
    assert caught.value.may_pass


def test_somebody_who_listens_and_is_no_cluster_is_an_error_in_time(listener):
    began = time.monotonic()
    with pytest.raises(EngineError, match="no Ray cluster answered within 1 s"):
        list(RayEngine(f"127.0.0.1:{listener}", connect_seconds=1).map(tasks.square, [1]))
    assert time.monotonic() - began < 10


def test_with_tls_the_port_is_tried(monkeypatch):
    monkeypatch.setenv("RAY_USE_TLS", "1")
    with pytest.raises(EngineError, match=r"cannot be reached: .*refused"):
        list(RayEngine(f"127.0.0.1:{unused_port()}", connect_seconds=1).map(tasks.square, [1]))


def test_without_ray_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr("brev_pipeline.engine.ray.engine.find_spec", lambda _: None)
    with pytest.raises(EngineError, match=r"Ray is not installed: pip install 'brev-pipeline\[ray\]'"):
        list(RayEngine("127.0.0.1:1").map(tasks.square, [1]))


def test_ray_is_not_imported_before_a_cluster_has_answered():
    code = (
        "import sys\n"
        "from brev_pipeline.engine import RayEngine\n"
        "from brev_pipeline.errors import EngineError\n"
        f"results = RayEngine('127.0.0.1:{unused_port()}', connect_seconds=0.5).map(len, ['task'])\n"
        "try: next(results)\n"
        "except EngineError: print('ray' in sys.modules, 'dagster' in sys.modules)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert said.stdout == "False False\n"


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"task_timeout": -1.0}, {"progress_seconds": -1}])
def test_nonsense_is_refused_at_once(wrong):
    with pytest.raises(EngineError, match=next(iter(wrong))):
        RayEngine(**{"address": "head:6379", "workers": 1} | wrong)


def test_a_number_of_workers_needs_no_cluster():
    engine: Engine = RayEngine("head:6379", 64)
    assert engine.workers == 64


# Configuration


def engine_settings(text):
    return parse_config(PIPELINE + text).engine


def test_the_configuration_chooses_the_engine():
    assert isinstance(create_engine(engine_settings("{workers: 2}")), LocalEngine)
    engine = create_engine(engine_settings("{kind: ray, address: 'head:6379', workers: 5}"))
    assert isinstance(engine, RayEngine)
    assert engine.workers == 5


def test_settings_survive_being_written_and_read():
    for text in ("{workers: 2}", "{kind: ray, address: 'ray://head:10001', ship_package: false}"):
        settings = engine_settings(text)
        assert EngineSettings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{kind: ray}", "kind: ray needs address"),
        ("{address: 'head:6379'}", "address: only for kind: ray"),
        ("{kind: local, ship_package: false}", "ship_package: only for kind: ray"),
        ("{kind: ray, address: auto}", "address"),
        ("{kind: ray, address: 'h:1', runtime_env: {env_vars: {AWS_SECRET_ACCESS_KEY: x}}}", "credentials do not"),
        ("{kind: ray, address: 'h:1', runtime_env: {env_vars: {N: 1}}}", "put numbers into quotes"),
        ("{kind: dask}", "kind"),
    ],
)
def test_bad_engine_settings_are_named_with_their_place(text, problem):
    with pytest.raises(ConfigError, match=rf"engine.*{problem}"):
        engine_settings(text)


def test_the_engine_is_no_part_of_what_the_bytes_depend_on():
    one, other = (parse_config(PIPELINE + text) for text in ("{workers: 2}", "{kind: ray, address: 'head:6379'}"))
    assert one.content_settings() == other.content_settings()


# What goes to the workers


def test_workers_get_this_package_one_thread_and_what_was_configured():
    env = worker_environment({"pip": ["x"], "env_vars": {"OMP_NUM_THREADS": "2", "A": "b"}}, ship_package=True)
    assert env["py_modules"] == [str(REPOSITORY / "brev_pipeline")]
    assert env["pip"] == ["x"]
    assert env["env_vars"]["OPENCV_FOR_THREADS_NUM"] == "1"
    assert (env["env_vars"]["OMP_NUM_THREADS"], env["env_vars"]["A"]) == ("2", "b")
    assert "py_modules" not in worker_environment({}, ship_package=False)


def test_all_that_bytes_depend_on_is_compared():
    assert collect_versions().keys() == {*PACKAGES, "Python"}
    assert importlib.util.find_spec("numpy") is not None


def test_differences_name_the_package_and_both_versions():
    ours = collect_versions()
    answer = parse_message(RemoteWorker().prepare([None], ours | {"numpy": "1.0"}))
    assert answer.kind is MessageKind.FAILED
    assert f" has numpy {ours['numpy']}, not 1.0, and might make other bytes: install" in answer.load().summary


@given(st.recursive(st.none() | st.binary() | st.just(b"x" * 200_000), lambda inner: st.lists(inner, max_size=3)))
def test_a_message_in_one_piece_holds_what_was_put_in(value):
    message = parse_message(b"".join(encode_message(MessageKind.DONE, value)))
    assert message.kind is MessageKind.DONE
    assert message.load() == value


def test_local_folders_are_warned_of_where_a_cluster_works(tmp_path):
    (tmp_path / "a").mkdir()
    assert parse_config(PIPELINE + "{kind: ray, address: 'head:6379'}").setup_warnings == []
    text = PIPELINE.replace("s3://bucket/", "") + "{kind: ray, address: 'head:6379'}"
    assert [warning.partition(":")[0] for warning in parse_config(text, base=tmp_path).setup_warnings] == [
        "store",
        "datasets[0].bucket",
    ]
    assert parse_config(PIPELINE.replace("s3://bucket/", "") + "{}", base=tmp_path).setup_warnings == []
