"""A version's folder, copied anywhere, is verified with neither configuration nor store."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brev_pipeline.audit import verify_folder
from brev_pipeline.cli import main
from brev_pipeline.reading.find import version_in
from brev_pipeline_tests.audit.forging import Forgery
from brev_pipeline_tests.audit.worlds import World, flip


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def handed(world: World, tmp_path: Path) -> Path:
    """The newest version as an auditor is handed it."""
    return Path(shutil.copytree(world.newest.path, tmp_path / "handed over"))


def test_a_copied_folder_is_well_and_what_it_cannot_show_is_named(world: World, handed: Path) -> None:
    said = call("verify", handed)
    assert said.exit_code == 0, said.output
    assert f"its manifest gives the id {world.newest.id}: compare it" in said.output
    for what in ("the publication", "the report", "continuity with the version before", "the raw images"):
        assert f"not checked: {what}" in said.output, what
    assert (
        "every hash, checksum and count is right, and no leak; every claim but what is named above follows from what it holds"
        in said.output
    )


def test_its_document_holds_id_problems_and_what_is_unchecked(world: World, handed: Path) -> None:
    found = json.loads(call("verify", handed, "--json").stdout)
    assert (found["is_well"], found["version"], found["problems"]) == (True, world.newest.id, [])
    assert found["records"] == world.newest.table("records").num_rows
    assert len(found["unchecked"]) == 4


def test_damage_in_a_copied_folder_is_named(handed: Path) -> None:
    flip(handed / "weights.parquet", 60)
    (handed / "extra.txt").write_text("x")
    flip(handed / "report/index.html", 60)
    said = call("verify", handed)
    assert said.exit_code == 1
    assert "weights.parquet: altered" in said.output
    assert "extra.txt: not in the manifest" in said.output
    assert "report/index.html" not in said.output


def test_a_forged_label_in_a_copied_folder_is_named(copy: World, tmp_path: Path) -> None:
    forgery = Forgery.of(copy.store)
    path = forgery.tables["assignments"].to_pylist()[0]["path"]
    for table in ("listing", "assignments"):
        forgery.put(table, "category", lambda row: row["path"] == path, ["good"])
    forgery.redraw()
    forged = forgery.publish()
    handed = Path(shutil.copytree(forged.path, tmp_path / "handed"))
    said = call("verify", handed)
    assert said.exit_code == 1
    assert f"category of {path}" in said.output


@pytest.mark.parametrize(("column", "value"), [("purpose", "test"), ("leak_group", "photos/other")])
def test_what_is_divided_shows_without_the_version_before(copy: World, column: str, value: str) -> None:
    forgery = Forgery.of(copy.store)
    rows = forgery.tables["assignments"].to_pylist()
    path = next(row["path"] for row in rows if row["purpose"] == "train" and row["leak_group"] != row["path"])
    forgery.put("assignments", column, lambda row: row["path"] == path, value)
    forgery.put("assignments", "leak_group", lambda row: row["path"] == path, path)
    forgery.redraw()
    problems = verify_folder(version_in(forgery.publish().path)).problems
    assert any(path in line and "with which it hangs together" in line for line in problems), problems


def test_a_folder_that_is_named_like_another_version_is_altered(world: World, tmp_path: Path) -> None:
    other = shutil.copytree(world.newest.path, tmp_path / world.oldest.id)
    (problem,) = verify_folder(version_in(other)).problems
    assert problem == (
        f"manifest.json: altered: the folder is named {world.oldest.id}, and its manifest gives {world.newest.id}"
    )


def test_another_folder_is_refused_and_says_what_it_is(world: World, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for folder, what in (
        (tmp_path, "neither a version nor a pipeline's store"),
        (world.root, "a pipeline's store, and no version's folder"),
    ):
        said = call("verify", folder)
        assert said.exit_code == 2
        assert what in said.output
        assert "name its configuration" in said.output


def test_options_that_need_a_store_are_refused(handed: Path) -> None:
    for option in (["--all"], ["--deep", "3"], ["--head", "0" * 64], ["abc"]):
        said = call("verify", handed, *option)
        assert said.exit_code == 2, said.output
        assert "is a folder: it is verified by itself, without" in said.output


def test_a_manifest_that_is_no_manifest_is_named(handed: Path) -> None:
    (handed / "manifest.json").write_text("{}")
    said = call("verify", handed)
    assert said.exit_code == 1
    assert "format None" in said.output
