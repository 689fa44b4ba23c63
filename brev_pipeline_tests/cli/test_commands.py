"""The command as a user meets it: what it prints, and its exit status."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brev_pipeline.cli import main
from brev_pipeline_tests.pipelines import SETTINGS, draw_photos


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    draw_photos(folder / "photos", {"good": 6, "bad": 4})
    (folder / "parts.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
def ran(folder: Path) -> Result:
    return call("run", folder / "parts.yaml")


def published(folder: Path) -> Path:
    (version,) = (folder / "store/parts/versions").iterdir()
    return version


@pytest.mark.slow
def test_run_prints_the_stages_and_where_the_version_stands(ran: Result, folder: Path) -> None:
    assert ran.exit_code == 0, ran.output
    for stage in ("raw_listing", "sample_integrity", "prepared_images", "sample_split", "tfrecord_shards"):
        assert stage in ran.output
    assert str(published(folder)) in ran.output
    assert "Published version" in ran.output


def test_versions_lists_what_was_published(ran: Result, folder: Path) -> None:
    listed = call("versions", folder / "parts.yaml")
    assert listed.exit_code == 0
    assert published(folder).name in listed.output
    assert "train 12" in listed.output


def test_verify_finds_all_well(ran: Result, folder: Path) -> None:
    verified = call("verify", folder / "parts.yaml")
    assert verified.exit_code == 0, verified.output
    assert "every hash, checksum and count is right, and no leak" in verified.output


def test_verify_takes_the_beginning_of_an_id_and_names_unknown_ones(ran: Result, folder: Path) -> None:
    assert call("verify", folder / "parts.yaml", published(folder).name[:6]).exit_code == 0
    unknown = call("verify", folder / "parts.yaml", "zzzz")
    assert unknown.exit_code == 1
    assert published(folder).name in unknown.output


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def edit_manifest(version: Path) -> None:
    manifest = json.loads((version / "manifest.json").read_text())
    manifest["counts"]["listed"] += 1
    (version / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda version: flip(next(version.glob("*.tfrecord-*"))), "damaged at byte"),
        (lambda version: flip(version / "weights.parquet"), "weights.parquet: altered"),
        (lambda version: next(version.glob("*.tfrecord-*")).unlink(), "missing"),
        (lambda version: (version / "extra.txt").write_text("x"), "extra.txt: not in the manifest"),
        (edit_manifest, "manifest.json: altered"),
    ],
)
def test_verify_names_every_damage(ran: Result, folder: Path, tmp_path: Path, damage: object, said: str) -> None:
    import shutil

    shutil.copytree(folder / "store", tmp_path / "store")
    damage(tmp_path / "store/parts/versions" / published(folder).name)  # type: ignore[operator]
    verified = call("verify", folder / "parts.yaml", "--store", tmp_path / "store")
    assert verified.exit_code == 1
    assert said in verified.output


def test_a_run_whose_check_fails_publishes_nothing_and_says_what_failed(folder: Path, tmp_path: Path) -> None:
    (folder / "strict.yaml").write_text(SETTINGS + "validation: {raw_listing: {min_images: 1000}}")
    failed = call("run", folder / "strict.yaml", "--store", tmp_path / "store", "--workers", 1)
    assert failed.exit_code == 1
    assert "raw_listing.enough_images" in failed.output
    assert "found 20" in failed.output
    assert "Nothing was published" in failed.output
    assert "Traceback" not in failed.output
    assert not (tmp_path / "store/parts/publications").exists()


def test_a_stage_that_fails_says_why_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "parts.yaml").write_text(SETTINGS)
    failed = call("run", tmp_path / "parts.yaml")
    assert failed.exit_code == 1
    assert "raw_listing: ListingError: " in failed.output
    assert "Traceback" not in failed.output


def test_a_wrong_configuration_is_refused_with_status_2(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: 1\nstoer: x")
    for command in ("run", "check", "versions", "verify"):
        refused = call(command, tmp_path / "bad.yaml")
        assert refused.exit_code == 2, command
        assert "did you mean store?" in refused.output


def test_check_says_which_files_are_good(folder: Path) -> None:
    good = call("check", folder / "parts.yaml")
    assert (good.exit_code, good.output) == (0, f"{folder / 'parts.yaml'}: good\n")


def test_a_missing_file_that_a_run_reads_is_told_before_the_run(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "parts.yaml"
    file.write_text(SETTINGS.replace("split:", "split:\n  ledger_csv: known.csv"))
    for command in ("run", "check"):
        refused = call(command, file)
        assert refused.exit_code == 2
        assert f"{file}:8: split.ledger_csv: {tmp_path}/known.csv cannot be read: No such file" in refused.output
    # Who looks at what is published does not need it.
    assert call("versions", file, "--store", folder / "store").exit_code == 0


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("gs://b/x", "only s3:// and local folders are known"),
        ("S3://b/x", "write s3://b/x"),
        ("s3://user:hunter2@b/x", "holds a user or password"),
    ],
)
def test_a_store_that_cannot_be_one_is_refused(folder: Path, store: str, said: str) -> None:
    for command in ("run", "versions", "verify"):
        refused = call(command, folder / "parts.yaml", "--store", store)
        assert refused.exit_code == 2
        assert refused.output.startswith("--store: ")
        assert said in refused.output
        assert "hunter2" not in refused.output


def test_nothing_published_yet_is_said(folder: Path, tmp_path: Path) -> None:
    assert "nothing was published yet" in call("versions", folder / "parts.yaml", "--store", tmp_path).output
    verified = call("verify", folder / "parts.yaml", "--store", tmp_path)
    assert verified.exit_code == 1
    assert "nothing was published yet" in verified.output


def test_schema_writes_what_editors_need(tmp_path: Path) -> None:
    assert call("schema", "--out", tmp_path / "schema.json").exit_code == 0
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert "datasets" in schema["properties"]
    assert json.loads(call("schema", "--out", "-").output) == schema
