"""A real Ray cluster on this machine: a head without CPUs and nodes of one CPU, each with a raylet of its own.

Every node is a process group that can be killed as a machine dies: all of it at once. Nothing is written outside of a
temporary folder, and nothing is left running, even when a test fails.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

from brev_pipeline_tests.engine.processes import alive, children, wait_until

REPOSITORY = Path(__file__).parents[2]
OBJECT_STORE = 80 * 2**20  # bytes; Ray takes no less than 75 MiB
READY_SECONDS = 200


class Cluster:
    """Started by `start`, ended by `stop`."""

    def __init__(self, nodes=2, *, client=False):
        # Sockets live in there, and their names may have 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="ray", dir=_short_folder()))
        self.port, self.client_port = _free_port(), _free_port() if client else None
        self.nodes = []
        self._count, self._started = nodes, 0

    @property
    def address(self):
        return f"{_own_ip()}:{self.port}"

    @property
    def client_address(self):
        return f"ray://{_own_ip()}:{self.client_port}"

    def start(self):
        options = ["--head", f"--port={self.port}", "--num-cpus=0", f"--temp-dir={self.folder}"]
        options += ["--include-dashboard=false", "--disable-usage-stats"]
        if self.client_port:
            options.append(f"--ray-client-server-port={self.client_port}")
        self.head = self._spawn("head", options)
        self._wait(lambda: _listens(self.port))
        self._wait(lambda: self._says_started("head"))
        for _ in range(self._count):
            self.add_node()

    def add_node(self):
        self._started += 1
        name = f"node{self._started}"
        self.nodes.append(self._spawn(name, [f"--address={self.address}", "--num-cpus=1"]))
        self._wait(lambda: self._says_started(name))

    def _says_started(self, name):
        return "Ray runtime started" in (self.folder / f"{name}.txt").read_text()

    def cpus(self):
        """CPUs of the nodes that the head takes to be alive."""
        from ray._raylet import GcsClient

        found = GcsClient(address=self.address).get_all_node_info(timeout=10).values()
        return sum(node.resources_total.get("CPU", 0) for node in found if node.state == 0)

    def kill_node(self, node):
        """End all processes of a node at once, as the loss of its machine would."""
        everything = descendants(node.pid)
        for process in everything:
            _send(process, signal.SIGKILL)
        node.wait()
        self.nodes.remove(node)

    def node_of(self, process):
        """The node to which a worker process belongs."""
        return next(node for node in self.nodes if process in descendants(node.pid))

    def stop(self):
        everything = [process for node in [*self.nodes, self.head] for process in descendants(node.pid)]
        for process in everything:
            _send(process, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while any(alive(process) for process in everything) and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in everything:
            _send(process, signal.SIGKILL)
        for node in [*self.nodes, self.head]:
            node.wait()
        wait_until(lambda: not any(alive(process) for process in everything))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self, name, options):
        # Two nodes of one machine may not share the ports that Ray takes by default.
        options += [
            "--block",
            "--node-ip-address=127.0.0.1",
            f"--object-store-memory={OBJECT_STORE}",
            "--min-worker-port=0",
            "--max-worker-port=0",
        ]
        options += ["--dashboard-agent-listen-port=0", "--log-color=false"]
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(REPOSITORY)}
        environment |= {"RAY_TMPDIR": str(self.folder)}
        log = open(self.folder / f"{name}.txt", "wb")  # noqa: SIM115
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "brev_pipeline_tests.engine.ray_start", "start", *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=REPOSITORY,
                start_new_session=True,
            )

    def _wait(self, condition):
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            ended = any(node.poll() is not None for node in [self.head, *self.nodes])
            if ended or time.monotonic() > deadline:
                self._fail()
            time.sleep(0.1)

    def _fail(self):
        logs = "\n".join(file.read_text() for file in self.folder.glob("*.txt"))
        self.stop()
        raise AssertionError(f"the Ray cluster did not start:\n{logs}")


def descendants(process):
    """A process and all that it and its children have started."""
    return [process, *(one for child in children(process) for one in descendants(child))]


def _short_folder():
    return "/tmp" if len(tempfile.gettempdir()) > 30 else None


def _free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def _own_ip():
    return "127.0.0.1"


def _listens(port):
    with closing(socket.socket()) as probe:
        return probe.connect_ex((_own_ip(), port)) == 0


def _send(process, number):
    with suppress(ProcessLookupError):
        os.kill(process, number)
