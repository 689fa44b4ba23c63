"""A PostgreSQL server of our own, from Debian's packages: fresh, on a private port, run by an unprivileged account."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGES = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Cluster:
    """A cluster whose server is not running yet.

    Args:
        programs: folder of PostgreSQL's programs.
        folder: holds ``data`` and the socket; belongs to the account that runs the server.
        user: superuser of the database.
        password: of that user.
    """

    programs: Path
    folder: Path
    user: str
    password: str

    def server(self, command: list[str], port: int) -> list[str]:
        """``command`` (``postgres`` and options), made to serve this cluster on ``port``."""
        options = ["-D", str(self.folder / "data"), "-p", str(port), "-k", str(self.folder)]
        return [*_as_unprivileged(), str(self.programs / command[0]), *command[1:], *options]

    def call(self, program: str, *arguments: str, port: int) -> subprocess.CompletedProcess[str]:
        """Run a client program as the superuser."""
        where = ["-h", "127.0.0.1", "-p", str(port), "-U", self.user]
        environment = {**os.environ, "PGPASSWORD": self.password}
        command = [str(self.programs / program), *where, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)


@contextmanager
def fresh_cluster(user: str, password: str) -> Iterator[Cluster]:
    """A new, empty cluster that asks for a password; removed at the end. Skips where PostgreSQL is not installed."""
    found = sorted(PACKAGES.glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL's packages are not installed (.ci/install does it)")
    # pytest's own folders are closed to other accounts.
    folder = Path(tempfile.mkdtemp(prefix="brev-pg-"))
    try:
        (folder / "password").write_text(password)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            for path in (folder, folder / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        options = ["--auth=scram-sha-256", "-U", user, f"--pwfile={folder / 'password'}", "--no-sync", "-E", "UTF8"]
        command = [*_as_unprivileged(), str(found[-1]), "-D", str(folder / "data"), *options]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, cwd=folder)
        yield Cluster(found[-1].parent, folder, user, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_unprivileged() -> list[str]:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
