"""``plan`` and ``diff`` as people read them, on narrow terminals too."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brev_pipeline.cli import main
from brev_pipeline.stages import SPECS
from brev_pipeline_tests.pipelines import SETTINGS, configure, draw_photos, run

pytestmark = pytest.mark.slow

LOOSE = SETTINGS + "validation: {raw_listing: {max_shrinkage: 1.0}}"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def lines(text: str) -> dict[str, list[str]]:
    """Section → what stands under it, one line each however they were wrapped."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in text.splitlines():
        title = line[:12].strip() or title
        found.setdefault(title, []).append(line[12:].strip())
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline with a version, and after it all kinds of changes."""
    folder = tmp_path_factory.mktemp("parts")
    draw_photos(folder / "photos", {"good": 10, "bad": 8})
    (folder / "parts.yaml").write_text(LOOSE)
    assert run(configure(folder, LOOSE)).success
    draw_photos(folder / "photos", {"awry": 4})
    (folder / "photos/bad").rename(folder / "photos/b[0]ken")
    (folder / "photos/good/3_0.png").unlink()
    return folder


@pytest.fixture(scope="module")
def planned(folder: Path) -> Result:
    return call("plan", folder / "parts.yaml")


@pytest.fixture(scope="module")
def published_again(folder: Path, planned: Result) -> Path:
    """The folder with a second version: of all those changes, and of another seed."""
    assert run(configure(folder, LOOSE.replace("seed: 3", "seed: 4"))).success
    return folder


def test_plan_names_what_is_new_gone_and_renamed_by_class(planned: Result) -> None:
    assert planned.exit_code == 0, planned.output
    found = lines(planned.output)
    assert planned.output.startswith("parts: a run would publish a new version\n")
    assert found["images"][0] == "36 → 43: 8 new, 1 gone, 16 renamed, 16 other class"
    table = {row.split()[0]: row.split(None, 1)[1] for row in found["images"][1:5]}
    assert {name: " ".join(row.split()) for name, row in table.items()} == {
        "awry": "0 → 8 8 new",
        "b[0]ken": "0 → 16 16 renamed, 16 other class",
        "bad": "16 → 0",
        "good": "20 → 19 1 gone",
    }
    # A name that looks like a mark of Rich's is no mark.
    assert "renamed: photos/bad/0_0.png → photos/b[0]ken/0_0.png" in found["images"]
    assert "… and 13 more" in found["images"]


def test_plan_tells_records_size_time_and_what_is_open(planned: Result) -> None:
    found = lines(planned.output)
    assert "to write" in found["records"][0]
    assert found["decode"][0].startswith("8 images, ")
    assert found["size"][0].startswith("about ")
    assert " ".join(found["time"]).startswith("about ")
    assert "by the pace of the last runs" in " ".join(found["time"])
    assert " ".join(found["open"]).startswith("8 images: never decoded")


def test_plan_of_nothing_new_is_short(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 8})
    (tmp_path / "parts.yaml").write_text(SETTINGS)
    first = call("plan", tmp_path / "parts.yaml")
    assert "nothing was published yet: all is new" in first.output
    assert "no run was timed" in " ".join(lines(first.output)["time"])
    assert "new: photos" not in first.output
    assert run(configure(tmp_path)).success
    known = call("plan", tmp_path / "parts.yaml")
    assert known.exit_code == 0
    assert [line.rstrip() for line in known.output.splitlines()[2:]] == [
        "images      32: none is new, gone or otherwise",
        "records     32: 32 stand already",
    ]


def test_why_another_version_is_published_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 8})
    (tmp_path / "known.csv").write_text("folder,item,purpose\ngood,2,train\n")
    text = SETTINGS.replace("seed: 42", "seed: 42\n  ledger_csv: known.csv")
    (tmp_path / "parts.yaml").write_text(text)
    assert run(configure(tmp_path, text)).success
    assert json.loads(call("plan", tmp_path / "parts.yaml", "--json").stdout)["because"] == []
    # Line ends alone: the same rows, so that nothing else is otherwise.
    (tmp_path / "known.csv").write_bytes(b"folder,item,purpose\r\ngood,2,train\r\n")
    number = SPECS["tfrecord_shards"].code
    monkeypatch.setitem(SPECS, "tfrecord_shards", replace(SPECS["tfrecord_shards"], code="99"))
    planned = call("plan", tmp_path / "parts.yaml")
    assert planned.output.startswith("parts: a run would publish a new version\n")
    found = lines(planned.output)
    told = "otherwise: what the file of split.ledger_csv holds; the code of stages; the records"
    assert " ".join(found["because"]) == told
    assert found["code"] == [f"tfrecord_shards: {number} → 99"]
    assert run(configure(tmp_path, text)).success
    assert lines(call("diff", tmp_path / "parts.yaml").output)["code"] == found["code"]


def test_a_stop_is_told_with_its_rows_and_status_1(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "photos/good/1_0.png", folder / "photos/awry/50_0.png")
    stopped = call("plan", folder / "parts.yaml")
    (folder / "photos/awry/50_0.png").unlink()
    assert stopped.exit_code == 1
    assert stopped.output.startswith("parts: a run would stop, and publish nothing\n")
    told = " ".join(lines(stopped.output)["would stop"])
    assert "sample_integrity.no_label_conflict" in told
    assert "photos/awry/50_0.png" in told
    assert "SplitError" in told


def test_an_error_of_a_stage_is_told_as_the_run_tells_it(tmp_path: Path) -> None:
    (tmp_path / "parts.yaml").write_text(SETTINGS)
    stopped = call("plan", tmp_path / "parts.yaml")
    assert stopped.exit_code == 1
    assert "raw_listing: ListingError: " in " ".join(lines(stopped.output)["would stop"])
    assert "Traceback" not in stopped.output


def test_diff_tells_what_the_run_made_of_it(published_again: Path, planned: Result) -> None:
    compared = call("diff", published_again / "parts.yaml")
    assert compared.exit_code == 0, compared.output
    found = lines(compared.output)
    assert found["images"] == lines(planned.output)["images"]
    assert found["setting"] == ["sampling.seed: 3 → 4"]
    assert found["weights"][0] == "groups that are drawn otherwise"
    assert all("→" in row for row in found["weights"][2:])
    assert "byte for byte" in " ".join(found["records"])


def test_no_name_moves_or_colours_what_the_terminal_shows(tmp_path: Path) -> None:
    """A newline, a terminal's own codes, and writing turned round; other scripts are shown as they are."""
    for name in ("two\nlines", "red\x1b[31m", "\u202eturned", "ключ"):
        draw_photos(tmp_path / "photos", {name: 4})
    (tmp_path / "parts.yaml").write_text(LOOSE)
    planned = call("plan", tmp_path / "parts.yaml")
    named = [line.split()[0] for line in planned.output.splitlines() if line.endswith("8 new  ")]
    assert sorted(named) == sorted(["two\\u000alines", "red\\u001b[31m", "\\u202eturned", "ключ"])
    assert "two\\u000alines gets" in " ".join(lines(planned.output)["labels"])
    assert "\x1b" not in planned.output
    found = json.loads(call("plan", tmp_path / "parts.yaml", "--json").stdout)
    assert "two\nlines" in {row["class"] for row in found["images"]["by_class"]}


def test_an_empty_id_is_not_taken_for_the_newest_version(folder: Path) -> None:
    refused = call("diff", folder / "parts.yaml", "")
    assert refused.exit_code == 1
    assert "the id of a version is empty" in refused.output


@pytest.mark.parametrize("width", [40, 60, 200])
def test_no_line_is_wider_than_the_terminal_but_for_paths(
    published_again: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for command in ("plan", "diff"):
        shown = call(command, published_again / "parts.yaml")
        assert max(map(len, shown.output.splitlines())) <= width
        assert "renamed" in shown.output or command == "plan"
