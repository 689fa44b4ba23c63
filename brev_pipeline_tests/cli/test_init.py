"""``brev-pipeline init``: what is asked, what is shown, and that the file that comes of it runs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from brev_pipeline.cli import main
from brev_pipeline.config import load_config
from brev_pipeline_tests.buckets import mock_server
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


def flat(said: str) -> str:
    """What was said, as one line: paragraphs are wrapped."""
    return " ".join(said.split())


@pytest.mark.slow
def test_answers_become_a_configuration_that_runs(folder: Path) -> None:
    status, said = init(answers="photos\n1\ny\n1\ny\nn\nparts\nstore\ny\n")
    assert status == 0, said
    assert "28 images, 28 of them photos" in said
    assert "good/0_0.png → 0" in said
    assert "8 items in 28 photos, at most 4 photos of one" in said
    assert "up to 6 items stand on two sides" in flat(said)
    config = load_config(folder / "configs/parts.yaml")
    assert config.split.uniqueness_scope == "stratum"
    done = run(config)
    assert done.success, done.failures


def test_with_yes_nothing_is_asked_and_nothing_leaks(folder: Path) -> None:
    status, said = init("my.yaml", "--bucket", "photos", "--yes")
    assert status == 0, said
    config = load_config(folder / "my.yaml")
    assert config.name == "photos"
    assert config.split.uniqueness == r"/(\d+)_[^/]*$"
    assert config.split.uniqueness_scope == "global"
    assert config.split.stratification == config.sampling.groupby == ["category"]
    assert "item 0 is found under more than one class, as are 5 others: taken for the same one" in flat(said)
    done = run(config)
    assert done.success, done.failures
    sides: dict[str, set[str]] = {}
    for row in done.store.newest_version()[1].read_table("assignments").to_pylist():  # type: ignore[index]
        sides.setdefault(row["path"].rpartition("/")[2].partition("_")[0], set()).add(row["purpose"])
    assert len(sides) == 8
    assert all(len(found) == 1 for found in sides.values())


def test_items_that_stand_on_two_given_sides_are_told_before_a_configuration_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        side = ("train", "val", "test")[number % 3]
        for photo, folder in enumerate((side, "train" if number == 2 else side)):
            draw_photos(tmp_path / "photos" / folder / "ok", {"": 1}, photos_per_item=1)
            drawn = next((tmp_path / "photos" / folder / "ok").glob("0_0.*"))
            drawn.rename(drawn.with_name(f"part{number:02}_{photo}{drawn.suffix}"))
    monkeypatch.chdir(tmp_path)
    status, said = init(
        "my.yaml", "--bucket", "photos", "--yes", "--pattern", r"/(part\d+)_[^/]*$", "--category", "none"
    )
    assert status != 0
    assert "cannot stand where it puts them" in flat(said)
    assert not (tmp_path / "my.yaml").exists()


@pytest.mark.slow
def test_one_class_is_written_as_meant_only_if_somebody_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photos(tmp_path / "photos", {"images": 12})
    monkeypatch.chdir(tmp_path)
    status, said = init("asked.yaml", "--bucket", "photos", answers="\n" * 20)
    assert status == 0, said
    assert init("yes.yaml", "--bucket", "photos", "--yes")[0] == 0
    told = {name: run(load_config(tmp_path / f"{name}.yaml")).failed_checks for name in ("asked", "yes")}
    assert told == {"asked": [], "yes": ["raw_listing.labels_useful"]}
    assert load_config(tmp_path / "asked.yaml").listing.classes == ["unlabelled"]


def test_scope_can_be_said_and_its_price_is_told(folder: Path) -> None:
    status, said = init("my.yaml", "--bucket", "photos", "--scope", "stratum", "--yes")
    assert status == 0, said
    assert load_config(folder / "my.yaml").split.uniqueness_scope == "stratum"
    (told,) = [line for line in said.splitlines() if "on two sides: a leak" in line]
    assert int(told.split()[0]) > 0


def test_a_pattern_of_ones_own_is_shown_and_may_be_corrected(folder: Path) -> None:
    answers = "1\ny\n(\n\\d\n/(\\d+)x\nn\n/(\\d+)_\ny\ny\nparts\nstore\ny\n"
    status, said = init("--bucket", "photos", answers=answers)
    assert status == 0, said
    assert "not a regular expression" in said
    assert "no group" in said
    assert "28 of 28 paths have no item" in said
    assert load_config(folder / "configs/parts.yaml").split.uniqueness == r"/(\d+)_"
    assert load_config(folder / "configs/parts.yaml").split.uniqueness_scope == "global"


def test_classes_of_ones_own_are_shown_and_may_be_corrected(folder: Path) -> None:
    answers = "-3\n-1\nn\n/(?P<category>[a-z])[^/]*/[^/]+$\ny\n1\ny\ny\nparts\nstore\ny\n"
    status, said = init("--bucket", "photos", answers=answers)
    assert status == 0, said
    assert "28 photos have no class" in flat(said)
    assert load_config(folder / "configs/parts.yaml").listing.category == "/(?P<category>[a-z])[^/]*/[^/]+$"


def test_what_a_run_would_make_of_it_is_shown_before_it_is_written(folder: Path) -> None:
    status, said = init("--bucket", "photos", answers="1\ny\n1\ny\ny\nparts\nstore\nn\n")
    assert status == 2
    assert "nothing was written" in said
    assert not (folder / "configs").exists()
    shown = said.partition("What a run would make of it")[2].splitlines()[2:5]
    rows = {line.split()[0]: [int(cell) for cell in line.split()[1:]] for line in shown}
    assert rows["good"][2] == 16
    assert rows["bad"][2] == 12
    assert rows["all"] == [rows["good"][side] + rows["bad"][side] for side in range(3)]
    assert "8 items, 8 groups that may not be divided" in said


def test_copies_under_two_items_and_two_classes_are_told(folder: Path) -> None:
    (folder / "photos/bad/40_0.png").write_bytes((folder / "photos/good/3_0.png").read_bytes())
    status, said = init("my.yaml", "--bucket", "photos", "--yes")
    assert status == 0, said
    said = flat(said)
    assert "1 photo is a copy of another, byte for byte" in said
    assert "such as bad/40_0.png and good/3_0.png: one item under two names" in said
    assert "has the bytes of a photo of another class" in said


def test_where_it_is_not_sure_yes_stops_and_says_what_settles_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photos(tmp_path / "photos", {"images": 30}, photos_per_item=1)
    names = sorted(path.name for path in (tmp_path / "photos/images").iterdir())
    (tmp_path / "photos/labels.csv").write_text("name,label\n" + "".join(f"{name},ok\n" for name in names))
    monkeypatch.chdir(tmp_path)
    status, said = init("my.yaml", "--bucket", "photos", "--yes")
    assert status == 2
    assert "--category: no path says the class; it may stand in labels.csv" in flat(said)
    assert "or none: all photos are one class" in flat(said)
    assert not (tmp_path / "my.yaml").exists()
    status, said = init("my.yaml", "--bucket", "photos", "--yes", "--category", "none")
    assert status == 0, said
    assert "unlabelled" in said


def test_too_few_items_for_all_sides_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_photos(tmp_path / "photos", {"good": 1}, photos_per_item=9)
    monkeypatch.chdir(tmp_path)
    status, said = init("my.yaml", "--bucket", "photos", "--pattern", r"/(\d+)_", "--yes")
    assert status == 2
    assert "the photos cannot be divided so" in flat(said)
    assert not (tmp_path / "my.yaml").exists()


@pytest.mark.parametrize("pattern", [r"/(\d+)_", "photo", "folder"])
def test_no_photo_is_said_whatever_the_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    draw_photos(tmp_path / "photos", {"good": 1})
    monkeypatch.chdir(tmp_path)
    status, said = init("my.yaml", "--bucket", "photos", "--sample-filter", "zzz", "--pattern", pattern, "--yes")
    assert status == 2
    assert "2 images, 0 of them photos" in said
    assert not (tmp_path / "my.yaml").exists()


def test_outside_of_a_checkout_the_schema_is_written_and_the_commands_fit(folder: Path) -> None:
    status, said = init("--bucket", "photos", "--yes")
    assert status == 0, said
    assert (folder / "configs/photos.yaml").read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    assert "image" in (folder / "configs/schema.json").read_text()
    assert "make ui" not in said
    assert f"BREV_PIPELINE_CONFIGS={folder / 'configs'} dagster dev -m brev_pipeline.definitions" in said
    (folder / "workspace.yaml").touch()
    (folder / "Makefile").touch()
    assert "make ui" in init("--bucket", "photos", "--yes", "--force")[1]


@pytest.mark.slow
def test_lists_of_files_become_the_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_photos(tmp_path / "photos", {"ok": 20, "nok": 20}, photos_per_item=1)
    sides = {"train": [], "val": [], "test": []}  # type: dict[str, list[str]]
    for number, file in enumerate(sorted((tmp_path / "photos").rglob("*.png"))):
        file = file.rename(file.with_name(f"{number:03}.png"))
        sides[("train", "train", "val", "test")[number % 4]].append(file.stem)
    for side, stems in sides.items():
        (tmp_path / f"photos/{side}.txt").write_text("\n".join(stems) + "\n")
    monkeypatch.chdir(tmp_path)
    status, said = init("my.yaml", "--bucket", "photos", "--yes")
    assert status == 0, said
    done = run(load_config(tmp_path / "my.yaml"))
    assert done.success, done.failures
    found: dict[str, list[str]] = {}
    for row in done.store.newest_version()[1].read_table("assignments").to_pylist():  # type: ignore[index]
        found.setdefault(row["purpose"], []).append(row["path"].rpartition("/")[2][:3])
    assert {side: sorted(stems) for side, stems in found.items()} == {
        "train": sorted(sides["train"]), "devel": sorted(sides["val"]), "test": sorted(sides["test"])
    }  # fmt: skip


def test_nothing_is_wider_than_a_narrow_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    status, said = init("my.yaml", "--bucket", "photos", "--yes")
    assert status == 0, said
    shown = said.partition("Next:")[0].splitlines()
    assert max(map(len, shown)) <= 50


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
        (("--bucket", "photos", "--category", "9"), "--category 9: 28 photos have no class"),
        (("--bucket", "photos", "--store", "gs://b/x"), "store: 'gs://b/x': only s3:// and local folders"),
    ],
)
def test_what_is_refused_is_not_left_in_a_file(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    status, told = init("my.yaml", "--yes", *arguments)
    assert status == 2
    assert said in told
    assert "hunter2" not in told
    assert not (folder / "my.yaml").exists()


def test_a_bucket_on_s3_is_understood_as_a_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_photos(tmp_path / "photos", {"ok": 12, "nok": 12})
    files = {str(file.relative_to(tmp_path)): file.read_bytes() for file in (tmp_path / "photos").rglob("*.png")}
    files["photos/nok/30_0.png"] = files["photos/ok/3_0.png"]
    monkeypatch.chdir(tmp_path)
    with mock_server() as server:
        bucket = f"s3://{server.bucket(files)}/photos"
        status, said = init("my.yaml", "--bucket", bucket, "--endpoint-url", server.endpoint, "--yes")
    assert status == 0, said
    config = load_config(tmp_path / "my.yaml")
    assert (config.datasets[0].bucket, config.split.uniqueness) == (bucket, r"/(\d+)_[^/]*$")
    assert "13 items, 12 groups that may not be divided" in flat(said)
    assert "such as nok/30_0.png and ok/3_0.png: one item under two names" in flat(said)


def test_sides_that_a_word_of_a_folder_may_tell_are_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in ("SET-100K", "SET-VAL-7K"):
        for name in ("bad", "good"):
            (tmp_path / "photos" / side / name).mkdir(parents=True)
            for number in range(12):
                (tmp_path / "photos" / side / name / f"{side}_{name}_{number}.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    status, said = init("my.yaml", "--bucket", "photos", "--yes")
    assert (status, "--given: the folders SET-100K, SET-VAL-7K may be sides" in flat(said)) == (2, True), said
    status, said = init(
        "my.yaml", "--bucket", "photos", "--name", "a", "--store", "s", "--category", "-1", "--pattern", "photo",
        answers="(?P<side>x)\nnone\ny\n",
    )  # fmt: skip
    assert "has no group (?P<purpose>…)" in flat(said)
    assert status == 0, said
    assert load_config(tmp_path / "my.yaml").split.given is None
