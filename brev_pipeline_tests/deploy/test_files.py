"""The files of deploy/production agree with each other and with the checkout; no service is started here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from brev_pipeline_tests.dagster_processes import REPOSITORY
from brev_pipeline_tests.deploy.compose import Compose

FOLDER = REPOSITORY / "deploy" / "production"
DAGSTERS = ("code", "webserver", "viewer", "daemon")
PASSWORD = {"DAGSTER_POSTGRES_PASSWORD": "not so secret"}


def wanted_variables(value: Any) -> set[str]:
    """Names below ``env:`` anywhere in a file of Dagster's."""
    if isinstance(value, dict):
        if set(value) == {"env"}:
            return {str(value["env"])}
        return set().union(*(wanted_variables(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(wanted_variables(part) for part in value))
    return set()


@pytest.mark.parametrize("service", DAGSTERS)
def test_every_service_is_given_the_variables_that_dagster_reads(service: str) -> None:
    files = [yaml.safe_load((FOLDER / name).read_text()) for name in ("dagster.yaml", "workspace.yaml")]
    given = Compose(FOLDER / "compose.yaml", PASSWORD).environment(service)
    assert wanted_variables(files) <= set(given)
    assert given["DAGSTER_POSTGRES_PASSWORD"] == PASSWORD["DAGSTER_POSTGRES_PASSWORD"]


def test_without_a_password_compose_refuses_and_says_where_it_belongs() -> None:
    with pytest.raises(KeyError, match=r"set it in deploy/production/\.env"):
        Compose(FOLDER / "compose.yaml", {})


def test_nothing_but_the_webservers_is_published_and_they_to_this_machine_only() -> None:
    services = Compose(FOLDER / "compose.yaml", PASSWORD).services
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert published == {"webserver": ["127.0.0.1:3000:3000"], "viewer": ["127.0.0.1:3001:3001"]}


def test_dagster_accepts_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster._core.instance.config import dagster_instance_config

    for name, value in Compose(FOLDER / "compose.yaml", PASSWORD).environment("code").items():
        monkeypatch.setenv(name, value)
    settings, _ = dagster_instance_config(str(FOLDER))
    assert settings["telemetry"] == {"enabled": False}
    assert settings["run_monitoring"]["max_runtime_seconds"] > 0
    assert settings["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}


def test_no_secret_stands_in_the_files() -> None:
    for file in FOLDER.iterdir():
        for line in file.read_text().splitlines():
            secret = re.search(r"(?i)(password|secret|_key)\w*\s*[=:]\s*(\S+)", line)
            assert secret is None or secret[2].startswith(("${", "{")), f"{file.name}: {line}"
    assert {".env", "code.env"} <= set((FOLDER / ".gitignore").read_text().split())


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    names = " ".join(copied).split()
    assert "requirements.lock" in names
    kept = {line[1:] for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert set(names) == kept
    assert all((REPOSITORY / name).exists() for name in names)


def test_what_the_commands_name_exists_in_the_package() -> None:
    compose = Compose(FOLDER / "compose.yaml", PASSWORD)
    assert "brev_pipeline.definitions" in compose.command("code")
    assert Path(compose.command("daemon")[-1]).name == "workspace.yaml"
    launcher = yaml.safe_load((FOLDER / "dagster.yaml").read_text())["run_launcher"]
    assert (REPOSITORY / (launcher["module"].replace(".", "/") + ".py")).exists()
