"""``brev-pipeline init``: what is asked, what is shown, and that the file that comes of it runs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from brev_pipeline.cli import main
from brev_pipeline.config import load_config
from brev_pipeline_tests.pipelines import draw_photos, run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 6})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str, answers: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(main, ["init", *arguments], input=answers)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_answers_become_a_configuration_that_runs(folder: Path) -> None:
    status, said = init(answers="photos\n1\ny\nn\nparts\nstore\n")
    assert status == 0, said
    assert "28 images in 2 class folder(s)" in said
    assert "good/0_0.png" in said
    assert "8 items in 28 photos" in said
    config = load_config(folder / "configs/parts.yaml")
    assert config.split.uniqueness_scope == "stratum"
    done = run(config)
    assert done.success, done.failures


def test_with_yes_nothing_is_asked_and_the_best_guess_is_taken(folder: Path) -> None:
    status, said = init("my.yaml", "--bucket", "photos", "--yes")
    assert status == 0, said
    config = load_config(folder / "my.yaml")
    assert config.name == "photos"
    assert config.split.uniqueness == r"/(\d+)_\d+\.[^./]+$"
    assert "taken for different items" in said


def test_a_pattern_of_ones_own_is_shown_and_may_be_corrected(folder: Path) -> None:
    status, said = init("--bucket", "photos", answers="(\n\\d\n/(\\d+)x\nn\n/(\\d+)_\ny\ny\nparts\nstore\n")
    assert status == 0, said
    assert "not a regular expression" in said
    assert "no group" in said
    assert "28 of 28 paths have no item" in said
    assert load_config(folder / "configs/parts.yaml").split.uniqueness == r"/(\d+)_"
    assert load_config(folder / "configs/parts.yaml").split.uniqueness_scope == "global"


def test_a_file_that_is_there_is_not_replaced_unasked(folder: Path) -> None:
    (folder / "my.yaml").write_text("mine")
    status, said = init("my.yaml", "--bucket", "photos", "--yes")
    assert status == 2
    assert "my.yaml is there already" in said
    assert (folder / "my.yaml").read_text() == "mine"
    assert init("my.yaml", "--bucket", "photos", "--yes", "--force")[0] == 0


@pytest.mark.parametrize(
    ("bucket", "said"),
    [
        ("nowhere", "does not exist; name the folder"),
        ("photos/good/0_0.png", "is a file, not a folder"),
        ("empty", "no images were found in empty; name the folder"),
        ("texts", "no images were found in texts, though 1 other files, such as a.txt"),
    ],
)
def test_a_place_without_photos_is_explained(folder: Path, bucket: str, said: str) -> None:
    (folder / "empty").mkdir()
    (folder / "texts").mkdir()
    (folder / "texts/a.txt").touch()
    status, output = init("--bucket", bucket, "--yes")
    assert status == 1
    assert said in output
    assert not (folder / "configs").exists()


def test_without_somebody_to_answer_the_place_must_be_given(folder: Path) -> None:
    status, said = init("--yes")
    assert status == 2
    assert "give --bucket" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--bucket", "photos", "--endpoint-url", "http://user:hunter2@host"),
            "endpoint_url: holds a user or password",
        ),
        (("--bucket", "photos", "--store", "s3://user:hunter2@b/x"), "store: holds a user or password"),
        (("--bucket", "s3://user:hunter2@b/x"), "bucket: holds a user or password"),
        (("--bucket", "gs://b/x"), "only s3:// and local folders"),
        (("--bucket", "photos", "--name", "class"), "name: class is a word of Python's"),
        (("--bucket", "photos", "--store", "gs://b/x"), "store: 'gs://b/x': only s3:// and local folders"),
    ],
)
def test_what_is_refused_is_not_left_in_a_file(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    status, told = init("my.yaml", "--yes", *arguments)
    assert status == 2
    assert said in told
    assert "hunter2" not in told
    assert not (folder / "my.yaml").exists()
