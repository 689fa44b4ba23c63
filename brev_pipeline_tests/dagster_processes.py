"""Real Dagster processes for the end-to-end tests: code server, webserver, daemon, and a GraphQL client.

Each service is a process of ours on 127.0.0.1 with a session of its own, so that at the end everything that it
started can be found, by process id, even what has lost its parent. Nothing else on the machine is touched.

::

    with Dagster(tmp_path / "dagster", configs=tmp_path / "configs") as dagster:
        dagster.start_all()
        run_id = dagster.launch("parts")
        assert dagster.wait(run_id) == "SUCCESS"
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
LOCAL_SETTINGS = REPOSITORY / "deploy" / "local" / "dagster.yaml"
MODULE = "brev_pipeline.definitions"
LOCATION = "brev_pipeline"
REPOSITORY_NAME = "__repository__"
"""Dagster's name for the one repository of a code location."""

READY_SECONDS = 120
STOP_SECONDS = 15
FINISHED = ("SUCCESS", "FAILURE", "CANCELED")


class Dagster:
    """A deployment whose processes are started one by one, and all ended when the context is left.

    Args:
        folder: gets ``home`` (DAGSTER_HOME), the services' logs (``<name>.log``) and ``workspace.yaml``.
        configs: the pipelines' YAML files.
        settings: dagster.yaml's text; default: ``deploy/local/dagster.yaml``, as `make ui` uses it.
        extra: sections that replace or add to those of ``settings``.
        environment: variables of every service.
    """

    def __init__(
        self,
        folder: Path,
        configs: Path,
        *,
        settings: str | None = None,
        extra: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        text = LOCAL_SETTINGS.read_text() if settings is None else settings
        sections = (yaml.safe_load(text) or {}) | dict(extra or {})
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(sections))
        self.environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.home),
            "BREV_PIPELINE_CONFIGS": str(configs),
            "DAGSTER_DISABLE_TELEMETRY": "true",
            "OMP_NUM_THREADS": "1",
            **(environment or {}),
        }
        self.workspace = folder / "workspace.yaml"
        self.port = 0
        """Of the webserver."""
        self.code_port = 0
        """Of the code server."""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._sessions: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()

    @property
    def url(self) -> str:
        """Address of the webserver."""
        return f"http://127.0.0.1:{self.port}"

    # Services

    def start_all(self) -> None:
        """Code server, webserver and daemon, ready."""
        self.start_code_server()
        self.start_webserver()
        self.start_daemon()

    def start_code_server(self) -> None:
        """The code location over gRPC; the other services find it through `workspace`."""
        self.code_port = self.code_port or free_port()
        server = {"host": "127.0.0.1", "port": self.code_port, "location_name": LOCATION}
        self.workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        where = ["-h", "127.0.0.1", "-p", str(self.code_port)]
        self.spawn("code", program("dagster"), "api", "grpc", *where, "-m", MODULE, "--location-name", LOCATION)
        check = [program("dagster"), "api", "grpc-health-check", "--host", "127.0.0.1", "--port", str(self.code_port)]
        self.wait_ready("code", lambda: _listens(self.code_port))
        self.wait_ready("code", lambda: self.call(*check) == 0)

    def start_webserver(self, *options: str) -> None:
        """The webserver, with the code location loaded."""
        self.port = self.port or free_port()
        command = [program("dagster-webserver"), "-h", "127.0.0.1", "-p", str(self.port), "-w", str(self.workspace)]
        self.spawn("webserver", *command, *options)
        self.wait_ready("webserver", lambda: self.graphql("{ version }") is not None)

    def start_daemon(self) -> None:
        """The daemon, with its first heartbeats given; `start_webserver` first."""
        self.spawn("daemon", program("dagster-daemon"), "run", "-w", str(self.workspace))
        self.wait_ready("daemon", self.daemon_is_healthy)

    def daemon_is_healthy(self) -> bool:
        """Whether every daemon that is required gives heartbeats."""
        query = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"
        statuses = self.graphql(query)["instance"]["daemonHealth"]["allDaemonStatuses"]
        return bool(statuses) and all(status["healthy"] for status in statuses if status["required"])

    def spawn(self, name: str, *command: str, cwd: Path | None = None) -> "subprocess.Popen[bytes]":
        """Start a service of any kind under our care; its output goes to ``<name>.log``."""
        with open(self.log(name), "ab") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.environment,
                cwd=cwd or REPOSITORY,
                start_new_session=True,
            )
        self.processes[name] = process
        self._sessions.append(process.pid)
        return process

    def call(self, *command: str) -> int:
        """Run a short command with the services' environment; its exit status."""
        run = subprocess.run(
            command, env=self.environment, cwd=REPOSITORY, capture_output=True, timeout=READY_SECONDS, check=False
        )
        return run.returncode

    def log(self, name: str) -> Path:
        """Where a service's output goes."""
        return self.folder / f"{name}.log"

    def wait_ready(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until ``ready``, a moment longer than patience lasts; a service that ends is an error with its log."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.processes[name].poll() is not None:
                raise RuntimeError(f"{name} ended: {self.log(name).read_text()[-3000:]}")
            try:
                if ready():
                    return
            except (OSError, KeyError, TypeError, GraphQLError):
                pass
            time.sleep(0.2)
        raise RuntimeError(f"{name} was not ready after {READY_SECONDS} s: {self.log(name).read_text()[-3000:]}")

    def stop(self, name: str) -> None:
        """End a service politely; what it started goes on for as long as it wants to."""
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self, name: str, *, with_children: bool = False) -> None:
        """Kill a service (SIGKILL), as a crash would; with everything that it started, as a power cut would."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()
        if with_children:
            _kill(members({process.pid}))

    def stop_all(self) -> None:
        """End every service, and then whatever their sessions still hold."""
        for name in [name for name in ("daemon", "webserver") if name in self.processes] + list(self.processes):
            self.stop(name)
        _kill(members(set(self._sessions)))

    def members(self) -> list[int]:
        """Processes that run in the sessions that we started: the services, their runs, and the runs' workers."""
        return members(set(self._sessions))

    # GraphQL: what the UI does

    def graphql(self, query: str, **variables: Any) -> Any:
        """The ``data`` of an answer.

        Raises:
            GraphQLError: the answer has errors.
        """
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise GraphQLError(error.read().decode(errors="replace")) from error
        if answer.get("errors"):
            raise GraphQLError(json.dumps(answer["errors"])[:3000])
        return answer["data"]

    def launch(
        self, job: str, *, assets: Sequence[Sequence[str]] | None = None, tags: Mapping[str, str] | None = None
    ) -> str:
        """Launch a job as the button in the UI does; the run's id.

        Args:
            job: the pipeline's name.
            assets: keys of assets to materialize with their checks; default: all.
            tags: more tags of the run.
        """
        selector: dict[str, Any] = {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY_NAME}
        selector["pipelineName"] = job
        if assets is not None:
            selector["assetSelection"] = [{"path": list(key)} for key in assets]
        metadata = {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]}
        query = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
          __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message stack }
          ... on RunConfigValidationInvalid { errors { message } } ... on UnauthorizedError { message } } }"""
        params = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": metadata}
        answer = self.graphql(query, params=params)["launchPipelineExecution"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise GraphQLError(json.dumps(answer))
        return str(answer["run"]["runId"])

    def reload(self) -> None:
        """Load the code location anew, as the UI's button does (a plain gRPC server must be started anew for it)."""
        query = """mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) { __typename
          ... on WorkspaceLocationEntry { loadStatus locationOrLoadError { __typename
            ... on PythonError { message } } } } }"""
        entry = self.graphql(query, name=LOCATION)["reloadRepositoryLocation"]
        loaded = entry.get("locationOrLoadError") or {}
        if loaded.get("__typename") != "RepositoryLocation":
            raise GraphQLError(json.dumps(entry))

    def terminate(self, run_id: str) -> str:
        """Cancel a run as the UI's button does; the kind of the answer, ``TerminateRunSuccess`` if all is well."""
        query = """mutation($id: String!) { terminateRun(runId: $id) { __typename
          ... on TerminateRunFailure { message } ... on PythonError { message } } }"""
        return str(self.graphql(query, id=run_id)["terminateRun"]["__typename"])

    def runs(self) -> list[dict[str, Any]]:
        """Every run, newest first: runId, status, jobName, tags (a dictionary), startTime, endTime (s since 1970)."""
        query = """{ runsOrError { ... on Runs { results { runId status jobName startTime endTime
          tags { key value } } } } }"""
        found: list[dict[str, Any]] = self.graphql(query)["runsOrError"]["results"]
        return [run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def run(self, run_id: str) -> dict[str, Any]:
        """One run, as `runs` has it."""
        return next(run for run in self.runs() if run["runId"] == run_id)

    def status(self, run_id: str) -> str:
        """A run's status: QUEUED, STARTING, STARTED, CANCELING, SUCCESS, FAILURE, CANCELED."""
        return str(self.run(run_id)["status"])

    def wait(self, run_id: str, *statuses: str, seconds: float = 120) -> str:
        """Wait for a run to have one of ``statuses`` (default: to have finished); its status."""
        wanted = statuses or FINISHED
        until(lambda: self.status(run_id) in wanted, seconds, lambda: f"{run_id}: {self.story(run_id)}")
        return self.status(run_id)

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """A run's events: eventType, message, stepKey, and of failures the error and its own description."""
        query = """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
          __typename ... on MessageEvent { message eventType stepKey timestamp }
          ... on ExecutionStepFailureEvent { error { message } failureMetadata { description } }
          } } } }"""
        found: list[dict[str, Any]] = self.graphql(query, id=run_id)["logsForRun"]["events"]
        return found

    def wait_for_step(self, run_id: str, step: str, kind: str = "STEP_START", seconds: float = 120) -> None:
        """Wait until a step (by the end of its key) has an event of a kind."""

        def there() -> bool:
            found = any(e["eventType"] == kind and (e["stepKey"] or "").endswith(step) for e in self.events(run_id))
            assert found or self.status(run_id) not in FINISHED, f"{run_id}: {self.story(run_id)}"
            return found

        until(there, seconds, lambda: f"{run_id}: {self.story(run_id)}")

    def failures(self, run_id: str) -> str:
        """What the failed steps of a run said."""
        said = []
        for event in self.events(run_id):
            if event["__typename"] == "ExecutionStepFailureEvent":
                own = (event["failureMetadata"] or {}).get("description")
                said.append(own or (event["error"] or {}).get("message", ""))
        return "\n".join(said)

    def evaluated(self, run_id: str) -> list[str]:
        """Names of the checks that a run evaluated."""
        message = re.compile(r"Asset check '(\w+)' on ")
        found = [message.match(event["message"]) for event in self.events(run_id)]
        return [match[1] for match in found if match]

    def story(self, run_id: str) -> str:
        """A run's status and its last messages, for an assertion's message."""
        last = [f"{e['stepKey']}: {e['message']}" for e in self.events(run_id)][-25:]
        return "\n".join([self.status(run_id), *last])

    def ticks(self, name: str) -> list[dict[str, Any]]:
        """The ticks of a schedule or sensor, newest first: status, skipReason, runIds, error, timestamp."""
        query = """query($selector: InstigationSelector!) { instigationStateOrError(instigationSelector: $selector) {
          __typename ... on InstigationState { status ticks(limit: 50) {
            timestamp endTimestamp status skipReason runIds error { message } } } } }"""
        selector = {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY_NAME, "name": name}
        answer = self.graphql(query, selector=selector)["instigationStateOrError"]
        return list(answer.get("ticks", []))


class GraphQLError(RuntimeError):
    """The webserver's answer is an error."""


def program(name: str) -> str:
    """Path of a command that is installed beside this Python."""
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(there: Callable[[], bool], seconds: float, story: Callable[[], str] = lambda: "") -> float:
    """Wait for a condition; returns the seconds that it took."""
    began = time.monotonic()
    while not there():
        assert time.monotonic() - began < seconds, f"not so after {seconds} s: {story()}"
        time.sleep(0.2)
    return time.monotonic() - began


def members(sessions: Iterable[int]) -> list[int]:
    """Process ids that belong to sessions and live (one that ended but was not collected does not)."""
    wanted = set(sessions)
    found = []
    for process, state, session in _processes():
        if session in wanted and state not in "ZX":
            found.append(process)
    return found


def _processes() -> Iterator[tuple[int, str, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(entry.name), after_name[0], int(after_name[3])


def _kill(processes: Iterable[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
