"""Reads a compose file as far as the end-to-end test needs it: what each service runs, with which environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*)|:\?([^}]*))?\}")


class Compose:
    """The services of a compose file, with its variables filled in.

    Args:
        file: the compose file.
        variables: what compose would take from its environment.
    """

    def __init__(self, file: Path, variables: Mapping[str, str]) -> None:
        raw = yaml.safe_load(file.read_text())
        self.services: dict[str, dict[str, Any]] = _fill(raw["services"], variables)

    def command(self, service: str) -> list[str]:
        """What a service runs."""
        return list(self.services[service]["command"])

    def environment(self, service: str) -> dict[str, str]:
        """Variables that a service is given."""
        return dict(self.services[service]["environment"])

    def check(self, service: str) -> list[str]:
        """The command by which compose asks whether a service is well."""
        kind, *command = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        return command


def _fill(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(part, variables) for key, part in value.items()}
    if isinstance(value, list):
        return [_fill(part, variables) for part in value]
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _value(found, variables), value)
    return value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, default, complaint = found.groups()
    if variables.get(name):
        return variables[name]
    if complaint is not None:
        raise KeyError(f"{name}: {complaint}")
    return default or ""
