"""What the pages take from the program: every key, every rule, every command; and that the site can be built."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from brev_pipeline.cli import main
from brev_pipeline.config import PipelineConfig, labels
from brev_pipeline.config.labels import LABEL_KINDS
from brev_pipeline.expectations import SUITES
from brev_pipeline_tests.docs.blocks import REPOSITORY

KIND_MODELS = {
    one.model_fields["kind"].annotation.__args__[0]: one
    for one in vars(labels).values()
    if isinstance(one, type) and issubclass(one, labels.Section) and "kind" in one.model_fields
}
CHECKS = (REPOSITORY / "docs/checks.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_hooks", REPOSITORY / "docs/hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keys(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str]]:
    """Section and key of everything that a configuration may say, out of the models themselves."""
    for name, field in model.model_fields.items():
        yield path, name
        for inner, several in sections(field.annotation):
            yield from keys(inner, f"{path}.{name}{several}".lstrip("."))
        if (path, name) == ("datasets[]", "labels"):
            for kind in LABEL_KINDS:
                yield from keys(KIND_MODELS[kind], f"{path}.{name}[] of kind {kind}")


def sections(annotation: Any) -> Iterator[tuple[type[BaseModel], str]]:
    several = "[]" if getattr(annotation, "__origin__", None) is list else ""
    for kind in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind, several


def test_the_reference_names_every_key_with_what_it_means(hooks: ModuleType) -> None:
    page = hooks.configuration()
    parts = re.split(r"^### (.*)$", page, flags=re.M)
    by_section = dict(zip(parts[1::2], parts[2::2], strict=True))
    every = list(keys(PipelineConfig))
    assert len(every) > 100
    for section, key in every:
        table = by_section[f"`{section}`" if section else "The file itself"]
        (row,) = re.findall(rf"^\| `{key}` \| (.+) \|$", table, re.M)
        takes, _, told = re.split(r" ?(?<!\\)\| ?", row)
        assert takes, (section, key)
        assert told, f"{section}.{key} has no description in brev_pipeline/config"


def test_the_page_of_the_configuration_asks_for_the_reference(hooks: ModuleType) -> None:
    text = (REPOSITORY / "docs/configuration.md").read_text(encoding="utf-8")
    assert "| `max_quarantined` |" in hooks.on_page_markdown(text)
    assert "| `max_quarantined` |" not in text


def test_every_rule_has_its_sentence_and_what_to_do(hooks: ModuleType) -> None:
    wanted = [(stage, rule.name) for stage, suite in hooks.rules().items() for rule in suite]
    assert len(wanted) > 40
    assert set(hooks.rules()) == set(SUITES)
    assert [tuple(found) for found in re.findall(r"^<!-- rule: (\w+)\.(\w+) -->$", CHECKS, re.M)] == wanted
    for stage, name in wanted:
        below = re.search(
            rf"^### {name} {{ #{stage}-{name} }}\n\n<!-- rule: {stage}\.{name} -->\n\n(.+?)(?=^##|\Z)",
            CHECKS,
            re.M | re.S,
        )
        assert below, f"{stage}.{name} has no heading of its own in docs/checks.md"
        assert len(below[1].strip()) > 20, f"{stage}.{name} does not say what to do"


def test_every_command_is_shown(hooks: ModuleType) -> None:
    page = hooks.commands()
    for name in main.commands:
        assert f"## {name}\n" in page
        assert f"Usage: brev-pipeline {name}" in page


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").glob("*.html"))
    assert len(pages) > 10
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(
            r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//[^"]*"|<link[^>]+rel="stylesheet"[^>]+//', text
        )
        assert not fetched, f"{page.name}: {fetched}"
