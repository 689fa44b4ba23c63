"""Every command and every block of Python and YAML in README.md and docs/*.md does what the page says.

A block that is not run stands behind ``<!-- not run: reason -->``. Pages are run in a folder that looks like a
checkout after ``make demo``; of each page first all commands in order, then all Python in one process.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import click
import pytest
import yaml

from brev_pipeline.cli import main
from brev_pipeline.config import PipelineConfig, parse_config
from brev_pipeline_tests.docs.blocks import PAGES, REPOSITORY, Block, blocks, blocks_of, words_of

OURS = ("brev-pipeline", ".venv/bin/brev-pipeline")
RUNNABLE = (*OURS, "cat", "ls")
NOT_RUN = {
    "README.md": 1,
    "audit.md": 3,
    "benchmarks.md": 1,
    "bucket.md": 2,
    "commands.md": 1,
    "labels.md": 1,
    "read.md": 3,
    "start.md": 3,
}
"""Page → blocks that are not run. Whoever adds one says so here."""
OTHERS = ("deployment.md", "scale-out.md")
"""Pages about servers and clusters: their commands are those of docker, Ray and the like."""
MINIMAL = {"name": "any", "store": "store", "datasets": [{"name": "a", "id": "a", "bucket": "a"}]}

ran = [block for block in blocks("console") if block.why_not is None]
python = [block for block in blocks("python") if block.why_not is None]


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", blocks("console"), ids=str)
def test_commands_are_those_that_the_program_has(block: Block) -> None:
    assert block.commands, f"{block}: no line begins with '$ '"
    for command in block.commands:
        words = words_of(command)
        if words[0] in OURS:
            parse(words[1:])


def parse(words: list[str]) -> None:
    """Parse as the program does, without running anything."""
    # With the settings: commands keep the help option of the first context that asks.
    top = click.Context(main, info_name="brev-pipeline", **main.context_settings)
    name, command, rest = main.resolve_command(top, list(words))
    assert command is not None
    if not {"--help", "-h"} & set(rest):
        command.make_context(name, rest, parent=top)


@pytest.mark.parametrize("block", [block for block in blocks("yaml") if block.why_not is None], ids=str)
def test_configurations_load(block: Block) -> None:
    given = yaml.safe_load(block.text)
    if "labels" in given:  # of a dataset
        given = {"datasets": [{**dataset, **given} for dataset in MINIMAL["datasets"]]}
        PipelineConfig.model_validate({**MINIMAL, **given})
    elif "datasets" in given:
        parse_config(block.text, str(block))
    else:
        PipelineConfig.model_validate({**MINIMAL, **given})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_are_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_stand_where_they_are_tested(page: Path) -> None:
    """In blocks of other languages nobody would notice when a command stops working."""
    for block in blocks_of(page):
        assert block.language not in ("bash", "sh", "shell", "zsh", "py", "yml"), block
        assert block.language == "console" or not re.search(r"^\$ ", block.text, re.M), block


def test_what_is_not_run_is_known_and_says_why() -> None:
    exempt = [block for language in ("console", "python", "yaml") for block in blocks(language) if block.why_not]
    for block in exempt:
        print(f"{block}: {block.why_not}")
    counted = Counter(block.page for block in exempt if block.page not in OTHERS)
    assert dict(counted) == NOT_RUN


def test_what_is_run_is_harmless() -> None:
    wrong = [
        f"{block}: {command}" for block in ran for command in block.commands if words_of(command)[0] not in RUNNABLE
    ]
    assert not wrong, "mark these blocks with <!-- not run: reason -->: " + "; ".join(wrong)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``make demo`` leaves it."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(REPOSITORY / "configs", folder / "configs")
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    for command in ("brev-pipeline demo-data data/demo --flaws", "brev-pipeline run configs/demo.yaml"):
        execute(["bash", "-c", command], folder)
    return folder


def execute(command: list[str], folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("DAGSTER_HOME", None)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


RUN = sorted({block.page for block in [*ran, *python]})


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", RUN)
def test_a_page_does_what_it_says(page: str, checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    shutil.copytree(checkout, folder, symlinks=True)
    for block in ran:
        for command in block.commands if block.page == page else []:
            assert words_of(command)[0] in RUNNABLE, f"{block}: {command} is not run by a test: mark the block"
            execute(["bash", "-e", "-c", command], folder)
    lines = "\n".join(block.text for block in python if block.page == page)
    if lines:
        (folder / "page.py").write_text(lines, encoding="utf-8")
        execute([sys.executable, "page.py"], folder)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_plan_and_diff_print_what_their_page_shows(checkout: Path, tmp_path: Path) -> None:
    """But for ids, times and sizes; ``…`` stands for any lines."""
    folder = tmp_path / "checkout"
    shutil.copytree(checkout, folder, symlinks=True)
    change_as_the_page_says(folder)
    planned, compared = [block.text for block in blocks_of(REPOSITORY / "docs/commands.md") if block.language == "text"]
    for command, shown in (("plan", planned), ("run", ""), ("diff", compared)):
        printed = execute(["bash", "-c", f"brev-pipeline {command} configs/demo.yaml"], folder)
        for part in shown.split("…\n") if command == "diff" else [shown]:
            assert masked(part) in masked(printed), command


def change_as_the_page_says(folder: Path) -> None:
    import cv2

    good = folder / "data/demo/good"
    for known, new in ((1, 58), (2, 59)):
        for photo in sorted(good.glob(f"{known}_*"))[:2]:
            name = photo.name.replace(f"{known}_", f"{new}_", 1)
            cv2.imwrite(str(good / name), cv2.flip(cv2.imread(str(photo)), 1))
    for photo in good.glob("0_*"):
        photo.unlink()
    (good.parent / "missing_cap").rename(good.parent / "no_cap")
    settings = folder / "configs/demo.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("records_per_shard: 64", "records_per_shard: 96"), encoding="utf-8")


def masked(text: str) -> str:
    """Without ids, times and sizes, which are others with other packages and machines, and spaces at the ends."""
    text = re.sub(r"[0-9a-f]{16}|\d{4}-\d\d-\d\dT\S+|[\d,.]+(?= (?:[kMG]B|s|min)\b)", "#", text)
    # A copy of the checkout holds files that are new to it.
    text = re.sub(r"^(read +)\d+", r"\1#", text, flags=re.M)
    return re.sub(r" +$", "", text, flags=re.M)
