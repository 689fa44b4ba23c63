"""The deployment of ``deploy/production`` as plain processes: what compose starts in containers, started here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from brev_pipeline_tests.dagster_processes import REPOSITORY, Dagster, free_port
from brev_pipeline_tests.deploy.compose import Compose
from brev_pipeline_tests.deploy.postgres import fresh_cluster

FOLDER = REPOSITORY / "deploy" / "production"
HURRY: Mapping[str, Any] = {"poll_interval_seconds": 2, "cancellation_thread_poll_interval_seconds": 2}
"""Run monitoring every two seconds: the only thing in which these tests differ from the settings as shipped."""


class Production(Dagster):
    """Code server, webserver and daemon by the commands and variables of compose.yaml; PostgreSQL likewise.

    Args:
        folder: gets the Dagster home, logs and everything else.
        configs: the pipelines' YAML files.
    """

    def __init__(self, folder: Path, configs: Path) -> None:
        settings = yaml.safe_load((FOLDER / "dagster.yaml").read_text())
        settings["run_monitoring"] |= HURRY
        super().__init__(folder, configs, settings=yaml.safe_dump(settings))
        shutil.copy(FOLDER / "workspace.yaml", self.home)
        self.port, self.code_port = free_port(), free_port()
        self.viewer_port, self.database_port = free_port(), free_port()
        self.compose = Compose(FOLDER / "compose.yaml", self._variables(folder, configs))
        # PATH stands for the image's own.
        self.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment |= self.compose.environment("code")

    def _variables(self, folder: Path, configs: Path) -> dict[str, str]:
        return {
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": str(self.database_port),
            "DAGSTER_POSTGRES_PASSWORD": "p@ss: word/%41",
            "BREV_PIPELINE_POSTGRES_LISTEN": "127.0.0.1",
            "DAGSTER_COMPUTE_LOGS": str(folder / "logs"),
            "BREV_PIPELINE_CODE_HOST": "127.0.0.1",
            "BREV_PIPELINE_CODE_PORT": str(self.code_port),
            "BREV_PIPELINE_CODE_BIND": "127.0.0.1",
            "BREV_PIPELINE_CONFIGS": str(configs),
            "BREV_PIPELINE_WEBSERVER_BIND": "127.0.0.1",
            "BREV_PIPELINE_WEBSERVER_PORT": str(self.port),
            "BREV_PIPELINE_VIEWER_PORT": str(self.viewer_port),
        }

    @contextmanager
    def database(self) -> Iterator[None]:
        """PostgreSQL, empty, by the command of compose.yaml; ends after every other service."""
        environment = self.compose.environment("postgres")
        user, password = environment["POSTGRES_USER"], environment["POSTGRES_PASSWORD"]
        with fresh_cluster(user, password) as cluster:
            command = cluster.server(self.compose.command("postgres"), self.database_port)
            try:
                self.spawn("postgres", *command, cwd=cluster.folder)
                self.wait_ready("postgres", lambda: self.is_well("postgres"))
                cluster.call("createdb", environment["POSTGRES_DB"], port=self.database_port)
                yield
            finally:
                self.stop_all()

    def start_service(self, service: str) -> None:
        """A service of compose.yaml, up to the moment at which its own health check is content."""
        self.spawn(service, *self.compose.command(service), cwd=self.home)
        self.wait_ready(service, lambda: self.is_well(service))

    def is_well(self, service: str) -> bool:
        """What the health check of compose.yaml says."""
        check = self.compose.check(service)
        programs = [str(path.parent) for path in Path("/usr/lib/postgresql").glob("*/bin/pg_isready")]
        path = os.pathsep.join([self.environment["PATH"], *programs])
        environment = self.environment | {"PATH": path}
        run = subprocess.run(check, env=environment, cwd=self.home, capture_output=True, timeout=60, check=False)
        return run.returncode == 0
