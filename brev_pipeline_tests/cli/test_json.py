"""``--json``: one document on standard output and nothing else there, the same exit status, errors alike."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from brev_pipeline.cli import main
from brev_pipeline.cli.output import JSON_FLAG
from brev_pipeline_tests.pipelines import SETTINGS, draw_photos

PRINTS_NO_RESULTS = {"init", "schema", "completion"}


def call(*arguments: object, status: int = 0) -> Any:
    done = CliRunner().invoke(main, [*map(str, arguments), JSON_FLAG])
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    draw_photos(folder / "photos", {"good": 6, "bad": 4})
    (folder / "parts.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
def document(folder: Path) -> Any:
    """Of a run, by a real process."""
    command = [sys.executable, "-m", "brev_pipeline", "run", str(folder / "parts.yaml"), JSON_FLAG]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "raw_listing" in done.stderr
    return json.loads(done.stdout)


def test_every_command_that_prints_results_has_it() -> None:
    have = {
        name for name, command in main.commands.items() if any(JSON_FLAG in option.opts for option in command.params)
    }
    assert set(main.commands) - have == PRINTS_NO_RESULTS


@pytest.mark.slow
def test_run_tells_the_version_and_the_stages(document: Any, folder: Path) -> None:
    (version,) = (folder / "store/parts/versions").iterdir()
    assert document["published"] is True
    assert document["version"] == {"id": version.name, "path": str(version), "is_new": True}
    first = document["stages"][0]
    assert first["stage"] == "raw_listing"
    assert (first["done"], first["rows"], first["failed"], first["counts"]["images"]) == (True, 20, 0, 20)
    assert first["passed"] == 8
    assert document["checks"] == []
    assert document["failures"] == []


@pytest.mark.slow
def test_a_run_whose_check_fails_names_it_with_examples(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "photos/good", folder / "copies/good")
    shutil.copytree(folder / "photos/good", folder / "copies/bad")
    (folder / "with_conflict.yaml").write_text(SETTINGS.replace("bucket: photos", "bucket: copies"))
    failed = call("run", folder / "with_conflict.yaml", "--store", tmp_path, status=1)
    assert failed["published"] is False
    assert failed["version"] is None
    (check,) = failed["checks"]
    assert (check["stage"], check["check"], check["severity"]) == ("sample_integrity", "no_label_conflict", "error")
    assert check["examples"]
    assert not failed["stages"][2]["done"]


def test_a_stage_that_fails_gives_its_reason(tmp_path: Path) -> None:
    (tmp_path / "parts.yaml").write_text(SETTINGS)
    failed = call("run", tmp_path / "parts.yaml", status=1)
    (failure,) = failed["failures"]
    assert failure["step"] == "parts__raw_listing"
    assert "ListingError" in failure["reason"]
    assert "Traceback" not in failure["reason"]


def test_check_lists_files_with_their_problems(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: 1\nstoer: x")
    found = call("check", folder / "parts.yaml", tmp_path / "bad.yaml", status=2)["files"]
    assert [file["good"] for file in found] == [True, False]
    assert found[0]["problems"] == []
    assert any("did you mean store?" in problem for problem in found[1]["problems"])


def test_versions_lists_the_log(document: Any, folder: Path) -> None:
    (entry,) = call("versions", folder / "parts.yaml")["versions"]
    assert entry["number"] == 1
    assert entry["version"] == document["version"]["id"]
    assert entry["records"]["train"] == 12


def test_versions_of_an_empty_store_is_an_empty_list(folder: Path, tmp_path: Path) -> None:
    assert call("versions", folder / "parts.yaml", "--store", tmp_path)["versions"] == []


def test_verify_says_that_all_is_well(document: Any, folder: Path) -> None:
    found = call("verify", folder / "parts.yaml", "--deep", 2)
    assert found["is_well"] is True
    assert found["remade"][0]["same"] == 2


def test_verify_names_damage_with_the_same_status(document: Any, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "store", tmp_path / "store")
    shutil.rmtree(tmp_path / "store/parts/tables")
    (tmp_path / "store/parts/versions" / document["version"]["id"] / "extra.txt").write_text("x")
    found = call("verify", folder / "parts.yaml", "--store", tmp_path / "store", status=1)
    assert found["is_well"] is False
    assert "extra.txt: not in the manifest" in "".join(found["versions"][0]["problems"])


def test_trace_gives_the_facts(document: Any, folder: Path) -> None:
    facts = call("trace", folder / "parts.yaml", "--purpose", "train", "--shard", 0, "--record", 0)
    assert facts["record"]["purpose"] == "train"
    assert facts["version"]["id"] == document["version"]["id"]
    again = call("trace", folder / "parts.yaml", "--path", facts["object"]["path"])
    assert again["records"]


def test_plan_says_what_a_run_would_do(document: Any, folder: Path, tmp_path: Path) -> None:
    known = call("plan", folder / "parts.yaml")
    assert (known["would"], known["compared_with"]["version"]) == ("nothing", document["version"]["id"])
    first = call("plan", folder / "parts.yaml", "--store", tmp_path)
    assert (first["would"], first["compared_with"], first["images"]["new"]) == ("publish", None, 20)
    (folder / "many.yaml").write_text(SETTINGS + "validation: {raw_listing: {min_images: 1000}}")
    stopped = call("plan", folder / "many.yaml", status=1)
    assert [(one["stage"], one["check"]) for one in stopped["stops"]] == [("raw_listing", "enough_images")]
    assert stopped["settings"] == [{"path": "validation.raw_listing.min_images", "was": 1, "now": 1000}]


def test_diff_compares_by_id_and_by_folder(document: Any, folder: Path, tmp_path: Path) -> None:
    own = document["version"]
    same = call("diff", folder / "parts.yaml", own["id"][:6], own["id"])
    assert (same["same"], same["images"]["now"]) == (True, 20)
    assert call("diff", folder / "parts.yaml", own["id"])["same"]
    shutil.copytree(own["path"], tmp_path / "copy")
    assert call("diff", tmp_path / "copy", own["path"])["same"]


def test_gc_gives_what_lies_in_the_store(document: Any, folder: Path) -> None:
    found = call("gc", folder / "parts.yaml")
    assert found["garbage"] == []
    assert found["removed"] == []
    assert found["rooms"]["versions"]["files"] > 5


def test_preview_and_demo_data_say_what_they_wrote(folder: Path, tmp_path: Path) -> None:
    drawn = call("preview", folder / "parts.yaml", "--out", tmp_path / "sheet.png")
    assert Path(drawn["file"]).is_file()
    assert drawn["shown"] == {"bad": 2, "good": 2}


@pytest.mark.slow
def test_demo_data_says_what_it_drew(tmp_path: Path) -> None:
    drawn = call("demo-data", tmp_path / "demo", "--flaws")
    assert sum(drawn["photos"].values()) == 180
    assert {flaw["kind"] for flaw in drawn["flaws"]} == {"byte copy", "pixel copy", "truncated"}


@pytest.mark.parametrize(
    ("arguments", "status", "kind"),
    [
        (["versions", "nowhere.yaml"], 2, "ConfigError"),
        (["verify", "{folder}/parts.yaml", "--store", "{folder}/empty"], 1, "StoreError"),
        (["trace", "{folder}/parts.yaml"], 2, "UsageError"),
        (["gc", "{folder}/parts.yaml", "--why", "no reason"], 2, "UsageError"),
        (["plan", "nowhere.yaml"], 2, "ConfigError"),
        (["diff", "{folder}/parts.yaml", "--store", "{folder}/empty"], 1, "ReadError"),
        (["diff", "{folder}/parts.yaml", "a", "b", "c"], 2, "UsageError"),
        (["diff", "{folder}/photos", "{folder}/photos"], 2, "ConfigError"),
        (["diff", "{folder}"], 2, "UsageError"),
        (["verify", "{folder}/parts.yaml", "--deep", "none"], 2, "UsageError"),
    ],
)
def test_an_error_is_a_document_with_the_same_status(
    arguments: list[str], status: int, kind: str, folder: Path
) -> None:
    words = [word.format(folder=folder) for word in arguments]
    error = call(*words, status=status)["error"]
    assert error["type"] == kind
    assert error["message"]
    plain = CliRunner().invoke(main, words)
    assert plain.exit_code == status
    assert plain.stdout == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert "_BREV_PIPELINE_COMPLETE" in done.stdout


def test_completion_knows_commands_and_options() -> None:
    from click.shell_completion import BashComplete

    complete = BashComplete(main, {}, "brev-pipeline", "_BREV_PIPELINE_COMPLETE")
    assert [found.value for found in complete.get_completions([], "ver")] == ["verify", "versions"]
    assert [found.value for found in complete.get_completions(["verify", "x.yaml"], "--de")] == ["--deep"]
    assert isinstance(main, click.Group)
