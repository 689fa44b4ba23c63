"""A real S3 server for the end-to-end tests: Ceph's radosgw on 127.0.0.1, with a throw-away store behind it.

Three processes of ours, each with its state in a temporary folder: a monitor, one object store in a sparse file, and
the gateway that speaks S3. Nothing of the machine's own Ceph is used or touched. Debian's packages ceph-mon, ceph-osd
and radosgw are needed (`apt-get install --no-install-recommends ceph-mon ceph-osd radosgw`); without them the tests
that ask for the server are skipped.

A test asks for the fixture `ceph`; the server is started once per session, which takes some 20 s.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline_tests.buckets import KEYS, Server, isolated_credentials

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool")
STORE_BYTES = 20 << 30  # sparse; a full store hangs, so it is never to be filled
READY_SECONDS = 120
STOP_SECONDS = 15


@dataclass(frozen=True)
class Ceph(Server):
    """The running server; can be stopped and started again in the middle of a test."""

    folder: Path
    port: int
    monitor_port: int
    store_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Make the store, start the three processes, and make the user."""
        (self.folder / "ceph.conf").write_text(self._settings())
        cluster, osd = str(uuid.uuid4()), str(uuid.uuid4())
        address = f"[v2:127.0.0.1:{self.monitor_port}]"
        self._do("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, str(self.folder / "monmap"))
        self._do(
            "ceph-mon", *self._conf, "-i", "a", "--mkfs", "--fsid", cluster, "--monmap", str(self.folder / "monmap")
        )
        self._spawn("mon", "ceph-mon", *self._conf, "-i", "a", "-f")
        self._do("ceph", *self._conf, "--connect-timeout", str(READY_SECONDS), "osd", "new", osd)
        self._do("ceph-osd", *self._conf, "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._spawn("osd", "ceph-osd", *self._conf, "-i", "0", "-f")
        self._wait("osd", lambda: b'"num_up_osds":1' in self._do("ceph", *self._conf, "osd", "stat", "-f", "json"))
        self.start_gateway()
        names = ["--uid=tester", "--display-name=tester"]
        keys = [f"--access-key={KEYS['AWS_ACCESS_KEY_ID']}", f"--secret-key={KEYS['AWS_SECRET_ACCESS_KEY']}"]
        self._do("radosgw-admin", *self._conf, "-n", "client.rgw.s3", "user", "create", *names, *keys)

    def start_gateway(self) -> None:
        """Start the part that speaks S3; wait until it answers."""
        self._spawn("rgw", "radosgw", *self._conf, "-n", "client.rgw.s3", "-f")
        self._wait("rgw", lambda: urllib.request.urlopen(self.endpoint, timeout=5).status == 200)

    def stop_gateway(self) -> None:
        """Stop the part that speaks S3, as abruptly as a power cut."""
        process = self.processes.pop("rgw")
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End the processes, the gateway first."""
        for name in ("rgw", "osd", "mon"):
            process = self.processes.pop(name, None)
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def _conf(self) -> tuple[str, str]:
        return ("-c", str(self.folder / "ceph.conf"))

    def _settings(self) -> str:
        everywhere = {
            "mon initial members": "a",
            "mon host": f"[v2:127.0.0.1:{self.monitor_port}]",
            "public addr": "127.0.0.1",
            "cluster addr": "127.0.0.1",
            "ms bind ipv6": "false",
            # One machine, one user, one copy: no keys between the processes, nothing encrypted, nothing replicated.
            **{f"auth {part} required": "none" for part in ("cluster", "service", "client")},
            **{
                f"ms {part} mode": "crc"
                for part in ("cluster", "service", "client", "mon cluster", "mon service", "mon client")
            },
            "osd pool default size": "1",
            "osd pool default min size": "1",
            "osd pool default pg num": "4",
            "osd pool default pgp num": "4",
            "osd pool default pg autoscale mode": "off",
            "osd crush chooseleaf type": "0",
            "mon allow pool size one": "true",
            "mon max pg per osd": "1000",
            "mon data avail crit": "1",
            "run dir": str(self.folder),
            "admin socket": f"{self.folder}/$name.$pid.asok",
            "pid file": f"{self.folder}/$name.pid",
            "log file": f"{self.folder}/$name.log",
            "mon cluster log file": f"{self.folder}/cluster.log",
        }
        monitor = {"mon data": f"{self.folder}/mon", "ms bind port min": str(self.monitor_port)}
        store = {
            "osd data": f"{self.folder}/osd",
            "osd objectstore": "bluestore",
            "bluestore block create": "true",
            "bluestore block size": str(STORE_BYTES),
            "osd memory target": str(1 << 30),
            "ms bind port min": str(self.store_port),
            "ms bind port max": str(self.store_port + 20),
        }
        gateway = {
            "rgw data": f"{self.folder}/rgw",
            # Without tcp_nodelay each small object waits 40 ms for an acknowledgement.
            "rgw frontends": f"beast endpoint=127.0.0.1:{self.port} tcp_nodelay=1",
            "rgw enable apis": "s3, admin",
            "rgw thread pool size": "64",
            "rgw dynamic resharding": "false",
            "rgw override bucket index max shards": "1",
        }
        sections = {"global": everywhere, "mon": monitor, "osd": store, "client.rgw.s3": gateway}
        return "\n".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in section.items())
            for name, section in sections.items()
        )

    def _do(self, *command: str) -> bytes:
        done = subprocess.run(command, capture_output=True, timeout=READY_SECONDS, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
        return done.stdout

    def _spawn(self, name: str, *command: str) -> None:
        with open(self.folder / f"{name}.out", "ab") as out:
            self.processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.processes[name].poll() is not None:
                raise RuntimeError(f"{name} ended: {(self.folder / f'{name}.out').read_text()[-2000:]}")
            try:
                if ready():
                    return
            except (OSError, RuntimeError):
                pass
            time.sleep(0.2)
        raise RuntimeError(f"{name} was not ready after {READY_SECONDS} s")


def free_ports(count: int, room: int = 25) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, with room behind each."""
    found: list[int] = []
    for _ in range(1000):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port < 65_000 and all(abs(port - other) > room for other in found):
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports")


def missing_programs() -> list[str]:
    """Those of `PROGRAMS` that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@contextmanager
def real_server() -> Iterator[Ceph]:
    """The server, running; the credentials of the environment are its user's."""
    import botocore.session

    port, monitor_port, store_port = free_ports(3)
    endpoint = f"http://127.0.0.1:{port}"
    folder = Path(tempfile.mkdtemp(prefix="s3-server-"))
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    with isolated_credentials():
        server = Ceph(endpoint, _client(botocore.session.Session(), endpoint), folder, port, monitor_port, store_port)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def ceph() -> Iterator[Ceph]:
    """A real S3 server; the test is skipped where its packages are missing."""
    if missing := missing_programs():
        message = f"{', '.join(missing)} not installed: apt-get install ceph-mon ceph-osd radosgw"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with real_server() as server:
        yield server


def _client(session: Any, endpoint: str) -> Any:
    from botocore.config import Config

    config = Config(s3={"addressing_style": "path"}, max_pool_connections=32)
    return session.create_client("s3", endpoint_url=endpoint, config=config)
