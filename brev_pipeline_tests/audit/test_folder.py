"""A version's folder, copied anywhere, is verified with neither configuration nor store."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from brev_pipeline.audit import verify_folder
from brev_pipeline.cli import main
from brev_pipeline.errors import StoreError
from brev_pipeline.readers.find_version import open_version_folder
from brev_pipeline.store.versions import to_json
from brev_pipeline_tests.audit.forging import Forgery
from brev_pipeline_tests.audit.worlds import World, flip

Place = tuple[Any, ...]
"""Keys and numbers that lead to a value in JSON."""


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
    assert "every hash, checksum and count is right, and no leak; every claim but what is named above" in said.output


def test_its_document_holds_id_problems_and_what_is_unchecked(world: World, handed: Path) -> None:
    found = json.loads(call("verify", handed, "--json").stdout)
    assert (found["is_well"], found["version"], found["problems"]) == (True, world.newest.id, [])
    assert found["records"] == world.newest.read_table("records").num_rows
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
    problems = verify_folder(open_version_folder(forgery.publish().path)).problems
    assert any(path in line and "with which it hangs together" in line for line in problems), problems


def test_a_folder_that_is_named_like_another_version_is_altered(world: World, tmp_path: Path) -> None:
    other = shutil.copytree(world.newest.path, tmp_path / world.oldest.id)
    (problem,) = verify_folder(open_version_folder(other)).problems
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


@pytest.mark.parametrize(
    "raw",
    [b"[", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"format":1}', b'{"format":2}', b'{"format":true}'],
)
def test_json_that_is_no_manifest_is_one_problem(handed: Path, raw: bytes) -> None:
    (handed / "manifest.json").write_bytes(raw)
    (problem,) = verify_folder(open_version_folder(handed)).problems
    assert problem.startswith("manifest.json: ")


def _places(value: Any, place: Place = ()) -> Iterator[Place]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*place, key)
        yield from _places(value[key], (*place, key))


def _mutated(manifest: Any, place: tuple[Any, ...], value: Any) -> Any:
    made = inner = deepcopy(manifest)
    for key in place[:-1]:
        inner = inner[key]
    if value is _GONE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return made


_GONE = object()
_VALUES: tuple[Any, ...] = (_GONE, None, "x", [], {}, -1, True, 1e400)


def _fuzz(
    handed: Path, places: list[tuple[Any, ...]], count: int, seed: int
) -> Iterator[tuple[tuple[Any, ...], list[str]]]:
    """Place and problems of each of ``count`` manifests of which one value is another, with the id that fits."""
    manifest = json.loads((handed / "manifest.json").read_bytes())
    draw = random.Random(seed)
    for _ in range(count):
        place = draw.choice(places)
        mutated = _mutated(manifest, place, draw.choice(_VALUES))
        if mutated == manifest:
            continue
        (handed / "manifest.json").write_bytes(to_json(mutated))
        yield place, verify_folder(open_version_folder(handed)).problems


def test_whatever_stands_in_a_manifest_is_named_and_raises_nothing(handed: Path) -> None:
    # All of the schema's own places: most are refused before any file is read.
    manifest = json.loads((handed / "manifest.json").read_bytes())
    files = [place for place in _places(manifest["files"], ("files",)) if place[1] == "weights.parquet"]
    places = [(key,) for key in manifest if key not in ("format", "known_assignments_sha256")]
    places += [*files, ("counts", "listed"), ("counts", "images"), ("stages", "raw_listing")]
    for place, problems in _fuzz(handed, places, 60, 1):
        assert problems or place in (("plan",), ("user_checks",)), place


@pytest.mark.slow
def test_the_same_at_any_place(handed: Path) -> None:
    manifest = json.loads((handed / "manifest.json").read_bytes())
    found = list(_fuzz(handed, list(_places(manifest)), 150, 2))
    assert sum(bool(problems) for _, problems in found) > 100


def test_a_pipe_in_place_of_a_file_holds_nothing_up(handed: Path) -> None:
    for name in ("croissant.json", "records.parquet"):
        (handed / name).unlink()
        os.mkfifo(handed / name)
        problems = verify_folder(open_version_folder(handed)).problems
        assert any(name in line and "is a pipe or a device, and no file" in line for line in problems)
    (handed / "manifest.json").unlink()
    os.mkfifo(handed / "manifest.json")
    with pytest.raises(StoreError, match="is a pipe or a device"):
        open_version_folder(handed)


def test_links_are_not_followed_wherever_they_lead(handed: Path, tmp_path: Path) -> None:
    # The same bytes, and yet not the version's own.
    (handed / "croissant.json").rename(tmp_path / "elsewhere")
    (handed / "croissant.json").symlink_to(tmp_path / "elsewhere")
    (handed / "extra").symlink_to(tmp_path)
    problems = verify_folder(open_version_folder(handed)).problems
    assert any("croissant.json" in line and "a link stands where a file should be" in line for line in problems)
    assert "extra: not in the manifest" in problems
    assert len(problems) == 2
